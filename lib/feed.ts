/** The source of a stage from its first read on: its iterator, its signal, and the async context it sees. */
import { AsyncResource } from 'node:async_hooks';

import { DecodingIterator } from './decoding.ts';
import type { Result } from './line.ts';
import { endStream, failing, iterate, queuesReturn, resolveSource, type SourceIterator } from './source.ts';
import type { Source, SourceContext } from './types.ts';

export class Feed<T> {
  /** Async context of the first read, kept for all later steps, whoever reads then. */
  readonly #context: AsyncResource = new AsyncResource('BufferedStage');
  readonly #onAnswer: (result: Result<T>) => void;
  readonly #onError: (error: unknown) => void;
  /** What was given, or, once it was called, what it returned. */
  #source: Source<T>;
  #iterator: SourceIterator<T> | undefined;

  /** One of the callbacks is called for each step; they are made once. */
  constructor(source: Source<T>, onAnswer: (result: Result<T>) => void, onError: (error: unknown) => void) {
    this.#source = source;
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
    return (result) => decoding.decoded(result);
  }

  /** Whether `return()` waits for a step under way. */
  get queuesReturn(): boolean {
    return this.#iterator !== undefined && queuesReturn(this.#iterator);
  }

  next(): Promise<Result<T>> {
    const step = this.#iterator!.next() as Promise<Result<T>>;
    // Handled in any case: whoever takes the promise of the step gets its error.
    void step.then(this.#onAnswer, this.#onError);
    return step;
  }

  /** Closes the source, which has neither ended nor thrown. */
  return(): Promise<unknown> | undefined {
    try {
      endStream(this.#source);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#iterator?.return(undefined);
  }

  /** Calls a method in the context of the first read. */
  run<Self, R>(method: (this: Self) => R, self: Self): R {
    return this.#context.runInAsyncScope(method, self);
  }
}
