/**
 * The place of a stage among those that read and are read. Who reads is noted by who asks while a source's `next()` is on the
 * stack: `reader.ts` says what follows from it.
 */
import type { Failure } from './errors.ts';
import { currentJob, inTurn } from './jobs.ts';
import { added, NONE, remove } from './list.ts';
import { type Handle, type Member, Members } from './members.ts';

/** How many sources may be called one within the other; deeper down, a call waits for the stack to unwind. */
const MAX_DEPTH = 64;

/** A reader that may belong to more stages than this is left alone when one of them is closed. */
const MOST_CANDIDATES = 32;

/** With more open stages in a pipeline than this, a new reader may belong to any of them: they are not looked at one by one. */
const MOST_LOOKED_AT = 1000;

/** A stage, as the stages that it reads, or that read it, know it. */
export interface ReadingStage {
  readonly isStepping: boolean;
  /** Whether its source is over, or the stage was destroyed. */
  readonly isOver: boolean;
  /** Whether a read of this reader is under way. */
  awaits(reader: PossibleReader): boolean;
  /** Destroys the stage because of another. */
  cancel(failure: undefined): void;
}

/** A reader that may be a stage's: it has asked from nowhere while the stage was in a step. */
export interface PossibleReader {
  readonly place: Place<any>;
  /** Whether no stage but this one can be behind it. */
  canOnlyBe(reading: Place<any>): boolean;
}

/** Called with each stage that a destroyed one was reading. `isAlone`: nobody else is known to read it. */
type Visit<S> = (read: S, isAlone: boolean, reader?: PossibleReader) => void;

/** Told when a generator waits for a stage, and when it is answered. */
export interface Waits {
  starves(): void;
  resumes(): void;
}

/** The place of a stage within whose step the source of another is called. */
export type Outer = Place<any> | undefined;

/** The place of the stage whose source is being called right now, and within how many others. */
export let calling: Outer;
let depth = 0;

/** Counts stages as they are made and started. */
let clock = 0;

/** Whether the stack might not hold another call: a chain of a thousand stages starts with its last. */
export function isDeep(): boolean {
  return depth >= MAX_DEPTH;
}

/** Calls something that is not part of the step that may be on the stack. */
export function apart(work: () => void): void {
  const outer = calling;
  calling = undefined;
  try {
    work();
  } finally {
    calling = outer;
  }
}

/** The stages of a pipeline, in the order in which they were made. */
export interface Places extends Iterable<Place<ReadingStage>> {
  /** How many of them have started and are not over. */
  startedCount: number;
}

/** The place of a stage among those that read and are read. It does not keep its stage alive. */
export class Place<S extends ReadingStage> implements Member {
  readonly handle: Handle<S>;
  /** Told when this stage's generator waits for another stage. */
  waits: Waits | undefined;

  /** Whether its generator was handed a value within the step under way, and may be at work on that. */
  isFed = false;
  /** What a read that may be its generator's has failed with last. Operators hand it on only later. */
  failedRead: Failure | undefined;
  /** Whether one of its readers goes on in the background, as operators and libraries do, and may work for it. */
  hasBackground = false;

  readonly #places: Places;
  readonly #madeAt = ++clock;
  /** The job in which it was made, where that matters, and the stage within whose step. */
  readonly #madeIn: number;
  readonly #maker: number;
  /** 0 while it has not started, and when it is over. */
  #startedAt = 0;
  #startedIn = 0;
  /** The stages that are known to read this one. */
  #readers: Place<S>[] = NONE;
  /** Set where the newest of them counts as one only because it has made this reader, which it may hand on. */
  #guess: PossibleReader | undefined;
  /** Whether some reader was made outside of any step, by somebody who may hand it on. */
  #isReadElsewhere = false;
  /** The stages of the pipeline that this one is known to read. */
  #reads: Members<Place<S>> | undefined;
  /** Stages of other pipelines that were asked within the present step. */
  #nested: Place<S>[] = NONE;
  /** Stages that nobody reads any more, but that this one may still read. */
  #abandoned: Members<Place<S>> | undefined;
  /** Readers behind which this stage may be. */
  #possible: Members<Handle<PossibleReader>> | undefined;
  /** Whether it is known what its generator was reading when the stage was destroyed in the middle of a step. */
  #isAttributed = false;
  /** What to do as soon as that is known. */
  #visit: Visit<any> | undefined;

