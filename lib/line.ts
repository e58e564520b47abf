/** The line between a source and those who read the stage: answers that wait for a reader, and readers that wait for an answer. */
import type { Failure } from './errors.ts';
import type { Queue } from './queue.ts';
import type { Reader } from './reader.ts';

/** The answer of an iterator. What a generator returns comes with the last one; loops do not look at it. */
export type Result<T> = IteratorResult<T, undefined>;

export const DONE: Result<never> = Object.freeze({ done: true, value: undefined });

/** What the source has answered, or, while there is neither a result nor a failure, a call of `buffer.map` is about to. */
export interface Answer<T> {
  /** The source's own promise, if there is one: to hand it on to a loop saves a promise for each value. */
  promise: Promise<Result<T>> | undefined;
  result: Result<T> | undefined;
  failure: Failure | undefined;
  behind: Answer<T> | undefined;
}

export function isPending(answer: Answer<unknown>): boolean {
  return answer.result === undefined && answer.failure === undefined;
}

/** A consumer that waits in `next()`. */
export interface Waiting<T> {
  readonly reader: Reader;
  resolve(result: Result<T>): void;
  reject(error: unknown): void;
  promise: Promise<Result<T>> | undefined;
  behind: Waiting<T> | undefined;
}

/** Makes promises without a closure for each: `capture` makes a waiting consumer of the two ends of a new promise. */
let waitingReader: Reader | undefined;
let captured: Waiting<any> | undefined;
function capture(resolve: (result: any) => void, reject: (error: unknown) => void): void {
  captured = { reader: waitingReader!, resolve, reject, promise: undefined, behind: undefined };
}

/** Has a reader wait for its turn. */
export function wait<T>(readers: Queue<Waiting<T>>, reader: Reader): Promise<Result<T>> {
  waitingReader = reader;
  const promise = new Promise<Result<T>>(capture);
  captured!.promise = promise;
  readers.push(captured!);
  captured = waitingReader = undefined;
  return promise;
}

/** Answers a consumer with an error that was made for it, or reported elsewhere: if it does not look, nothing is lost. */
export function rejectQuietly(waiting: Waiting<unknown>, error: unknown): void {
  waiting.promise?.catch(() => {});
  waiting.reject(error);
}
