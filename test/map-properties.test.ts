/**
 * `buffer.map` against the plain loop that it stands for, `for await (const value of source) yield await fn(value, { signal })`,
 * in random chains: the consumer sees the same values and the same end, and every generator cleans up as often.
 *
 * A failing run prints its seed; `SEED=… npx mocha test/map-properties.test.ts` repeats it, `RUNS=…` makes it longer.
 */
import { setMaxListeners } from 'node:events';
import { Readable } from 'node:stream';
import { ReadableStream } from 'node:stream/web';
import { setImmediate as turn } from 'node:timers/promises';

import { expect } from 'chai';
import fc from 'fast-check';

import { bufferedPipeline, type Source, type SourceContext, type Stage } from '../lib/index.ts';
import { type Delay, pass } from './graphs/delay.ts';
import { consumers } from './helpers.ts';
import { parameters, unhandledRejections } from './random.ts';

const RUNS = Number(process.env['RUNS'] ?? 6_000);
const LAST_TURNS = 12;

/** Thrown by identity; those that Node's streams cannot carry come last. */
const THROWN: unknown[] = [new Error('boom'), { an: 'object' }, 'text', new Error('bang'), undefined, null, 0, ''];
const TRUTHY = 4;

const RESULTS = ['at once', 'promise', 'thenable', 'thenable of a promise', 'late thenable'] as const;
const FAILURES = ['throw', 'rejection', 'rejecting thenable', 'throwing thenable', 'throwing getter'] as const;

interface Call {
  delay: Delay;
  result: (typeof RESULTS)[number];
}

interface Failure {
  /** Which call fails. */
  at: number;
  how: (typeof FAILURES)[number];
  thrown: number;
}

interface MapStep {
  kind: 'map';
  calls: Call[];
  failures: Failure[];
  concurrency: number;
  bufferSize: number;
  /** Whether calls look at their signal. */
  usesSignal: boolean;
}

/** A generator, buffered or not. */
interface GeneratorStep {
  kind: 'pass' | 'take' | 'recover' | 'repeat' | 'late';
  count: number;
  delay: Delay;
  bufferSize: number | undefined;
}

const SOURCES = [
  'async generator',
  'generator',
  'array',
  'promises',
  'hand-made',
  'Readable',
  'web stream',
  'stage',
  'map stage',
  'function',
  'async function',
] as const;

interface Chain {
  source: (typeof SOURCES)[number];
  length: number;
  /** What the source throws, if it fails: only generators do. */
  thrown: number | undefined;
  sourceDelay: Delay;
  steps: (MapStep | GeneratorStep)[];
}

interface Consumer {
  kind: 'loop' | 'break' | 'throw' | 'next' | 'leave' | 'ahead';
  count: number;
  delay: Delay;
}

interface Seen {
  values: unknown[];
  end: unknown;
}

const delay: fc.Arbitrary<Delay> = fc.record({
  microtasks: fc.nat({ max: 6 }),
  isTurn: fc.constantFrom(false, false, true),
});
const mapStep: fc.Arbitrary<MapStep> = fc
  .record({
    kind: fc.constant('map' as const),
    calls: fc.array(fc.record({ delay, result: fc.constantFrom(...RESULTS) }), { minLength: 1, maxLength: 4 }),
    failures: fc.oneof(
      fc.constant<Failure[]>([]),
      fc.array(fc.record({ at: fc.nat({ max: 9 }), how: fc.constantFrom(...FAILURES), thrown: fc.nat({ max: 7 }) }), {
        minLength: 1,
        maxLength: 3,
      }),
    ),
    concurrency: fc.integer({ min: 1, max: 8 }),
    more: fc.constantFrom(0, 0, 1, 4),
    usesSignal: fc.boolean(),
  })
  .map(({ more, ...step }) => ({ ...step, bufferSize: step.concurrency + more }));
const generatorStep: fc.Arbitrary<GeneratorStep> = fc.record({
  kind: fc.constantFrom('pass', 'take', 'recover', 'recover', 'repeat', 'late'),
  count: fc.nat({ max: 8 }),
  delay,
  bufferSize: fc.constantFrom(undefined, 1, 2, 16),
});
const chain: fc.Arbitrary<Chain> = fc
  .record({
    source: fc.constantFrom(...SOURCES),
    length: fc.nat({ max: 10 }),
    thrown: fc.option(fc.nat({ max: 7 }), { nil: undefined }),
    sourceDelay: delay,
    before: fc.array(generatorStep, { maxLength: 1 }),
    map: mapStep,
    after: fc.array(fc.oneof(mapStep, generatorStep), { maxLength: 3 }),
  })
  .map(({ before, map, after, ...rest }) => ({ ...rest, steps: [...before, map, ...after] }));
const consumer: fc.Arbitrary<Consumer> = fc.record({
  kind: fc.constantFrom('loop', 'loop', 'break', 'throw', 'next', 'leave', 'ahead'),
  count: fc.nat({ max: 8 }),
  delay,
});

