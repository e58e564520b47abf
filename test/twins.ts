/** Programs that run twice: with buffers, and as the plain chain of the same generators. Both must give the same. */
import { Readable } from 'node:stream';

import { expect } from 'chai';

import { bufferedPipeline, type BufferedPipeline, type SourceContext, type Stage } from '../lib/index.ts';
import { type AnyIterable, type Outcome, pass, range, turn } from './helpers.ts';
import { unhandledRejections } from './random.ts';

type Given<T> = AnyIterable<T> | ((context: SourceContext) => AnyIterable<T>);

/** How a reader hands on all that it reads of a stage. */
export type Reader = <T>(stage: Stage<T>) => AsyncIterable<T>;

/** What a program is built with. */
export interface Kit {
  /** Makes a stage. */
  wrap: <T>(source: Given<T>) => AsyncIterable<T>;
  /** Reads a stage in the way that is tried. */
  read: <T>(source: AsyncIterable<T>) => AsyncIterable<T>;
  /** The same for a pipeline of its own. */
  another: () => Kit;
}

export type Program = (kit: Kit) => AsyncIterable<unknown>;

/** The plain chain: nothing is buffered, and every reader is a generator that hands on. */
export const plain: Kit = {
  wrap: <T>(source: Given<T>) => {
    const opened = typeof source === 'function' ? source({ signal: new AbortController().signal }) : source;
    return Symbol.asyncIterator in opened ? opened : pass(opened);
  },
  read: pass,
  another: () => plain,
};

/** All stages are of one pipeline, and are read by `reader`. */
export function buffered(
  bufferSize: number,
  reader: Reader = pass,
  buffer: BufferedPipeline = bufferedPipeline(),
): Kit {
  return {
    wrap: (source) => buffer(source, { bufferSize }),
    read: (source) => (source instanceof Readable ? reader(source as Stage<any>) : source),
    another: () => buffered(bufferSize, reader),
  };
}

/** As `buffered`, but every source is a function that is given a signal. */
export function bufferedFunctions(bufferSize: number, reader: Reader = pass): Kit {
  const { wrap, read } = buffered(bufferSize, reader);
  return {
    wrap: (source) => wrap((context) => (typeof source === 'function' ? source(context) : source)),
    read,
    another: () => bufferedFunctions(bufferSize, reader),
  };
}

/** What a loop sees that takes some turns of the event loop for each value, so that all buffers fill. */
export async function slowly<T>(iterable: AsyncIterable<T>): Promise<Outcome<T>> {
  const values: T[] = [];
  try {
    for await (const value of iterable) {
      values.push(value);
      await turn(8);
    }
  } catch (error) {
    return { values, failed: true, error };
  }
  return { values, failed: false, error: undefined };
}

/** What a loop sees that is always there. */
async function quickly<T>(iterable: AsyncIterable<T>): Promise<Outcome<T>> {
  const values: T[] = [];
  try {
    for await (const value of iterable) values.push(value);
  } catch (error) {
    return { values, failed: true, error };
  }
  return { values, failed: false, error: undefined };
}

/** Fails unless the program gives a slow loop and a quick one what its plain twin gives, errors by identity. */
export async function expectAsPlain(program: Program, kit: () => Kit): Promise<void> {
  const expected = await quickly(program(plain));
  for (const consume of [slowly, quickly]) {
    const seen = await consume(program(kit()));
    expect(seen.values).to.deep.equal(expected.values);
    expect(seen).to.have.property('failed', expected.failed);
    expect(seen.error).to.equal(expected.error);
  }
}

/** Yields the numbers from 1 to `count`, one a turn of the event loop, then throws `error` if there is one. */
export async function* paced(count: number, error?: unknown): AsyncGenerator<number> {
  for (const n of range(count)) {
    await turn();
    yield n;
  }
  await turn();
  if (error !== undefined) throw error;
}

/** Hands on what it reads, and `[rescue]` in the place of an error. */
export async function* rescuing<T>(source: AsyncIterable<T>, rescue: () => AnyIterable<T>): AsyncGenerator<T> {
  try {
    yield* pass(source);
  } catch {
    yield* pass(rescue());
  }
}

/** Reads one value of a stage and keeps it open, to see later how it fares. */
export async function halfRead(buffer: BufferedPipeline): Promise<Stage<number>> {
  const stage = buffer(range(3));
  await stage[Symbol.asyncIterator]().next();
  return stage;
}

/** To be called in a `describe`: what rejects in a test without anybody to handle it. */
export function unhandledInEach(): unknown[] {
  const reasons = unhandledRejections();
  beforeEach(() => void reasons.splice(0));
  return reasons;
}
