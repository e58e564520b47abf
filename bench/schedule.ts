/**
 * Do the steps of a chain work at the same time, no later than the rules allow and no further ahead than asked? On the
 * virtual clock, so that the answers are exact.
 */
import { ok } from 'node:assert';
import { setImmediate as turn } from 'node:timers/promises';

import { compute, type DurationOf, pause, scheduleEnd, virtualTime } from './clock.ts';
import { contenders } from './contenders.ts';
import { measured, type Measurements, type Mode } from './measurement.ts';
import { fresh, waiting, type Work } from './work.ts';

const VALUES = 50;
/** Turns of the event loop after which a chain that waits, or is not read, has come to rest. */
const TURNS = 5;
const TURNS_TO_REST = 50;

const STEP = 10;
/** Milliseconds for which the reader of workload h computes. */
const READER = 8;

const even: DurationOf = () => STEP;
const alternating: DurationOf = (stage, index) => ((stage + index) % 2 === 0 ? 1 : 19);

const WORKLOADS = [
  { id: 'f', title: 'Steps of 10 ms, size 1', duration: even, size: 1 },
  { id: 'f1', title: 'Steps of 1 and 19 ms in turns, size 1', duration: alternating, size: 1 },
  { id: 'f4', title: 'Steps of 1 and 19 ms in turns, size 4', duration: alternating, size: 4 },
  { id: 'f16', title: 'Steps of 1 and 19 ms in turns, size 16', duration: alternating, size: 16 },
];

export async function measure(_id: string, _mode: Mode): Promise<Measurements> {
  const measurements: Measurements = { ahead1: await runAhead(1), ahead16: await runAhead(16) };
  for (const { id, title, duration, size } of WORKLOADS) {
    const best = scheduleEnd([size, size, size], VALUES, duration);
    measurements[id] = await measured(`${title}, ${VALUES} values`, '× the best', contenders, async (build, name) => {
      const { source, steps } = sleeping(duration);
      const { read } = await fresh(name);
      return (await virtualTime(() => read(build(source(VALUES), steps, size), VALUES), TURNS)) / best;
    });
  }
  for (const isInner of [false, true]) {
    const title = `Steps of ${STEP} ms before a reader that computes for ${READER} ms, size 1${isInner ? ', the step reads a stage' : ''}`;
    measurements[isInner ? 'h-inner' : 'h'] = await measured(title, '× the best', contenders, async (build) => {
      const { source, steps } = sleeping((stage) => (stage === Number(isInner) ? STEP : 0));
      const chain = (): AsyncIterable<number> => build(source(VALUES), isInner ? steps.slice(0, 1) : [], 1);
      return (await virtualTime(() => readComputing(chain()), TURNS)) / (VALUES * STEP + READER);
    });
  }
  return measurements;
}

/** The three steps of all benches, which take as long as `duration` says. */
function sleeping(duration: DurationOf): Work {
  const step = (stage: number, change: (value: number) => number) => {
    let index = 0;
    return waiting(async (value) => {
      await slept(duration(stage, index++));
      return change(value);
    });
  };
  async function* source(count: number): AsyncGenerator<number> {
    for (let i = 0; i < count; i++) {
      await slept(duration(0, i));
      yield i;
    }
  }
  return { source, steps: [step(1, (value) => value * 2), step(2, (value) => value + 3)] };
}

async function slept(milliseconds: number): Promise<void> {
  if (milliseconds > 0) await pause(milliseconds);
}

async function readComputing(values: AsyncIterable<number>): Promise<void> {
  let count = 0;
  for await (const _ of values) {
    count++;
    compute(READER);
  }
  ok(count === VALUES);
}

/** How many values the source has yielded while the reader holds the first and all else has come to rest. */
function runAhead(size: number): ReturnType<typeof measured> {
  const title = `Values that the source has yielded while the reader holds the first, size ${size}`;
  return measured(title, 'values', contenders, async (build, name) => {
    const { steps } = (await fresh(name)).plain;
    return yieldedAtRest((source) => build(source, steps, size));
  });
}

export async function yieldedAtRest(build: (source: AsyncGenerator<number>) => AsyncIterable<number>): Promise<number> {
  let yielded = 0;
  const source = async function* (): AsyncGenerator<number> {
    while (yielded < 1000) yield yielded++;
  };
  await build(source())[Symbol.asyncIterator]().next();
  for (let i = 0; i < TURNS_TO_REST; i++) await turn();
  return yielded;
}
