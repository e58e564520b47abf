/** Runs a chain of buffered stages in virtual time. */
import { ok } from 'node:assert';

import { bufferedPipeline, type StageStatistics } from 'buffered-pipeline';

import { inVirtualTime, pause } from '../virtual.ts';

export interface Outcome {
  /** Milliseconds until the reader had all values. */
  time: number;
  stages: StageStatistics[];
}

/** @param durations - Milliseconds: a row for each stage. */
export function runChain(durations: number[][], sizes: number[]): Promise<Outcome> {
  return inVirtualTime(async () => {
    const start = performance.now();
    const buffer = bufferedPipeline({ statistics: true });
    const [first, ...others] = durations;
    let stage = buffer(numbers(first!), { bufferSize: sizes[0] });
    others.forEach((times, index) => {
      stage = buffer(afterwards(stage, times), { bufferSize: sizes[index + 1] });
    });
    let expected = 0;
    for await (const value of stage) ok(value === expected++, `value ${value} comes after ${expected - 2}`);
    ok(expected === first!.length, `${expected} values come of ${first!.length}`);
    return { time: performance.now() - start, stages: buffer.statistics() };
  });
}

async function* numbers(times: number[]): AsyncGenerator<number> {
  for (const [value, time] of times.entries()) {
    await pause(time);
    yield value;
  }
}

async function* afterwards(input: AsyncIterable<number>, times: number[]): AsyncGenerator<number> {
  for await (const value of input) {
    await pause(times[value]!);
    yield value;
  }
}