  constructor(handle: Handle<S>, places: Places) {
    this.handle = handle;
    this.#places = places;
    this.#madeIn = places.startedCount > 0 ? currentJob() : 0;
    this.#maker = calling === undefined ? 0 : calling.#madeAt;
  }

  get isGone(): boolean {
    return this.handle.isGone;
  }

  get stage(): S | undefined {
    return this.handle.target;
  }

  /** The source is called for the first time. */
  start(): void {
    this.#startedAt = ++clock;
    this.#startedIn = currentJob();
    this.#places.startedCount++;
  }

  /** To be called around every call of the source, with the result of the first for the second. */
  enter(): Outer {
    const outer = calling;
    calling = this;
    this.isFed = false;
    depth++;
    if (this.#nested !== NONE) this.#nested = NONE;
    return outer;
  }

  leave(outer: Outer): void {
    calling = outer;
    depth--;
  }

  /** The source is over. If it has ended well, what it has left unread is nobody's concern. */
  end(): void {
    if (this.#startedAt > 0) this.#places.startedCount--;
    this.#startedAt = 0;
    this.#readsNoMore();
  }

  #readsNoMore(): void {
    if (this.#reads !== undefined) for (const read of this.#reads) read.#forget(this);
    this.#reads = undefined;
    this.#nested = NONE;
    this.#possible = undefined;
    const abandoned = this.#abandoned;
    this.#abandoned = undefined;
    if (abandoned === undefined) return;
    const others = Array.from(this.#others());
    for (const place of abandoned) place.#closeUnlessLeftTo(others);
  }

  /**
   * The source is over before what it reads, which it has not closed itself. Visits the stages that no other stage can come to
   * read, the last made first, so that none of them is in doubt because of another.
   */
  abandon(visit: (read: S) => void): void {
    const reads = this.#reads === undefined ? NONE : Array.from(this.#reads);
    this.end();
    if (reads.length === 0) return;
    for (const read of reads.toSorted((one, other) => other.#madeAt - one.#madeAt)) {
      if (read.#isAbandoned && !read.#isLeftToOneOf(this.#others())) inTurn(() => read.#tell(visit));
    }
  }

  get #isAbandoned(): boolean {
    return this.#readers.length === 0 && !this.#isReadElsewhere;
  }

  /** A stage that might have come to read this one is over. It may have been the last that could. */
  #closeUnlessLeftTo(others: Place<S>[]): void {
    if (!this.isGone && this.#isAbandoned && !this.#isLeftToOneOf(others)) inTurn(() => this.stage?.cancel(undefined));
  }

  /** Leaves this stage to one that may come to read it. Only that one looks at it again, so that an end stays cheap. */
  #isLeftToOneOf(others: Iterable<Place<S>>): boolean {
    for (const other of others) {
      if (other === this || !other.wasGiven(this)) continue;
      (other.#abandoned ??= new Members()).add(this);
      return true;
    }
    return false;
  }

  /** The stages that go on. One that has started, and that nobody reads any more, does not. */
  *#others(): Iterable<Place<S>> {
    for (const place of this.#places as Iterable<Place<S>>) {
      if (place.stage?.isOver === false && !(place.#startedAt > 0 && place.#isAbandoned)) yield place;
    }
  }

  /** The stage is destroyed in the middle of a step. Visits the stages that its generator reads. */
  letGo(visit: Visit<S>): void {
    const reads: Place<S>[] = this.#reads === undefined ? this.#nested : [...this.#reads, ...this.#nested];
    const possible = this.#possible;
    // It counts as started until its step is over: it may still read on.
    this.#readsNoMore();
    this.#isAttributed = reads.length > 0;
    for (const read of reads) {
      read.#forget(this);
      inTurn(() => read.#tell(visit));
    }
    if (this.#isAttributed || possible === undefined) return;
    this.#possible = possible;
    this.#visit = visit;
    this.#claimRead();
  }

  /** Visits the read under way that can only be this generator's, if there is just one: of several, some may be others'. */
  #claimRead(): void {
    const found: PossibleReader[] = [];
    for (const { target } of this.#possible ?? NONE) if (target?.canOnlyBe(this)) found.push(target);
    const [reader] = found;
    if (reader === undefined || found.length > 1 || !reader.place.stage?.awaits(reader)) return;
    this.claim(reader);
  }

  /** Visits the stage of a reader that is its generator's. */
  claim(reader: PossibleReader): void {
    const visit = this.#visit;
    if (visit === undefined) return;
    this.#isAttributed = true;
    this.#visit = undefined;
    this.#possible = undefined;
    inTurn(() => (reader.place as Place<S>).#tell(visit, reader));
  }

  /** The stage is over for its readers. */
  leaveReaders(): void {
    for (const reader of this.#readers) reader.#reads?.delete(this);
    this.#readers = NONE;
  }

  /** A reader is made outside of any step. */
  isReadElsewhere(): void {
    this.#isReadElsewhere = true;
  }

  /**
   * A reader of the stage `read` belongs to this stage.
   *
   * @param guess - That reader, if this stage has only made it so far, and may hand it on.
   */
  reads(read: Place<S>, guess?: PossibleReader): void {
    const isKnown = read.#readers.includes(this);
    read.#guess = isKnown ? undefined : guess;
    if (!isKnown) {
      if (read.#readers.length > 0) read.#readers = read.#readers.filter((reader) => reader.stage?.isOver === false);
      read.#readers = added(read.#readers, this);
    }
    if (this.isOfSamePipeline(read)) (this.#reads ??= new Members()).add(read);
    else if (!this.#nested.includes(read)) this.#nested = added(this.#nested, read);
  }

  /** A reader that this stage has made is another's. If nothing else says that this stage reads `read`, it does not. */
  readsNot(read: Place<S>, reader: PossibleReader): void {
    if (read.#guess !== reader) return;
    read.#guess = undefined;
    read.#forget(this);
    this.#reads?.delete(read);
    remove(this.#nested, read);
  }

  isOfSamePipeline(other: Place<ReadingStage>): boolean {
    return this.#places === other.#places;
  }

  /** The stages that may be behind somebody who reads this stage and asks from nowhere. `undefined`: too many to say. */
  candidates(): Place<ReadingStage>[] | undefined {
    if (this.#places.startedCount === 0) return NONE;
    if (this.#places.startedCount > MOST_LOOKED_AT) return undefined;
    const found: Place<ReadingStage>[] = [];
    for (const place of this.#places) {
      if (place.stage?.isStepping && place.#canKnow(this)) found.push(place);
      if (found.length > MOST_CANDIDATES) return undefined;
    }
    return found;
  }

  /** Whether the stage was there to be given to the generator of this one, or made within its step. */
  wasGiven(read: Place<ReadingStage>): boolean {
    return this.#madeAt > read.#madeAt || read.#maker === this.#madeAt;
  }

  /** Nobody knows yet whose this reader is. It may be this stage's. */
  mayRead(reader: Handle<PossibleReader>): void {
    (this.#possible ??= new Members()).add(reader);
  }

  /**
   * Whether its generator can have come to know the stage `read`: that was given to it, or made later, not in the job in
   * which this one started.
   */
  #canKnow(read: Place<ReadingStage>): boolean {
    if (this === read) return false;
    return (
      this.wasGiven(read) || (this.#startedAt > 0 && read.#madeAt > this.#startedAt && read.#madeIn !== this.#startedIn)
    );
  }

  /** Whether it may be behind a read: it is not over, or it is still in the step in which it was destroyed. */
  get mayBeReading(): boolean {
    const { stage } = this;
    return stage !== undefined && (!stage.isOver || (stage.isStepping && !this.#isAttributed));
  }

  #tell(visit: Visit<S>, reader?: PossibleReader): void {
    const { stage } = this;
    if (stage !== undefined) visit(stage, this.#readers.length === 0, reader);
  }

  #forget(reader: Place<S>): void {
    remove(this.#readers, reader);
  }
}
