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
  readonly #fn: Call<T, U>;
  readonly #context: SourceContext;
  #onIdle: (() => void) | undefined;

  constructor(fn: Call<T, U>, concurrency: number, context: SourceContext) {
    this.#fn = fn;
    this.concurrency = concurrency;
    this.#context = context;
  }

  get isFree(): boolean {
    return this.count < this.concurrency && !this.hasFailed;
  }

  /** Calls the function, and `onSettled` when its answer is known: at once, where it returns no thenable. */
  start(value: T, answer: Answer<U>, onSettled: (answer: Answer<U>) => void): void {
    this.count++;
    try {
      const returned = this.#fn(value, this.#context);
      if (!isThenable(returned)) return this.#fulfil(answer, returned, onSettled);
      // Detached: both ways are handled. A native promise is not wrapped in another one.
      void Promise.resolve(returned).then(
        (settled) => this.#fulfil(answer, settled, onSettled),
        (error: unknown) => this.#reject(answer, error, onSettled),
      );
    } catch (error) {
      this.#reject(answer, error, onSettled);
    }
  }

  /** Settles when no call is under way. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      if (this.count === 0) resolve();
      else this.#onIdle = resolve;
    });
  }

  #fulfil(answer: Answer<U>, value: U, onSettled: (answer: Answer<U>) => void): void {
    answer.result = { done: false, value };
    this.#settle(answer, onSettled);
  }

  #reject(answer: Answer<U>, error: unknown, onSettled: (answer: Answer<U>) => void): void {
    answer.failure = new Failure(error);
    this.hasFailed = true;
    this.#settle(answer, onSettled);
  }

  #settle(answer: Answer<U>, onSettled: (answer: Answer<U>) => void): void {
    this.count--;
    onSettled(answer);
    if (this.count === 0) this.#onIdle?.();
  }
}

function isThenable<U>(value: U | PromiseLike<U>): value is PromiseLike<U> {
  return (
    ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
    typeof (value as PromiseLike<U>).then === 'function'
  );
}
