/** Does memory stay flat over millions of values from a source that never waits, and how much does a stage take that waits? */
import { contenders, UNBUFFERED } from './contenders.ts';
import { type Measurements, type Mode, scaled } from './measurement.ts';
import { fresh, type Work } from './steps.ts';
import { ok } from 'node:assert';

const VALUES = 5_000_000;
const LOOKS = 20;
const CHAINS = 10_000;
const STAGES = 3;

/** Of the contender `id`, in a process of its own. */
export async function measure(name: string, mode: Mode): Promise<Measurements> {
  const work = await fresh('plain', name);
  const idle = idleBytes(name, work, scaled(CHAINS, mode)) - idleBytes(UNBUFFERED, work, scaled(CHAINS, mode));
  const count = scaled(VALUES, mode);
  return {
    g: {
      title: `Growth of the heap over ${count} values from a source that never waits`,
      unit: 'MB',
      outcomes: { [name]: { value: (await growth(name, work, count)) / 1e6 } },
    },
    idle: {
      title: 'Memory of a stage that is not read yet, without its generator',
      unit: 'bytes',
      outcomes: { [name]: { value: idle / STAGES } },
    },
  };
}

/** From a first look, after which what is compiled and cached is there, to the highest. */
async function growth(name: string, { source, steps }: Work, count: number): Promise<number> {
  const every = Math.ceil(count / LOOKS);
  let first = 0;
  let highest = 0;
  let index = 0;
  for await (const value of contenders[name]!(source(count), steps, 1)) {
    ok(value === index * 2 + 3);
    if (++index % every !== 0) continue;
    const bytes = heap();
    first ||= bytes;
    highest = Math.max(highest, bytes);
  }
  ok(index === count);
  return highest - first;
}

/** Of a chain. */
function idleBytes(name: string, { source, steps }: Work, count: number): number {
  const build = contenders[name]!;
  const kept: unknown[] = Array.from({ length: count });
  build(source(1), steps, 1);
  const before = heap();
  for (let i = 0; i < count; i++) kept[i] = build(source(1), steps, 1);
  const bytes = heap() - before;
  ok(kept.length === count);
  return bytes / count;
}

function heap(): number {
  globalThis.gc!();
  return process.memoryUsage().heapUsed;
}
