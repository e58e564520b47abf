/**
 * What observers are told of random chains: exact times on a virtual clock, and counts that agree, while the reader sees
 * what it would see without them.
 *
 * A failing run prints its seed; `SEED=… npx mocha test/observed.test.ts` repeats it, `RUNS=…` makes it longer.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';

import FakeTimers from '@sinonjs/fake-timers';
import { expect } from 'chai';
import fc from 'fast-check';

import { type BufferedPipeline, bufferedPipeline, type StageMessage, type StageStatistics } from '../lib/index.ts';
import { closed, consumers } from './helpers.ts';
import { type Plan, plan, run } from './plan.ts';
import { parameters, unhandledRejections } from './random.ts';

type InstalledClock = ReturnType<typeof FakeTimers.install>;

const RUNS = Number(process.env['RUNS'] ?? 1000);

type Times = Pick<StageStatistics, 'working' | 'starved' | 'blocked'>;

/** The times that the rules give: a stage works on value i when it is asked, which is when there is room, and has its input. */
function expectedTimes({ times, sizes }: Plan): Times[] {
  const count = times[0]!.length;
  const expected = sizes.map(() => ({ working: 0, starved: 0, blocked: 0 }));
  const starts: number[][] = times.map(() => []);
  const done: number[][] = times.map(() => []);
  // The last round is that of the end, on which nobody works.
  for (let value = 0; value <= count; value++) {
    for (let stage = 0; stage < times.length; stage++) {
      const freeFrom = done[stage]![value - 1] ?? 0;
      const asked = Math.max(freeFrom, starts[stage + 1]?.[value - (sizes[stage] ?? 0)] ?? 0);
      const start = Math.max(asked, done[stage - 1]?.[value] ?? 0);
      const time = times[stage]![value] ?? 0;
      starts[stage]![value] = start;
      done[stage]![value] = start + time;
      const own = expected[stage];
      if (own === undefined) continue;
      own.blocked += asked - freeFrom;
      own.starved += start - asked;
      own.working += time;
    }
  }
  return expected;
}

async function measuredTimes(described: Plan, clock: InstalledClock): Promise<Times[]> {
  const buffer = bufferedPipeline({ statistics: true });
  await run(described, clock, buffer);
  return buffer.statistics().map(({ working, starved, blocked }) => ({ working, starved, blocked }));
}

/** A generator of a random chain. */
interface Step {
  kind: 'pass' | 'twice' | 'odd' | 'take' | 'throw' | 'pairs' | 'ahead';
  at: number;
  turns: number[];
  bufferSize: number;
}

interface Chain {
  length: number;
  steps: Step[];
  consumer: number;
}

const chain: fc.Arbitrary<Chain> = fc.record({
  length: fc.nat({ max: 12 }),
  steps: fc.array(
    fc.record<Step>({
      kind: fc.constantFrom('pass', 'twice', 'odd', 'take', 'throw', 'pairs', 'ahead'),
      at: fc.nat({ max: 9 }),
      turns: fc.array(fc.nat({ max: 2 }), { minLength: 1, maxLength: 3 }),
      bufferSize: fc.constantFrom(1, 1, 2, 3, 16),
    }),
    { minLength: 1, maxLength: 5 },
  ),
  consumer: fc.nat({ max: consumers.length - 1 }),
});

async function* paired(source: AsyncIterable<number>): AsyncGenerator<number> {
  const iterator = source[Symbol.asyncIterator]();
  for (;;) {
    const [one, other] = await Promise.all([iterator.next(), iterator.next()]);
    if (one.done) return;
    yield one.value;
    if (other.done) return;
    yield other.value;
  }
}

async function* askingAhead(source: AsyncIterable<number>): AsyncGenerator<number> {
  const iterator = source[Symbol.asyncIterator]();
  let next = iterator.next();
  for (let answer = await next; !answer.done; answer = await next) {
    next = iterator.next();
    // Handled, for a loop that leaves before it awaits it.
    next.catch(() => {});
    yield answer.value;
  }
}

const READS: Partial<Record<Step['kind'], (source: AsyncIterable<number>) => AsyncIterable<number>>> = {
  pairs: paired,
  ahead: askingAhead,
};

const boom = new Error('boom');

