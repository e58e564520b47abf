/**
 * When each call of `buffer.map` starts, on a virtual clock: at the earliest moment at which its value has been yielded, a call
 * is free and there is room, for random times, concurrencies and sizes.
 */
import { setImmediate as turn } from 'node:timers/promises';

import FakeTimers from '@sinonjs/fake-timers';
import { expect } from 'chai';
import fc from 'fast-check';

import { bufferedPipeline } from '../lib/index.ts';
import { settle } from './helpers.ts';
import { parameters } from './random.ts';

const RUNS = Number(process.env['RUNS'] ?? 2_000);

interface Step {
  concurrency: number;
  bufferSize: number;
  /** How long the call for each value takes; 0: it returns no promise. */
  times: number[];
}

interface Plan {
  /** How long the source, a plain generator, takes for each value. */
  source: number[];
  /** Steps behind each other, each made by `buffer.map`. */
  steps: Step[];
  /** How long the consumer takes for each value. */
  consumer: number[];
}

/** When something happens, by value. */
type Times = number[];

interface Schedule {
  /** When the source is asked for each value. */
  asked: Times;
  /** When the calls start; a row a step. */
  starts: Times[];
  /** When the consumer takes each value. */
  taken: Times;
}

function plans(maxSteps: number): fc.Arbitrary<Plan> {
  return fc.integer({ min: 1, max: 16 }).chain((count) => {
    const times = fc.array(fc.integer({ min: 0, max: 20 }), { minLength: count, maxLength: count });
    const step = fc
      .record({ concurrency: fc.integer({ min: 1, max: 8 }), more: fc.constantFrom(0, 0, 1, 2, 5), times })
      .map(({ more, ...rest }) => ({ ...rest, bufferSize: rest.concurrency + more }));
    return fc.record({ source: times, steps: fc.array(step, { minLength: 1, maxLength: maxSteps }), consumer: times });
  });
}

/** When fewer than `concurrency` of the calls before are under way, if they end at these times. */
function callFreeFrom(ends: Times, concurrency: number): number {
  return ends.toSorted((one, other) => other - one)[concurrency - 1] ?? 0;
}

/** The schedule that the rules give. */
function expectedSchedule({ source, steps, consumer }: Plan): Schedule {
  const asked: Times = [];
  const starts: Times[] = steps.map(() => []);
  const ends: Times[] = steps.map(() => []);
  const taken: Times = [];
  const last = steps.length;
  const takenFrom = (step: number, value: number): number => (starts[step + 1] ?? taken)[value] ?? 0;
  for (const value of source.keys()) {
    let available = 0;
    for (const [step, { concurrency, bufferSize, times }] of steps.entries()) {
      const askedAt = Math.max(
        starts[step]![value - 1] ?? 0,
        callFreeFrom(ends[step]!, concurrency),
        takenFrom(step, value - bufferSize),
      );
      if (step === 0) {
        asked[value] = askedAt;
        available = askedAt + source[value]!;
      }
      const start = Math.max(askedAt, available);
      starts[step]![value] = start;
      ends[step]![value] = start + times[value]!;
      // Results come in order.
      available = Math.max(...ends[step]!);
    }
    const free = value === 0 ? 0 : taken[value - 1]! + consumer[value - 1]!;
    taken[value] = Math.max(free, Math.max(...ends[last - 1]!));
  }
  return { asked, starts, taken };
}

/** What a run does wrong at any moment, whatever the times. */
class Limits {
  readonly broken: string[] = [];
  readonly #underWay: number[];
  readonly #plan: Plan;

  constructor(described: Plan) {
    this.#plan = described;
    this.#underWay = described.steps.map(() => 0);
  }

