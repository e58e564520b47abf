/**
 * Measures contenders side by side: in each round every contender runs right after a run of the baseline, and only the
 * ratio of the two counts. What slows the machine down for a while slows both. The order changes from round to round.
 */
import { type Measurement, median, type Mode, type Outcome, quantile } from './measurement.ts';
import { fresh, type Fresh } from './work.ts';

/** A contender that has not settled by then never will. */
const TRIAL_LIMIT = 120_000;

/** Does the work once, and checks the result. */
export type Sample = () => Promise<unknown>;

/** What each of `named` has as its sample; it gets functions of its own. */
export type SampleOf<T> = (of: T, work: Fresh, name: string) => Sample;

/** The ratios of the times to that of `baseline`. */
export async function paired<T>(
  title: string,
  mode: Mode,
  baseline: string,
  named: Record<string, T>,
  sampleOf: SampleOf<T>,
): Promise<Measurement> {
  const samples: Record<string, Sample> = {};
  for (const [name, of] of Object.entries(named)) samples[name] = sampleOf(of, await fresh(`${name} ${title}`), name);
  const outcomes: Record<string, Outcome> = {};
  const times = new Map<string, { ratios: number[]; ms: number[] }>();
  for (const [name, sample] of Object.entries(samples)) {
    const failure = await trial(sample, mode.warmUp);
    if (failure === undefined) times.set(name, { ratios: [], ms: [] });
    else outcomes[name] = { failure };
  }
  for (let round = 0; round < mode.rounds; round++) {
    for (const [name, { ratios, ms }] of rotated([...times], round)) {
      const baseTime = await timeOf(samples[baseline]!);
      const time = await timeOf(samples[name]!);
      ratios.push(time / baseTime);
      ms.push(time);
    }
  }
  for (const [name, { ratios, ms }] of times)
    outcomes[name] = {
      value: median(ratios),
      low: quantile(ratios, 0.25),
      high: quantile(ratios, 0.75),
      ms: median(ms),
    };
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
async function timeOf(sample: Sample): Promise<number> {
  globalThis.gc?.({ type: 'minor' });
  const start = performance.now();
  await sample();
  return performance.now() - start;
}

function rotated<T>(items: T[], by: number): T[] {
  const start = by % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}
