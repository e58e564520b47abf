/** What could be used for a step that works on several values at once, with its results in order, each in its best idiom. */
import { Readable } from 'node:stream';

import { bufferedAsyncMap } from 'buffered-async-iterable';
import { bufferedPipeline } from 'buffered-pipeline';
import * as Effect from 'effect/Effect';
import * as EffectStream from 'effect/Stream';
import parallel from 'it-parallel';
import { pMapIterable } from 'p-map';
import { parallelMap } from 'streaming-iterables';

/** Gets a signal from those that give one. */
export type Call = (value: number, signal?: AbortSignal) => Promise<number>;

export type Mapper = (source: AsyncIterable<number>, call: Call, concurrency: number) => AsyncIterable<number>;

export const OURS_MAP = 'buffered-pipeline';
export const LOOP = 'plain loop';

async function* loop(source: AsyncIterable<number>, call: Call): AsyncGenerator<number> {
  for await (const value of source) yield await call(value);
}

/** Effect tells of failures in its own way: these are the values that were thrown. */
const effect: Mapper = (source, call, concurrency) => {
  const mapOne = (value: number) =>
    Effect.tryPromise({ try: (signal) => call(value, signal), catch: (error) => error });
  const stream = EffectStream.fromAsyncIterable(source, (error) => error);
  return EffectStream.toAsyncIterable(stream.pipe(EffectStream.mapEffect(mapOne, { concurrency })));
};

/** Takes functions without arguments. */
async function* calls(source: AsyncIterable<number>, call: Call): AsyncGenerator<() => Promise<number>> {
  for await (const value of source) yield () => call(value);
}

export const mappers: Record<string, Mapper> = {
  [LOOP]: loop,
  [OURS_MAP]: (source, call, concurrency) =>
    bufferedPipeline().map(source, (value, { signal }) => call(value, signal), { concurrency }),
  'Readable.map': (source, call, concurrency) =>
    Readable.from(source).map((value: number, options) => call(value, options?.signal), { concurrency }),
  'p-map': (source, call, concurrency) => pMapIterable(source, (value) => call(value), { concurrency }),
  'streaming-iterables': (source, call, concurrency) => parallelMap(concurrency, (value) => call(value), source),
  effect,
  'buffered-async-iterable': (source, call, concurrency) =>
    bufferedAsyncMap(source, (value) => call(value), { bufferSize: concurrency, ordered: true }),
  'it-parallel': (source, call, concurrency) => parallel(calls(source, call), { concurrency, ordered: true }),
};
