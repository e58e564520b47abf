/**
 * The rule behind all others, tried on random chains: the same generators, with and without buffers, give the consumer
 * the same values and the same end, and every generator that starts cleans up once.
 *
 * A failing run prints its seed; `SEED=… npx mocha test/properties.test.ts` repeats it, `RUNS=…` makes it longer.
 */
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setImmediate as turn } from 'node:timers/promises';

import { expect } from 'chai';
import fc from 'fast-check';

import { type BufferedPipeline, bufferedPipeline, type Stage } from '../lib/index.ts';
import { parameters, unhandledRejections } from './random.ts';

const RUNS = Number(process.env['RUNS'] ?? 10_000);
/** Turns of the event loop after which the clean-up of all that was let go has come to its end. */
const LAST_TURNS = 12;

/** How long a generator takes: so many microtasks, then a turn of the event loop or none. */
interface Delay {
  microtasks: number;
  isTurn: boolean;
}

interface Step {
  kind: 'map' | 'filter' | 'repeat' | 'take' | 'throw' | 'recover' | 'pair';
  /** What the kind needs: which value, how many. */
  count: number;
  delays: Delay[];
  cleanUp: Delay;
  /** `undefined`: not wrapped. */
  bufferSize: number | undefined;
}

interface Chain {
  length: number;
  steps: Step[];
}

interface Consumer {
  kind: 'loop' | 'break' | 'throw' | 'next';
  count: number;
  delays: Delay[];
}

interface Outcome {
  values: unknown[];
  end: unknown;
}

type Wrap = (source: AsyncIterable<unknown>, step: Step) => AsyncIterable<unknown>;

async function pass({ microtasks, isTurn }: Delay): Promise<void> {
  for (let i = 0; i < microtasks; i++) await Promise.resolve();
  if (isTurn) await turn();
}

/** Thrown by identity, falsy ones among them. */
const THROWN: unknown[] = [new Error('boom'), undefined, null, 0, 'text', { an: 'object' }];

/** The generators of a chain; `running` counts those that have started and not cleaned up, `cleanUps` each one's. */
class Program {
  running = 0;
  readonly cleanUps: number[] = [];
  readonly #chain: Chain;

  constructor(chain: Chain) {
    this.#chain = chain;
  }

  build(wrap: Wrap): AsyncIterable<unknown> {
    const [first, ...rest] = this.#chain.steps as [Step, ...Step[]];
    let last = wrap(this.#recorded(this.#numbers(), first), first);
    for (const step of rest) last = wrap(this.#recorded(this.#apply(step, last), step), step);
    return last;
  }

  async *#recorded(steps: AsyncGenerator<unknown>, step: Step): AsyncGenerator<unknown> {
    const index = this.cleanUps.push(0) - 1;
    this.running++;
    try {
      let count = 0;
      for await (const value of steps) {
        yield value;
        await pass(step.delays[count++ % step.delays.length]!);
      }
    } finally {
      await pass(step.cleanUp);
      this.cleanUps[index]!++;
      this.running--;
    }
  }

  async *#numbers(): AsyncGenerator<unknown> {
    for (let i = 0; i < this.#chain.length; i++) yield i;
  }

  async *#apply({ kind, count }: Step, source: AsyncIterable<unknown>): AsyncGenerator<unknown> {
    let index = 0;
    let previous: unknown;
    try {
      for await (const value of source) {
        if (kind === 'throw' && index === count) throw THROWN[count % THROWN.length];
        if (kind === 'take' && index === count) return;
        index++;
        if (kind === 'filter' && index % 3 === count % 3) continue;
        if (kind === 'map') yield `${count}(${String(value)})`;
        else if (kind === 'pair') yield [previous, value].join();
        else yield value;
        if (kind === 'repeat') yield value;
        previous = value;
      }
    } catch (error) {
      if (kind !== 'recover') throw error;
      yield `recovered from ${String(error)}`;
    }
  }
}

async function consume(source: AsyncIterable<unknown>, consumer: Consumer): Promise<Outcome> {
  const values: unknown[] = [];
  try {
    if (consumer.kind === 'next') return { values, end: await consumeByHand(source, consumer, values) };
    for await (const value of source) {
      values.push(value);
      await pass(consumer.delays[values.length % consumer.delays.length]!);
      if (values.length <= consumer.count) continue;
      if (consumer.kind === 'break') break;
      if (consumer.kind === 'throw') throw THROWN[0];
    }
    return { values, end: 'end' };
  } catch (error) {
    return { values, end: ['thrown', error] };
  }
}

/** `next()` a few times, `return()`, and `next()` again. */
async function consumeByHand(source: AsyncIterable<unknown>, consumer: Consumer, values: unknown[]): Promise<unknown> {
  const iterator = source[Symbol.asyncIterator]();
  for (let i = 0; i <= consumer.count; i++) {
    values.push(await iterator.next());
    await pass(consumer.delays[i % consumer.delays.length]!);
  }
  return [await iterator.return?.('left'), await iterator.next()];
}

