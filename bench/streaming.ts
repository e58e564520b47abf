/** What does it cost to read stages as Node streams, compared with Readable.from in the same place? */
import { ok } from 'node:assert';
import { once } from 'node:events';
import { type Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import { contenders, OURS, READABLE_FROM } from './contenders.ts';
import { type Measurements, type Mode, only, scaled } from './measurement.ts';
import { paired } from './paired.ts';

const VALUES = 30_000;

const READS: Record<string, (stream: Readable, onValue: (value: number) => void) => Promise<unknown>> = {
  data: (stream, onValue) => once(stream.on('data', onValue), 'end'),
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
  const streams = only(contenders, [READABLE_FROM, OURS]);
  const measurements: Measurements = {};
  for (const [how, readStream] of Object.entries(READS)) {
    for (const [size, stages] of [
      [1, 1],
      [16, 1],
      [1, 3],
      [16, 3],
    ] as const) {
      const id = `i-${how}-${size}-${stages}`;
      const title = `Read by ${how}, size ${size}, ${stages} stage${stages > 1 ? 's' : ''}, ${count} values`;
      const [factor, summand] = stages === 1 ? [1, 0] : [2, 3];
      measurements[id] = await paired(title, mode, READABLE_FROM, streams, (build, { plain }) => async () => {
        let index = 0;
        const stream = build(plain.source(count), plain.steps.slice(0, stages - 1), size) as Readable;
        await readStream(stream, (value) => ok(value === index++ * factor + summand));
        ok(index === count);
      });
    }
  }
  return measurements;
}
