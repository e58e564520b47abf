/** A step that works on several values at once, without this package: what the examples compare `buffer.map` with. */
import { setMaxListeners } from 'node:events';
import { Readable } from 'node:stream';

import { pMapIterable } from 'p-map';

type Source<T> = AsyncIterable<T> | Iterable<T>;
type Step<T, U> = (value: T, signal?: AbortSignal) => U | Promise<U>;

export async function* oneAtATime<T, U>(source: Source<T>, step: Step<T, U>): AsyncGenerator<U> {
  for await (const value of source) yield await step(value);
}

/** Its signal does not abort when a later step fails. */
export function withNode<T, U>(source: Source<T>, step: Step<T, U>, concurrency: number): AsyncIterable<U> {
  const call = (value: T, options?: { signal?: AbortSignal | undefined }) => {
    setMaxListeners(0, options!.signal!); // All calls share it, and Node warns of more than ten.
    return step(value, options!.signal);
  };
  return Readable.from(source).map(call, { concurrency });
}

/** It has no signal for what it calls. */
export function withPMap<T, U>(source: Source<T>, step: Step<T, U>, concurrency: number): AsyncIterable<U> {
  return pMapIterable(source, (value) => step(value), { concurrency });
}
