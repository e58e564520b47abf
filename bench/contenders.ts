/** What could be used to have the steps of a chain work at the same time, each in its best idiom. */
import { compose, Readable } from 'node:stream';
import { ReadableStream, type Transformer, TransformStream } from 'node:stream/web';

import { bufferedAsyncMap } from 'buffered-async-iterable';
import { bufferedPipeline, type PipelineOptions } from 'buffered-pipeline';
import * as Effect from 'effect/Effect';
import * as EffectStream from 'effect/Stream';
import * as iterTools from 'iter-tools/methods/async-buffer';
import { pMapIterable } from 'p-map';
import chain from 'stream-chain';
import { buffer as readAhead } from 'streaming-iterables';
import * as streamx from 'streamx';

import { BareBuffer } from './bare.ts';
import type { Step } from './work.ts';

export const OURS = 'buffered-pipeline';
export const UNBUFFERED = 'unbuffered';
export const BARE = 'bare buffer';
export const READABLE_FROM = 'Readable.from';

/** Builds the chain: a stage for the source and one for each step, with buffers of `size` where that can be said. */
export type Contender = (source: AsyncGenerator<number>, steps: Step[], size: number) => AsyncIterable<number>;

/** Those that wrap a generator, one after another. */
function wrapping(wrap: (input: AsyncIterable<number>, size: number) => AsyncIterable<number>): Contender {
  return (source, steps, size) => {
    let stage = wrap(source, size);
    for (const step of steps) stage = wrap(step.generate(stage), size);
    return stage;
  };
}

/** Ours. */
export function wrapped(options?: PipelineOptions): Contender {
  return (source, steps, bufferSize) => {
    const buffer = bufferedPipeline(options);
    let stage = buffer(source, { bufferSize });
    for (const step of steps) stage = buffer(step.generate(stage), { bufferSize });
    return stage;
  };
}

const readableMap: Contender = (source, steps, size) => {
  let stage = Readable.from(source, { highWaterMark: size });
  for (const step of steps) stage = stage.map(step.call, { highWaterMark: size });
  return stage;
};

/** Has no option for the size. */
const composed: Contender = (source, steps) => composeAll(source, ...steps.map((step) => step.generate));

// Node's types ask for at least two arguments one by one.
const composeAll = compose as unknown as (...stages: unknown[]) => AsyncIterable<number>;

const webStreams: Contender = (source, steps, size) => {
  let stage: ReadableStream<number> = ReadableStream.from(source);
  const strategy = { highWaterMark: size };
  for (const step of steps) stage = stage.pipeThrough(new TransformStream(transformer(step), strategy, strategy));
  return stage;
};

function transformer({ waits, call }: Step): Transformer<number, number> {
  if (!waits) return { transform: (value, controller) => controller.enqueue(call(value) as number) };
  return { transform: async (value, controller) => controller.enqueue(await call(value)) };
}

const mapped: Contender = (source, steps, size) => {
  let stage: AsyncIterable<number> = source;
  for (const call of calls(steps)) stage = pMapIterable(stage, call, { concurrency: 1, backpressure: size });
  return stage;
};

const asyncMapped: Contender = (source, steps, size) => {
  let stage: AsyncIterable<number> = source;
  const options = { bufferSize: size, ordered: true };
  for (const call of calls(steps)) stage = bufferedAsyncMap(stage, async (value) => call(value), options);
  return stage;
};

/** Those that have no way to buffer a generator alone take a function that changes nothing. */
function calls(steps: Step[]): Step['call'][] {
  return steps.length > 0 ? steps.map((step) => step.call) : [(value) => value];
}

const effect: Contender = (source, steps, size) => {
  let stage = EffectStream.fromAsyncIterable(source, String).pipe(EffectStream.buffer({ capacity: size }));
  for (const step of steps) stage = stage.pipe(effectStep(step), EffectStream.buffer({ capacity: size }));
  return EffectStream.toAsyncIterable(stage);
};

function effectStep({ waits, call }: Step) {
  if (!waits) return EffectStream.map((value: number) => call(value) as number);
  return EffectStream.mapEffect((value: number) => Effect.promise(async () => call(value)));
}

const streamxPipeline: Contender = (source, steps, size) => {
  const options = { highWaterMark: size, byteLength: () => 1 };
  const transforms = steps.map((step) => new streamx.Transform({ ...options, transform: streamxTransform(step) }));
  return joined([streamx.Readable.from(source, options), ...transforms]) as AsyncIterable<number>;
};

/** Its types know neither pipelines of any length nor that streams can be read in a loop. */
function joined(streams: unknown[]): unknown {
  const join = streamx.pipeline as unknown as (...streams: unknown[]) => unknown;
  return streams.length > 1 ? join(...streams) : streams[0];
}

type Done = (error: Error | null, value?: number) => void;

function streamxTransform({ waits, call }: Step) {
  if (!waits) return (value: number, done: Done) => done(null, call(value) as number);
  return (value: number, done: Done) => {
    Promise.resolve(call(value)).then((result) => done(null, result), done);
  };
}

/** Joined into one stage, as is its default, its steps do not work at the same time. */
const streamChain: Contender = (source, steps, size) => {
  const options = { noGrouping: true, readableHighWaterMark: size, writableHighWaterMark: size };
  return chain([Readable.from(source, { highWaterMark: size }), ...steps.map((step) => step.call)], options);
};

// Its types are those of its CommonJS form. All of iter-tools would take a third of a second to load.
const asyncBuffer = iterTools.default as unknown as typeof iterTools.default.default;

export const contenders: Record<string, Contender> = {
  [UNBUFFERED]: wrapping((input) => input),
  [BARE]: wrapping((input, size) => new BareBuffer(input, size)),
  [OURS]: wrapped(),
  [READABLE_FROM]: wrapping((input, size) => Readable.from(input, { highWaterMark: size })),
  'Readable.map': readableMap,
  'stream.compose': composed,
  'web streams': webStreams,
  'streaming-iterables': wrapping((input, size) => readAhead(size, input)),
  'p-map': mapped,
  'iter-tools': wrapping((input, size) => asyncBuffer(size, input)),
  'buffered-async-iterable': asyncMapped,
  effect,
  streamx: streamxPipeline,
  'stream-chain': streamChain,
};
