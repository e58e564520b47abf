/** What does it cost to read stages as Node streams, compared with Readable.from in the same place? */
import { ok } from 'node:assert';
import { once } from 'node:events';
import { type Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import { contenders, OURS, READABLE_FROM } from './contenders.ts';
import { timed } from './timed.ts';
import { only, scaled, type Workload, type Workloads } from './workload.ts';

const VALUES = 30_000;

const READS: Record<string, (stream: Readable, onValue: (value: number) => void) => Promise<unknown>> = {
  data: (stream, onValue) => once(stream.on('data', onValue), 'end'),
  pipeline: (stream, onValue) => pipeline(stream, sink(onValue)),
};

function sink(onValue: (value: number) => void): Writable {
  const write = (value: number, _encoding: unknown, done: () => void): void => {
    onValue(value);
    done();
  };
  return new Writable({ objectMode: true, write });
}

function reading(how: string, size: number, stages: number): Workload {
  const [factor, summand] = stages === 1 ? [1, 0] : [2, 3];
  return timed({
    title: `Read by ${how}, size ${size}, stages: ${stages}, ${VALUES} values`,
    baseline: READABLE_FROM,
    contenders: only(contenders, [READABLE_FROM, OURS]),
    sample:
      (build, { plain }, mode) =>
      async () => {
        const count = scaled(VALUES, mode);
        const stream = build(plain.source(count), plain.steps.slice(0, stages - 1), size) as Readable;
        let index = 0;
        await READS[how]!(stream, (value) => ok(value === index++ * factor + summand));
        ok(index === count);
      },
  });
}

export const streaming: Workloads = Object.fromEntries(
  [1, 3].flatMap((stages) =>
    [1, 16].flatMap((size) =>
      Object.keys(READS).map((how) => [`i-${how}-${size}-${stages}`, reading(how, size, stages)]),
    ),
  ),
);
