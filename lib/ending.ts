/** How far a stage that was destroyed is: what leaving it waits for, and what went wrong in its clean-up. */
import { setImmediate } from 'node:timers';

import { Failure, isCausedBy, isInterruption } from './errors.ts';
import { added, NONE } from './list.ts';

/** A stage that was destroyed. */
export interface EndingStage {
  readonly isStepping: boolean;
  /** Whether its generator may be at work on a value that it was handed, within the step under way or in the background. */
  readonly isFed: boolean;
  /** Closes what its generator alone reads, and has not closed itself. */
  closeRest(): void;
}

/**
 * A stage is *cleaned* when its generator has run to its end. It is *released*, and nobody waits for it any longer, when it
 * is cleaned, or when its generator turns out to be in a step that lasts longer than a turn of the event loop.
 *
 * There is no tree of these: a generator that is idle closes what it reads itself, and its own `return()` waits for that. Only
 * a generator in a step needs help: what it waits for is destroyed, and when that is released, its read fails, so
 * that the generator can go on to its own clean-up.
 */
export class Ending {
  /** What went wrong in the clean-up of the generator. */
  failure: Failure | undefined;
  /** None once it is cleaned: until the next turn of the event loop, this may be in a list, which must not keep it. */
  #stage: EndingStage | undefined;
  #isCleaned = false;
  #isReleased = false;
  /** Whether the generator itself is cleaned, or busy. */
  #isDone = false;
  /** How many stages that it alone reads are not released yet. */
  #unreleased = 0;
  #upstreamFailure: Failure | undefined;
  #onCleaned: (() => void)[] = NONE;
  #onReleased: (() => void)[] = NONE;
  /** Whether the generator, as far as known, has waited for nothing but reads that have failed, and goes on to its clean-up. */
  #isLetGo = false;
  /** What its reads have failed with for no other reason. That it comes out of the generator again is no failure. */
  #letGoWith: unknown[] = NONE;
  /** Errors from the clean-up of what it alone reads, which its reads have failed with. It may throw them again. */
  #handedOn: unknown[] = NONE;

  constructor(stage: EndingStage) {
    this.#stage = stage;
    if (stage.isStepping) lookNextTurn(this);
  }

  /** What went wrong until the stage was released: in the generator, or else in one whose reader did not wait for it. */
  get firstFailure(): Failure | undefined {
    return this.failure ?? this.#upstreamFailure;
  }

  /** @param returned - What the `return()` of the source's iterator answered, if it was called. */
  awaitReturn(returned: Promise<unknown> | undefined): void {
    if (returned === undefined) return this.#cleaned();
    // Detached: what goes wrong is kept for whoever asks.
    void returned.then(
      () => this.#cleaned(),
      (error: unknown) => {
        if (!this.isExpected(error)) this.failure ??= new Failure(error);
        this.#cleaned();
      },
    );
  }

  /**
   * A stage was destroyed because the generator alone reads it.
   *
   * @param readsFail - Called when it is released. Fails the reads of it, with what went wrong in its clean-up.
   */
  awaitUpstream(upstream: Ending, readsFail: () => void): void {
    this.#unreleased++;
    upstream.whenReleased(() => {
      readsFail();
      const { firstFailure } = upstream;
      if (firstFailure?.isTold) this.#handedOn = added(this.#handedOn, firstFailure.error);
      else this.#upstreamFailure ??= firstFailure;
      if (--this.#unreleased > 0) return;
      if (this.#stage?.isStepping) lookNextTurn(this);
      this.#releaseIfDone();
    });
  }

  /** Reads of the generator fail because their stage was destroyed. */
  readsFail(areDirect: boolean): void {
    if (areDirect && this.#stage?.isFed === false) this.#isLetGo = true;
  }

  /**
   * The step under way has thrown. If the generator waited for a read that has failed, what it throws instead comes from its
   * clean-up. If not, the step had run ahead of a reader that has left: unbuffered, it would not have run. An
   * interruption is what becomes of work under way.
   */
  stepThrew(error: unknown): void {
    const isOfCleanUp = this.#isLetGo && !this.isExpected(error) && !isInterruption(error);
    if (isOfCleanUp || this.#handedOn.some((cause) => isCausedBy(error, cause))) this.failure ??= new Failure(error);
  }

  /** An error that comes out of the generator is not its own. */
  expects(error: unknown): void {
    this.#letGoWith = added(this.#letGoWith, error);
  }

  /** Whether an error has come of an end that was made for the generator. */
  isExpected(error: unknown): boolean {
    return this.#letGoWith.some((cause) => isCausedBy(error, cause));
  }

  /** Calls back at once where there is nothing to wait for. */
  whenCleaned(callback: () => void): void {
    if (this.#isCleaned) callback();
    else this.#onCleaned = added(this.#onCleaned, callback);
  }

  /** Calls back at once where there is nothing to wait for. */
  whenReleased(callback: () => void): void {
    if (this.#isReleased) callback();
    else this.#onReleased = added(this.#onReleased, callback);
  }

  /** The generator has had a turn of the event loop, since what it reads was released. */
  releaseIfBusy(): void {
    if (!this.#stage?.isStepping || this.#unreleased > 0) return;
    this.#isDone = true;
    this.#releaseIfDone();
  }

  #cleaned(): void {
    this.#stage?.closeRest();
    this.#stage = undefined;
    this.#isDone = true;
    this.#isCleaned = true;
    this.#releaseIfDone();
    const callbacks = this.#onCleaned;
    this.#onCleaned = NONE;
    for (const callback of callbacks) callback();
  }

  #releaseIfDone(): void {
    if (!this.#isDone || this.#unreleased > 0 || this.#isReleased) return;
    this.#isReleased = true;
    const callbacks = this.#onReleased;
    this.#onReleased = NONE;
    for (const callback of callbacks) callback();
  }
}

/** Those to be looked at in the next turn of the event loop. */
let endings: Ending[] = NONE;

function lookNextTurn(ending: Ending): void {
  if (endings.length === 0) {
    endings = [];
    setImmediate(lookNow);
  }
  endings.push(ending);
}

function lookNow(): void {
  const due = endings;
  endings = NONE;
  for (const ending of due) ending.releaseIfBusy();
  // A collector that takes what it finds on the stack for references, as Bun's does, would keep all of them for one.
  due.length = 0;
}
