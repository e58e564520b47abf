/**
 * Libraries that read what a stage yields: between two stages of a pipeline, and as the reader of one. Buffering must not
 * change what their consumer sees, so each program runs twice: as it is, and with its generators buffered. What a library
 * makes of an error, and whether it closes what it reads, is its own affair. The two runs have to agree.
 */
import { Readable } from 'node:stream';
import { ReadableStream, TransformStream } from 'node:stream/web';
import { setImmediate as nextTurn } from 'node:timers/promises';

import { Repeater } from '@repeaterjs/repeater';
import { bufferedAsyncMap, mergeIterables } from 'buffered-async-iterable';
import { bufferedPipeline } from 'buffered-pipeline';
import { expect } from 'chai';
import * as Effect from 'effect/Effect';
import * as EffectStream from 'effect/Stream';
import merge from 'it-merge';
import parallel from 'it-parallel';
import { from as ixFrom } from 'ix/asynciterable';
import { map as ixMap } from 'ix/asynciterable/operators';
import { pMapIterable } from 'p-map';
import { from as rxFrom, mergeMap } from 'rxjs';
import { eachValueFrom } from 'rxjs-for-await';
import * as streaming from 'streaming-iterables';
import * as streamx from 'streamx';
import { Response } from 'undici';

import { type Deferred, deferred, pass, turn } from '../../test/helpers.ts';

/** Bytes, because a `Response` takes nothing else. */
type Values = AsyncIterable<Uint8Array>;

interface Library {
  through: (source: Values) => Values;
  /** Reads when it is made, before any stage has started. It stands between two pipelines, as the documentation advises. */
  isEager?: boolean;
  /** Throws away what it holds when its source fails. How much that is depends on how fast it is read. */
  dropsValues?: boolean;
}

const libraries: Record<string, Library> = {
  'p-map, pMapIterable': { through: (source) => pMapIterable(source, slowly, { concurrency: 4 }) },
  'streaming-iterables, map': { through: (source) => streaming.map(slowly, source) },
  'streaming-iterables, parallelMap': { through: (source) => streaming.parallelMap(3, slowly, source) },
  'streaming-iterables, buffer': { through: (source) => streaming.buffer(3, source) },
  'streaming-iterables, merge': { through: (source) => streaming.merge(source) },
  'it-parallel': { through: (source) => parallel(calls(source), { concurrency: 3, ordered: true }) },
  'it-merge': { through: (source) => merge(source) },
  'buffered-async-iterable, bufferedAsyncMap': {
    through: (source) => bufferedAsyncMap(source, slowly, { bufferSize: 3, ordered: true }),
    isEager: true,
  },
  'buffered-async-iterable, mergeIterables': { through: (source) => mergeIterables([source]) },
  'ix, map': { through: (source) => ixFrom(source).pipe(ixMap(slowly)) },
  'effect, Stream': { through: throughEffect },
  'repeater, push': { through: pushed },
  'repeater, merge': { through: (source) => Repeater.merge([source]) },
  'streamx, Readable.from': { through: (source) => iterable(streamx.Readable.from(source)), dropsValues: true },
  'streamx, pipeline': { through: throughStreamx, isEager: true, dropsValues: true },
  'rxjs, mergeMap': { through: (source) => eachValueFrom(rxFrom(source).pipe(mergeMap(atOnce, 1))) },
  'Readable.from, map': { through: (source) => Readable.from(source).map(slowly, { concurrency: 3 }) },
  'ReadableStream.from': { through: (source) => ReadableStream.from(source) },
  TransformStream: {
    through: (source) => ReadableStream.from(source).pipeThrough(new TransformStream<Uint8Array, Uint8Array>()),
    isEager: true,
  },
  'undici, Response': { through: (source) => new Response(source).body! },
};

/** A call that takes a while. */
const slowly = async <T>(value: T): Promise<T> => nextTurn(value);

/** For those which drop the calls that are under way when their source fails. */
const atOnce = async <T>(value: T): Promise<T> => value;

async function* calls(source: Values) {
  for await (const value of source) yield () => atOnce(value);
}

function throughEffect(source: Values): Values {
  return EffectStream.fromAsyncIterable(source, (error) => error).pipe(
    EffectStream.mapEffect((value) => Effect.promise(() => slowly(value)), { concurrency: 3 }),
    EffectStream.buffer({ capacity: 2 }),
    EffectStream.toAsyncIterable,
  );
}

