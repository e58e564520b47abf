/** What does a buffered hop cost, compared with the generator's own, and what does it gain where generators wait? */
import { contenders, UNBUFFERED } from './contenders.ts';
import { type Measurements, type Mode, scaled } from './measurement.ts';
import { paired } from './paired.ts';

const WORKLOADS = {
  a1: { title: 'Sources that never wait, size 1', kind: 'plain', all: 100_000, size: 1 },
  a16: { title: 'Sources that never wait, size 16', kind: 'plain', all: 100_000, size: 16 },
  b: { title: 'Each generator waits a setImmediate per value', kind: 'turns', all: 10_000, size: 1 },
  c: { title: '2 µs of CPU work per value and step', kind: 'busy', all: 20_000, size: 1 },
} as const;

export async function measure(id: keyof typeof WORKLOADS, mode: Mode): Promise<Measurements> {
  const { title, kind, all, size } = WORKLOADS[id];
  const count = scaled(all, mode);
  const comparison = paired(
    `${title}, ${count} values`,
    mode,
    UNBUFFERED,
    contenders,
    (build, { read, [kind]: work }) => {
      return () => read(build(work.source(count), work.steps, size), count);
    },
  );
  return { [id]: { ...(await comparison), count } };
}
