/**
 * Which `bufferSize`, which `concurrency`, and how do the statistics tell? Chains of stages run in virtual time; of each run
 * the values, the time and the statistics are checked. Fills the tables of docs/buffer-size.md and makes its picture.
 */
import { ok } from 'node:assert';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import * as Plot from '@observablehq/plot';
import { type BufferedPipeline, bufferedPipeline, type StageStatistics } from 'buffered-pipeline';
import { randomExponential, randomLcg, randomLogNormal, randomUniform } from 'd3-random';

import { COLORS, svg } from './charts.ts';
import { inVirtualTime, pause, scheduleEnd } from './clock.ts';
import { fill, markdown } from './report.ts';
import { ROOT } from './results.ts';

/** The unit of all times, in milliseconds of virtual time: long, so that times are whole numbers and yet exact. */
const UNIT = 1000;
/** Milliseconds within which sums of times are equal. */
const ROUNDING = 1e-3;
const VALUES = 1000;
/** How often a chain with random times is run, each time with other random numbers. */
const RUNS = 5;
/** Values in a check. */
const FEW = 40;

/** How many units each next value takes. */
type Step = () => number;
type Chance = () => number;
type Times = (chance: Chance) => Step[];

const always = (time: number) => (): Step => () => time;
const uniform = (chance: Chance): Step => randomUniform.source(chance)(0, 2);
/** With a standard deviation of 1.3 times the mean. */
const lognormal = (chance: Chance): Step => randomLogNormal.source(chance)(-0.5, 1);
/** With a standard deviation as large as the mean. */
const exponential = (chance: Chance, mean = 1): Step => randomExponential.source(chance)(1 / mean);
/** One value in twenty waits for a retry, say: half of all time. */
const rarelySlow =
  (chance: Chance): Step =>
  () =>
    chance() < 1 / 20 ? 10 : 10 / 19;

/** So many values at once, as from a page. */
function pages(length: number): Step {
  let value = 0;
  return () => (value++ % length === 0 ? length : 0);
}

/** Slow for so many values, then quick. */
function inTurns(length: number, isQuickFirst: boolean): Step {
  let value = 0;
  return () => (Math.floor(value++ / length) % 2 === (isQuickFirst ? 0 : 1) ? 0.1 : 1.9);
}

const three = (make: (chance: Chance) => Step) => (chance: Chance) => Array.from({ length: 3 }, () => make(chance));

/** By the kind of their times, as the picture shows them, and by what they are. */
const CHAINS: Record<string, Record<string, Times>> = {
  'always the same time, or two in turns': {
    'always 1': three(always(1)),
    'always 1, then 2, then 1': () => [1, 2, 1].map((time) => always(time)()),
    '0.1 and 1.9 in turns, the second step the other way round': () => [true, false, true].map((is) => inTurns(1, is)),
  },
  'random times': {
    'uniform, 0 to 2': three(uniform),
    exponential: three(exponential),
    'exponential, two steps': (chance) => [exponential(chance), exponential(chance)],
    lognormal: three(lognormal),
    'exponential, means 1, 1.5 and 1': (chance) => [1, 1.5, 1].map((mean) => exponential(chance, mean)),
    'exponential, means 0.5 and 0.5, then always 1': (chance) => [
      exponential(chance, 0.5),
      exponential(chance, 0.5),
      always(1)(),
    ],
  },
  'bursts, or rare slow values': {
    '10 for one value in 20, else 0.5': three(rarelySlow),
    '0.1 and 1.9 in turns, alike in all steps': three(() => inTurns(1, true)),
    '0.1 and 1.9, 25 of each in turns, the second step the other way round': () =>
      [true, false, true].map((is) => inTurns(25, is)),
    'pages of 10 values, then always 1': () => [pages(10), always(1)()],
    'pages of 50 values, then always 1': () => [pages(50), always(1)()],
  },
};

