/**
 * Do the steps of a chain, or several calls of one, work at the same time, no later than the rules allow and no further ahead
 * than asked? On the virtual clock, so that the answers are exact. And what does a call cost that never waits?
 */
import { ok } from 'node:assert';
import { setImmediate as turn } from 'node:timers/promises';

import { randomExponential, randomLcg } from 'd3-random';

import { compute, type DurationOf, inVirtualTime, mapScheduleEnd, pause, scheduleEnd } from './clock.ts';
import { contenders } from './contenders.ts';
import { LOOP, mappers } from './mappers.ts';
import { timed } from './timed.ts';
import { waiting, type Work } from './work.ts';
import { counted, scaled, type Workload, type Workloads } from './workload.ts';

/** Turns of the event loop after which those that wait, or are not read, have come to rest. */
const TURNS = 8;
const TURNS_TO_REST = 50;

/** The virtual time until all values have come, each of which the reader computes for. */
function timeUntilRead(build: () => AsyncIterable<number>, expected: (index: number) => number, computing = 0) {
  return inVirtualTime(async () => {
    let index = 0;
    for await (const value of build()) {
      ok(value === expected(index++));
      compute(computing);
    }
    return performance.now();
  }, TURNS);
}

const VALUES = 50;
const even: DurationOf = () => 10;
const alternating: DurationOf = (stage, index) => ((stage + index) % 2 === 0 ? 1 : 19);

/** The three steps of all benches, which take as long as `duration` says. */
function sleeping(duration: DurationOf): Work {
  const step = (stage: number, change: (value: number) => number) => {
    let index = 0;
    return waiting(async (value) => {
      await slept(duration(stage, index++));
      return change(value);
    });
  };
  const source = async function* (count: number): AsyncGenerator<number> {
    for (let i = 0; i < count; i++) {
      await slept(duration(0, i));
      yield i;
    }
  };
  return { source, steps: [step(1, (value) => value * 2), step(2, (value) => value + 3)] };
}

async function slept(milliseconds: number): Promise<void> {
  if (milliseconds > 0) await pause(milliseconds);
}

function steps(title: string, duration: DurationOf, size: number): Workload {
  const question = { title: `${title}, size ${size}, ${VALUES} values`, unit: '× the best', atMost: 1 };
  const best = scheduleEnd([size, size, size], VALUES, duration);
  return counted(question, contenders, async (build) => {
    const work = sleeping(duration);
    return (
      (await timeUntilRead(
        () => build(work.source(VALUES), work.steps, size),
        (index) => index * 2 + 3,
      )) / best
    );
  });
}

/** @param stage - The one that takes time: the first or the second. */
function beforeReader(title: string, stage: 0 | 1): Workload {
  const reader = 8;
  const question = { title: `${title} before a reader that computes for ${reader} ms`, unit: '× the best', atMost: 1 };
  return counted(question, contenders, async (build) => {
    const work = sleeping((at) => (at === stage ? 10 : 0));
    const chain = () => build(work.source(VALUES), work.steps.slice(0, stage), 1);
    return (await timeUntilRead(chain, (index) => index * (stage + 1), reader)) / (VALUES * 10 + reader);
  });
}

/** How many values the source has yielded while the reader holds the first and all else has come to rest. */
function ahead<T>(
  size: number,
  atMost: number,
  of: Record<string, T>,
  build: (of: T, source: AsyncGenerator<number>) => AsyncIterable<number>,
): Workload {
  return counted(
    { title: `Yielded while the reader holds the first, size ${size}`, unit: 'values', atMost },
    of,
    async (one) => {
      let yielded = 0;
      const source = async function* (): AsyncGenerator<number> {
        while (yielded < 1000) yield yielded++;
      };
      await build(one, source())[Symbol.asyncIterator]().next();
      for (let i = 0; i < TURNS_TO_REST; i++) await turn();
      return yielded;
    },
  );
}

const { steps: plainSteps } = sleeping(() => 0);
const stages = (size: number, atMost: number) =>
  ahead(size, atMost, contenders, (build, source) => build(source, plainSteps, size));
const calls = (size: number, atMost: number) =>
  ahead(size, atMost, mappers, (map, source) => map(source, async (value) => value, size));

const CONCURRENCY = 8;
const CALLS = 400;

function exponential(): (index: number) => number {
  const next = randomExponential.source(randomLcg(0.5))(1 / 10);
  const times = Array.from({ length: CALLS }, () => Math.max(1, Math.round(next())));
  return (index) => times[index]!;
}

function mapping(title: string, callTime: (index: number) => number, sourceTime = 0): Workload {
  const question = { title: `buffer.map, ${title}, concurrency ${CONCURRENCY}`, unit: '× the best', atMost: 1 };
  const best = mapScheduleEnd(CONCURRENCY, CALLS, sourceTime, callTime);
  return counted(question, mappers, async (map) => {
    const call = async (value: number): Promise<number> => {
      await pause(callTime(value));
      return value;
    };
    const { source } = sleeping(() => sourceTime);
    return (
      (await timeUntilRead(
        () => map(source(CALLS), call, CONCURRENCY),
        (index) => index,
      )) / best
    );
  });
}

function costs(concurrency: number): Workload {
  return timed({
    title: `buffer.map, calls that never wait, concurrency ${concurrency}`,
    baseline: LOOP,
    contenders: mappers,
    sample: (map, { plain, read, calls: own }, mode) => {
      const count = scaled(60_000, mode);
      return () => read(map(plain.source(count), own(), concurrency), count);
    },
  });
}

export const schedule: Workloads = {
  ahead1: stages(1, 4),
  ahead16: stages(16, 49),
  f: steps('Steps of 10 ms', even, 1),
  f1: steps('Steps of 1 and 19 ms in turns', alternating, 1),
  f4: steps('Steps of 1 and 19 ms in turns', alternating, 4),
  f16: steps('Steps of 1 and 19 ms in turns', alternating, 16),
  h: beforeReader('A step of 10 ms', 0),
  'h-inner': beforeReader('A step of 10 ms that reads a stage', 1),
  m1: costs(1),
  m8: costs(8),
  m64: costs(64),
  'map-equal': mapping('calls of 10 ms', () => 10),
  'map-random': mapping('calls of random times', exponential()),
  'map-slow': mapping('one call in 20 of 100 ms, the others of 5', (index) => (index % 20 === 0 ? 100 : 5)),
  'map-source': mapping('calls of random times, a source of 2 ms', exponential(), 2),
  'map-ahead1': calls(1, 2),
  'map-ahead8': calls(CONCURRENCY, CONCURRENCY + 1),
};
