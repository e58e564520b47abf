/**
 * What is the least that a buffer can cost? This one works exactly `size` values ahead, hands on the source's own promise
 * where a value is ready, and gives a reader that waits a promise of its own, as one that may have to be let go must have.
 * It does nothing else: nobody is told of an error, a generator that is stuck holds everybody up, only one may read, and it
 * is no stream. What a package costs on top of it is the price of what it promises.
 */
type Result<T> = IteratorResult<T, undefined>;

/** Makes promises without a closure for each. */
let captured: (result: Result<unknown>) => void;
function capture(resolve: (result: Result<unknown>) => void): void {
  captured = resolve;
}

/** Wraps a source that never throws, for a single reader. */
export class BareBuffer<T> implements AsyncIterableIterator<T> {
  readonly #iterator: AsyncIterator<T, undefined>;
  readonly #size: number;
  /** A ring of those that are ready. */
  readonly #ready: (Promise<Result<T>> | undefined)[];
  #head = 0;
  #count = 0;
  #reader: ((result: Result<T>) => void) | undefined;
  #step: Promise<Result<T>> | undefined;
  #isOver = false;
  readonly #onAnswer = (result: Result<T>): void => this.#answered(result);

  constructor(source: AsyncIterable<T>, size: number) {
    this.#iterator = source[Symbol.asyncIterator]() as AsyncIterator<T, undefined>;
    this.#size = size;
    this.#ready = Array.from({ length: size });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Result<T>> {
    if (this.#count > 0) {
      const answer = this.#take();
      this.#ask();
      return answer;
    }
    if (this.#isOver) return Promise.resolve({ done: true, value: undefined });
    const promise = new Promise<Result<unknown>>(capture) as Promise<Result<T>>;
    this.#reader = captured;
    this.#ask();
    return promise;
  }

  async return(): Promise<Result<T>> {
    this.#isOver = true;
    return this.#iterator.return!();
  }

  #ask(): void {
    if (this.#step !== undefined || this.#isOver) return;
    this.#step = this.#iterator.next();
    // Detached, for the callback alone. An error, which no source of a bench throws, would end the process.
    void this.#step.then(this.#onAnswer);
  }

  #answered(result: Result<T>): void {
    const step = this.#step!;
    this.#step = undefined;
    if (result.done) this.#isOver = true;
    const reader = this.#reader;
    if (reader === undefined) {
      this.#keep(step);
      if (this.#count < this.#size) this.#ask();
    } else {
      this.#reader = undefined;
      this.#ask();
      reader(result);
    }
  }

  #keep(answer: Promise<Result<T>>): void {
    this.#ready[(this.#head + this.#count) % this.#size] = answer;
    this.#count++;
  }

  #take(): Promise<Result<T>> {
    const answer = this.#ready[this.#head]!;
    this.#ready[this.#head] = undefined;
    this.#head = (this.#head + 1) % this.#size;
    this.#count--;
    return answer;
  }
}