/** Milliseconds: a row for each step. Runs of the same number are the same. */
function durationsOf(steps: Times, seed: number, count: number): number[][] {
  return steps(randomLcg(seed / (RUNS + 1))).map((step) =>
    Array.from({ length: count }, () => Math.max(1, Math.round(step() * UNIT))),
  );
}

interface Outcome {
  /** Milliseconds until the reader had all values. */
  time: number;
  stages: StageStatistics[];
}

function run(count: number, build: (buffer: BufferedPipeline) => AsyncIterable<number>): Promise<Outcome> {
  return inVirtualTime(async () => {
    const buffer = bufferedPipeline({ statistics: true });
    let expected = 0;
    for await (const value of build(buffer)) ok(value === expected++, `value ${value} comes after ${expected - 2}`);
    ok(expected === count, `${expected} values come of ${count}`);
    return { time: performance.now(), stages: buffer.statistics() };
  });
}

async function* afterwards(input: Iterable<number> | AsyncIterable<number>, times: number[]): AsyncGenerator<number> {
  for await (const value of input) {
    if (times[value]! > 0) await pause(times[value]!);
    yield value;
  }
}

function near(actual: number, expected: number, what: string): void {
  ok(Math.abs(actual - expected) < ROUNDING + 1e-6 * expected, `${what}: ${actual}, not ${expected}`);
}

function sum(all: number[]): number {
  return all.reduce((total, each) => total + each, 0);
}

async function runChain(durations: number[][], sizes: number[]): Promise<Outcome> {
  const count = durations[0]!.length;
  const outcome = await run(count, (buffer) => {
    let chain: Iterable<number> | AsyncIterable<number> = Array(count).keys();
    for (const [at, times] of durations.entries()) chain = buffer(afterwards(chain, times), { bufferSize: sizes[at] });
    return chain as AsyncIterable<number>;
  });
  near(
    outcome.time,
    scheduleEnd(sizes, count, (stage, value) => durations[stage]![value]!),
    `sizes ${sizes.join()}`,
  );
  for (const [at, { working, maxHeld }] of outcome.stages.entries()) {
    near(working, sum(durations[at]!), `working, stage ${at}`);
    ok(maxHeld <= sizes[at]!);
  }
  const { working, starved, blocked } = outcome.stages.at(-1)!;
  near(working + starved + blocked, outcome.time, 'life of the last stage');
  return outcome;
}

interface Calls {
  concurrency: number;
  bufferSize: number;
}

/** A source in a stage, and a `buffer.map` behind it. */
async function runMap([source, calls]: number[][], { concurrency, bufferSize }: Calls): Promise<Outcome> {
  const call = async (value: number): Promise<number> => {
    await pause(calls![value]!);
    return value;
  };
  const outcome = await run(calls!.length, (buffer) => {
    return buffer.map(buffer(afterwards(calls!.keys(), source!)), call, { concurrency, bufferSize });
  });
  const { calls: statistics, maxHeld } = outcome.stages[1]!;
  near(statistics!.mean, sum(calls!) / outcome.time, 'calls on average');
  ok(maxHeld <= bufferSize);
  return outcome;
}

const SIZES = [2, 4, 8, 16, 32, 64];
const LARGEST = 64;
/** A share of the time that is not worth more memory. */
const LITTLE = 0.02;

/** All buffers of one size, or as the advice says. */
type Plan = number | 'the advice followed';

/** Shares of the time at size 1: what is saved, and the most that can be, in which the busiest stage does not work. And the sizes. */
async function saving(durations: number[][], plan: Plan): Promise<number[]> {
  const sizes = durations.map(() => (typeof plan === 'number' ? plan : 1));
  const small = await runChain(
    durations,
    durations.map(() => 1),
  );
  let outcome = await runChain(durations, sizes);
  while (plan === 'the advice followed' && mostSaved(outcome) >= LITTLE && follow(sizes, outcome))
    outcome = await runChain(durations, sizes);
  const most = mostSaved(small);
  const saved = 1 - outcome.time / small.time;
  ok(saved < most + 1e-9, `sizes ${sizes.join()} save ${saved}, at most ${most}`);
  return [saved, most, ...sizes];
}

