/** What does a buffered hop cost, compared with the generator's own, and what does it gain where generators wait? */
import { contenders, UNBUFFERED } from './contenders.ts';
import { type Measurements, type Mode, scaled } from './measurement.ts';
import { paired, type Sample } from './paired.ts';
import { fresh } from './work.ts';

const WORKLOADS = {
  a1: { title: 'Sources that never wait, size 1', kind: 'plain', all: 100_000, size: 1 },
  a16: { title: 'Sources that never wait, size 16', kind: 'plain', all: 100_000, size: 16 },
  b: { title: 'Each generator waits a setImmediate per value', kind: 'turns', all: 10_000, size: 1 },
  c: { title: '2 µs of CPU work per value and step', kind: 'busy', all: 20_000, size: 1 },
} as const;

export async function measure(id: keyof typeof WORKLOADS, mode: Mode): Promise<Measurements> {
  const { title, kind, all, size } = WORKLOADS[id];
  const count = scaled(all, mode);
  const samples: Record<string, Sample> = {};
  for (const [name, build] of Object.entries(contenders)) {
    const { read, [kind]: work } = await fresh(name);
    samples[name] = () => read(build(work.source(count), work.steps, size), count);
  }
  return { [id]: { ...(await paired(`${title}, ${count} values`, mode, UNBUFFERED, samples)), count } };
}
