/** The types that users meet. They add to Node's what Node leaves `any`: the type of the items. */
import type { Readable } from 'node:stream';

/** What a source function is called with. */
export interface SourceContext {
  /**
   * Aborts as soon as the stage is destroyed, whatever the reason, so that work under way can stop: hand it to `fetch`,
   * timers, database drivers. Its reason is an `AbortError` whose `cause` is the error that destroyed the stage, if any.
   * It does not abort when the source ends.
   */
  readonly signal: AbortSignal;
}

/** What `for await` takes: async generators, arrays, Node and web streams, stages; promises in a sync iterable are awaited. */
export type SourceIterable<T> = AsyncIterable<T> | Iterable<T | PromiseLike<T>>;

/**
 * The source of a stage: an iterable, or a function that returns one, or a promise of one. A function is called when the stage
 * is first read.
 */
export type Source<T> =
  | SourceIterable<T>
  | ((context: SourceContext) => SourceIterable<T> | PromiseLike<SourceIterable<T>>);

/** The options of Node's stream operators (`map`, `filter`, …). */
export interface OperatorOptions {
  /** How many calls may be under way at once: an integer >= 1. Default 1. */
  concurrency?: number | undefined;
  /** How many results may wait for their reader: an integer >= 0. Default `concurrency * 2 - 1`. */
  highWaterMark?: number | undefined;
  /** Destroys the operator when it aborts. */
  signal?: AbortSignal | undefined;
}

/** What Node's operators call a function with, beside the item. */
interface OperatorContext {
  /**
   * Aborts with the `signal` of the operator's options, and at no other time: not when the operator is destroyed. To stop
   * calls under way with the pipeline, wrap the operator: `buffer(({ signal }) => stage.map((item) => work(item, signal)))`.
   */
  readonly signal: AbortSignal;
}

type Abortable = Pick<OperatorOptions, 'signal'>;

/**
 * A buffered stage: an object-mode `Readable` of Node's that knows the type of its items.
 *
 * Read it with `for await`, as a stream (`data`, `read()`, `pipe`, `pipeline`) or through Node's operators. Nothing runs
 * before the first read. All values that came before an error arrive before it; leaving a loop early, `destroy()`, and
 * an aborted signal close its source and every stage that its source reads.
 *
 * @typeParam T - What the source yields.
 */
export interface Stage<T> extends Readable {
  // Calls and `for await` go by T. The overloads in the middle make a stage a `NodeJS.ReadableStream` to the compiler, whose
  // items are strings and buffers; the last ones are those that type arguments are inferred from.
  [Symbol.asyncIterator](): NodeJS.AsyncIterator<T>;
  [Symbol.asyncIterator](): NodeStreamIterator;
  [Symbol.asyncIterator](): NodeJS.AsyncIterator<T>;
  /**
   * Takes a value out of the buffer, and starts the stage if nothing has.
   *
   * @returns The value, or `null` if none is there yet or any more: wait for `'readable'`, or for `'end'`.
   */
  read(size?: number): T | null;
  read(size?: number): string | Buffer;
  read(size?: number): T | null;
  /**
   * Another iterator, for a loop that may leave the stage open.
   *
   * @param options - `destroyOnReturn`: whether leaving the loop destroys the stage; default true.
   */
  iterator(options?: { destroyOnReturn?: boolean }): NodeJS.AsyncIterator<T>;

  addListener(event: 'data', listener: (item: T) => void): this;
  addListener<E extends string | symbol>(event: NotData<E>, listener: (...args: any[]) => void): this;
  on(event: 'data', listener: (item: T) => void): this;
  on<E extends string | symbol>(event: NotData<E>, listener: (...args: any[]) => void): this;
  once(event: 'data', listener: (item: T) => void): this;
  once<E extends string | symbol>(event: NotData<E>, listener: (...args: any[]) => void): this;

