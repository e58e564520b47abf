/** The line between a source and those who read the stage. */
import { Queue } from './queue.ts';

/** The answer of an iterator. What a generator returns comes with the last one; loops do not look at it. */
export type Result<T> = IteratorResult<T, undefined>;

/** A consumer that waits in `next()`. */
export interface Reader<T> {
  resolve(result: Result<T>): void;
  reject(error: unknown): void;
}

/** Makes promises without a closure for each: `captureReader` leaves the two ends of a new promise in `capturedReader`. */
let capturedReader: Reader<any> | undefined;
function captureReader(resolve: (result: any) => void, reject: (error: unknown) => void): void {
  capturedReader = { resolve, reject };
}

/**
 * Where answers of the source and readers meet, in the order of their arrival. Readers wait only while there are no
 * answers, and answers only while there are no readers; who adds one has looked for the other before.
 */
export class Line<T> {
  /** The source's own promises, settled: to hand them on as they are saves a promise for each value. */
  readonly #answers: Queue<Promise<Result<T>>> = new Queue();
  readonly #readers: Queue<Reader<T>> = new Queue();

  get answerCount(): number {
    return this.#answers.length;
  }

  get hasReaders(): boolean {
    return this.#readers.length > 0;
  }

  addAnswer(answer: Promise<Result<T>>): void {
    this.#answers.push(answer);
  }

  takeAnswer(): Promise<Result<T>> | undefined {
    return this.#answers.shift();
  }

  addReader(): Promise<Result<T>> {
    const promise = new Promise<Result<T>>(captureReader);
    this.#readers.push(capturedReader!);
    capturedReader = undefined;
    return promise;
  }

  takeReader(): Reader<T> | undefined {
    return this.#readers.shift();
  }

  clearAnswers(): void {
    this.#answers.clear();
  }
}
