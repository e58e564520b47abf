/** The source of a stage from its first read on: its iterator, its steps, and the async context that it sees. */
import { AsyncResource } from 'node:async_hooks';

import { DecodingIterator } from './decoding.ts';
import type { Result } from './line.ts';
import { endStream, failing, iterate, queuesReturn, resolveSource, type SourceIterator } from './source.ts';
import type { Source, SourceContext } from './types.ts';

/** Gets what the steps of a source come to, each with a promise of the same. */
export interface Intake<T> {
  answered(result: Result<T>, promise: Promise<Result<T>>): void;
  threw(error: unknown, promise: Promise<Result<T>>): void;
}

export class Feed<T> {
  /** Async context of the first read, kept for all later steps, whoever reads then. */
  readonly #context: AsyncResource = new AsyncResource('BufferedStage');
  readonly #onAnswer: (result: Result<T>) => void;
  readonly #onError: (error: unknown) => void;
  /** What was given, or, once it was called, what it returned. */
  #source: Source<T>;
  #iterator: SourceIterator<T> | undefined;
  /** The step under way. */
  #step: Promise<Result<T>> | undefined;
  /** Makes text of what that step yields, if the encoding was set meanwhile. */
  #decodeStep: ((result: Result<T>) => Result<T>) | undefined;

  constructor(source: Source<T>, intake: Intake<T>) {
    this.#source = source;
    // Made once, not for each step, and not where they are assigned, for the reason that `pipeline.ts` gives.
    const onAnswer = (result: Result<T>): void => {
      const promise = this.#stepDone();
      if (this.#decodeStep === undefined) return intake.answered(result, promise);
      const text = this.#decodeStep(result);
      this.#decodeStep = undefined;
      intake.answered(text, Promise.resolve(text));
    };
    const onError = (error: unknown): void => intake.threw(error, this.#stepDone());
    this.#onAnswer = onAnswer;
    this.#onError = onError;
  }

  /** Calls a source function. It may destroy its own stage. */
  open(context: SourceContext | undefined): void {
    try {
      this.#source = resolveSource(this.#source, context);
      this.#iterator = iterate(this.#source);
    } catch (error) {
      this.#iterator = failing(error);
    }
  }

  /** From the next step on, bytes become text. Returns what does the same to a value that was yielded before. */
  decode(encoding: BufferEncoding): ((result: Result<T>) => Result<T>) | undefined {
    if (this.#iterator === undefined) return undefined;
    const decoding = new DecodingIterator(this.#iterator, encoding);
    this.#iterator = decoding;
    const decode = (result: Result<T>): Result<T> => decoding.decoded(result);
    if (this.#step !== undefined) this.#decodeStep = decode;
    return decode;
  }

  /** Whether `return()` waits for a step under way. */
  get queuesReturn(): boolean {
    return this.#iterator !== undefined && queuesReturn(this.#iterator);
  }

  next(): void {
    const step = this.#iterator!.next() as Promise<Result<T>>;
    this.#step = step;
    // Handled in any case: whoever takes the promise of the step gets its error.
    void step.then(this.#onAnswer, this.#onError);
  }

  /** Closes the source, which has neither ended nor thrown. */
  return(): Promise<unknown> | undefined {
    try {
      // A generator, which is its own iterator, is no stream.
      if ((this.#iterator as unknown) !== this.#source) endStream(this.#source);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#iterator?.return(undefined);
  }

  /** Calls a method in the context of the first read. */
  run<Self, R>(method: (this: Self) => R, self: Self): R {
    return this.#context.runInAsyncScope(method, self);
  }

  /** Forgets the promise of the step, and so its value. */
  #stepDone(): Promise<Result<T>> {
    const step = this.#step!;
    this.#step = undefined;
    return step;
  }
}