  /**
   * Calls `fn` for each item and yields the results in order, up to `concurrency` calls at once.
   *
   * @param fn - Returns the result, or a promise of it. If it fails, the new stage fails.
   * @param options - `concurrency`: default 1. `highWaterMark`: how many results may wait. `signal`: destroys the new stage.
   * @returns A Readable that knows its item type. It reads when it is read.
   */
  map<U>(fn: (item: T, options: OperatorContext) => U | PromiseLike<U>, options?: OperatorOptions): Stage<U>;
  /**
   * Yields the items for which `fn` returns something truthy, or a promise of it, in order. A type guard narrows the item type.
   *
   * @param options - `concurrency`: how many calls may be under way at once, default 1. `highWaterMark`, `signal`: as for `map`.
   */
  filter<U extends T>(fn: (item: T, options: OperatorContext) => item is U, options?: OperatorOptions): Stage<U>;
  /**
   * Yields the items for which `fn` returns something truthy, or a promise of it, in order.
   *
   * @param options - `concurrency`: how many calls may be under way at once, default 1. `highWaterMark`, `signal`: as for `map`.
   */
  filter(fn: (item: T, options: OperatorContext) => boolean | Promise<boolean>, options?: OperatorOptions): Stage<T>;
  /**
   * Calls `fn` for each item and yields the items of all the iterables that it returns, one after another, in order.
   *
   * @param fn - Returns an iterable, or a promise of one; a stage and any other async iterable will do.
   * @param options - `concurrency`: how many calls may be under way at once, default 1. `highWaterMark`, `signal`: as for `map`.
   */
  flatMap<U>(fn: (item: T, options: OperatorContext) => FlatMapped<U>, options?: OperatorOptions): Stage<U>;
  /** Yields the first `limit` items, then ends and closes this stage, as `break` does. */
  take(limit: number, options?: Abortable): Stage<T>;
  /** Leaves out the first `limit` items and yields all others. */
  drop(limit: number, options?: Abortable): Stage<T>;

  /** Reads to the end. Resolves with all items: they are in memory at once. Rejects with the first error. */
  toArray(options?: Abortable): Promise<T[]>;
  /**
   * Reads to the end and calls `fn` for each item, up to `concurrency` calls at once (default 1).
   *
   * @returns Resolves when all calls have. Rejects with the first error, of the stage or of a call, and closes the stage.
   */
  forEach(fn: (item: T, options: OperatorContext) => void | Promise<void>, options?: OperatorOptions): Promise<void>;
  /**
   * Whether `fn` returns something truthy, or a promise of it, for an item. Reads no further then, and closes the stage.
   *
   * @param options - `concurrency`: how many calls may be under way at once, default 1.
   */
  some(
    fn: (item: T, options: OperatorContext) => boolean | Promise<boolean>,
    options?: OperatorOptions,
  ): Promise<boolean>;
  /**
   * Whether `fn` returns something truthy, or a promise of it, for all items. At the first that differs, it closes the stage.
   *
   * @param options - `concurrency`: how many calls may be under way at once, default 1.
   */
  every(
    fn: (item: T, options: OperatorContext) => boolean | Promise<boolean>,
    options?: OperatorOptions,
  ): Promise<boolean>;
  /**
   * The first item for which `fn` returns something truthy, or a promise of it; `undefined` if there is none. Reads no
   * further then, and closes the stage.
   *
   * @param options - `concurrency`: how many calls may be under way at once, default 1.
   */
  find<U extends T>(
    fn: (item: T, options: OperatorContext) => item is U,
    options?: OperatorOptions,
  ): Promise<U | undefined>;
  /**
   * The first item for which `fn` returns something truthy, or a promise of it; `undefined` if there is none. Reads no
   * further then, and closes the stage.
   *
   * @param options - `concurrency`: how many calls may be under way at once, default 1.
   */
  find(
    fn: (item: T, options: OperatorContext) => boolean | Promise<boolean>,
    options?: OperatorOptions,
  ): Promise<T | undefined>;
  /**
   * Combines all items into one: calls `fn` with what the last call returned and the next item, one call at a time. The
   * first item is the first `previous`.
   *
   * @returns What the last call returned. Rejects if there is no item, and with the first error.
   */
  reduce(fn: (previous: T, item: T, options: OperatorContext) => T | Promise<T>): Promise<T>;
  /**
   * Combines all items into one: calls `fn` with what the last call returned and the next item, one call at a time.
   *
   * @param initial - The first `previous`, and the result if there is no item.
   * @returns What the last call returned. Rejects with the first error.
   */
  reduce<U>(
    fn: (previous: U, item: T, options: OperatorContext) => U | Promise<U>,
    initial: U,
    options?: Abortable,
  ): Promise<U>;
}

