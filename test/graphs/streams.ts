/** Streams of Node and the web between two stages, and what they do as plain generators. */
import { PassThrough, pipeline, Readable } from 'node:stream';
import { ReadableStream } from 'node:stream/web';

import { pass } from './delay.ts';
import type { Adapter, Values } from './graph.ts';

/** The stream that stands in the middle. */
export function adapted(source: Values, { name, count, work }: Adapter, error: unknown, inputCanFail: boolean): Values {
  const stream = (): Readable => (source instanceof Readable ? source : Readable.from(source));
  let index = 0;
  const worked = async (value: string): Promise<string> => {
    const isFailing = name === 'failing map 4' && index++ === count;
    if (work !== undefined) await pass(work);
    if (isFailing) throw error;
    return mapped(value);
  };
  switch (name) {
    case 'map':
      return stream().map(worked);
    case 'map 4':
    case 'failing map 4':
      return stream().map(worked, { concurrency: 4 });
    case 'filter':
      return stream().filter((value) => isKept(value, count));
    case 'flatMap':
      return stream().flatMap((value) => [value, mapped(value)]);
    case 'take':
      return stream().take(count + 1);
    case 'iterator':
      return stream().iterator() as Values;
    case 'Readable.from':
      return Readable.from({ [Symbol.asyncIterator]: () => source[Symbol.asyncIterator]() });
    // When their input fails, these two lose the values that they hold.
    case 'pipeline':
      if (inputCanFail) return stream();
      return lazily(() => pipeline(stream(), new PassThrough({ objectMode: true, highWaterMark: 1 }), () => {}));
    case 'Readable.toWeb':
      if (inputCanFail) return stream();
      return lazily(() => Readable.toWeb(stream()) as ReadableStream<string>);
    default:
      return ReadableStream.from<string>(source);
  }
}

/** For streams that read as soon as they are made. */
async function* lazily(make: () => Values): AsyncGenerator<string> {
  for await (const value of make()) yield value;
}

/** What the stream does, as a plain generator. */
export async function* unadapted(source: Values, { name, count }: Adapter, error: unknown): AsyncGenerator<string> {
  let index = 0;
  for await (const value of source) {
    if (name === 'failing map 4' && index++ === count) throw error;
    if (name === 'filter' && !isKept(value, count)) continue;
    if (name === 'flatMap') yield value;
    if (name.endsWith('ap') || name.endsWith('ap 4')) yield mapped(value);
    else yield value;
    if (name === 'take' && index++ === count) return;
  }
}

function mapped(value: string): string {
  return `m(${value})`;
}

function isKept(value: string, count: number): boolean {
  return (value.length + (value.codePointAt(0) ?? 0)) % 4 !== count % 4;
}
