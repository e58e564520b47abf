/**
 * Whatever happens to a chain, at whatever moment and in whatever order: its consumer gets the values in order and then
 * the right end, every generator that has started cleans up once, every stage that is destroyed closes, and nothing is
 * left behind.
 *
 * A failing run prints its seed; `SEED=… npx mocha test/faults.test.ts` repeats it.
 */
import { getEventListeners } from 'node:events';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import { expect } from 'chai';
import fc from 'fast-check';

import { bufferedPipeline, type Stage } from '../lib/index.ts';
import { microtasks, turn } from './helpers.ts';
import { parameters, unhandledRejections } from './random.ts';

const RUNS = Number(process.env['RUNS'] ?? 4_000);
const STAGES = 3;
const INJECTED = new Error('injected');

type Fault =
  | { kind: 'destroy' | 'destroy with an error'; stage: number }
  | { kind: 'abort' | 'leave' | 'next' | 'dispose' };

const CONSUMERS = ['loop', 'hand', 'operator', 'data', 'read', 'pipe', 'pipeline'] as const;
type Consumer = (typeof CONSUMERS)[number];
/** Those that listen for nothing. */
const LOOPS: Consumer[] = ['loop', 'hand', 'operator'];

interface Plan {
  length: number;
  bufferSize: number;
  /** Which value of which stage throws, if any. */
  failing: { stage: number; value: number } | undefined;
  /** Which stage hangs from which value on, if any. */
  stuck: { stage: number; value: number } | undefined;
  /** Waits before each step of a generator: so many microtasks; 9 is a turn of the event loop. */
  pace: number[];
  consumer: Consumer;
  /** Faults, each after so many microtasks, or turns, from the one before. */
  faults: { wait: number; fault: Fault }[];
}

/** What a consumer got: values, and how it ended. */
interface Seen {
  values: number[];
  end: 'open' | 'end' | { error: unknown };
}

async function wait(amount: number): Promise<void> {
  if (amount === 9) await turn();
  else await microtasks(amount);
}

class Run {
  readonly controller = new AbortController();
  readonly buffer = bufferedPipeline({ signal: this.controller.signal });
  readonly stages: Stage<number>[] = [];
  readonly seen: Seen = { values: [], end: 'open' };
  readonly closed: number[] = [];
  started = 0;
  cleaned = 0;
  stuck = 0;
  readonly #plan: Plan;

  constructor(plan: Plan) {
    this.#plan = plan;
    let source: AsyncIterable<number> = this.#numbers();
    for (let index = 0; index < STAGES; index++) {
      const stage = this.buffer(this.#step(index, source), { bufferSize: plan.bufferSize });
      stage.on('close', () => this.closed.push(index));
      this.stages.push(stage);
      source = stage;
    }
  }

  get last(): Stage<number> {
    return this.stages.at(-1)!;
  }

  async *#numbers(): AsyncGenerator<number> {
    for (let value = 0; value < this.#plan.length; value++) yield value;
  }

  async *#step(stage: number, source: AsyncIterable<number>): AsyncGenerator<number> {
    const { pace, failing, stuck } = this.#plan;
    this.started++;
    let isStuck = false;
    try {
      for await (const value of source) {
        await wait(pace[(value + stage) % pace.length]!);
        if (failing?.stage === stage && failing.value === value) throw INJECTED;
        isStuck = stuck?.stage === stage && stuck.value === value;
        if (isStuck) this.stuck++;
        if (isStuck) await new Promise(() => {});
        yield value;
      }
    } finally {
      await wait(pace[stage % pace.length]!);
      this.cleaned++;
    }
  }

  async consume(): Promise<void> {
    const { seen } = this;
    try {
      await this.#ways[this.#plan.consumer]();
      seen.end = 'end';
    } catch (error) {
      seen.end = { error };
    }
  }

  async #loop(): Promise<void> {
    for await (const value of this.last) this.seen.values.push(value);
  }

  readonly #take = (value: number): void => void this.seen.values.push(value);

  readonly #ways: Record<Consumer, () => Promise<void>> = {
    loop: () => this.#loop(),
    hand: () => this.#loop(),
    operator: () => this.last.forEach(this.#take),
    data: () => this.#ended(this.last.on('data', this.#take)),
    read: () => this.#ended(this.last.on('readable', () => this.#readAll())),
    pipe: () => {
      this.last.pipe(this.#sink());
      return this.#ended(this.last);
    },
    pipeline: () => pipeline(this.last, this.#sink()),
  };

  #readAll(): void {
    for (let value = this.last.read(); value !== null; value = this.last.read()) this.#take(value);
  }

  #ended(stage: Stage<number>): Promise<void> {
    return new Promise((resolve, reject) => {
      stage.on('error', reject).on('end', resolve);
      stage.on('close', () => reject(new Error('closed without an end')));
    });
  }

  #sink(): Writable {
    const write = (value: number, _: unknown, done: () => void): void => {
      this.#take(value);
      setImmediate(done);
    };
    return new Writable({ objectMode: true, highWaterMark: 1, write });
  }

  async inject(fault: Fault): Promise<void> {
    const iterator = this.last[Symbol.asyncIterator]();
    const ignore = (): void => {};
    switch (fault.kind) {
      case 'destroy':
        this.stages[fault.stage]!.destroy();
        break;
      case 'destroy with an error':
        this.stages[fault.stage]!.on('error', ignore).destroy(INJECTED);
        break;
      case 'abort':
        this.controller.abort();
        break;
      case 'leave':
        await iterator.return?.().catch(ignore);
        break;
      case 'next':
        await iterator.next().catch(ignore);
        break;
      default:
        // Not awaited: a generator that is stuck holds it up.
        this.buffer[Symbol.asyncDispose]().catch(ignore);
    }
  }
}

