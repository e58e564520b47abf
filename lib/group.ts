/** The stages of a pipeline, and the fate they share. It knows them by what it can do to them. */
import { abortError, Failure } from './errors.ts';
import { type Handle, type Member, Members } from './members.ts';
import type { Place, Places, ReadingStage } from './place.ts';
import { Origins } from './origins.ts';
import { type Abortable, type Watch, watchOver } from './signal.ts';

/** A stage, as its group knows it. */
export interface GroupMember {
  readonly place: Place<any>;
  /** Destroys the stage because of another one, or of the signal. */
  cancel(failure: Failure | undefined): void;
  /** Settles when the generator has cleaned up. */
  cleaned(): Promise<void>;
}

/**
 * Stages are held weakly, so that one which is dropped half read can be collected while its pipeline lives. A stage that a
 * consumer waits for is held, by the signal too if there is one: nothing else may refer to a chain that is stuck,
 * and its consumer must still be let go.
 */
export class Group implements Places, Abortable, Member {
  startedCount = 0;
  /** While all stages are destroyed: with what. One may close another that it was given as its source, before that one's turn. */
  fate: { readonly failure: Failure | undefined } | undefined;
  #origins: Origins | undefined;
  readonly #members = new Members<Handle<GroupMember>>();
  readonly #watch: Watch | undefined;
  #openCount = 0;
  /** Whether stages that are made from now on are destroyed at once, too: after an abort or a disposal. */
  #isSealed = false;
  #seal: Failure | undefined;
  /** The first thing that went wrong in a clean-up and was not reported to anybody. */
  #unreported: Failure | undefined;

  constructor(signal: AbortSignal | undefined) {
    if (signal?.aborted) this.abort(signal);
    else if (signal !== undefined) this.#watch = watchOver(signal);
  }

  /** Made where somebody observes stages. */
  get origins(): Origins {
    return (this.#origins ??= new Origins());
  }

  *[Symbol.iterator](): Iterator<Place<ReadingStage>> {
    for (const { target } of this.#members) if (target !== undefined) yield target.place;
  }

  get isGone(): boolean {
    return Array.from(this.#members).every((handle) => handle.isGone);
  }

  /** A stage was made. */
  add(handle: Handle<GroupMember>): void {
    this.#openCount++;
    this.#members.add(handle);
    if (this.#isSealed) handle.target?.cancel(this.#seal);
    else this.#watch?.add(this);
  }

  /** A stage was destroyed; its clean-up may last. */
  left(): void {
    if (--this.#openCount === 0) this.#watch?.delete(this);
  }

  /** A stage has cleaned up. */
  delete(handle: Handle<GroupMember>): void {
    this.#members.delete(handle);
  }

  /** A clean-up has failed, and nobody was told so far. */
  keep(failure: Failure): void {
    if (this.#unreported === undefined || this.#unreported.isTold) this.#unreported = failure;
  }

  /** Destroys all stages that there are. Stages made afterwards start afresh. */
  destroy(failure: Failure | undefined): void {
    const outer = this.fate;
    this.fate = { failure };
    // The last first: a generator that waits for its input is let go before that fails for a reason of its own.
    try {
      for (const { target } of Array.from(this.#members).toReversed()) target?.cancel(failure);
    } finally {
      this.fate = outer;
    }
  }

  abort(signal: AbortSignal): void {
    this.#endForGood(new Failure(abortError({ cause: signal.reason })));
  }

  async dispose(): Promise<void> {
    this.#endForGood(undefined);
    // By then, also a stage in whose destruction this is called has begun its clean-up.
    await Promise.resolve();
    await Promise.all(Array.from(this.#members, async ({ target }) => target?.cleaned()));
    const failure = this.#unreported;
    if (failure === undefined || failure.isTold) return;
    failure.isTold = true;
    throw failure.error;
  }

  /** The first call says with which error. */
  #endForGood(failure: Failure | undefined): void {
    if (this.#isSealed) return;
    this.#isSealed = true;
    this.#seal = failure;
    this.destroy(failure);
  }
}
