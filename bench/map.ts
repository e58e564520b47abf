/**
 * A step that works on several values at once: what does a value cost where calls never wait, how near to the best possible
 * schedule is it where they do, and how far does the source run ahead?
 */
import { ok } from 'node:assert';

import { randomExponential, randomLcg } from 'd3-random';

import { mapScheduleEnd, pause, virtualTime } from './clock.ts';
import { LOOP, type Mapper, mappers } from './mappers.ts';
import { measured, type Measurements, type Mode, scaled } from './measurement.ts';
import { paired } from './paired.ts';
import { yieldedAtRest } from './schedule.ts';

const VALUES = 60_000;
const CONCURRENCY = 8;
/** Turns of the event loop after which those that wait have come to rest. */
const TURNS = 8;

/** Milliseconds of the calls, and of the source. */
const TIMES: Record<string, { title: string; count: number; call: (index: number) => number; source: number }> = {
  equal: { title: 'calls of 10 ms', count: 400, call: () => 10, source: 0 },
  random: { title: 'calls of random times', count: 400, call: exponential(), source: 0 },
  slow: { title: 'one call in 20 of 100 ms, the others of 5', count: 400, call: oneIn20, source: 0 },
  source: { title: 'calls of random times, a source of 2 ms', count: 400, call: exponential(), source: 2 },
};

function exponential(): (index: number) => number {
  const next = randomExponential.source(randomLcg(0.5))(1 / 10);
  const times = Array.from({ length: 400 }, () => Math.max(1, Math.round(next())));
  return (index) => times[index]!;
}

function oneIn20(index: number): number {
  return index % 20 === 0 ? 100 : 5;
}

/** @param id - m and the concurrency, or `map` for what is not measured in time. */
export async function measure(id: string, mode: Mode): Promise<Measurements> {
  if (id !== 'map') return { [id]: await costs(Number(id.slice(1)), mode) };
  const measurements: Measurements = {};
  for (const [kind, { title, count, call, source }] of Object.entries(TIMES)) {
    const best = mapScheduleEnd({ concurrency: CONCURRENCY, bufferSize: CONCURRENCY }, count, () => source, call);
    measurements[`map-${kind}`] = await measured(
      `buffer.map, ${title}, concurrency ${CONCURRENCY}, ${count} values`,
      '× the best',
      mappers,
      async (map) => (await virtualTime(() => readSleeping(map, count, source, call), TURNS)) / best,
    );
  }
  for (const concurrency of [1, CONCURRENCY]) {
    const title = `Values that the source has yielded while the reader holds the first, concurrency ${concurrency}`;
    measurements[`map-ahead${concurrency}`] = await measured(title, 'values', mappers, (map) =>
      yieldedAtRest((source) => map(source, async (value) => value, concurrency)),
    );
  }
  return measurements;
}

/** Calls that never wait: of async functions, as they mostly are. */
async function costs(concurrency: number, mode: Mode): ReturnType<typeof measured> {
  const count = scaled(VALUES, mode);
  const title = `buffer.map, calls that never wait, concurrency ${concurrency}, ${count} values`;
  const comparison = paired(title, mode, LOOP, mappers, (map, { plain, read, calls }) => {
    return () => read(map(plain.source(count), calls(), concurrency), count);
  });
  return { ...(await comparison), count };
}

async function readSleeping(
  map: Mapper,
  count: number,
  sourceTime: number,
  callTime: (index: number) => number,
): Promise<void> {
  async function* source(): AsyncGenerator<number> {
    for (let i = 0; i < count; i++) {
      if (sourceTime > 0) await pause(sourceTime);
      yield i;
    }
  }
  const call = async (value: number): Promise<number> => {
    await pause(callTime(value));
    return value;
  };
  let index = 0;
  for await (const value of map(source(), call, CONCURRENCY)) ok(value === index++);
  ok(index === count);
}
