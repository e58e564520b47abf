/**
 * Times contenders side by side: in each round every contender runs right after a run of the baseline, and only the ratio of the
 * two counts. What slows the machine down for a while slows both. The order changes from round to round.
 */
import { fresh, type Fresh } from './work.ts';
import { median, type Mode, type Outcome, type Outcomes, type Question, type Workload } from './workload.ts';

/** Milliseconds: a contender that has not settled by then never will. */
const TRIAL_LIMIT = 120_000;

/** Does the work once, and checks the result. */
type Sample = () => Promise<unknown>;

interface Timing<T> extends Omit<Question, 'unit'> {
  baseline: string;
  contenders: Record<string, T>;
  /** @param work - Of this contender alone. */
  sample: (contender: T, work: Fresh, mode: Mode, name: string) => Sample;
}

export function timed<T>({ baseline, contenders, sample, ...question }: Timing<T>): Workload {
  const run = async (mode: Mode): Promise<Outcomes> => {
    const samples: Record<string, Sample> = {};
    const times: Record<string, { ratios: number[]; ms: number[] }> = {};
    const outcomes: Outcomes = {};
    for (const [name, contender] of Object.entries(contenders)) {
      samples[name] = sample(contender, await fresh(name), mode, name);
      const failure = await trial(samples[name], mode.warmUp);
      if (failure === undefined) times[name] = { ratios: [], ms: [] };
      else outcomes[name] = { failure };
    }
    const entries = Object.entries(times);
    for (let round = 0; round < mode.rounds; round++) {
      for (const [name, { ratios, ms }] of [...entries.slice(round), ...entries.slice(0, round)]) {
        const baseTime = await timeOf(samples[baseline]!);
        const time = await timeOf(samples[name]!);
        ratios.push(time / baseTime);
        ms.push(time);
      }
    }
    for (const [name, time] of entries) outcomes[name] = summary(time);
    return outcomes;
  };
  return { unit: `× ${baseline}`, ...question, names: Object.keys(contenders), run };
}

function summary({ ratios, ms }: { ratios: number[]; ms: number[] }): Outcome {
  return { value: median(ratios), low: median(ratios, 0.25), high: median(ratios, 0.75), ms: median(ms) };
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
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** The short-lived garbage of one contender is not for the next to collect. A full collection would throw out compiled code. */
async function timeOf(sample: Sample): Promise<number> {
  globalThis.gc?.({ type: 'minor' });
  const start = performance.now();
  await sample();
  return performance.now() - start;
}
