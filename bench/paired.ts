/**
 * Measures contenders side by side: in each round every contender runs right after a run of the baseline, and only the
 * ratio of the two counts. What slows the machine down for a while slows both. The order changes from round to round.
 *
 * tinybench and mitata run all samples of one task, then all of the next, so that a change of the machine between them
 * is taken for one between the tasks.
 */
import type { Measurement, Mode, Outcome } from './measurement.ts';

/** A contender that has not settled by then never will. */
const TRIAL_LIMIT = 120_000;

/** Does the work once, checks the result, and returns the milliseconds it took. */
export type Sample = () => Promise<number>;

export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** The ratios to `baseline`. */
export async function paired(
  title: string,
  mode: Mode,
  baseline: string,
  samples: Record<string, Sample>,
): Promise<Measurement> {
  const outcomes: Record<string, Outcome> = {};
  const running: string[] = [];
  for (const [name, sample] of Object.entries(samples)) {
    const failure = await trial(sample, mode.warmUp);
    if (failure === undefined) running.push(name);
    else outcomes[name] = { failure };
  }
  const base = samples[baseline]!;
  const times = new Map(running.map((name): [string, [ratio: number, ms: number][]] => [name, []]));
  for (let round = 0; round < mode.rounds; round++) {
    for (const name of rotated(running, round)) {
      const baseTime = await afterCollection(base);
      const time = await afterCollection(samples[name]!);
      times.get(name)!.push([time / baseTime, time]);
    }
  }
  for (const [name, pairs] of times) outcomes[name] = summary(pairs);
  return { title, unit: `× ${baseline}`, outcomes };
}

/** Runs until what is to be compiled is, and finds contenders that cannot do the work. */
async function trial(sample: Sample, warmUp: number): Promise<string | undefined> {
  const start = performance.now();
  try {
    do await within(TRIAL_LIMIT, sample());
    while (performance.now() - start < warmUp);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Rejects when the promise has not settled after so many milliseconds. */
export async function within<T>(limit: number, promise: Promise<T>, complaint = 'does not settle'): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${complaint} (waited ${limit / 1000} s)`)), limit);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The short-lived garbage of one contender is not for the next to collect. A full collection would throw out compiled code. */
async function afterCollection(sample: Sample): Promise<number> {
  globalThis.gc?.({ type: 'minor' });
  return sample();
}

function rotated<T>(items: T[], by: number): T[] {
  const start = by % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}

function summary(pairs: [ratio: number, ms: number][]): Outcome {
  const ratios = pairs.map(([ratio]) => ratio);
  return {
    value: quantile(ratios, 0.5),
    low: quantile(ratios, 0.25),
    high: quantile(ratios, 0.75),
    ms: quantile(
      pairs.map(([, ms]) => ms),
      0.5,
    ),
  };
}

export function quantile(values: number[], at: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.round((sorted.length - 1) * at)]!;
}