async function settled(program: Program): Promise<void> {
  for (let i = 0; i < LAST_TURNS || (program.running > 0 && i < 200); i++) await turn();
}

const delay: fc.Arbitrary<Delay> = fc.record({
  microtasks: fc.nat({ max: 5 }),
  isTurn: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
});
const delays = fc.array(delay, { minLength: 1, maxLength: 4 });
const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom('map', 'filter', 'repeat', 'take', 'throw', 'recover', 'pair'),
  count: fc.nat({ max: 8 }),
  delays,
  cleanUp: delay,
  bufferSize: fc.constantFrom(undefined, 1, 1, 2, 3, 16),
});
const chain: fc.Arbitrary<Chain> = fc.record({
  length: fc.nat({ max: 10 }),
  steps: fc.array(step, { minLength: 1, maxLength: 5 }),
});
const consumer: fc.Arbitrary<Consumer> = fc.record({
  kind: fc.constantFrom('loop', 'loop', 'break', 'throw', 'next'),
  count: fc.nat({ max: 8 }),
  delays,
});

function buffered(buffer: BufferedPipeline = bufferedPipeline()): Wrap {
  return (source, { bufferSize }) => (bufferSize === undefined ? source : buffer(source, { bufferSize }));
}

/** The last stage is one of ours, so that it can be consumed as a stream. */
function stage(program: Program): Stage<unknown> {
  const buffer = bufferedPipeline();
  return buffer(program.build(buffered(buffer)), { bufferSize: 2 });
}

const STREAM_CONSUMERS: Record<string, (readable: Stage<unknown>, values: unknown[]) => Promise<unknown>> = {
  data: (readable, values) =>
    new Promise((resolve, reject) => {
      readable.on('data', (value) => values.push(value));
      readable.on('error', reject).on('close', resolve);
    }),
  readable: (readable, values) =>
    new Promise((resolve, reject) => {
      readable.on('readable', () => {
        for (let value = readable.read(); value !== null; value = readable.read()) values.push(value);
      });
      readable.on('error', reject).on('close', resolve);
    }),
  pipeline: (readable, values) =>
    pipeline(
      readable,
      new Writable({
        objectMode: true,
        highWaterMark: 1,
        write(value, _encoding, callback) {
          values.push(value);
          setImmediate(callback);
        },
      }),
    ),
  operator: (readable, values) => readable.forEach((value) => void values.push(value)),
  iterator: async (readable, values) => {
    for await (const value of readable.iterator()) values.push(value);
  },
};

describe('a random chain with buffers', () => {
  const strays = unhandledRejections();

  it('gives what the same chain gives without, and cleans up every generator once', async () => {
    const property = fc.asyncProperty(chain, consumer, async (described, how) => {
      const plain = new Program(described);
      const expected = await consume(
        plain.build((source) => source),
        how,
      );
      const program = new Program(described);
      expect(await consume(program.build(buffered()), how)).to.deep.equal(expected);
      await settled(program);
      expect(program.cleanUps).to.deep.equal(plain.cleanUps);
      expect(strays).to.deep.equal([]);
    });
    await fc.assert(property, parameters(RUNS));
  }).timeout(300_000);

  it('has cleaned up when its loop ends, where no step lasts a turn of the event loop', async () => {
    const quick = chain.map((described) => ({ ...described, steps: described.steps.map(withoutTurns) }));
    const property = fc.asyncProperty(quick, consumer, async (described, how) => {
      const program = new Program(described);
      await consume(program.build(buffered()), { ...how, delays: [NO_DELAY] });
      expect(program.running).to.equal(0);
    });
    await fc.assert(property, parameters(RUNS / 5));
  }).timeout(60_000);

  for (const [name, read] of Object.entries(STREAM_CONSUMERS)) {
    it(`gives all values before the error when it is read by ${name}`, async () => {
      const property = fc.asyncProperty(chain, async (described) => {
        const plain = new Program(described);
        const expected = await consume(
          plain.build((source) => source),
          { kind: 'loop', count: 0, delays: [NO_DELAY] },
        );
        const program = new Program(described);
        const values: unknown[] = [];
        const end = await read(stage(program), values).then(
          () => 'end',
          (error: unknown) => ['thrown', error],
        );
        expect(values).to.deep.equal(expected.values);
        expect(thrownValue(end)).to.deep.equal(expected.end);
        await settled(program);
        expect(program.running).to.equal(0);
      });
      await fc.assert(property, parameters(RUNS / 20));
    }).timeout(60_000);
  }
});

function withoutTurns(described: Step): Step {
  const quick = ({ microtasks }: Delay): Delay => ({ microtasks, isTurn: false });
  return { ...described, delays: described.delays.map(quick), cleanUp: quick(described.cleanUp) };
}

const NO_DELAY: Delay = { microtasks: 0, isTurn: false };

/** Streams carry what is falsy as the cause of an Error. */
function thrownValue(end: unknown): unknown {
  if (!Array.isArray(end)) return end;
  const [label, error] = end as [string, unknown];
  return [label, error instanceof Error && 'cause' in error ? error.cause : error];
}
