/** Does a value cost the same however many stages, values held, and pipelines there are? */
import { ok } from 'node:assert';

import { contenders, OURS, READABLE_FROM, UNBUFFERED } from './contenders.ts';
import { median, type Measurements, type Mode, only, scaled } from './measurement.ts';
import { fresh, type Step } from './work.ts';

const HOPS = 300_000;
/** Values of each pipeline: with fewer, building it would count for more. */
const LEAST = 20;
const ROUNDS = 3;

/** What grows, and through which values. */
export const AXES = {
  stages: { title: 'more and more stages', points: [1, 2, 4, 8, 16, 32, 64] },
  size: { title: 'larger and larger buffers', points: [1, 4, 16, 64, 256, 1024] },
  pipelines: { title: 'more and more pipelines at once', points: [1, 10, 100, 1000, 10_000] },
};

type Shape = Record<keyof typeof AXES, number>;

export async function measure(_id: string, mode: Mode): Promise<Measurements> {
  const measurements: Measurements = {};
  const runs = await Promise.all(
    Object.entries(only(contenders, [UNBUFFERED, OURS, 'streaming-iterables', READABLE_FROM])).map(
      async ([name, build]) => {
        const { source, steps } = (await fresh(name)).plain;
        const chain = (count: number, used: number, size: number): AsyncIterable<number> =>
          build(source(count), Array<Step>(used).fill(steps[1]!), size);
        return { name, chain };
      },
    ),
  );
  const hops = scaled(HOPS, mode);
  for (const [axis, { points }] of Object.entries(AXES)) {
    for (const point of points) {
      if (point > hops) continue;
      const shape = { stages: 3, size: 1, pipelines: 1, [axis]: point };
      const times = new Map<string, number[]>(runs.map(({ name }) => [name, []]));
      for (let round = 0; round < Math.max(1, Math.min(ROUNDS, mode.rounds)); round++)
        for (const { name, chain } of runs) times.get(name)!.push(await perHop(chain, shape, hops));
      const outcomes = Object.fromEntries(Array.from(times, ([name, all]) => [name, { value: median(all) }]));
      measurements[`growth/${axis}/${point}`] = {
        title: `Nanoseconds per value and stage, ${axis} = ${point}`,
        unit: 'ns',
        outcomes,
      };
    }
  }
  return measurements;
}

async function perHop(
  chain: (count: number, steps: number, size: number) => AsyncIterable<number>,
  { stages, size, pipelines }: Shape,
  hops: number,
): Promise<number> {
  const count = Math.max(LEAST, Math.round(hops / stages / pipelines));
  const read = async (): Promise<void> => {
    let sum = 0;
    for await (const value of chain(count, stages - 1, size)) sum += value;
    ok(sum === (count * (count - 1)) / 2 + count * (stages - 1) * 3);
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: pipelines }, read));
  return ((performance.now() - start) * 1e6) / (count * stages * pipelines);
}