function mostSaved({ time, stages }: Outcome): number {
  return 1 - Math.max(...stages.map(({ working }) => working)) / time;
}

/** Doubles the buffers that are too small: whose stage is blocked while at other times its reader is starved. */
function follow(sizes: number[], { time, stages }: Outcome): boolean {
  const before = sizes.join();
  for (const [at, size] of sizes.entries()) {
    const lost = Math.min(stages[at]!.blocked, stages[at + 1]?.starved ?? 0) / time;
    if (lost > LITTLE && size < LARGEST) sizes[at] = size * 2;
  }
  return sizes.join() !== before;
}

function predicted(most: number, size: number): number {
  return (most * (size - 1)) / (size + 1);
}

/** Calls under way while a source that yields a value each eighth of the time of a call is kept up with. */
const NEEDED = 8;
const CALLS: Record<string, (chance: Chance) => Step> = {
  'always 1': always(1),
  'uniform, 0 to 2': uniform,
  exponential,
  lognormal,
  '10 for one call in 20, else 0.5': rarelySlow,
  '0.1 and 1.9, 25 of each in turns': () => inTurns(25, true),
};
const SOURCES: Record<string, (chance: Chance) => Step> = {
  'always the same': always(1),
  exponential,
  'pages of 8': () => pages(8),
  'pages of 64': () => pages(64),
};

/** The source is so many times as quick as a call. */
function mapping(source: (chance: Chance) => Step, calls: (chance: Chance) => Step): Times {
  return (chance) => {
    const wait = source(chance);
    return [() => wait() / NEEDED, calls(chance)];
  };
}

/** The calls under way on average, and the share of the time in which the stage was in that state. */
const callsIn = (state: 'starved' | 'blocked') => async (durations: number[][], options: Calls) => {
  const { time, stages } = await runMap(durations, options);
  return [stages[1]!.calls!.mean, stages[1]![state] / time];
};

/** A row for each chain, and in it for each column the means of the numbers of several runs. */
async function measured<C>(
  chains: Record<string, Times>,
  columns: C[],
  measure: (durations: number[][], column: C) => Promise<number[]>,
  isCheck: boolean,
): Promise<[title: string, ...cells: number[][]][]> {
  const rows: [string, ...number[][]][] = [];
  for (const [title, steps] of Object.entries(chains)) {
    const cells: number[][] = [];
    for (const column of columns) {
      const each: number[][] = [];
      for (let at = 1; at <= (isCheck ? 1 : RUNS); at++)
        each.push(await measure(durationsOf(steps, at, isCheck ? FEW : VALUES), column));
      cells.push(each[0]!.map((_, index) => sum(each.map((numbers) => numbers[index]!)) / each.length));
    }
    rows.push([title, ...cells]);
  }
  return rows;
}

async function experiment(isCheck: boolean) {
  const plans: Plan[] = [...SIZES, 'the advice followed'];
  const sources = Object.entries(SOURCES).flatMap(([name, source]) =>
    ['always 1', 'exponential'].map((calls) => [`${name}; calls ${calls}`, mapping(source, CALLS[calls]!)] as const),
  );
  const calls = Object.entries(CALLS).map(([name, times]) => [name, mapping(always(0), times)] as const);
  const sizes = [8, 12, 16, 24, 32, 64].map((bufferSize) => ({ concurrency: NEEDED, bufferSize }));
  const most = [4, 8, 12, 16, 32, 64].map((concurrency) => ({ concurrency, bufferSize: 2 * concurrency }));
  return {
    plans,
    sizes,
    most,
    chains: await measured(
      Object.assign({}, ...Object.values(CHAINS)) as Record<string, Times>,
      plans,
      saving,
      isCheck,
    ),
    bySize: await measured(Object.fromEntries(calls), sizes, callsIn('blocked'), isCheck),
    byConcurrency: await measured(Object.fromEntries(sources), most, callsIn('starved'), isCheck),
  };
}

