/**
 * Makes one kind of iterator of everything that can be the source of a stage.
 *
 * The pump relies on what a native async generator does: nothing throws synchronously, every `next()` answers with a
 * native promise of a result that is not used again, `return()` exists, and behind a step under way it waits its turn.
 */
import type { ReadableStream, ReadableStreamDefaultReader } from 'node:stream/web';

import { wrongType } from './errors.ts';
import { StageIterator } from './iterator.ts';
import type { Source, SourceContext, SourceIterable } from './types.ts';

const SOURCE_RULE = 'an async iterable, an iterable, or a function of { signal } that returns one';
const RETURNED_RULE = 'an async iterable or an iterable';

const GeneratorPrototype = Object.getPrototypeOf(async function* () {}).prototype as AsyncGenerator;

/** An iterator with the `return()` that not all have. */
export interface SourceIterator<T> {
  next(): Promise<IteratorResult<T, unknown>>;
  return(value: undefined): Promise<IteratorResult<T, unknown>>;
}

/** Refuses what can be neither iterated nor called. */
export function checkSource(source: unknown): void {
  if (typeof source !== 'function' && !isIterable(source)) throw wrongType('source', SOURCE_RULE, source);
}

/** The iterable itself, or what the function returns. */
export function resolveSource<T>(source: Source<T>, context: () => SourceContext): SourceIterable<T> {
  if (typeof source !== 'function') return source;
  const iterable: unknown = source(context());
  if (!isIterable(iterable)) throw wrongType('source({ signal })', RETURNED_RULE, iterable);
  return iterable as SourceIterable<T>;
}

/** Opens the iterable: generators and stages already are as the pump needs it, all others read through a generator. */
export function iterate<T>(iterable: SourceIterable<T>): SourceIterator<T> {
  if (isWebStream<T>(iterable)) return new WebStreamIterator(iterable.getReader());
  if (!hasMethod(iterable, Symbol.asyncIterator)) return relay(iterable);
  const iterator = (iterable as AsyncIterable<T>)[Symbol.asyncIterator]();
  if (isGenerator(iterator) || iterator instanceof StageIterator) return iterator;
  return relay({ [Symbol.asyncIterator]: () => iterator });
}

/** An iterator that fails with what was thrown before there was one. */
export function failing(error: unknown): SourceIterator<never> {
  return (async function* (): AsyncGenerator<never> {
    throw error;
  })();
}

/** Ends a Node or web stream: `return()` would wait for a read under way. A web stream that is being read ends by its reader. */
export function cancelStream(source: unknown): void {
  if (isNodeStream(source)) source.destroy();
  else if (isWebStream(source) && !source.locked) ignoreRejection(source.cancel());
}

/** `yield*` takes whatever `for await` takes, with the same checks, and hands on results as they are. */
async function* relay<T>(iterable: SourceIterable<T>): AsyncGenerator<T, unknown> {
  return yield* iterable as AsyncIterable<T, unknown>;
}

/** A web stream's own iterator would have `return()` wait for a read under way; its reader cancels at once. */
class WebStreamIterator<T> implements SourceIterator<T> {
  readonly #reader: ReadableStreamDefaultReader<T>;

  constructor(reader: ReadableStreamDefaultReader<T>) {
    this.#reader = reader;
  }

  async next(): Promise<IteratorResult<T, unknown>> {
    try {
      const { done, value } = await this.#reader.read();
      if (!done) return { done, value };
    } catch (error) {
      this.#reader.releaseLock();
      throw error;
    }
    this.#reader.releaseLock();
    return { done: true, value: undefined };
  }

  async return(): Promise<IteratorResult<T, unknown>> {
    const cancelled = this.#reader.cancel();
    this.#reader.releaseLock();
    await cancelled;
    return { done: true, value: undefined };
  }
}

function isIterable(value: unknown): boolean {
  return hasMethod(value, Symbol.asyncIterator) || hasMethod(value, Symbol.iterator) || isWebStream(value);
}

function isGenerator(value: AsyncIterator<unknown>): value is AsyncGenerator<never> {
  return value.next === GeneratorPrototype.next && value.return === GeneratorPrototype.return;
}

function isNodeStream(value: unknown): value is { destroy(): unknown } {
  return hasMethod(value, 'pipe') && hasMethod(value, 'destroy');
}

function isWebStream<T>(value: unknown): value is ReadableStream<T> {
  return hasMethod(value, 'getReader') && hasMethod(value, 'cancel');
}

function hasMethod(value: unknown, name: PropertyKey): boolean {
  return typeof (value as Record<PropertyKey, unknown> | null | undefined)?.[name] === 'function';
}

/** The consumer has gone or has an error already: whether a foreign stream could be cancelled changes nothing for it. */
function ignoreRejection(promise: Promise<unknown>): void {
  promise.catch(() => {});
}