/**
 * The iterator of a `NodeJS.ReadableStream`, for the compiler only. `then` says nothing of the items, so that `for await` goes
 * by the T of the stage; `catch` says strings and buffers, so that the stage is no iterable of strings, or of anything else.
 */
interface NodeStreamIterator {
  next(): NodeStreamAnswer;
  [Symbol.asyncIterator](): AsyncIterableIterator<string | Buffer>;
}

type PromiseOfNodeItem = Promise<IteratorResult<string | Buffer>>;

interface NodeStreamAnswer extends Pick<PromiseOfNodeItem, 'catch' | 'finally' | typeof Symbol.toStringTag> {
  then: Promise<any>['then'];
}

type NotData<E> = E extends 'data' ? never : E;
type FlatMapped<U> = SourceIterable<U> | Promise<SourceIterable<U>>;

/** The options of `bufferedPipeline()`. */
export interface PipelineOptions {
  /** Destroys all stages of the pipeline when it aborts; their consumers get an `AbortError`. Default: none. */
  signal?: AbortSignal | undefined;
  /**
   * Whether stages are measured for `buffer.statistics()`. Default false: unless somebody has subscribed to the channels of
   * {@link StageMessage}, nothing is counted, and no clock is read.
   */
  statistics?: boolean | undefined;
}

/** The options of `buffer()`. */
export interface StageOptions {
  /**
   * How many values the stage may hold that its reader has not taken: an integer >= 1. Default 1, which is enough to have
   * all steps work at once; more helps where the times of the steps vary.
   */
  bufferSize?: number | undefined;
  /** What the stage is called in statistics and traces. Default: the name of the source function, or `stage 1`, `stage 2`, … */
  name?: string | undefined;
}

/** The options of `buffer.map()`. */
export interface MapOptions {
  /** How many calls may be under way at once: an integer >= 1. Default 1. */
  concurrency?: number | undefined;
  /**
   * How many values may be ahead of the reader, calls under way and results that wait counted together: an integer >=
   * `concurrency`, the default. More than `concurrency` lets calls go on behind one that is slow.
   */
  bufferSize?: number | undefined;
  /** What the stage is called in statistics and traces. Default: the name of the function, or `stage 1`, `stage 2`, … */
  name?: string | undefined;
}

/** The calls of `buffer.map()`, as its stage's statistics count them. */
export interface CallStatistics {
  /** How many may be under way at once. */
  readonly concurrency: number;
  /** How many are under way now. */
  readonly underWay: number;
  /** How many were under way on average, from the first read until the source was over. */
  readonly mean: number;
}

/**
 * What a stage does: it has not been read yet; its generator runs, or awaits something of its own; its generator waits for
 * a stage upstream; its buffer is full; it is over; it is over because of a failure that happened here.
 *
 * A failure has one stage that is `failed`: the first whose source or call threw the error, also while it cleaned up, or that
 * was destroyed with it by `destroy(error)`, yours or that of what reads it, such as `pipeline`. Stages which pass the error on,
 * throw another one with it as its `cause`, or are destroyed because of it, have `ended`. So has every stage that was left or aborted: none has failed.
 */
export type StageState = 'unread' | 'working' | 'starved' | 'blocked' | 'ended' | 'failed';

/**
 * How a stage has done so far. Its times add up to its life, from the first read until its source is over. They tell
 * where a chain spends its time: the stage that holds the others up is the one that works nearly all its life.
 */
