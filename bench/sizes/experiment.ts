/**
 * What a look at a chain whose buffers have size 1 says about larger ones, and what larger ones do. All shares are of the
 * time that the chain takes at size 1.
 */
import { ok } from 'node:assert';

import { type Case, CASES, durationsOf, type Kind, RUNS } from './cases.ts';
import { averaged, type Outcome, runChain } from './run.ts';

export const SIZES = [2, 4, 8, 16, 32, 64];
/** That of a buffer that is enlarged alone. */
export const LARGEST = 64;
/** A share of the time that is not worth more memory. */
export const LITTLE = 0.02;
/** Shares that are equal but for the rounding of floating-point numbers. */
const EXACT = 1e-9;

export interface Result {
  title: string;
  kind: Kind;
  /** The share in which the busiest stage does not work: more cannot be saved. */
  most: number;
  /** For each of {@link SIZES}. */
  all: Prediction[];
  /** One buffer enlarged, between each stage and its reader. */
  alone: (Prediction & { blocked: number; starved: number })[];
  /** What comes of the advice. Of several runs, the sizes are those of the first. */
  followed: { sizes: string; saved: number };
}

export interface Prediction {
  predicted: number;
  saved: number;
}

/** Runs all cases with so many values, those with random times several times. */
export async function experiment(count: number, runs = RUNS): Promise<Result[]> {
  const results = [];
  for (const one of CASES) {
    const each = [];
    for (let run = 1; run <= (one.kind === 'constant' ? 1 : runs); run++) each.push(await tryOut(one, run, count));
    results.push(averaged(each));
  }
  return results;
}

async function tryOut({ title, kind, steps }: Case, run: number, count: number): Promise<Result> {
  const durations = durationsOf(steps, run, count);
  const ones = durations.map(() => 1);
  const small = await runChain(durations, ones);
  const most = mostSaved(small);
  const saving = async (sizes: number[], bound: number): Promise<number> => {
    const saved = 1 - (await runChain(durations, sizes)).time / small.time;
    ok(saved <= bound + EXACT, `${title}, sizes ${sizes.join()}: saves ${saved}, at most ${bound}`);
    return saved;
  };
  const all = [];
  for (const size of SIZES)
    all.push({
      predicted: (most * (size - 1)) / (size + 1),
      saved: await saving(
        ones.map(() => size),
        most,
      ),
    });
  const alone = [];
  for (let after = 0; after < ones.length - 1; after++) {
    const { bound, ...look } = lookBetween(small, after);
    const saved = await saving(ones.with(after, LARGEST), bound);
    alone.push({ ...look, saved, predicted: Math.min(look.blocked, look.starved, most) });
  }
  const sizes = await followAdvice(durations);
  return { title, kind, most, all, alone, followed: { sizes: sizes.join(', '), saved: await saving(sizes, most) } };
}

/** Doubles the buffers of which a look says that they are too small, and looks again, until there is none. */
async function followAdvice(durations: number[][]): Promise<number[]> {
  for (let sizes = durations.map(() => 1); ;) {
    const outcome = await runChain(durations, sizes);
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
