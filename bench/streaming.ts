/** What does it cost to read stages as Node streams, compared with Readable.from in the same place? */
import { ok } from 'node:assert';
import { once } from 'node:events';
import { type Readable, Writable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';

import { contenders, OURS, READABLE_FROM } from './contenders.ts';
import { type Measurements, type Mode, scaled } from './measurement.ts';
import { paired, type Sample, timed } from './paired.ts';
import { fresh } from './steps.ts';

const VALUES = 100_000;

type Read = (stream: Readable, onValue: (value: number) => void) => Promise<unknown>;

const READS: Record<string, Read> = {
  data: (stream, onValue) => once(stream.on('data', onValue), 'end'),
  pipe: (stream, onValue) => finished(stream.pipe(sink(onValue))),
  pipeline: (stream, onValue) => pipeline(stream, sink(onValue)),
};

function sink(onValue: (value: number) => void): Writable {
  return new Writable({
    objectMode: true,
    write(value: number, _encoding, done) {
      onValue(value);
      done();
    },
  });
}

export async function measure(_id: string, mode: Mode): Promise<Measurements> {
  const count = scaled(VALUES, mode);
  const measurements: Measurements = {};
  for (const [how, read] of Object.entries(READS)) {
    for (const size of [1, 16]) {
      for (const stages of [1, 3]) {
        const id = `i-${how}-${size}-${stages}`;
        const title = `Read by ${how}, size ${size}, ${stages} stage${stages > 1 ? 's' : ''}, ${count} values`;
        const samples = {
          [READABLE_FROM]: await sample(id, READABLE_FROM, read, stages, size, count),
          [OURS]: await sample(id, OURS, read, stages, size, count),
        };
        measurements[id] = await paired(title, mode, READABLE_FROM, samples);
      }
    }
  }
  return measurements;
}

async function sample(
  id: string,
  name: string,
  read: Read,
  stages: number,
  size: number,
  count: number,
): Promise<Sample> {
  const { source, steps } = await fresh('plain', `${name} ${id}`);
  const build = contenders[name]!;
  const used = steps.slice(0, stages - 1);
  const [factor, summand] = used.length === 0 ? [1, 0] : [2, 3];
  return () =>
    timed(async () => {
      let index = 0;
      await read(build(source(count), used, size) as Readable, (value) => {
        ok(value === index++ * factor + summand);
      });
      ok(index === count);
    });
}