/** A loop turned into a repeater by hand. */
function pushed(source: Values): Values {
  return new Repeater<Uint8Array>(async (push, stop) => {
    let isStopped = false;
    void stop.then(() => (isStopped = true));
    for await (const value of source) {
      await push(value);
      if (isStopped) break;
    }
    stop();
  });
}

function throughStreamx(source: Values): Values {
  return iterable(streamx.pipeline(streamx.Readable.from(source), new streamx.PassThrough()));
}

/** Its types do not know that its streams can be read in a loop. */
function iterable(stream: unknown): Values {
  return stream as Values;
}

/** A generator of its own for a run, and how often it has run its `finally`. */
class Source {
  closed = 0;
  readonly #before: (value: number) => unknown;

  /** Yields 1, 2, 3 … and lets `before` wait or throw before each. */
  constructor(before: (value: number) => unknown) {
    this.#before = before;
  }

  async *generate(): AsyncGenerator<Uint8Array> {
    try {
      for (let value = 1; (await this.#before(value)) !== END; value++) yield Buffer.from(String(value));
    } finally {
      this.closed++;
    }
  }
}

const VALUES = 5;
const END = 'end';
/** More than any library reads before it is closed. */
const MANY = 1000;
/** More turns of the event loop than any program here needs to come to rest. */
const REST = 30;

/** How the generators of a program are wrapped. */
type Wrap = (source: Values) => Values;
interface Wraps {
  first: Wrap;
  last: Wrap;
}

const unbuffered: Wraps = { first: (source) => source, last: (source) => source };

/** In one pipeline, if the library can stand in the middle of one. */
function buffered({ isEager = false }: Library, signal?: AbortSignal): Wraps {
  const options = signal === undefined ? {} : { signal };
  const last = bufferedPipeline(options);
  const first = isEager ? bufferedPipeline(options) : last;
  return { first: (source) => first(source), last: (source) => last(source) };
}

/** Hands on what it reads, and an error as a value. */
async function* rescued(source: Values): AsyncGenerator<Uint8Array> {
  try {
    yield* pass(source);
  } catch (error) {
    yield Buffer.from(String(error));
  }
}

/** Where a library stands. */
type Place = (library: Library, source: Source, wraps: Wraps) => Values;
const between: Place = ({ through }, source, { first, last }) => last(pass(through(first(source.generate()))));
const asReader: Place = ({ through }, source, { first }) => through(first(source.generate()));
const places: Record<string, Place> = { 'between two stages': between, 'as the reader of a stage': asReader };

/** In turns of the event loop for each value. */
interface Pace {
  produces: number;
  consumes: number;
}

const paces: Record<string, Pace> = {
  'from a slow source': { produces: 5, consumes: 0 },
  'at the same pace': { produces: 1, consumes: 1 },
  'to a slow consumer': { produces: 0, consumes: REST },
};

/** A source that ends after its values, or fails. */
function ending({ produces }: Pace, error?: Error): Source {
  return new Source(async (value) => {
    await turn(produces);
    if (value <= VALUES) return undefined;
    if (error === undefined) return END;
    throw error;
  });
}

interface Outcome {
  values: string[];
  error: unknown;
}

/** What a loop sees that does something `after` each value, and leaves when this returns `false`. */
async function outcomeOf(source: Values, after: (count: number) => Promise<unknown>): Promise<Outcome> {
  const values: string[] = [];
  try {
    for await (const value of source) {
      values.push(Buffer.from(value).toString());
      if ((await after(values.length)) === false) break;
    }
  } catch (error) {
    return { values, error };
  }
  return { values, error: undefined };
}

/** A stage of the same pipeline that has nothing to do with the library. Returns how to read the rest of it. */
async function startSibling({ last }: Wraps): Promise<() => Promise<Outcome>> {
  const source = new Source((value) => (value > VALUES ? END : nextTurn()));
  const iterator = last(source.generate())[Symbol.asyncIterator]();
  await iterator.next();
  return () => outcomeOf({ [Symbol.asyncIterator]: () => iterator }, nextTurn);
}

/** Whoever drops values does not drop more of them because of a buffer. */
function expectSame({ dropsValues = false }: Library, got: Outcome, expected: Outcome): void {
  const hasDropped = dropsValues && expected.error !== undefined;
  const values = hasDropped ? got.values.slice(0, expected.values.length) : got.values;
  expect({ ...got, values }).to.deep.equal(expected);
  expect(got.error).to.equal(expected.error);
}

/** A consumer takes two values, waits until all have come to rest, and leaves. */
async function leave(chain: Values): Promise<Outcome> {
  return outcomeOf(chain, async (count) => {
    if (count < 2) return true;
    await turn(REST);
    return false;
  });
}

/** What is left when a consumer has left. The source takes `long` for its third value. */
async function leftBehind(library: Library, place: Place, wraps: Wraps, long: Deferred<void>) {
  const readSibling = await startSibling(wraps);
  const source = new Source(async (value) => {
    if (value > MANY) return END;
    if (value > 2) await long.promise;
    return nextTurn();
  });
  const leaving = leave(place(library, source, wraps));
  await turn(2 * REST);
  long.resolve();
  const outcome = await leaving;
  await turn(REST);
  return { outcome, closed: source.closed, sibling: await readSibling() };
}

function settled(): Deferred<void> {
  const now = deferred();
  now.resolve();
  return now;
}

function testReading(library: Library): void {
  it(library.isEager ? 'reads when it is made' : 'reads nothing before it is read', async () => {
    let hasStarted = false;
    const source = new Source(() => {
      hasStarted = true;
      return END;
    });
    library.through(source.generate());
    await turn(REST);
    expect(hasStarted).to.equal(library.isEager ?? false);
  });
}

function testValues(library: Library, place: Place): void {
  for (const [name, pace] of Object.entries(paces)) {
    const run = (wraps: Wraps, error?: Error) =>
      outcomeOf(place(library, ending(pace, error), wraps), () => turn(pace.consumes));

    it(`gives all values, ${name}`, async () => {
      expectSame(library, await run(buffered(library)), await run(unbuffered));
    });

    it(`gives the values before an error, and the error, ${name}`, async () => {
      const error = new Error('boom');
      expectSame(library, await run(buffered(library), error), await run(unbuffered, error));
    });
  }
}

function testCatching(library: Library): void {
  for (const [name, pace] of Object.entries(paces))
    it(`leaves an error, and the other stages, to the stage that catches it, ${name}`, async () => {
      const run = async (wraps: Wraps) => {
        const readSibling = await startSibling(wraps);
        const chain = wraps.last(rescued(library.through(wraps.first(ending(pace, new Error('boom')).generate()))));
        const outcome = await outcomeOf(chain, () => turn(pace.consumes));
        return { caught: outcome.values.pop(), outcome, sibling: await readSibling() };
      };
      const [got, expected] = [await run(buffered(library)), await run(unbuffered)];
      expect(got.caught).to.equal('Error: boom');
      expect(got.sibling).to.deep.equal(expected.sibling);
      if (library.dropsValues) got.outcome.values.length = expected.outcome.values.length;
      expect(got.outcome).to.deep.equal(expected.outcome);
    });
}

function testLeaving(library: Library, place: Place): void {
  const slow: Record<string, () => Deferred<void>> = { 'comes to rest': settled, 'takes long': deferred };
  for (const [state, makeStep] of Object.entries(slow))
    it(`closes what it closes unbuffered, and no other stage, when the consumer leaves and the source ${state}`, async () => {
      const run = (wraps: Wraps) => leftBehind(library, place, wraps, makeStep());
      const [got, expected] = [await run(buffered(library)), await run(unbuffered)];
      // A stage that is left may close what it has read, also where the library between them would not.
      const closed = place === between ? Math.max(got.closed, expected.closed) : expected.closed;
      expect(got).to.deep.equal({ ...expected, closed });
    });
}

function testAbort(library: Library, place: Place): void {
  it('hands on the abort of its pipeline', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const aborted = deferred();
    signal.addEventListener('abort', () => aborted.reject(signal.reason));
    const source = new Source((value) => (value > 2 ? aborted.promise : undefined));
    const outcome = outcomeOf(place(library, source, buffered(library, signal)), nextTurn);
    await turn(REST);
    controller.abort(new Error('enough'));
    const { values, error } = await outcome;
    await turn(REST);
    expect({ values, closed: source.closed }).to.deep.equal({ values: ['1', '2'], closed: 1 });
    expect(error).to.include({ name: 'AbortError', code: 'ABORT_ERR', cause: signal.reason });
  });
}

describe('libraries', function () {
  this.timeout(2000);

  for (const [name, library] of Object.entries(libraries))
    describe(name, () => {
      testReading(library);
      testCatching(library);
      for (const [where, place] of Object.entries(places))
        describe(where, () => {
          testValues(library, place);
          testLeaving(library, place);
          testAbort(library, place);
        });
    });
});
