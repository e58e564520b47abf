/**
 * What a look at a chain whose buffers have size 1 says about larger ones, and what larger ones do. All shares are of the
 * time that the chain takes at size 1.
 */
import { type Case, CASES, durationsOf, type Kind } from './cases.ts';
import { mean } from './mean.ts';
import { wrong } from './rules.ts';
import { type Outcome, runChain } from './run.ts';

export const SIZES = [2, 4, 8, 16, 32, 64];
/** That of a buffer that is enlarged alone. */
export const LARGEST = 64;

export interface Result {
  title: string;
  kind: Kind;
  /** The share in which the busiest stage does not work: more cannot be saved. */
  most: number;
  all: (Prediction & { size: number })[];
  /** One buffer enlarged, between the stage `after` and its reader. */
  alone: (Prediction & { after: number; blocked: number; starved: number })[];
  /** What comes of the advice. Of several runs, the sizes are those of the first. */
  followed: { sizes: number[]; saved: number };
  complaints: string[];
}

export interface Prediction {
  predicted: number;
  saved: number;
}

/** Runs all cases with so many values, each as often as it asks for, but not more often than `mostRuns`. */
export async function experiment(count: number, mostRuns = Infinity): Promise<Result[]> {
  const results = [];
  for (const chain of CASES) {
    const each = [];
    for (let run = 1; run <= Math.min(chain.runs, mostRuns); run++) each.push(await tryOut(chain, run, count));
    results.push(mean(each));
  }
  return results;
}

async function tryOut(chain: Case, run: number, count: number): Promise<Result> {
  const { title, kind } = chain;
  const trial = new Trial(durationsOf(chain, run, count));
  const ones = trial.durations.map(() => 1);
  const small = await trial.take(ones);
  const most = mostSaved(small);
  const all = [];
  for (const size of SIZES) {
    const sizes = ones.map(() => size);
    const saved = await trial.saving(small, sizes, most);
    all.push({ size, predicted: (most * (size - 1)) / (size + 1), saved });
  }
  const alone = [];
  for (let after = 0; after < ones.length - 1; after++) {
    const { bound, ...look } = lookBetween(small, after);
    const saved = await trial.saving(small, ones.with(after, LARGEST), bound);
    alone.push({ ...look, after, saved, predicted: Math.min(look.blocked, look.starved, most) });
  }
  const advised = await followAdvice(ones, trial);
  const followed = { sizes: advised, saved: await trial.saving(small, advised, most) };
  const complaints = trial.complaints.map((text) => `${title}, ${text}`);
  return { title, kind, most, all, alone, followed, complaints };
}

/** Runs of the same chain with buffers of several sizes, and what is wrong with them. */
class Trial {
  readonly durations: number[][];
  readonly complaints: string[] = [];

  constructor(durations: number[][]) {
    this.durations = durations;
  }

  async take(sizes: number[]): Promise<Outcome> {
    const outcome = await runChain(this.durations, sizes);
    for (const text of wrong(outcome, this.durations, sizes)) this.#complain(sizes, text);
    return outcome;
  }

  /** Which share of the time of another run these sizes save. */
  async saving(small: Outcome, sizes: number[], bound: number): Promise<number> {
    const saved = 1 - (await this.take(sizes)).time / small.time;
    if (saved > bound + EXACT) this.#complain(sizes, `saves ${saved}, at most ${bound}`);
    return saved;
  }

  #complain(sizes: number[], text: string): void {
    this.complaints.push(`sizes ${sizes.join()}: ${text}`);
  }
}

/** Doubles the buffers of which a look says that they are too small, and looks again, until there is none. */
async function followAdvice(ones: number[], trial: Trial): Promise<number[]> {
  for (let sizes = ones; ;) {
    const outcome = await trial.take(sizes);
    const tooSmall = sizes.map((size, after) => size < LARGEST && isTooSmall(outcome, after));
    if (mostSaved(outcome) < LITTLE || !tooSmall.includes(true)) return sizes;
    sizes = sizes.map((size, after) => (tooSmall[after] ? size * 2 : size));
  }
}

function isTooSmall(outcome: Outcome, after: number): boolean {
  if (after === outcome.stages.length - 1) return false;
  const { blocked, starved } = lookBetween(outcome, after);
  return Math.min(blocked, starved) > LITTLE;
}

/** A share of the time that is not worth more memory. */
export const LITTLE = 0.02;

/** Shares that are equal but for the rounding of floating-point numbers. */
const EXACT = 1e-9;

function mostSaved({ time, stages }: Outcome): number {
  return 1 - Math.max(...stages.map(({ working }) => working)) / time;
}

/**
 * No larger buffer saves more than the time its reader starves, nor more than the time the stage is blocked and what then
 * remains to do for the stages after it. That remainder counts for little among many values.
 */
function lookBetween({ time, stages }: Outcome, after: number): { blocked: number; starved: number; bound: number } {
  const stage = stages[after]!;
  const starved = stages[after + 1]!.starved / time;
  const blocked = stage.blocked / time;
  const remainder = 1 - (stage.working + stage.starved + stage.blocked) / time;
  return { blocked, starved, bound: Math.min(starved, blocked + remainder) };
}
