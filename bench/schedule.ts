/** Do the steps of a chain work at the same time, no later than bare timers would and no further ahead than asked? */
import { setImmediate as turn } from 'node:timers/promises';

import { bareTimers, criticalPath, type DurationOf, sleep } from './clock.ts';
import { type Contender, contenders } from './contenders.ts';
import { type Measurement, type Measurements, type Mode, type Outcome, scaled } from './measurement.ts';
import { paired, type Sample, timed } from './paired.ts';
import { fresh, type Work } from './steps.ts';

const STAGES = 3;
const ROUNDS = 3;
const FLOOR = 'bare timers';
/** Turns of the event loop after which a chain that is not read has come to rest. */
const TURNS_TO_REST = 50;

const even: DurationOf = () => 10;
const alternating: DurationOf = (stage, index) => ((stage + index) % 2 === 0 ? 1 : 19);

const WORKLOADS = [
  { id: 'f', title: 'Steps of 10 ms, size 1', duration: even, size: 1 },
  { id: 'f1', title: 'Steps of 1 and 19 ms in turns, size 1', duration: alternating, size: 1 },
  { id: 'f4', title: 'Steps of 1 and 19 ms in turns, size 4', duration: alternating, size: 4 },
  { id: 'f16', title: 'Steps of 1 and 19 ms in turns, size 16', duration: alternating, size: 16 },
];

export async function measure(_id: string, mode: Mode): Promise<Measurements> {
  const measurements: Measurements = { ahead1: await runAhead(1), ahead16: await runAhead(16) };
  const count = scaled(50, mode, 4);
  for (const { id, title, duration, size } of WORKLOADS) {
    const path = criticalPath(
      Array.from({ length: STAGES }, () => size),
      count,
      duration,
    );
    const samples: Record<string, Sample> = { [FLOOR]: () => timed(() => bareTimers(path)) };
    for (const [name, build] of Object.entries(contenders))
      samples[name] = await sample(name, build, duration, count, size);
    const fewRounds = { ...mode, rounds: Math.min(ROUNDS, mode.rounds), warmUp: 0 };
    measurements[id] = await paired(`${title}, ${count} values`, fewRounds, FLOOR, samples);
  }
  return measurements;
}

async function sample(
  name: string,
  build: Contender,
  duration: DurationOf,
  count: number,
  size: number,
): Promise<Sample> {
  const { readAll } = await fresh('reader', name);
  return () => {
    const { source, steps } = sleeping(duration);
    return timed(() => readAll(build(source(count), steps, size), count));
  };
}

/** The three steps of all benches, which sleep as long as `duration` says. */
function sleeping(duration: DurationOf): Work {
  const step = (stage: number, change: (value: number) => number) => {
    let index = 0;
    const call = (value: number): Promise<number> => sleep(duration(stage, index++), change(value));
    async function* generate(input: AsyncIterable<number>): AsyncGenerator<number> {
      for await (const value of input) yield await call(value);
    }
    return { generate, call, waits: true };
  };
  async function* source(count: number): AsyncGenerator<number> {
    for (let i = 0; i < count; i++) yield await sleep(duration(0, i), i);
  }
  return { source, steps: [step(1, (value) => value * 2), step(2, (value) => value + 3)] };
}

/** How many values the source has yielded while the reader holds the first and all else has come to rest. */
async function runAhead(size: number): Promise<Measurement> {
  const outcomes: Record<string, Outcome> = {};
  for (const [name, build] of Object.entries(contenders)) {
    const { steps } = await fresh('plain', name);
    let yielded = 0;
    const source = async function* (): AsyncGenerator<number> {
      while (yielded < 1000) yield yielded++;
    };
    const iterator = build(source(), steps, size)[Symbol.asyncIterator]();
    await iterator.next();
    for (let i = 0; i < TURNS_TO_REST; i++) await turn();
    outcomes[name] = { value: yielded };
  }
  return {
    title: `Values that the source has yielded while the reader holds the first, size ${size}`,
    unit: 'values',
    outcomes,
  };
}
