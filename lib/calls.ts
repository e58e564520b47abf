/** The calls of `buffer.map` that are under way: how many, and what becomes of them. */
import { Failure } from './errors.ts';
import type { Answer } from './line.ts';
import type { SourceContext } from './types.ts';

/** What a user gives `buffer.map` to call for each value. */
export type Call<T, U> = (value: T, context: SourceContext) => U | PromiseLike<U>;

export class Calls<T, U> {
  readonly concurrency: number;
  /** How many are under way. */
  count = 0;
  /** Whether one has failed: what comes behind it is of no use. */
  hasFailed = false;
  /** What the source has thrown, while there are calls for values before it. */
  sourceFailure: Failure | undefined;
  /** The clean-up of the source, if it is closed because a call has failed. */
  closing: Promise<unknown> | undefined;
  /** The call for which those wait who waited when the stage was left. */
  lateAnswer: Answer<U> | undefined;
  readonly #fn: Call<T, U>;
  readonly #context: SourceContext;
  readonly #onSettled: (answer: Answer<U>) => void;
  #onIdle: (() => void) | undefined;

  /** @param onSettled - Called when the answer of a call is known. */
  constructor(fn: Call<T, U>, concurrency: number, context: SourceContext, onSettled: (answer: Answer<U>) => void) {
    this.#fn = fn;
    this.concurrency = concurrency;
    this.#context = context;
    this.#onSettled = onSettled;
  }

  get isFree(): boolean {
    return this.count < this.concurrency && !this.hasFailed;
  }

  /** Calls the function. Its answer is known at once, where it returns no thenable. */
  start(value: T, answer: Answer<U>): void {
    this.count++;
    // Called without a receiver.
    const fn = this.#fn;
    let returned: U | PromiseLike<U>;
    let isPromised: boolean;
    try {
      returned = fn(value, this.#context);
      isPromised = isThenable(returned);
    } catch (error) {
      return this.#reject(answer, error);
    }
    if (!isPromised) return this.#fulfil(answer, returned as U);
    // Detached: both ways are handled. A native promise is not wrapped in another one.
    void Promise.resolve(returned).then(
      (settled) => this.#fulfil(answer, settled),
      (error: unknown) => this.#reject(answer, error),
    );
  }

  /** Settles when no call is under way. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      if (this.count === 0) resolve();
      else this.#onIdle = resolve;
    });
  }

  #fulfil(answer: Answer<U>, value: U): void {
    answer.result = { done: false, value };
    this.#settle(answer);
  }

  #reject(answer: Answer<U>, error: unknown): void {
    answer.failure = new Failure(error);
    this.hasFailed = true;
    this.#settle(answer);
  }

  #settle(answer: Answer<U>): void {
    this.count--;
    this.#onSettled(answer);
    if (this.count === 0) this.#onIdle?.();
  }
}

function isThenable<U>(value: U | PromiseLike<U>): value is PromiseLike<U> {
  return (
    ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
    typeof (value as PromiseLike<U>).then === 'function'
  );
}