/** What a chain is built with: `buffer`, or what it stands for. */
interface Kit {
  wrap: (source: Source<unknown>, bufferSize: number) => AsyncIterable<unknown>;
  map: (
    source: Source<unknown>,
    fn: (value: unknown, context: SourceContext) => unknown,
    options: { concurrency: number; bufferSize: number },
  ) => AsyncIterable<unknown>;
}

/** Never aborts: nothing is under way when the plain loop is left. */
const context: SourceContext = { signal: new AbortController().signal };
setMaxListeners(0, context.signal);

async function* opened(source: Source<unknown>): AsyncGenerator<unknown> {
  yield* typeof source === 'function' ? await source(context) : source;
}

const plain: Kit = {
  wrap: opened,
  async *map(source, fn) {
    for await (const value of opened(source)) yield await fn(value, context);
  },
};

function buffered(): Kit {
  const buffer = bufferedPipeline();
  return { wrap: (source, bufferSize) => buffer(source, { bufferSize }), map: buffer.map };
}

/** The generators and functions of a chain. */
class Program {
  /** How many generators have started and not cleaned up. */
  running = 0;
  started = 0;
  readonly #chain: Chain;
  readonly #kit: Kit;
  readonly #errorCount: number;

  constructor(described: Chain, kit: Kit, errorCount = THROWN.length) {
    this.#errorCount = errorCount;
    this.#chain = described;
    this.#kit = kit;
  }

  build(): AsyncIterable<unknown> {
    let last: Source<unknown> = this.#source();
    for (const step of this.#chain.steps) {
      if (step.kind === 'map') {
        const { concurrency, bufferSize } = step;
        last = this.#kit.map(last, this.#fn(step), { concurrency, bufferSize });
      } else if (step.bufferSize === undefined) last = this.#generator(step, opened(last));
      else last = this.#kit.wrap(this.#generator(step, opened(last)), step.bufferSize);
    }
    return last as AsyncIterable<unknown>;
  }

  #source(): Source<unknown> {
    const { source, length } = this.#chain;
    const values = Array.from({ length }, (_, n) => `v${n}`);
    switch (source) {
      case 'generator':
        return values.values();
      case 'array':
        return values;
      case 'promises':
        return values.map((value, n) => (n % 2 === 0 ? Promise.resolve(value) : value));
      case 'hand-made':
        return { [Symbol.asyncIterator]: () => handMade(values) };
      case 'Readable':
        return Readable.from(values);
      case 'web stream':
        return ReadableStream.from(values);
      case 'stage':
        return this.#kit.wrap(this.#numbers(values), 2);
      case 'map stage':
        return this.#kit.map(this.#numbers(values), (value) => value, { concurrency: 2, bufferSize: 3 });
      case 'function':
        return () => this.#numbers(values);
      case 'async function':
        return async () => this.#numbers(values);
      default:
        return this.#numbers(values);
    }
  }

  async *#numbers(values: unknown[]): AsyncGenerator<unknown> {
    const { thrown, sourceDelay } = this.#chain;
    this.#starts();
    try {
      for (const value of values) {
        await pass(sourceDelay);
        yield value;
      }
      if (thrown !== undefined) throw THROWN[thrown % this.#errorCount];
    } finally {
      await pass(sourceDelay);
      this.running--;
    }
  }

  #fn({ calls, failures, usesSignal }: MapStep): (value: unknown, given: SourceContext) => unknown {
    let count = 0;
    return (value, given) => {
      const index = count++;
      if (usesSignal) given.signal.addEventListener('abort', () => {});
      const { delay: time, result } = calls[index % calls.length]!;
      const failure = failures.find(({ at }) => at === index);
      if (failure !== undefined) return fails(failure.how, THROWN[failure.thrown % this.#errorCount], time);
      return results(`f(${String(value)})`, result, time);
    };
  }

  async *#generator(
    { kind, count, delay: time }: GeneratorStep,
    source: AsyncIterable<unknown>,
  ): AsyncGenerator<unknown> {
    this.#starts();
    let index = 0;
    try {
      if (kind === 'late') await pass(time);
      for await (const value of source) {
        if (kind === 'take' && index++ === count) return;
        await pass(time);
        yield value;
        if (kind === 'repeat') yield value;
      }
    } catch (error) {
      if (kind !== 'recover') throw error;
      yield `recovered from ${String(error)}`;
    } finally {
      await pass(time);
      this.running--;
    }
  }

  #starts(): void {
    this.running++;
    this.started++;
  }
}

function handMade(values: unknown[]): AsyncIterator<unknown> {
  let next = 0;
  return {
    next: async () => (next < values.length ? { done: false, value: values[next++] } : { done: true, value: 0 }),
  };
}

function results(value: unknown, how: Call['result'], time: Delay): unknown {
  const late = async (): Promise<unknown> => {
    await pass(time);
    return value;
  };
  const then = (resolve: (settled: unknown) => void): void => {
    if (how === 'thenable') resolve(value);
    else if (how === 'late thenable') void late().then(resolve);
    else resolve(late());
  };
  if (how === 'at once') return value;
  // oxlint-disable-next-line unicorn/no-thenable -- calls may return such things
  return how === 'promise' ? late() : { then };
}

