/** What remains to be done when a stage has been destroyed: its generator cleans up, and what it reads does. */
import { setImmediate } from 'node:timers';

import { Failure } from './errors.ts';

/** How a clean-up went: never rejects, so that it may be left alone. */
type Outcome = Promise<Failure | undefined>;

/** How far a stage that has been destroyed is with its clean-up, and with that of the stages it was reading. */
export class Closing {
  /** Settles when the generator has cleaned up. */
  readonly cleaned: Outcome | undefined;
  /** Settles when all have cleaned up that were idle: this generator, and those that it reads. */
  readonly released: Outcome | undefined;
  /** Whether a consumer is told what `released` says. */
  isClaimed = false;

  /**
   * @param returned - What the `return()` of the source's iterator answered, if there is one.
   * @param step - The step that was under way.
   * @param upstream - The closings of the stages that were read.
   */
  constructor(
    returned: Promise<unknown> | undefined,
    step: Promise<unknown> | undefined,
    upstream: (Closing | undefined)[],
  ) {
    this.cleaned = returned && outcomeOf(returned);
    const own = step === undefined ? this.cleaned : this.#cleanedIfSoonIdle(step);
    const outcomes = [own, ...upstream.map((closing) => closing?.unclaimed())].filter(
      (outcome) => outcome !== undefined,
    );
    if (outcomes.length > 0) this.released = outcomes.length === 1 ? outcomes[0] : firstFailure(outcomes);
  }

  /** `released`, without what somebody else is told. */
  unclaimed(): Outcome | undefined {
    return this.released?.then((failure) => (this.isClaimed ? undefined : failure));
  }

  /**
   * A reader that leaves between two values mostly finds the generator in a step already, ahead of it. A step that needs
   * no more than a turn of the event loop passes for idle, so that leaving waits as it would without a buffer.
   */
  async #cleanedIfSoonIdle(step: Promise<unknown>): Outcome {
    const isIdle = await Promise.race([outcomeOf(step).then(() => true), nextTurn().then(() => false)]);
    return isIdle ? this.cleaned : undefined;
  }
}

/** The first by place, once all have settled. */
export async function firstFailure(outcomes: Outcome[]): Outcome {
  const failures = await Promise.all(outcomes);
  return failures.find((failure) => failure !== undefined);
}

/** Calls back at once where there is nothing to wait for. */
export function whenSettled(outcome: Outcome | undefined, callback: (failure: Failure | undefined) => void): void {
  if (outcome === undefined) callback(undefined);
  else void outcome.then(callback);
}

function outcomeOf(promise: Promise<unknown>): Outcome {
  return promise.then(
    () => undefined,
    (error: unknown) => new Failure(error),
  );
}

/** The next turn of the event loop, shared by all that wait for it. */
let turn: Promise<void> | undefined;

function nextTurn(): Promise<void> {
  turn ??= new Promise((resolve) => {
    setImmediate(() => {
      turn = undefined;
      resolve();
    });
  });
  return turn;
}
