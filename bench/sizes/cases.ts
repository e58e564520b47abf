/** Chains whose steps take times of many kinds. */
import { randomExponential, randomLcg, randomLogNormal, randomUniform } from 'd3-random';

/** The unit of all times, in milliseconds of virtual time: long, so that times are whole numbers and yet exact. */
export const UNIT = 1000;

/** Says how many units each next value takes. */
type Step = () => number;

export type Kind = 'constant' | 'random' | 'bursts';

export interface Case {
  title: string;
  kind: Kind;
  /** How often it is run, each time with other random numbers. */
  runs: number;
  steps(chance: () => number): Step[];
}

/** Of a chain with random times. */
export const RUNS = 5;

/** A standard deviation as large as the mean is exponential; this lognormal one has 1.3 times the mean. */
const SIGMA = 1;

function uniform(chance: () => number): Step {
  return randomUniform.source(chance)(0, 2);
}

function exponential(mean: number, chance: () => number): Step {
  return randomExponential.source(chance)(1 / mean);
}

function lognormal(chance: () => number): Step {
  return randomLogNormal.source(chance)(-(SIGMA ** 2) / 2, SIGMA);
}

/** One value in twenty waits for a retry, say: half of all time. */
function rarelySlow(chance: () => number): Step {
  return () => (chance() < 1 / 20 ? 10 : 10 / 19);
}

/** So many values at once, as from a page. */
function pages(length: number): Step {
  let value = 0;
  return () => (value++ % length === 0 ? length : 0);
}

/** Slow for so many values, then quick. */
function inTurns(length: number): (isQuickFirst: boolean) => Step {
  return (isQuickFirst) => {
    let value = 0;
    return () => (Math.floor(value++ / length) % 2 === (isQuickFirst ? 0 : 1) ? 0.1 : 1.9);
  };
}

function constant(time: number): Step {
  return () => time;
}

function times(count: number, make: () => Step): Step[] {
  return Array.from({ length: count }, make);
}

export const CASES: Case[] = [
  always('always 1', () => times(3, () => constant(1))),
  always('always 1, then 2, then 1', () => [1, 2, 1].map(constant)),
  always('0.1 and 1.9 in turns, the second step the other way round', () => [true, false, true].map(inTurns(1))),
  random('uniform, 0 to 2', (chance) => times(3, () => uniform(chance))),
  random('exponential', (chance) => times(3, () => exponential(1, chance))),
  random('exponential, two steps', (chance) => times(2, () => exponential(1, chance))),
  random('lognormal', (chance) => times(3, () => lognormal(chance))),
  random('exponential, means 1, 1.5 and 1', (chance) => [1, 1.5, 1].map((mean) => exponential(mean, chance))),
  random('exponential, means 0.5 and 0.5, then always 1', (chance) => [
    exponential(0.5, chance),
    exponential(0.5, chance),
    constant(1),
  ]),
  { ...random('10 for one value in 20, else 0.5', (chance) => times(3, () => rarelySlow(chance))), kind: 'bursts' },
  bursts('0.1 and 1.9 in turns, alike in all steps', () => [true, true, true].map(inTurns(1))),
  bursts('0.1 and 1.9, 25 of each in turns, the second step the other way round', () =>
    [true, false, true].map(inTurns(25)),
  ),
  bursts('pages of 10 values, then always 1', () => [pages(10), constant(1)]),
  bursts('pages of 50 values, then always 1', () => [pages(50), constant(1)]),
];

function always(title: string, steps: () => Step[]): Case {
  return { title, kind: 'constant', runs: 1, steps };
}

function random(title: string, steps: Case['steps']): Case {
  return { title, kind: 'random', runs: RUNS, steps };
}

function bursts(title: string, steps: () => Step[]): Case {
  return { title, kind: 'bursts', runs: 1, steps };
}

/** Milliseconds: a row for each step. Runs of the same number are the same. */
export function durationsOf({ steps }: Case, run: number, count: number): number[][] {
  return steps(randomLcg(run / (RUNS + 1))).map((step) =>
    Array.from({ length: count }, () => Math.max(1, Math.round(step() * UNIT))),
  );
}
