/**
 * Tracks which stage reads which, by noting who asks while a source's `next()` is on the stack.
 *
 * Chains are built by calling generators with their inputs, so nobody says who reads a stage. Signal libraries learn
 * dependencies in the same way. A *reader* is one iterator over a stage, or its stream side:
 *
 * - *known*: it was made, or has asked once, synchronously within a step of a stage. It stays that stage's reader, also when
 *   it asks from the background later, and when that stage is over: operators and libraries read on. One that was handed on
 *   belongs to whose step it asks in.
 * - *possible*: it has never asked within a step, but a generator that awaited something else first may be behind it.
 * - *outside* the pipeline: neither.
 *
 * An error that is handed to a known or possible reader may still be caught, so it destroys no other stage. A stage that is
 * destroyed in the middle of a step takes along what only it can be reading. In doubt, a stage is left alone: that is
 * what the unbuffered chain does, and a stage that is destroyed wrongly loses values.
 */
import type { Failure } from './errors.ts';
import { NONE } from './list.ts';
import { Handle } from './members.ts';
import { calling, type Outer, type Place, type PossibleReader, type ReadingStage } from './place.ts';

/** One iterator over a stage, or its stream side: who reads by it. */
export class Reader implements PossibleReader {
  /** That of the stage it reads. */
  readonly place: Place<ReadingStage>;
  /** That of the stage whose generator reads, as far as known. */
  owner: Place<any> | undefined;
  /** Whether what it is handed may be caught within the pipeline. */
  isInside = false;
  /** Whether the last request was made within a step, so that the generator may wait for nothing but the answer. */
  isDirect = false;
  /** Whether it has left by `return()`. */
  hasLeft = false;
  /** The stage within whose step it was made. If it asks within a step of another one first, it is that one's. */
  #maker: Outer;
  #isDecided = false;
  #candidates: Place<ReadingStage>[] = NONE;

  constructor(place: Place<ReadingStage>) {
    this.place = place;
    this.#maker = calling;
    if (calling === undefined) place.isReadElsewhere();
  }

  /** A value is asked for. */
  asks(): void {
    this.isDirect = calling !== undefined;
    if (calling === undefined) {
      if (!this.#isDecided) this.#decide();
      else if (this.owner !== undefined) this.owner.hasBackground = true;
      else if (this.#candidates.length > 0) this.#claim();
    } else if (calling !== this.owner || !this.isInside) {
      this.#belongsTo(calling);
    }
  }

  /** It is handed an error. */
  fails(failure: Failure): void {
    if (this.owner !== undefined) this.owner.failedRead = failure;
    else for (const candidate of this.#candidates) candidate.failedRead = failure;
  }

  /**
   * Whether no stage but this one can be behind it. A stage that was made later is not taken for one that this one has made:
   * the next request of a server makes stages, too.
   */
  canOnlyBe(reading: Place<any>): boolean {
    if (this.owner !== undefined || !reading.wasGiven(this.place)) return false;
    return this.#candidates.every((place) => place === reading || !place.mayBeReading);
  }

  /** A generator that was closed in a step goes on, and asks for more. */
  #claim(): void {
    const reading = this.#candidates.filter((place) => place.mayBeReading);
    if (reading.length === 1 && reading[0]!.wasGiven(this.place)) reading[0]!.claim(this);
  }

  #belongsTo(owner: Place<any>, isGuess = false): void {
    this.owner?.readsNot(this.place, this);
    this.owner = owner;
    this.#maker = undefined;
    this.#isDecided = true;
    this.#candidates = NONE;
    if (owner.isOfSamePipeline(this.place)) this.isInside = true;
    owner.reads(this.place, isGuess ? this : undefined);
  }

  /** It has asked from nowhere first. */
  #decide(): void {
    if (this.#maker !== undefined) return this.#belongsTo(this.#maker, true);
    this.#isDecided = true;
    const candidates = this.place.candidates();
    this.isInside = candidates === undefined || candidates.length > 0;
    if (candidates === undefined || candidates.length === 0) return;
    this.#candidates = candidates;
    const handle = new Handle(this);
    for (const candidate of candidates) candidate.mayRead(handle);
  }
}
