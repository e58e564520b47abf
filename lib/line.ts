/** The line between a source and those who read the stage. */
import type { Meter } from './meter.ts';
import { Queue } from './queue.ts';

/** The answer of an iterator. What a generator returns comes with the last one; loops do not look at it. */
export type Result<T> = IteratorResult<T, undefined>;

export const DONE: Result<never> = Object.freeze({ done: true, value: undefined });

/** A consumer that waits in `next()`. */
export interface Reader<T> {
  resolve(result: Result<T>): void;
  reject(error: unknown): void;
  /** That of the generator which has asked, where somebody observes it. */
  meter: Meter | undefined;
}

/** Makes promises without a closure for each: `captureReader` leaves the two ends of a new promise in `capturedReader`. */
let capturedReader: Reader<any> | undefined;
function captureReader(resolve: (result: any) => void, reject: (error: unknown) => void): void {
  capturedReader = { resolve, reject, meter: undefined };
}

/**
 * Where answers of the source and readers meet, in the order of their arrival. Readers wait only while there are no
 * answers, and answers only while there are no readers, so that one queue holds either.
 */
export class Line<T> {
  readonly #queue: Queue<Promise<Result<T>> | Reader<T>> = new Queue();
  #holdsReaders = false;

  get hasReaders(): boolean {
    return this.#holdsReaders && this.#queue.length > 0;
  }

  get answerCount(): number {
    return this.#holdsReaders ? 0 : this.#queue.length;
  }

  /** To be called when no reader waits. The source's own promises: to hand them on saves a promise for each value. */
  addAnswer(answer: Promise<Result<T>>): void {
    this.#holdsReaders = false;
    this.#queue.push(answer);
  }

  takeAnswer(): Promise<Result<T>> | undefined {
    return this.#holdsReaders ? undefined : (this.#queue.shift() as Promise<Result<T>> | undefined);
  }

  /** To be called when no answer waits. */
  addReader(meter: Meter | undefined): Promise<Result<T>> {
    const promise = new Promise<Result<T>>(captureReader);
    this.#holdsReaders = true;
    const reader = capturedReader!;
    capturedReader = undefined;
    if (meter !== undefined) reader.meter = meter;
    this.#queue.push(reader);
    return promise;
  }

  takeReader(): Reader<T> | undefined {
    return this.#holdsReaders ? (this.#queue.shift() as Reader<T> | undefined) : undefined;
  }

  clearAnswers(): void {
    if (!this.#holdsReaders) this.#queue.clear();
  }
}
