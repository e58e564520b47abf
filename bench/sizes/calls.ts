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
import { mean, type Outcome, runMap } from './run.ts';

/** The times of the calls, mean 1. */
const CALLS: Record<string, (chance: () => number) => Step> = {
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
const SOURCES: Record<string, (chance: () => number) => Step> = {
  'always the same': constant(1),
  exponential,
  'pages of 8': () => pages(8),
  'pages of 64': () => pages(64),
};

export const FACTORS = [1, 1.5, 2, 3, 4, 8];
export const CONCURRENCIES = [4, 8, 12, 16, 32, 64];

/** What a row says at each point. */
export interface Point {
  /** Calls under way, on average. */
  mean: number;
  /** The shares of the life of the stage. */
  starved: number;
  blocked: number;
  working: number;
}

export interface Row {
  title: string;
  points: Point[];
}

/** A source that never waits, {@link NEEDED} calls at once, and buffers of so many times as many values. */
export async function bufferSizes(count: number, runs = RUNS): Promise<Row[]> {
  return rows(Object.entries(CALLS), async (calls) => {
    const points = [];
    for (const factor of FACTORS)
      points.push(
        await average(runs, count, () => constant(0)(), calls, { concurrency: NEEDED, bufferSize: factor * NEEDED }),
      );
    return points;
  });
}

/** Sources that yield a value each eighth of the time of a call, and buffers of so many times as many values as calls. */
export async function concurrencies(count: number, factor: number, runs = RUNS): Promise<Row[]> {
  const pairs = Object.entries(SOURCES).flatMap(([source, times]) =>
    ['always 1', 'exponential'].map((calls): [string, [typeof times, typeof times]] => [
      `${source}; calls ${calls}`,
      [times, CALLS[calls]!],
    ]),
  );
  return rows(pairs, async ([source, calls]) => {
    const points = [];
    for (const concurrency of CONCURRENCIES)
      points.push(await average(runs, count, source, calls, { concurrency, bufferSize: factor * concurrency }));
    return points;
  });
}

async function rows<T>(of: [title: string, of: T][], points: (of: T) => Promise<Point[]>): Promise<Row[]> {
  const all = [];
  for (const [title, each] of of) all.push({ title, points: await points(each) });
  return all;
}

async function average(
  runs: number,
  count: number,
  source: (chance: () => number) => Step,
  calls: (chance: () => number) => Step,
  options: { concurrency: number; bufferSize: number },
): Promise<Point> {
  const points: Point[] = [];
  for (let run = 1; run <= runs; run++) {
    const [waits, times] = durationsOf((chance) => [scaled(source(chance)), calls(chance)], run, count) as [
      number[],
      number[],
    ];
    points.push(pointOf(await runMap(waits, times, options)));
  }
  const of = (key: keyof Point): number => mean(points.map((point) => point[key]));
  return { mean: of('mean'), starved: of('starved'), blocked: of('blocked'), working: of('working') };
}

function scaled(step: Step): Step {
  return () => step() / NEEDED;
}

function pointOf({ time, stages }: Outcome): Point {
  const { calls, starved, blocked, working } = stages[1]!;
  return { mean: calls!.mean, starved: starved / time, blocked: blocked / time, working: working / time };
}