function fails(how: Failure['how'], error: unknown, time: Delay): unknown {
  const late = async (): Promise<never> => {
    await pass(time);
    throw error;
  };
  const then = (resolve: (settled: unknown) => void): void => {
    if (how === 'throwing thenable') throw error;
    resolve(late());
  };
  if (how === 'throw') throw error;
  if (how === 'rejection') return late();
  if (how === 'throwing getter') {
    return {
      // oxlint-disable-next-line unicorn/no-thenable -- calls may return such things
      get then(): never {
        throw error;
      },
    };
  }
  // oxlint-disable-next-line unicorn/no-thenable -- calls may return such things
  return { then };
}

async function consume(source: AsyncIterable<unknown>, { kind, count, delay: time }: Consumer): Promise<Seen> {
  const values: unknown[] = [];
  try {
    if (kind === 'next' || kind === 'leave') return { values, end: await byHand(source, kind, count, time, values) };
    if (kind === 'ahead') return { values, end: await ahead(source, values) };
    for await (const value of source) {
      values.push(value);
      await pass(time);
      if (values.length <= count) continue;
      if (kind === 'break') break;
      if (kind === 'throw') throw THROWN[0];
    }
    return { values, end: 'end' };
  } catch (error) {
    return { values, end: ['thrown', error] };
  }
}

/** `next()` a few times, `return()`, with a read under way or none, and `next()` again. */
async function byHand(
  source: AsyncIterable<unknown>,
  kind: 'next' | 'leave',
  count: number,
  time: Delay,
  values: unknown[],
): Promise<unknown> {
  const iterator = source[Symbol.asyncIterator]();
  for (let i = 0; i < count; i++) {
    values.push(await iterator.next());
    await pass(time);
  }
  const read = kind === 'leave' ? iterator.next() : undefined;
  const left = iterator.return!('left');
  // It gets what is under way or the end; which of them is a matter of time.
  await read?.catch(() => {});
  return [await left, await iterator.next()];
}

/** Asks for three values at once, again and again. */
async function ahead(source: AsyncIterable<unknown>, values: unknown[]): Promise<unknown> {
  const iterator = source[Symbol.asyncIterator]();
  for (;;) {
    const reads = await Promise.allSettled([iterator.next(), iterator.next(), iterator.next()]);
    for (const read of reads) {
      if (read.status === 'rejected') values.push(['thrown', read.reason]);
      else if (!read.value.done) values.push(read.value.value);
    }
    if (reads.some((read) => read.status === 'rejected' || read.value.done)) return 'end';
  }
}

async function settled(program: Program): Promise<void> {
  for (let i = 0; i < LAST_TURNS || (program.running > 0 && i < 200); i++) await turn();
}

/** The error by itself, where a stream has made it the cause of another. */
function unwrapped(error: unknown): unknown {
  return error instanceof Error && 'cause' in error ? error.cause : error;
}

describe('buffer.map in a random chain', () => {
  const strays = unhandledRejections();

  it('gives what the plain loop gives, and cleans up what it starts', async () => {
    const property = fc.asyncProperty(chain, consumer, async (described, how) => {
      const expected = await consume(new Program(described, plain).build(), how);
      const program = new Program(described, buffered());
      expect(await consume(program.build(), how)).to.deep.equal(expected);
      await settled(program);
      expect(program.running).to.equal(0);
      expect(strays).to.deep.equal([]);
    });
    await fc.assert(property, parameters(RUNS));
  }).timeout(300_000);

  it('does so where each stage has a pipeline of its own', async () => {
    const kit: Kit = {
      wrap: (...given) => buffered().wrap(...given),
      map: (...given) => buffered().map(...given),
    };
    const property = fc.asyncProperty(chain, consumer, async (described, how) => {
      const expected = await consume(new Program(described, plain).build(), how);
      const program = new Program(described, kit);
      expect(await consume(program.build(), how)).to.deep.equal(expected);
      await settled(program);
      expect(program.running).to.equal(0);
      expect(strays).to.deep.equal([]);
    });
    await fc.assert(property, parameters(RUNS / 4));
  }).timeout(120_000);

  for (const [name, read] of consumers) {
    it(`gives all results before the error when it is read by ${name}`, async () => {
      const property = fc.asyncProperty(chain, mapStep, async (described, last) => {
        const whole = { ...described, steps: [...described.steps, last] };
        const expected = await consume(new Program(whole, plain, TRUTHY).build(), {
          kind: 'loop',
          count: 0,
          delay: NO_DELAY,
        });
        const program = new Program(whole, buffered(), TRUTHY);
        const { values, failed, error } = await read(program.build() as Stage<unknown>);
        const end = failed ? ['thrown', unwrapped(error)] : 'end';
        expect({ values, end }).to.deep.equal(expected);
        await settled(program);
        expect(program.running).to.equal(0);
        expect(strays).to.deep.equal([]);
      });
      await fc.assert(property, parameters(RUNS / 20));
    }).timeout(60_000);
  }
});

const NO_DELAY: Delay = { microtasks: 0, isTurn: false };
