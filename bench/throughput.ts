/**
 * What does a buffered hop cost, beside the generator's own, and what does it gain where generators wait? What do statistics and
 * subscribers of the channels add? What does a value cost with more and more stages, larger and larger buffers, more pipelines?
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';

import { contenders, OURS, READABLE_FROM, UNBUFFERED, wrapped } from './contenders.ts';
import { timed } from './timed.ts';
import { type Fresh, fresh, type Step } from './work.ts';
import { counted, median, MODES, only, scaled, type Workload, type Workloads } from './workload.ts';

export const WITH_STATISTICS = 'with statistics';
export const WITH_SUBSCRIBERS = 'with subscribers';
/** Observers may cost time, but nothing else. */
export const observed = {
  ...only(contenders, [UNBUFFERED, OURS]),
  [WITH_STATISTICS]: wrapped({ statistics: true }),
  [WITH_SUBSCRIBERS]: wrapped(),
};

const CHANNELS = ['start', 'state', 'yield', 'handover', 'error', 'close'];

/** Runs the work while somebody has subscribed to all channels, if that is what the name says. */
export async function observing<T>(name: string, work: () => Promise<T>): Promise<T> {
  const ignore = (): void => {};
  const channels = name === WITH_SUBSCRIBERS ? CHANNELS.map((event) => `buffered-pipeline:stage:${event}`) : [];
  for (const channel of channels) subscribe(channel, ignore);
  try {
    return await work();
  } finally {
    for (const channel of channels) unsubscribe(channel, ignore);
  }
}

function hops(
  title: string,
  kind: 'plain' | 'turns' | 'busy',
  values: number,
  size: number,
  of = contenders,
): Workload {
  return timed({
    title: `${title}, ${values} values`,
    baseline: UNBUFFERED,
    contenders: of,
    sample: (build, { read, [kind]: work }: Fresh, mode, name) => {
      const count = scaled(values, mode);
      return () => observing(name, () => read(build(work.source(count), work.steps, size), count));
    },
  });
}

/** Values that pass a stage. */
const HOPS = 300_000;
/** Of each pipeline: with fewer, building it would count for more. */
const LEAST = 20;
const ROUNDS = 3;

/** What grows, and through which values. */
export const AXES: Record<string, number[]> = {
  stages: [1, 2, 4, 8, 16, 32, 64],
  size: [1, 4, 16, 64, 256, 1024],
  pipelines: [1, 10, 100, 1000, 10_000],
};

function growth(axis: string, point: number): Workload {
  const shape: Record<string, number> = { stages: 3, size: 1, pipelines: 1, [axis]: point };
  const { stages, size, pipelines } = shape as { stages: number; size: number; pipelines: number };
  const question = { title: `A value and stage, ${axis}: ${point}`, unit: 'ns' };
  const asked = only(contenders, [UNBUFFERED, OURS, 'streaming-iterables', READABLE_FROM]);
  return counted(question, asked, async (build, mode, name) => {
    const { plain, readSum } = await fresh(name);
    const steps = Array<Step>(stages - 1).fill(plain.steps[1]!);
    const least = mode === MODES.check ? 1 : LEAST;
    const count = Math.max(least, Math.round(scaled(HOPS, mode) / stages / pipelines));
    const rounds: number[] = [];
    for (let round = 0; round < Math.max(1, Math.min(ROUNDS, mode.rounds)); round++) {
      const start = performance.now();
      const read = () => readSum(build(plain.source(count), steps, size), count, 3 * steps.length);
      await Promise.all(Array.from({ length: pipelines }, read));
      rounds.push(((performance.now() - start) * 1e6) / (count * stages * pipelines));
    }
    return median(rounds);
  });
}

export const throughput: Workloads = {
  a1: hops('Sources that never wait, size 1', 'plain', 100_000, 1),
  a16: hops('Sources that never wait, size 16', 'plain', 100_000, 16),
  b: hops('Each generator waits a setImmediate per value', 'turns', 10_000, 1),
  c: hops('2 µs of CPU work per value and step', 'busy', 20_000, 1),
  's-1': hops('Observed, size 1', 'plain', 60_000, 1, observed),
  's-16': hops('Observed, size 16', 'plain', 60_000, 16, observed),
  ...Object.fromEntries(
    Object.entries(AXES).flatMap(([axis, points]) =>
      points.map((point) => [`growth-${axis}-${point}`, growth(axis, point)]),
    ),
  ),
};
