/**
 * Makes one kind of iterator of everything that can be the source of a stage.
 *
 * The pump relies on this: nothing throws synchronously, every `next()` answers with a native promise of a result that is
 * not used again, and `return()` exists. It calls `return()` at once also while a `next()` is under way: a native async
 * generator queues that, and most other iterators can be closed while they wait.
 */
import type { ReadableStream, ReadableStreamDefaultReader } from 'node:stream/web';
import { isPromise } from 'node:util/types';

import { wrongResult, wrongType } from './errors.ts';
import { isStageIterator } from './iterator.ts';
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
  if (typeof source === 'function' || isIterable(source)) return;
  throw wrongType('source', SOURCE_RULE, source, isPromise(source) ? 'await it' : undefined);
}

/** The iterable itself, or what the function returns. */
export function resolveSource<T>(source: Source<T>, context: SourceContext | undefined): SourceIterable<T> {
  if (typeof source !== 'function' || isIterable(source)) return source as SourceIterable<T>;
  const returned: unknown = source(context!);
  const isPromised = !isIterable(returned) && hasMethod(returned, 'then');
  return isPromised ? new PromisedIterator<T>(Promise.resolve(returned)) : checkReturned<T>(returned);
}

function checkReturned<T>(returned: unknown, hint?: string): SourceIterable<T> {
  if (isIterable(returned)) return returned as SourceIterable<T>;
  throw wrongType('source({ signal })', RETURNED_RULE, returned, hint);
}

/** Opens the iterable. The iterators of async generators and stages already are as the pump needs them. */
export function iterate<T>(iterable: SourceIterable<T>): SourceIterator<T> {
  if (isOwnIterator(iterable)) return iterable;
  if (iterable instanceof PromisedIterator) return iterable;
  if (!isAsyncIterable(iterable)) return iterateOther(iterable);
  if (isWebStream<T>(iterable)) return new WebStreamIterator(iterable.getReader());
  const iterator: unknown = iterable[Symbol.asyncIterator]();
  if (!isObject(iterator)) throw wrongResult('[Symbol.asyncIterator]()', 'an iterator', iterator);
  return adapt(iterator as AsyncIterator<T>);
}

function adapt<T>(iterator: AsyncIterator<T>): SourceIterator<T> {
  return isGenerator(iterator) || isStageIterator(iterator) ? iterator : new ForeignIterator(iterator);
}

function iterateOther<T>(iterable: SourceIterable<T>): SourceIterator<T> {
  // Web streams have not been async iterable for long.
  if (isWebStream<T>(iterable)) return new WebStreamIterator(iterable.getReader());
  const iterator: unknown = (iterable as Iterable<T>)[Symbol.iterator]();
  if (!isObject(iterator)) throw wrongResult('[Symbol.iterator]()', 'an iterator', iterator);
  return new SyncIterator(iterator as Iterator<T>);
}

/** Whether `return()` waits for a step under way. */
export function queuesReturn(iterator: object): boolean {
  return isGenerator(iterator as AsyncIterator<unknown>);
}

/** An iterator that fails with what was thrown before there was one. */
export function failing(error: unknown): SourceIterator<never> {
  return (async function* (): AsyncGenerator<never> {
    throw error;
  })();
}

/** Ends a Node or web stream at once. A web stream that is being read ends by its reader. */
export function endStream(source: unknown): void {
  if (isNodeStream(source)) source.destroy();
  else if (isWebStream(source) && !source.locked) ignoreRejection(source.cancel());
}

/** Closes a source that was not read: a stream, or an iterator, which may have been started by somebody else. */
export function closeUnread(source: unknown): Promise<unknown> | undefined {
  if (isStage(source) && source.readableDidRead) return undefined;
  try {
    endStream(source);
    if (isNodeStream(source) || !hasMethod(source, 'next') || !hasMethod(source, 'return')) return undefined;
    return Promise.resolve(source.return(undefined));
  } catch (error) {
    return Promise.reject(error);
  }
}

/** What a source function returns a promise of, once it is there. */
class PromisedIterator<T> implements SourceIterator<T>, AsyncIterable<T> {
  readonly #promise: Promise<unknown>;
  #source: SourceIterable<T> | undefined;
  #iterator: SourceIterator<T> | undefined;
  #isClosed = false;

  constructor(promise: Promise<unknown>) {
    this.#promise = promise;
    // Looked at by the first step; prevents an unhandled rejection until then.
    promise.catch(() => {});
  }

  [Symbol.asyncIterator](): AsyncIterator<T> {
    return this as AsyncIterator<T>;
  }

  async next(): Promise<IteratorResult<T, unknown>> {
    this.#iterator ??= await this.#open();
    return this.#iterator === undefined ? { done: true, value: undefined } : this.#iterator.next();
  }