const at = fc.record({ stage: fc.nat({ max: STAGES - 1 }), value: fc.nat({ max: 5 }) });
const stage = fc.nat({ max: STAGES - 1 });
const fault: fc.Arbitrary<Fault> = fc.oneof(
  fc.record({ kind: fc.constantFrom('destroy' as const, 'destroy with an error' as const), stage }),
  fc.record({ kind: fc.constantFrom('abort' as const, 'leave' as const, 'next' as const, 'dispose' as const) }),
);
const amount = fc.oneof(fc.nat({ max: 8 }), fc.constant(9));
const plan: fc.Arbitrary<Plan> = fc.record({
  length: fc.nat({ max: 6 }),
  bufferSize: fc.constantFrom(1, 2, 16),
  failing: fc.option(at, { nil: undefined, freq: 2 }),
  stuck: fc.option(at, { nil: undefined, freq: 2 }),
  pace: fc.array(amount, { minLength: 1, maxLength: 4 }),
  consumer: fc.constantFrom(...CONSUMERS),
  faults: fc.array(fc.record({ wait: amount, fault }), { maxLength: 4 }),
});

/**
 * A stream says nothing of a `destroy()` without an error before 'close', which waits for the clean-up. And Node's
 * `pipeline` waits for ever for the 'end' of any Readable that is destroyed while the last value is being written.
 */
function mayWait(run: Run, { consumer: kind, stuck, length, faults }: Plan): boolean {
  if (run.last.errored !== null) return false;
  const isLastStuck = run.stuck > 0 && stuck?.stage === STAGES - 1;
  if (['data', 'read', 'pipe'].includes(kind)) return isLastStuck;
  // Another party may have taken the last value.
  const hasTaker = faults.some(({ fault: { kind: what } }) => what === 'next');
  return kind === 'pipeline' && (isLastStuck || hasTaker || run.seen.values.length === length);
}

describe('a chain to which anything happens', () => {
  const strays = unhandledRejections();

  it('ends as it should, with everything cleaned up and nothing left behind', async () => {
    const property = fc.asyncProperty(plan, async (described) => {
      const timers = liveTimers();
      const run = new Run(described);
      const consumed = run.consume();
      const injected: Promise<unknown>[] = [];
      for (const { wait: before, fault: next } of described.faults) {
        await wait(before);
        injected.push(run.inject(next));
      }
      await turn(30);
      // Chains that hang by themselves are let go in the end.
      if (run.seen.end === 'open') run.controller.abort();
      await turn(30);
      const isWaiting = run.seen.end === 'open';
      if (isWaiting) expect(mayWait(run, described)).to.equal(true);
      await Promise.all([isWaiting || consumed, ...injected]);
      await run.inject({ kind: 'dispose' });
      await turn(30);
      check(run, described);
      expect(liveTimers()).to.equal(timers);
      expect(strays).to.deep.equal([]);
    });
    await fc.assert(property, parameters(RUNS));
  }).timeout(120_000);

  function liveTimers(): number {
    return process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  }

  function check(run: Run, { length, faults, failing, consumer }: Plan): void {
    const { values, end } = run.seen;
    const hasTaker = faults.some(({ fault: { kind } }) => kind === 'next');
    const hasLeaver = faults.some(({ fault: { kind } }) => kind === 'leave');
    expect(values).to.deep.equal(values.toSorted((a, b) => a - b));
    if (!hasTaker) expect(values).to.deep.equal(Array.from(values, (_, index) => index));
    // A loop whose stage another party has left sees the end, as over a generator.
    if (end === 'end' && !hasTaker && !hasLeaver) expect(values.length).to.equal(length);
    if (faults.length === 0 && failing !== undefined && failing.value < length && run.stuck === 0) {
      expect(end).to.deep.equal({ error: INJECTED });
      expect(values.length).to.equal(failing.value);
    }
    expect(run.cleaned).to.equal(run.started - run.stuck);
    expect(run.stages.every((each) => each.destroyed)).to.equal(true);
    expect(run.closed.length).to.equal(STAGES - run.stuck);
    expect(new Set(run.closed).size).to.equal(run.closed.length);
    // Only what the test itself listens for.
    if (LOOPS.includes(consumer)) expect(['close', 'error']).to.include.members(run.last.eventNames());
    expect(getEventListeners(run.controller.signal, 'abort')).to.deep.equal([]);
  }
});