export interface StageStatistics {
  /** What the stage is called. */
  readonly name: string;
  /** How many values it may hold. */
  readonly bufferSize: number;
  readonly state: StageState;
  /**
   * Only for a stage that is `failed`: what was thrown, or what it was destroyed with; of several failed calls of `buffer.map()`,
   * that of the first in line. The statistics keep it, and what it refers to, as long as the pipeline tells of the stage.
   */
  readonly error?: unknown;
  /** How many values its source has yielded. */
  readonly produced: number;
  /** How many of them readers have taken. */
  readonly taken: number;
  /** How many wait now for a reader: at most `bufferSize`. */
  readonly held: number;
  /** The most that have waited at once. */
  readonly maxHeld: number;
  /** Milliseconds in which the generator ran, or awaited something that is not a stage. */
  readonly working: number;
  /** Milliseconds in which the generator waited for a stage upstream. */
  readonly starved: number;
  /** Milliseconds in which the generator stood still because the buffer was full. */
  readonly blocked: number;
  /** Only for a stage made by `buffer.map()`. */
  readonly calls?: CallStatistics;
}

/**
 * What subscribers of the channels `buffered-pipeline:stage:start`, `state`, `yield`, `handover`, `error` and `close` of
 * `node:diagnostics_channel` are told.
 */
export interface StageMessage {
  readonly stage: Readable;
  /** At this moment. */
  readonly statistics: StageStatistics;
  /**
   * On the channel `error`: what was thrown, or what the stage was destroyed with. All stages that an error passes are told
   * of; in the statistics of the one where it happened, the state is `failed`.
   */
  readonly error?: unknown;
}

/** Wraps the steps of a chain: see {@link bufferedPipeline}. */
export interface BufferedPipeline extends AsyncDisposable {
  /**
   * Gives a source a buffer, and a life of its own beside its reader.
   *
   * The source is started by the first read, asked for one value at a time, in order, and only while fewer than
   * `bufferSize` values wait. What it yields arrives unchanged; an error it throws arrives after the values before it.
   *
   * @param source - What `for await` takes, or a function of `{ signal }` that returns one.
   * @param options - `bufferSize`: an integer >= 1, default 1. `name`: a string, for statistics and traces.
   * @returns The stage, for the next generator, a loop, or `stream.pipeline`.
   * @throws TypeError, RangeError - at once, when an argument is not as said here.
   */
  <T>(source: Source<T>, options?: StageOptions): Stage<T>;

  /**
   * A step that works on several values at once: `for await (const value of source) yield await fn(value, { signal })`, with up
   * to `concurrency` calls under way. Results come in the order of the values.
   *
   * A call starts as soon as the source has yielded its value, a call is free, and there is room. The first error in line,
   * of a call or of the source, arrives after all results before it; after a failed call the source is asked for no
   * more. Calls under way cannot be interrupted: when the stage is destroyed, `signal` aborts, and `await using` waits for
   * them.
   *
   * @param source - What `buffer()` takes.
   * @param fn - Called with each value and `{ signal }`, the signal of the stage. May return a promise.
   * @param options - `concurrency`: an integer >= 1, default 1. `bufferSize`: an integer >= `concurrency`, the default.
   *   `name`: a string, for statistics and traces.
   * @returns The stage of the results.
   * @throws TypeError, RangeError - at once, when an argument is not as said here.
   * @example
   * const buffer = bufferedPipeline();
   * const statuses = buffer.map(urls, async (url, { signal }) => (await fetch(url, { signal })).status, { concurrency: 8 });
   * for await (const status of statuses) console.log(status); // 8 requests at a time, answers in the order of the urls
   */
  map<T, U>(
    source: Source<T>,
    fn: (value: T, context: SourceContext) => U | PromiseLike<U>,
    options?: MapOptions,
  ): Stage<U>;

  /**
   * How the stages have done so far, in the order in which they were made. Of those that have ended, the last
   * 1,000 are told of.
   *
   * @throws Error - with the code `ERR_INVALID_STATE`, when the pipeline was made without `statistics: true`.
   */
  statistics(): StageStatistics[];

  /**
   * Destroys the stages that still run, and waits until all their generators are done with their clean-up, also those in
   * the middle of a step. Rejects with the first error of a clean-up that nobody was told of, also if that was before. A
   * step that never settles keeps it waiting: end such steps by their `signal`.
   */
  [Symbol.asyncDispose](): Promise<void>;
}