  /** Closes what may only come to be there. */
  async return(): Promise<IteratorResult<T, unknown>> {
    this.#isClosed = true;
    if (this.#iterator === undefined) {
      await closeUnread(await this.#promise.catch(() => undefined));
    } else {
      endStream(this.#source);
      await this.#iterator.return(undefined);
    }
    return { done: true, value: undefined };
  }

  async #open(): Promise<SourceIterator<T> | undefined> {
    const returned = await this.#promise;
    if (this.#isClosed) return undefined;
    this.#source = checkReturned<T>(
      returned,
      'the function is async: have it return an iterable, or make it an async function*',
    );
    return iterate(this.#source);
  }
}

/** An iterator written by hand, or of a library. `for await` checks the same. */
class ForeignIterator<T> implements SourceIterator<T> {
  readonly #iterator: AsyncIterator<T>;
  readonly #next: AsyncIterator<T>['next'];

  constructor(iterator: AsyncIterator<T>) {
    this.#iterator = iterator;
    this.#next = checkedNext(iterator);
  }

  async next(): Promise<IteratorResult<T, unknown>> {
    return checkedResult('next()', await this.#next.call(this.#iterator));
  }

  async return(): Promise<IteratorResult<T, unknown>> {
    const method = this.#iterator.return;
    if (method === undefined || method === null) return { done: true, value: undefined };
    return checkedResult('return()', await method.call(this.#iterator));
  }
}

/** A sync iterator, the values of which are awaited. One that yields a rejected promise is closed, as by newer engines. */
class SyncIterator<T> implements SourceIterator<T> {
  readonly #iterator: Iterator<T | PromiseLike<T>>;
  readonly #next: Iterator<T | PromiseLike<T>>['next'];

  constructor(iterator: Iterator<T | PromiseLike<T>>) {
    this.#iterator = iterator;
    this.#next = checkedNext(iterator);
  }

  async next(): Promise<IteratorResult<T, unknown>> {
    const result = checkedResult<T | PromiseLike<T>>('next()', this.#next.call(this.#iterator));
    if (result.done) return { done: true, value: await result.value };
    try {
      return { done: false, value: await result.value };
    } catch (error) {
      this.#close();
      throw error;
    }
  }

  async return(): Promise<IteratorResult<T, unknown>> {
    const method = this.#iterator.return;
    if (method === undefined || method === null) return { done: true, value: undefined };
    const { value } = checkedResult('return()', method.call(this.#iterator));
    return { done: true, value: await value };
  }

  /** The error that it is closed for comes first. */
  #close(): void {
    try {
      this.#iterator.return?.();
    } catch {}
  }
}

/** A web stream's own iterator would have `return()` wait for a read under way; its reader cancels at once. */
class WebStreamIterator<T> implements SourceIterator<T> {
  readonly #reader: ReadableStreamDefaultReader<T>;
  #isReleased = false;

  constructor(reader: ReadableStreamDefaultReader<T>) {
    this.#reader = reader;
  }

  async next(): Promise<IteratorResult<T, unknown>> {
    try {
      const { done, value } = await this.#reader.read();
      if (!done) return { done, value };
    } catch (error) {
      this.#release();
      throw error;
    }
    this.#release();
    return { done: true, value: undefined };
  }

  async return(): Promise<IteratorResult<T, unknown>> {
    // It may have ended or failed in this turn, which the pump does not know yet.
    if (!this.#isReleased) {
      const cancelled = this.#reader.cancel();
      this.#release();
      await cancelled;
    }
    return { done: true, value: undefined };
  }

  #release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#reader.releaseLock();
  }
}

function checkedNext<Next>({ next }: { next: Next }): Next {
  if (typeof next !== 'function') throw wrongResult('iterator', 'an object with a method next()', { next });
  return next;
}

/** What an iterator answers, if it is an object as `for await` demands. The original is not used again. */
function checkedResult<T>(method: string, result: unknown): IteratorResult<T, unknown> {
  if (!isObject(result)) throw wrongResult(method, 'an object', result);
  const { done, value } = result as IteratorResult<T, unknown>;
  return done ? { done: true, value } : { done: false, value };
}

function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

export function isIterable(value: unknown): boolean {
  return isAsyncIterable(value) || hasMethod(value, Symbol.iterator) || isWebStream(value);
}

function isGenerator(value: Partial<AsyncIterator<unknown>>): value is AsyncGenerator<never> {
  return value.next === GeneratorPrototype.next && value.return === GeneratorPrototype.return;
}

/** Whether it is an async generator, which is its own iterator: nearly every source is one. */
function isOwnIterator(value: unknown): value is AsyncGenerator<never> {
  try {
    const generator = value as Partial<AsyncGenerator>;
    return isGenerator(generator) && generator[Symbol.asyncIterator] === GeneratorPrototype[Symbol.asyncIterator];
  } catch {
    return false;
  }
}

function isStage(value: unknown): value is { readableDidRead: boolean } {
  if (!isNodeStream(value) || !hasMethod(value, Symbol.asyncIterator)) return false;
  // Nothing runs: Node's own iterators, too, begin with the first `next()`.
  return isStageIterator((value as unknown as AsyncIterable<unknown>)[Symbol.asyncIterator]());
}

function isNodeStream(value: unknown): value is { destroy(): unknown } {
  return hasMethod(value, 'pipe') && hasMethod(value, 'destroy');
}

function isWebStream<T>(value: unknown): value is ReadableStream<T> {
  return hasMethod(value, 'getReader') && hasMethod(value, 'cancel');
}

/** By itself, as it is asked of every source and every object of options: a name that varies is slower to look up. */
function isAsyncIterable<T>(value: unknown): value is AsyncIterable<T> {
  try {
    return isObject(value) && typeof (value as Partial<AsyncIterable<T>>)[Symbol.asyncIterator] === 'function';
  } catch {
    return false;
  }
}

/** A strict Proxy throws for what it does not have. */
export function hasMethod<Name extends PropertyKey>(
  value: unknown,
  name: Name,
): value is Record<Name, (...args: unknown[]) => unknown> {
  if (!isObject(value) && typeof value !== 'string') return false;
  try {
    return typeof (value as unknown as Record<PropertyKey, unknown>)[name] === 'function';
  } catch {
    return false;
  }
}

/** The consumer has gone or has an error already: whether a foreign stream could be cancelled changes nothing for it. */
function ignoreRejection(promise: Promise<unknown>): void {
  promise.catch(() => {});
}
