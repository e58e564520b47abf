/** Which `concurrency` and which `bufferSize` for `buffer.map`, and how the statistics tell. */
import {
  constant,
  durationsOf,
  exponential,
  inTurns,
  lognormal,
  pages,
  rarelySlow,
  RUNS,
  type Step,
  uniform,
} from './cases.ts';
import { averaged, runMap } from './run.ts';

/** The times of the calls, mean 1. */
const CALLS: Record<string, Times> = {
  'always 1': constant(1),
  'uniform, 0 to 2': uniform,
  exponential,
  lognormal,
  '10 for one call in 20, else 0.5': rarelySlow,
  '0.1 and 1.9, 25 of each in turns': () => inTurns(25)(true),
};

/** How many calls are under way while a source that yields a value each eighth of the time of a call is kept up with. */
export const NEEDED = 8;
/** The times of the source, beside those of the calls. */
const SOURCES: Record<string, Times> = {
  'always the same': constant(1),
  exponential,
  'pages of 8': () => pages(8),
  'pages of 64': () => pages(64),
};

export const FACTORS = [1, 1.5, 2, 3, 4, 8];
export const CONCURRENCIES = [4, 8, 12, 16, 32, 64];

/** Calls under way on average, and the shares of the life of the stage. */
export interface Point {
  mean: number;
  starved: number;
  blocked: number;
}

export interface Row {
  title: string;
  points: Point[];
}

type Times = (chance: () => number) => Step;

/** A source that never waits, {@link NEEDED} calls at once, and buffers of so many times as many values. */
export function bufferSizes(count: number, runs = RUNS): Promise<Row[]> {
  const options = FACTORS.map((factor) => ({ concurrency: NEEDED, bufferSize: factor * NEEDED }));
  return rows(
    Object.entries(CALLS).map(([title, calls]) => ({ title, source: constant(0), calls })),
    options,
    count,
    runs,
  );
}

/** Sources that yield a value each eighth of the time of a call, and buffers of twice as many values as calls. */
export function concurrencies(count: number, runs = RUNS): Promise<Row[]> {
  const chains = Object.entries(SOURCES).flatMap(([name, source]) =>
    ['always 1', 'exponential'].map((calls) => ({ title: `${name}; calls ${calls}`, source, calls: CALLS[calls]! })),
  );
  const options = CONCURRENCIES.map((concurrency) => ({ concurrency, bufferSize: 2 * concurrency }));
  return rows(chains, options, count, runs);
}

async function rows(
  chains: { title: string; source: Times; calls: Times }[],
  options: { concurrency: number; bufferSize: number }[],
  count: number,
  runs: number,
): Promise<Row[]> {
  const all: Row[] = [];
  for (const { title, source, calls } of chains) {
    const each: Point[][] = [];
    for (let run = 1; run <= runs; run++) {
      const steps = (chance: () => number): Step[] => [eighth(source(chance)), calls(chance)];
      const [waits, times] = durationsOf(steps, run, count) as [number[], number[]];
      const points = [];
      for (const option of options) points.push(await pointOf(waits, times, option));
      each.push(points);
    }
    all.push({ title, points: averaged(each) });
  }
  return all;
}

function eighth(step: Step): Step {
  return () => step() / NEEDED;
}

async function pointOf(...chain: Parameters<typeof runMap>): Promise<Point> {
  const { time, stages } = await runMap(...chain);
  const { calls, starved, blocked } = stages[1]!;
  return { mean: calls!.mean, starved: starved / time, blocked: blocked / time };
}