/** Makes fewer runs, and throws where a run is not as it must be. */
export async function checkSizes(): Promise<void> {
  await experiment(true);
}

export async function writeSizes(): Promise<void> {
  const { plans, sizes, most, chains, bySize, byConcurrency } = await experiment(false);
  const inWords = ([mean, share]: number[]): string => `${mean!.toFixed(1)} (${percent(share!)})`;
  const tables: Record<string, string> = {
    'table: all': markdown(
      ['times of the steps', 'at most', ...plans.map((plan) => (typeof plan === 'number' ? `size ${plan}` : plan))],
      chains.map(([title, ...cells]) => [
        title,
        percent(cells[0]![1]!),
        ...cells.map(([saved, bound, ...all], at) => {
          const plan = plans[at]!;
          return `${percent(saved!)} (${typeof plan === 'number' ? percent(predicted(bound!, plan)) : all.map(Math.round).join(', ')})`;
        }),
      ]),
    ),
    'table: sizes of calls': markdown(
      ['times of the calls', ...sizes.map(({ bufferSize }) => `${bufferSize}`)],
      bySize.map(([title, ...cells]) => [title, ...cells.map(inWords)]),
    ),
    'table: concurrency': markdown(
      ['times of the source; of the calls', ...most.map(({ concurrency }) => `${concurrency}`)],
      byConcurrency.map(([title, ...cells]) => [title, ...cells.map(inWords)]),
    ),
  };
  fill('docs/buffer-size.md', (mark) => tables[mark]!);
  const dots = Object.entries(CHAINS).flatMap(([kind, titles]) =>
    chains
      .filter(([title]) => title in titles)
      .flatMap(([, ...cells]) =>
        SIZES.map((size, at): Dot => ({ kind, x: 100 * predicted(cells[at]![1]!, size), y: 100 * cells[at]![0]! })),
      ),
  );
  writeFileSync(join(ROOT, 'docs', 'buffer-size.svg'), chart(dots));
}

function percent(share: number): string {
  // Without the sign of a zero.
  return `${Math.abs(share * 100) < 0.5 ? 0 : Math.round(share * 100)} %`;
}

/** A chain and size: the percentages that were predicted and saved. */
interface Dot {
  kind: string;
  x: number;
  y: number;
}

function chart(dots: Dot[]): string {
  const axis = { domain: [-1, 50], ticks: 6, grid: true, label: null, tickFormat: (at: number) => `${at}%` };
  const kinds = Object.keys(CHAINS);
  const legend = kinds.map((kind, at): Dot => ({ kind, x: 2, y: 40 - at * 3 }));
  const lines = [
    'How much time do larger buffers save, and can the statistics tell beforehand?',
    'A dot is a chain of two or three steps, all of whose buffers are raised from 1 to b = 2, 4, … 64.',
    'On the dashed line, they save (b − 1)/(b + 1) of the time in which the busiest step does not work at size 1.',
  ];
  const plot = {
    x0: 0,
    y0: 70,
    width: 760,
    height: 480,
    marginLeft: 56,
    marginBottom: 50,
    x: axis,
    y: axis,
    color: { domain: kinds, range: [COLORS.grey, COLORS.blue, COLORS.orange] },
    marks: [
      Plot.link([0], { x1: 0, y1: 0, x2: 50, y2: 50, strokeOpacity: 0.5, strokeDasharray: '4,4' }),
      Plot.dot([...dots, ...legend], { x: 'x', y: 'y', r: 4.5, fill: 'kind', fillOpacity: 0.75 }),
      Plot.text(legend, { x: 'x', y: 'y', text: 'kind', dx: 10, textAnchor: 'start', fontSize: 12 }),
      Plot.text(['predicted'], { frameAnchor: 'bottom', dy: 40, fontSize: 12 }),
      Plot.text(['saved'], { frameAnchor: 'top-left', dx: 6, dy: 4, fontSize: 12 }),
    ],
  };
  return svg(plot.width, plot.y0 + plot.height, lines, [plot]);
}
