/** Steps that take times of many kinds. */
import { randomExponential, randomLcg, randomLogNormal, randomUniform } from 'd3-random';

/** The unit of all times, in milliseconds of virtual time: long, so that times are whole numbers and yet exact. */
export const UNIT = 1000;

/** Says how many units each next value takes. */
export type Step = () => number;
type Chance = () => number;

export type Kind = 'constant' | 'random' | 'bursts';

export interface Case {
  title: string;
  kind: Kind;
  steps(chance: Chance): Step[];
}

/** How often a chain with random times is run, each time with other random numbers. */
export const RUNS = 5;

/** A standard deviation as large as the mean is exponential; this lognormal one has 1.3 times the mean. */
const SIGMA = 1;

export const constant = (time: number) => (): Step => () => time;
export const uniform = (chance: Chance): Step => randomUniform.source(chance)(0, 2);
export const lognormal = (chance: Chance): Step => randomLogNormal.source(chance)(-(SIGMA ** 2) / 2, SIGMA);
export const exponential = (chance: Chance, mean = 1): Step => randomExponential.source(chance)(1 / mean);

/** One value in twenty waits for a retry, say: half of all time. */
export const rarelySlow =
  (chance: Chance): Step =>
  () =>
    chance() < 1 / 20 ? 10 : 10 / 19;

/** So many values at once, as from a page. */
export function pages(length: number): Step {
  let value = 0;
  return () => (value++ % length === 0 ? length : 0);
}

/** Slow for so many values, then quick. */
export const inTurns =
  (length: number) =>
  (isQuickFirst: boolean): Step => {
    let value = 0;
    return () => (Math.floor(value++ / length) % 2 === (isQuickFirst ? 0 : 1) ? 0.1 : 1.9);
  };

const three = (make: (chance: Chance) => Step) => (chance: Chance) => Array.from({ length: 3 }, () => make(chance));

const STEPS: [kind: Kind, title: string, steps: Case['steps']][] = [
  ['constant', 'always 1', three(constant(1))],
  ['constant', 'always 1, then 2, then 1', () => [1, 2, 1].map((time) => constant(time)())],
  ['constant', '0.1 and 1.9 in turns, the second step the other way round', () => [true, false, true].map(inTurns(1))],
  ['random', 'uniform, 0 to 2', three(uniform)],
  ['random', 'exponential', three(exponential)],
  ['random', 'exponential, two steps', (chance) => [exponential(chance), exponential(chance)]],
  ['random', 'lognormal', three(lognormal)],
  ['random', 'exponential, means 1, 1.5 and 1', (chance) => [1, 1.5, 1].map((mean) => exponential(chance, mean))],
  [
    'random',
    'exponential, means 0.5 and 0.5, then always 1',
    (chance) => [exponential(chance, 0.5), exponential(chance, 0.5), constant(1)()],
  ],
  ['bursts', '10 for one value in 20, else 0.5', three(rarelySlow)],
  ['bursts', '0.1 and 1.9 in turns, alike in all steps', () => [true, true, true].map(inTurns(1))],
  [
    'bursts',
    '0.1 and 1.9, 25 of each in turns, the second step the other way round',
    () => [true, false, true].map(inTurns(25)),
  ],
  ['bursts', 'pages of 10 values, then always 1', () => [pages(10), constant(1)()]],
  ['bursts', 'pages of 50 values, then always 1', () => [pages(50), constant(1)()]],
];

export const CASES: Case[] = STEPS.map(([kind, title, steps]) => ({ kind, title, steps }));

/** Milliseconds: a row for each step. Runs of the same number are the same. */
export function durationsOf(steps: Case['steps'], run: number, count: number): number[][] {
  return steps(randomLcg(run / (RUNS + 1))).map((step) =>
    Array.from({ length: count }, () => Math.max(1, Math.round(step() * UNIT))),
  );
}
