/** What the tests share: promises settled by hand, turns of the event loop, generators that record their life, consumers. */
import { type Readable, Writable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';

import type { Stage } from '../lib/index.ts';

/** More turns of the event loop than any chain of the tests needs to come to rest. */
const TURNS = 20;

/** How many values pass where memory is measured; `VALUES=…` changes it. */
export const VALUES: number = Number(process.env['VALUES'] ?? 1_000_000);

export type AnyIterable<T> = AsyncIterable<T> | Iterable<T>;

export interface Deferred<T> {
  promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (error: unknown) => void;
}

export function deferred<T = void>(): Deferred<T> {
  let functions!: Pick<Deferred<T>, 'resolve' | 'reject'>;
  const promise = new Promise<T>((resolve, reject) => (functions = { resolve, reject }));
  return { promise, ...functions };
}

/** Passes turns of the event loop. */
export async function turn(count = 1): Promise<void> {
  for (let passed = 0; passed < count; passed++) await nextTurn();
}

/** Lets so many microtasks pass, and no turn of the event loop. */
export async function microtasks(count: number): Promise<void> {
  for (let passed = 0; passed < count; passed++) await Promise.resolve();
}

/** Lets everything happen that can happen without outside help. */
export function settle(): Promise<void> {
  return turn(TURNS);
}

/** How a promise stands once everything else has come to rest. */
export async function stateOf(promise: Promise<unknown>): Promise<'pending' | 'fulfilled' | 'rejected'> {
  let state: 'pending' | 'fulfilled' | 'rejected' = 'pending';
  promise.then(
    () => (state = 'fulfilled'),
    () => (state = 'rejected'),
  );
  await settle();
  return state;
}

/** The numbers from 1 to `count`. */
export function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

/** Yields the numbers from 1 to `count`, then throws `error`. */
export async function* failingAfter(count: number, error: unknown): AsyncGenerator<number> {
  yield* range(count);
  throw error;
}

/** An unbuffered stage that hands on what it reads. */
export async function* pass<T>(source: AnyIterable<T>): AsyncGenerator<T> {
  for await (const value of source) yield value;
}

/** Ends after `count` values, by leaving its source, once `beforeLeaving` is done. */
export async function* takeFirst<T>(
  source: AnyIterable<T>,
  count: number,
  beforeLeaving: () => Promise<void> = async (): Promise<void> => {},
): AsyncGenerator<T> {
  let taken = 0;
  for await (const value of source) {
    yield value;
    if (++taken < count) continue;
    await beforeLeaving();
    return;
  }
}

/** Hands on what it reads, and writes into `log` when it starts and when its `finally` runs. */
export async function* recorded<T>(log: string[], name: string, source: AnyIterable<T>): AsyncGenerator<T> {
  log.push(`${name} starts`);
  try {
    yield* pass(source);
  } finally {
    log.push(`${name} closes`);
  }
}

/** What a consumer saw. */
export interface Outcome<T> {
  values: T[];
  failed: boolean;
  error: unknown;
}

/** Runs a consumer that calls `take` for each value. */
async function gather<T>(consume: (take: (value: T) => void) => Promise<unknown>): Promise<Outcome<T>> {
  const values: T[] = [];
  try {
    await consume((value) => values.push(value));
  } catch (error) {
    return { values, failed: true, error };
  }
  return { values, failed: false, error: undefined };
}

/** What a loop sees. */
export function outcomeOf<T>(iterable: AnyIterable<T>): Promise<Outcome<T>> {
  return gather<T>(async (take) => {
    for await (const value of iterable) take(value);
  });
}

/** Reads everything with a loop, and fails as the loop does. */
export async function collect<T>(iterable: AnyIterable<T>): Promise<T[]> {
  const { values, failed, error } = await outcomeOf(iterable);
  if (failed) throw error;
  return values;
}

/** What a promise rejects with. */
export function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error('The promise was expected to reject');
    },
    (error: unknown) => error,
  );
}

/** Resolves when the stream has emitted 'close', which is a tick after `closed` becomes true. */
export async function closed(stream: Readable): Promise<void> {
  if (stream.closed) await turn();
  else await new Promise((resolve) => stream.once('close', resolve));
}

/** A writable that takes a turn of the event loop for each value and holds no other meanwhile. */
function slowSink(take: (value: any) => void): Writable {
  return new Writable({
    objectMode: true,
    highWaterMark: 1,
    write(value: unknown, _encoding, callback) {
      take(value);
      setImmediate(callback);
    },
  });
}

function readAll<T>(stage: Stage<T>, take: (value: T) => void): void {
  for (let value = stage.read(); value !== null; value = stage.read()) take(value);
}

/** Resolves or rejects as a plain stream of Node's ends. */
export function ended(stream: Readable): Promise<void> {
  return finished(stream);
}

type Consumer = <T>(stage: Stage<T>) => Promise<Outcome<T>>;

/** The ways to read a stage to its end, by name. */
export const consumers: [name: string, consume: Consumer][] = Object.entries<Consumer>({
  'for await': outcomeOf,
  next: (stage) =>
    gather(async (take) => {
      const iterator = stage[Symbol.asyncIterator]();
      for (let answer = await iterator.next(); !answer.done; answer = await iterator.next()) take(answer.value);
    }),
  data: (stage) => gather((take) => ended(stage.on('data', take))),
  readable: (stage) => gather((take) => ended(stage.on('readable', () => readAll(stage, take)))),
  pipe: (stage) =>
    gather((take) => {
      stage.pipe(slowSink(take));
      return ended(stage);
    }),
  'pipeline into a writable': (stage) => gather((take) => pipeline(stage, slowSink(take))),
  'pipeline into a function': <T>(stage: Stage<T>) =>
    gather<T>((take) =>
      pipeline(stage, async (source: AsyncIterable<T>) => {
        for await (const value of source) take(value);
      }),
    ),
  forEach: (stage) => gather((take) => stage.forEach(take)),
  map: (stage) => outcomeOf(stage.map((value) => value)),
  filter: (stage) => outcomeOf(stage.filter(() => true)),
  flatMap: (stage) => outcomeOf(stage.flatMap((value) => [value])),
  drop: (stage) => outcomeOf(stage.drop(0)),
  take: (stage) => outcomeOf(stage.take(1000)),
});
