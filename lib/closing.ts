/** What remains to be done when a stage has been destroyed: its generator cleans up, and what it reads does. */
import { setImmediate } from 'node:timers';

import { Failure } from './errors.ts';

/** Shared by all that nobody waits for. */
const NONE: never[] = [];

/** A source that has been told to return. */
export interface Leaving {
  /** Whether it still is in a step. */
  readonly isStepping: boolean;
}

/**
 * How far a stage that has been destroyed is. It is *cleaned* when its generator has run to its end, and *released* when
 * all have cleaned up that were idle: this generator, and those that it reads. Counts and callbacks, and no promises:
 * chains are left by the thousand.
 */
export class Closing {
  /** Whether a consumer is told what went wrong. */
  isClaimed = false;
  /** What went wrong until it was released, the first by place, unless somebody else is told. */
  failure: Failure | undefined;
  /** What the generator threw while it cleaned up. */
  #ownFailure: Failure | undefined;
  #isCleaned = false;
  readonly #source: Leaving;
  readonly #upstream: Closing[];
  /** Those that wait for this one. */
  #downstream: Closing[] = NONE;
  /** How many are waited for: itself, and those upstream. */
  #unreleased = 1;
  #holdsItself = true;
  #onCleaned: ((failure: Failure | undefined) => void)[] = NONE;
  #onReleased: (() => void)[] = NONE;

  /**
   * @param returned - What the `return()` of the source's iterator answered, if there is one.
   * @param source - The source, which may be in a step.
   * @param upstream - The closings of the stages that were read.
   */
  constructor(returned: Promise<unknown> | undefined, source: Leaving, upstream: Closing[]) {
    this.#source = source;
    this.#upstream = upstream;
    for (const closing of upstream) this.#awaitUpstream(closing);
    if (returned === undefined) {
      this.#cleanedUp();
      return;
    }
    // Detached: a failure is kept for whoever asks.
    void returned.then(
      () => this.#cleanedUp(),
      (error: unknown) => this.#cleanedUp(new Failure(error)),
    );
    if (source.isStepping) lookNextTurn(this);
  }

  /** Calls back at once where there is nothing to wait for. */
  whenCleaned(callback: (failure: Failure | undefined) => void): void {
    if (this.#isCleaned) callback(this.#ownFailure);
    else this.#onCleaned = added(this.#onCleaned, callback);
  }

  /** Calls back at once where there is nothing to wait for. */
  whenReleased(callback: () => void): void {
    if (this.#unreleased === 0) callback();
    else this.#onReleased = added(this.#onReleased, callback);
  }

  /**
   * A reader that leaves between two values mostly finds the generator in a step already, ahead of it. A step that needs
   * no more than a turn of the event loop passes for idle, so that leaving waits as it would without a buffer.
   */
  releaseIfBusy(): void {
    if (this.#source.isStepping) this.#releaseItself();
  }

  #awaitUpstream(closing: Closing): void {
    if (closing.#unreleased === 0) return;
    this.#unreleased++;
    closing.#downstream = added(closing.#downstream, this);
  }

  #cleanedUp(failure?: Failure): void {
    this.#isCleaned = true;
    this.#ownFailure = failure;
    this.#releaseItself();
    for (const callback of this.#onCleaned) callback(failure);
  }

  #releaseItself(): void {
    if (!this.#holdsItself) return;
    this.#holdsItself = false;
    this.#oneReleased();
  }

  #failureUpstream(): Failure | undefined {
    return this.#upstream.find(({ isClaimed, failure }) => !isClaimed && failure !== undefined)?.failure;
  }

  /** In a loop: the stack does not grow with the chain. */
  #oneReleased(): void {
    const due: Closing[] = [this];
    for (const closing of due) {
      if (--closing.#unreleased > 0) continue;
      closing.failure = closing.#ownFailure ?? closing.#failureUpstream();
      due.push(...closing.#downstream);
      for (const callback of closing.#onReleased) callback();
    }
  }
}

/** A list that mostly holds one is made as long as it is. */
function added<T>(list: T[], item: T): T[] {
  if (list.length === 0) return [item];
  list.push(item);
  return list;
}

/** Those to be looked at in the next turn of the event loop. */
let closings: Closing[] = NONE;

function lookNextTurn(closing: Closing): void {
  if (closings.length === 0) {
    closings = [];
    setImmediate(lookNow);
  }
  closings.push(closing);
}

function lookNow(): void {
  const due = closings;
  closings = NONE;
  for (const closing of due) closing.releaseIfBusy();
}