async function* apply({ kind, at, turns }: Step, source: AsyncIterable<number>): AsyncGenerator<number> {
  let index = 0;
  for await (const value of READS[kind]?.(source) ?? source) {
    for (let i = 0; i < turns[index % turns.length]!; i++) await turn();
    if (kind === 'throw' && index === at) throw boom;
    if (kind === 'take' && index === at) return;
    index++;
    if (kind === 'odd' && value % 2 === 0) continue;
    yield value;
    if (kind === 'twice') yield value;
  }
}

async function* numbers(length: number): AsyncGenerator<number> {
  for (let i = 0; i < length; i++) yield i;
}

async function outcome({ length, steps, consumer }: Chain, buffer: BufferedPipeline): Promise<unknown> {
  let last = buffer(numbers(length));
  for (const step of steps) last = buffer(apply(step, last), { bufferSize: step.bufferSize });
  const [, consume] = consumers[consumer]!;
  const seen = await consume(last);
  await closed(last);
  return seen;
}

const EVENTS = ['start', 'state', 'yield', 'handover', 'error', 'close'];

/** What was told of each stage, by name. A stage of the chain before may still be in its last step: of that, nothing is noted. */
class Journal {
  readonly byStage = new Map<string, StageStatistics[]>();
  readonly #started = new Set<Readable>();
  readonly #counts = new Map<string, number>();
  readonly #listeners = new Map<string, (message: unknown) => void>();

  constructor() {
    for (const event of EVENTS) {
      const listener = (message: unknown): void => this.#note(event, message as StageMessage);
      this.#listeners.set(event, listener);
      subscribe(`buffered-pipeline:stage:${event}`, listener);
    }
  }

  count(event: string, name: string): number {
    return this.#counts.get(`${event} ${name}`) ?? 0;
  }

  stop(): void {
    for (const [event, listener] of this.#listeners) unsubscribe(`buffered-pipeline:stage:${event}`, listener);
  }

  #note(event: string, { stage, statistics }: StageMessage): void {
    if (event === 'start') this.#started.add(stage);
    if (!this.#started.has(stage)) return;
    const key = `${event} ${statistics.name}`;
    this.#counts.set(key, this.count(event, statistics.name) + 1);
    const noted = this.byStage.get(statistics.name) ?? [];
    this.byStage.set(statistics.name, [...noted, statistics]);
  }
}

function expectPlausible(noted: StageStatistics[]): void {
  let before: StageStatistics | undefined;
  for (const statistics of noted) {
    const { produced, taken, held, maxHeld, bufferSize } = statistics;
    expect(held).to.be.within(0, bufferSize);
    expect(maxHeld).to.be.at.most(bufferSize);
    expect(taken + held).to.be.at.most(produced);
    for (const field of ['produced', 'taken', 'maxHeld', 'working', 'starved', 'blocked'] as const) {
      expect(statistics[field], field).to.be.at.least(before?.[field] ?? 0);
    }
    before = statistics;
  }
}

describe('a random chain that is observed', () => {
  const strays = unhandledRejections();

  it('has the times that its schedule gives', async () => {
    const clock = FakeTimers.install({ toFake: ['performance'] });
    try {
      const property = fc.asyncProperty(plan, async (described) => {
        expect(await measuredTimes(described, clock)).to.deep.equal(expectedTimes(described));
      });
      await fc.assert(property, parameters(RUNS));
    } finally {
      clock.uninstall();
    }
  }).timeout(60_000);

  it('gives its reader what it gives unobserved, and its statistics agree with the channels', async () => {
    const property = fc.asyncProperty(chain, async (described) => {
      const expected = await outcome(described, bufferedPipeline());
      const journal = new Journal();
      const start = performance.now();
      const buffer = bufferedPipeline({ statistics: true });
      try {
        expect(await outcome(described, buffer)).to.deep.equal(expected);
        await turn();
      } finally {
        journal.stop();
      }
      const most = performance.now() - start + 1;
      for (const statistics of buffer.statistics()) {
        const { name, working, starved, blocked, produced } = statistics;
        const noted = journal.byStage.get(name) ?? [];
        expectPlausible([...noted, statistics]);
        if (noted.length > 0) expect(noted.at(-1)).to.deep.equal(statistics);
        expect(working + starved + blocked).to.be.within(0, most);
        expect(journal.count('yield', name)).to.equal(produced);
        expect(journal.count('start', name)).to.equal(noted.length > 0 ? 1 : 0);
        expect(journal.count('error', name)).to.be.at.most(1);
      }
      expect(strays).to.deep.equal([]);
    });
    await fc.assert(property, parameters(RUNS / 2));
  }).timeout(120_000);
});
