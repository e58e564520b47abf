/**
 * When each step runs, on a virtual clock: no later than the rules of the contract allow, and no earlier, for random
 * times and sizes.
 */
import { setImmediate as turn } from 'node:timers/promises';

import FakeTimers from '@sinonjs/fake-timers';
import { expect } from 'chai';
import fc from 'fast-check';

import { bufferedPipeline } from '../lib/index.ts';
import { type Plan, plan, run } from './plan.ts';

/** When the work on each value starts; a row a stage, and one for the consumer. */
type Schedule = number[][];

/** The schedule that the rules give. */
function expectedSchedule({ times, sizes }: Plan): Schedule {
  const starts: Schedule = times.map(() => []);
  const done: Schedule = times.map(() => []);
  const count = times[0]!.length;
  for (let value = 0; value < count; value++) {
    for (let stage = 0; stage < times.length; stage++) {
      const freeFrom = done[stage]![value - 1] ?? 0;
      const handedOver = done[stage - 1]?.[value] ?? 0;
      // The next stage takes a value when it starts its own work on it.
      const roomFrom = starts[stage + 1]?.[value - (sizes[stage] ?? 0)] ?? 0;
      starts[stage]![value] = Math.max(freeFrom, handedOver, roomFrom);
      done[stage]![value] = starts[stage]![value]! + times[stage]![value]!;
    }
  }
  return starts;
}

async function measuredSchedule(described: Plan): Promise<Schedule> {
  const clock = FakeTimers.createClock();
  const starts: Schedule = described.times.map(() => []);
  await run(described, clock, bufferedPipeline(), (stage, value) => {
    starts[stage]![value] = clock.now;
  });
  return starts;
}

describe('the schedule', () => {
  it('starts every step exactly when the rules allow', async () => {
    const property = fc.asyncProperty(plan, async (described) => {
      expect(await measuredSchedule(described)).to.deep.equal(expectedSchedule(described));
    });
    await fc.assert(property, { numRuns: 2_000 });
  }).timeout(60_000);

  it('starts a step before a reader that computes, and would hold it up, gets the value before', async () => {
    const events: string[] = [];
    async function* step(source: AsyncIterable<number>): AsyncGenerator<number> {
      for await (const value of source) {
        events.push(`step ${value}`);
        await turn();
        yield value;
      }
    }
    const buffer = bufferedPipeline();
    for await (const value of buffer(step(buffer([0, 1, 2])))) events.push(`reader ${value}`);
    expect(events).to.deep.equal(['step 0', 'step 1', 'reader 0', 'step 2', 'reader 1', 'reader 2']);
  });

  it('takes (N + S - 1) steps for N values through S stages of equal time', async () => {
    const starts = await measuredSchedule({
      times: [...Array(3).fill(Array(10).fill(1000)), Array(10).fill(0)],
      sizes: [1, 1, 1],
    });
    expect(starts[3]!.at(-1)).to.equal(12_000);
  });
});
