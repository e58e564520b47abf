/** A stage that is looked at while Node reads it, and what reads and feeds it. */
import { Transform, Writable } from 'node:stream';

import { bufferedPipeline, type Stage } from '../lib/index.ts';
import { type AnyIterable, outcomeOf, recorded, settle, turn } from './helpers.ts';

export const BUFFER_SIZES: number[] = [1, 2, 16];
export const BOOM: Error = new Error('boom');
export const PREMATURE_CLOSE = 'ERR_STREAM_PREMATURE_CLOSE';

/** Makes the stage that is looked at. */
export type Wrap = <T>(source: AsyncIterable<T>) => Stage<T>;

export interface Subject {
  source: (values: AnyIterable<number>) => AsyncGenerator<number>;
  wrap: Wrap;
  stage: () => Stage<any>;
  controller: AbortController;
  log: string[];
}

/** A stage of a pipeline of its own, to be destroyed or aborted, and what its source has done. */
export function made(bufferSize: number): Subject {
  const log: string[] = [];
  const controller = new AbortController();
  const buffer = bufferedPipeline({ signal: controller.signal });
  let stage: Stage<any>;
  const wrap: Wrap = (source) => {
    const wrapped = buffer(source, { bufferSize });
    stage = wrapped;
    return wrapped;
  };
  return { source: (values) => recorded(log, 'source', values), wrap, stage: () => stage, controller, log };
}

/** Takes a turn for each value: readers that know no backpressure would never let go of the event loop. */
export async function* endless(): AsyncGenerator<number> {
  for (let n = 1; ; n++, await turn()) yield n;
}

/** Keeps next to nothing back, and notes what it is handed. */
export function noting(handed: unknown[] = []): Transform {
  const transform = (n: unknown, _: unknown, done: (error: null, n: unknown) => void): void => {
    handed.push(n);
    done(null, n);
  };
  return new Transform({ objectMode: true, highWaterMark: 1, transform });
}

export function sink(taken: unknown[]): Writable {
  const write = (value: unknown, _: unknown, done: () => void): void => {
    taken.push(value);
    setImmediate(done);
  };
  return new Writable({ objectMode: true, highWaterMark: 1, write });
}

/** What a callback of `pipeline` would be told, the stream that it returns tells, too. */
export function ignore(): void {}

/** What a promise comes to, or that it waits for what never happens. */
export async function orWaits<T>(promise: Promise<T>): Promise<T | 'waits'> {
  const waits = settle()
    .then(settle)
    .then(() => 'waits' as const);
  return Promise.race([promise, waits]);
}

export interface ReadUpTo {
  values: unknown[];
  end: 'end' | 'waits' | { error: unknown };
}

/** Applies a fate once the reader has its second value, and gives it time to say how it ends. */
export async function readUpTo(values: AsyncIterable<unknown>, fate: () => void): Promise<ReadUpTo> {
  const seen: unknown[] = [];
  const outcome = await orWaits(
    outcomeOf(
      (async function* () {
        for await (const value of values) {
          yield seen.push(value);
          if (seen.length === 2) fate();
        }
      })(),
    ),
  );
  if (outcome === 'waits') return { values: seen, end: outcome };
  return { values: seen, end: outcome.failed ? { error: outcome.error } : 'end' };
}
