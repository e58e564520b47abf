/** Runs a graph with and without buffers, to its end or until its consumer leaves, and compares. */
import { setImmediate as turn } from 'node:timers/promises';
import { inspect } from 'node:util';

import { expect } from 'chai';

import { pass } from './delay.ts';
import { type Consumer, type Graph, mayLeaveOpen, type Values } from './graph.ts';
import { type Mode, Program } from './program.ts';
import { nameOf } from './thrown.ts';

/** More turns of the event loop than any of the programs passes without a generator that starts or ends. */
const MOST_TURNS = 500;
/** Turns in which what nobody waits for comes to its end. */
const LAST_TURNS = 3;

interface Seen {
  values: string[];
  end: unknown;
  /** What came of a read that was under way when the consumer left. */
  lastRead?: string;
}

export const PLAIN: Mode = {
  wrap: (source) => source,
  async *map(source, call) {
    for await (const value of source) yield await call(value);
  },
  isPlain: true,
};

async function consume(source: Values, { kind, count, work }: Consumer, seen: Seen): Promise<void> {
  try {
    if (kind === 'next' || kind === 'leave') return await consumeByHand(source, { kind, count, work }, seen);
    for await (const value of source) {
      seen.values.push(value);
      if (work !== undefined) await pass(work);
      if (seen.values.length <= count) continue;
      if (kind === 'break') break;
      if (kind === 'throw') throw 'text';
    }
    seen.end = 'end';
  } catch (error) {
    seen.end = nameOf(error);
  }
}

/** `next()` a few times, `return()`, with a read under way or none, and `next()` again. */
async function consumeByHand(source: Values, { kind, count, work }: Consumer, seen: Seen): Promise<void> {
  const iterator = source[Symbol.asyncIterator]();
  for (let i = 0; i < count; i++) {
    const { done, value } = await iterator.next();
    seen.values.push(done ? 'done' : value);
    if (work !== undefined) await pass(work);
  }
  const read = kind === 'leave' ? iterator.next() : undefined;
  const left = iterator.return!('left');
  const [lastRead] = await Promise.allSettled([read, left]);
  if (read !== undefined)
    seen.lastRead = lastRead.status === 'rejected' ? nameOf(lastRead.reason) : String(lastRead.value?.value);
  seen.end = [await left, await iterator.next()];
}

/** What a promise comes to, unless nothing happens any more for many turns of the event loop. */
async function orHangs(promise: Promise<void>, happened: () => number, hangs: () => void): Promise<void> {
  let isOver = false;
  const over = promise.finally(() => (isOver = true));
  const limit = (async () => {
    let last = -1;
    for (let idle = 0; idle < MOST_TURNS && !isOver; idle++) {
      await turn();
      if (happened() === last) continue;
      last = happened();
      idle = 0;
    }
    if (!isOver) hangs();
  })();
  await Promise.race([over, limit]);
}

/** Runs the program until nothing of it runs any more. */
async function run(program: Program, consumer: Consumer): Promise<Seen> {
  const seen: Seen = { values: [], end: 'open' };
  const happened = (): number => seen.values.length + program.events;
  await orHangs(consume(program.build(), consumer, seen), happened, () => (seen.end = 'hangs'));
  for (let i = 0; i < LAST_TURNS || (program.running > 0 && i < MOST_TURNS); i++) await turn();
  return seen;
}

/** `reasons`: all that nobody has handled. */
export async function compare(graph: Graph, consumer: Consumer, mode: Mode, reasons: unknown[]): Promise<void> {
  reasons.length = 0;
  const plain = new Program(graph, PLAIN);
  const expected = await run(plain, consumer);
  const program = new Program(graph, mode);
  const seen = await run(program, consumer);
  // Leaving is not held up by a read under way, which may get nothing more.
  if (seen.lastRead === 'undefined' && expected.lastRead !== undefined) seen.lastRead = expected.lastRead;
  expect(seen, `${inspect(seen)}, not ${inspect(expected)}`).to.deep.equal(expected);
  if (!mayLeaveOpen(graph)) expect(program.running, `not closed: ${inspect(program.lives)}`).to.equal(0);
  const strays = reasons.filter((reason) => !isOfToWeb(reason)).map(nameOf);
  if (strays.length > 0) expect.fail(`nobody handles this: ${strays.join()}`);
}

/** A stream of `Readable.toWeb` that is cancelled may still be given values, and throws then: of any stream, not only of ours. */
function isOfToWeb(reason: unknown): boolean {
  return reason instanceof Error && reason.stack?.includes('internal/webstreams/adapters') === true;
}