  callStarts(step: number): void {
    const { concurrency } = this.#plan.steps[step]!;
    if (++this.#underWay[step]! > concurrency) this.broken.push(`more than ${concurrency} calls`);
  }

  callEnds(step: number): void {
    this.#underWay[step]!--;
  }

  /** The source is asked once more than it has yielded; a consumer that has asked `read` times has taken at most so many. */
  asks(asked: number, read: number): void {
    const ahead = this.#plan.steps.reduce((sum, { bufferSize }) => sum + bufferSize, 0);
    if (asked > read + ahead) this.broken.push(`asked for ${asked} values with ${read} read`);
  }
}

async function measured(described: Plan): Promise<Schedule & { broken: string[] }> {
  const clock = FakeTimers.createClock();
  const pause = (time: number): Promise<void> => new Promise((resolve) => clock.setTimeout(() => resolve(), time));
  const { source, steps, consumer } = described;
  const schedule: Schedule = { asked: [], starts: steps.map(() => []), taken: [] };
  const limits = new Limits(described);
  let read = 0;

  async function* numbers(): AsyncGenerator<number> {
    for (const [value, time] of source.entries()) {
      schedule.asked.push(clock.now);
      limits.asks(value + 1, read);
      if (time > 0) await pause(time);
      yield value;
    }
  }
  const call =
    (step: number, times: Times) =>
    (value: number): number | Promise<number> => {
      schedule.starts[step]![value] = clock.now;
      limits.callStarts(step);
      const end = (): number => {
        limits.callEnds(step);
        return value;
      };
      return times[value] === 0 ? end() : pause(times[value]!).then(end);
    };

  const buffer = bufferedPipeline();
  let last: AsyncIterable<number> = numbers();
  for (const [step, { concurrency, bufferSize, times }] of steps.entries())
    last = buffer.map(last, call(step, times), { concurrency, bufferSize });
  let isRunning = true;
  const consumed = (async () => {
    const iterator = last[Symbol.asyncIterator]();
    for (let value = 0; ; value++) {
      read++;
      const result = await iterator.next();
      if (result.done) break;
      expect(result.value).to.equal(value);
      schedule.taken.push(clock.now);
      if (consumer[value]! > 0) await pause(consumer[value]!);
    }
    isRunning = false;
  })();
  while (isRunning) {
    await turn();
    clock.next();
  }
  await consumed;
  return { ...schedule, broken: limits.broken };
}

async function follows(plan: fc.Arbitrary<Plan>, runs: number): Promise<void> {
  const property = fc.asyncProperty(plan, async (described) => {
    expect(await measured(described)).to.deep.equal({ ...expectedSchedule(described), broken: [] });
  });
  await fc.assert(property, parameters(runs));
}

/** When the consumer takes the last of so many values, for calls of these times, in milliseconds. */
async function lastTaken(times: number[], concurrency: number, bufferSize = concurrency): Promise<number> {
  const nothing = times.map(() => 0);
  const { taken } = await measured({
    source: nothing,
    steps: [{ concurrency, bufferSize, times }],
    consumer: nothing,
  });
  return taken.at(-1)!;
}

describe('the schedule of buffer.map', () => {
  it('starts every call, and asks the source for every value, exactly when the rules allow', async () => {
    await follows(plans(1), RUNS);
  }).timeout(60_000);

  it('does so in chains of such steps', async () => {
    await follows(plans(3), RUNS / 4);
  }).timeout(60_000);

  it('has a new call start whenever one ends, for calls of equal time', async () => {
    const times = Array<number>(64).fill(100);
    expect(await lastTaken(times, 1)).to.equal(6400);
    expect(await lastTaken(times, 8)).to.equal(800);
    expect(await lastTaken(times, 64)).to.equal(100);
  });

  it('lets calls go on behind a slow one as far as bufferSize allows', async () => {
    const times = [1000, ...Array<number>(99).fill(10)];
    // Two calls at a time: with room for two, the other waits for the slow one from its second value on.
    expect(await lastTaken(times, 2, 2)).to.equal(1000 + 490);
    expect(await lastTaken(times, 2, 50)).to.equal(1000 + 250);
    expect(await lastTaken(times, 2, 100)).to.equal(1000);
  });

  it('asks a source that is read as a stream no further than the room goes either', async () => {
    let asked = 0;
    async function* naturals(): AsyncGenerator<number> {
      for (;;) yield asked++;
    }
    const stage = bufferedPipeline().map(naturals(), (value) => value, { concurrency: 2, bufferSize: 3 });
    stage.on('readable', () => {});
    await settle();
    expect(asked).to.equal(3);
    stage.read();
    await settle();
    expect(asked).to.equal(4);
    stage.destroy();
  });
});
