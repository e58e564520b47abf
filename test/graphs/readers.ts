/** Generators that read by hand. */
import { setImmediate as turn } from 'node:timers/promises';

import { type Delay, pass } from './delay.ts';
import type { HandReader, Values } from './graph.ts';

export function readByHand(
  source: Values,
  { kind, count, after }: HandReader,
  mayReject: boolean,
): AsyncGenerator<string> {
  if (kind === 'ahead') return ahead(source, after, mayReject);
  if (kind === 'batches') return batches(source, count + 1);
  if (kind === 'polling') return polling(source, after);
  return channel(source, count + 1);
}

/** A loop in the background fills a queue. */
async function* channel(source: Values, size: number): AsyncGenerator<string> {
  const queue: ({ value: string } | { error: unknown } | 'end')[] = [];
  let isLeft = false;
  let wake = (): void => {};
  const change = (): Promise<void> => new Promise((resolve) => (wake = resolve));
  const fill = async (): Promise<void> => {
    try {
      for await (const value of source) {
        if (isLeft) return;
        queue.push({ value });
        wake();
        while (queue.length >= size && !isLeft) await change();
        if (isLeft) return;
      }
      queue.push('end');
    } catch (error) {
      queue.push({ error });
    }
    wake();
  };
  void fill();
  try {
    for (;;) {
      while (queue.length === 0) await change();
      const first = queue.shift()!;
      if (first === 'end') return;
      if ('error' in first) throw first.error;
      wake();
      yield first.value;
    }
  } finally {
    isLeft = true;
    wake();
  }
}

/** Asks for the next value before it hands on the one it has. */
async function* ahead(source: Values, pause: Delay | undefined, mayReject: boolean): AsyncGenerator<string> {
  const iterator = source[Symbol.asyncIterator]();
  const ask = (): Promise<IteratorResult<string>> => {
    const next = iterator.next();
    // When this generator is closed, nobody waits for it. Reads of a stage are not unhandled then; those of others may be.
    if (mayReject) next.catch(() => {});
    return next;
  };
  let next = ask();
  try {
    for (;;) {
      const result = await next;
      if (result.done) return;
      next = ask();
      if (pause !== undefined) await pass(pause);
      yield result.value;
    }
  } finally {
    await iterator.return?.();
  }
}

/** Asks for several values at once. */
async function* batches(source: Values, size: number): AsyncGenerator<string> {
  const iterator = source[Symbol.asyncIterator]();
  try {
    for (;;) {
      for (const read of await Promise.allSettled(Array.from({ length: size }, () => iterator.next()))) {
        if (read.status === 'rejected') throw read.reason;
        if (read.value.done) return;
        yield read.value.value;
      }
    }
  } finally {
    await iterator.return?.();
  }
}

/** Looks each turn of the event loop whether the value has come. */
async function* polling(source: Values, pause: Delay | undefined): AsyncGenerator<string> {
  const iterator = source[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = iterator.next();
      while ((await Promise.race([next, turn('not yet' as const)])) === 'not yet');
      const result = await next;
      if (result.done) return;
      yield result.value;
      if (pause !== undefined) await pass(pause);
    }
  } finally {
    await iterator.return?.();
  }
}
