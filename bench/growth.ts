/** Does a value cost the same however many stages, values held, and pipelines there are? */
import { type Contender, contenders, OURS, READABLE_FROM, UNBUFFERED } from './contenders.ts';
import { type Measurements, type Mode, type Outcome, scaled } from './measurement.ts';
import { quantile } from './paired.ts';
import { fresh, type Step } from './steps.ts';
import { ok } from 'node:assert';

const HOPS = 300_000;
/** Values of each pipeline: with fewer, building it would count. */
const LEAST = 100;
const STAGES = 3;
const ROUNDS = 5;
const NAMES = [UNBUFFERED, OURS, 'streaming-iterables', READABLE_FROM];

interface Shape {
  stages: number;
  size: number;
  pipelines: number;
}

/** What grows, and through which values. */
export const AXES: Record<keyof Shape, number[]> = {
  stages: [1, 2, 4, 8, 16, 32, 64],
  size: [1, 4, 16, 64, 256, 1024],
  pipelines: [1, 10, 100, 1000, 10_000],
};

export async function measure(_id: string, mode: Mode): Promise<Measurements> {
  const measurements: Measurements = {};
  const runs = await Promise.all(NAMES.map(async (name): Promise<[string, Run]> => [name, await prepare(name)]));
  const hops = scaled(HOPS, mode);
  for (const [axis, points] of Object.entries(AXES)) {
    for (const point of points) {
      if (point > hops) continue;
      const shape = { stages: STAGES, size: 1, pipelines: 1, [axis]: point };
      const title = `Nanoseconds per value and stage, ${axis} = ${point}`;
      measurements[`growth/${axis}/${point}`] = { title, unit: 'ns', outcomes: await compare(runs, shape, hops, mode) };
    }
  }
  return measurements;
}

/** Runs chains of a shape, each with at least so many values, and returns the nanoseconds per value and stage. */
type Run = (shape: Shape, hops: number, least: number) => Promise<number>;

async function prepare(name: string): Promise<Run> {
  const { source, steps } = await fresh('plain', name);
  const build = contenders[name]!;
  const plusThree = steps[1]!;
  return async (shape, hops, least) => {
    const count = Math.max(least, Math.round(hops / shape.stages / shape.pipelines));
    const used = Array.from({ length: shape.stages - 1 }, () => plusThree);
    const start = performance.now();
    const pipelines = Array.from({ length: shape.pipelines }, () =>
      read(build, source(count), used, shape.size, count),
    );
    await Promise.all(pipelines);
    return ((performance.now() - start) * 1e6) / (count * shape.stages * shape.pipelines);
  };
}

async function read(
  build: Contender,
  source: AsyncGenerator<number>,
  steps: Step[],
  size: number,
  count: number,
): Promise<void> {
  let sum = 0;
  for await (const value of build(source, steps, size)) sum += value;
  ok(sum === (count * (count - 1)) / 2 + count * steps.length * 3);
}

async function compare(
  runs: [string, Run][],
  shape: Shape,
  hops: number,
  mode: Mode,
): Promise<Record<string, Outcome>> {
  const rounds = Math.max(1, Math.min(ROUNDS, mode.rounds));
  const times = new Map(runs.map(([name]): [string, number[]] => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, run] of runs) times.get(name)!.push(await run(shape, hops, scaled(LEAST, mode)));
  }
  return Object.fromEntries(Array.from(times, ([name, values]) => [name, { value: quantile(values, 0.5) }]));
}
