/** Runs chains of stages in virtual time, and checks each run: its values, its time, and its statistics. */
import { ok } from 'node:assert';

import { type BufferedPipeline, bufferedPipeline, type StageStatistics } from 'buffered-pipeline';

import { inVirtualTime, pause, scheduleEnd } from '../clock.ts';

export interface Outcome {
  /** Milliseconds until the reader had all values. */
  time: number;
  stages: StageStatistics[];
}

/** Milliseconds within which sums of times are equal. */
const ROUNDING = 1e-3;

/** @param durations - Milliseconds: a row for each stage. */
export async function runChain(durations: number[][], sizes: number[]): Promise<Outcome> {
  const outcome = await run(durations[0]!.length, (buffer) => {
    const [first, ...others] = durations;
    let stage = buffer(numbers(first!), { bufferSize: sizes[0] });
    others.forEach((times, index) => {
      stage = buffer(afterwards(stage, times), { bufferSize: sizes[index + 1] });
    });
    return stage;
  });
  const where = `sizes ${sizes.join()}`;
  const best = scheduleEnd(sizes, durations[0]!.length, (stage, value) => durations[stage]![value]!);
  ok(outcome.time === best, `${where}: takes ${outcome.time} ms, not ${best}`);
  for (const [index, { name, working, starved, blocked, maxHeld }] of outcome.stages.entries()) {
    const work = sum(durations[index]!);
    ok(Math.abs(working - work) < ROUNDING, `${where}: ${name} works ${working} ms, not ${work}`);
    ok(maxHeld <= sizes[index]!, `${where}: ${name} holds ${maxHeld}`);
    const missing = outcome.time - (working + starved + blocked);
    const isLast = index === sizes.length - 1;
    ok(missing > -ROUNDING && (!isLast || missing < ROUNDING), `${where}: ${name} lives ${missing} ms too little`);
  }
  return outcome;
}

/** A source in a stage, and a `buffer.map` behind it, which is the last of the outcome's stages. */
export async function runMap(
  source: number[],
  calls: number[],
  options: { concurrency: number; bufferSize: number },
): Promise<Outcome> {
  const outcome = await run(calls.length, (buffer) =>
    buffer.map(
      buffer(numbers(source)),
      async (value) => {
        await pause(calls[value]!);
        return value;
      },
      options,
    ),
  );
  const { calls: statistics, maxHeld } = outcome.stages[1]!;
  const where = `concurrency ${options.concurrency}, bufferSize ${options.bufferSize}`;
  const work = sum(calls) / outcome.time;
  ok(
    Math.abs(statistics!.mean - work) < 1e-6 * work + ROUNDING,
    `${where}: ${statistics!.mean} calls on average, not ${work}`,
  );
  ok(maxHeld <= options.bufferSize, `${where}: holds ${maxHeld}`);
  return outcome;
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

async function* numbers(times: number[]): AsyncGenerator<number> {
  for (const [value, time] of times.entries()) {
    if (time > 0) await pause(time);
    yield value;
  }
}

async function* afterwards(input: AsyncIterable<number>, times: number[]): AsyncGenerator<number> {
  for await (const value of input) {
    await pause(times[value]!);
    yield value;
  }
}

export function sum(all: number[]): number {
  return all.reduce((total, each) => total + each, 0);
}

/** Of several results alike, the means of all numbers in them; else what the first says. */
export function averaged<T>(results: T[]): T {
  const [first] = results as [T];
  if (typeof first === 'number') return (sum(results as number[]) / results.length) as T;
  if (typeof first !== 'object' || first === null) return first;
  const parts = Object.keys(first).map((key) => [key, averaged(results.map((result) => result[key as keyof T]))]);
  return (Array.isArray(first) ? parts.map(([, part]) => part) : Object.fromEntries(parts)) as T;
}
