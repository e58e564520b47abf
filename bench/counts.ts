/** How many promises and ticks does a value cost per stage? Unlike times, these are the same on every machine. */
import { createHook } from 'node:async_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import { promiseHooks } from 'node:v8';

import { contenders, OURS, READABLE_FROM, UNBUFFERED } from './contenders.ts';
import { LOOP, mappers, OURS_MAP } from './mappers.ts';
import { measured, type Measurements, type Mode, only } from './measurement.ts';
import { fresh } from './work.ts';

const VALUES = 500;
const STAGES = 3;

/** Who waits for whom. */
export interface Situation {
  title: string;
  sourceWaits: boolean;
  readerWaits: boolean;
}

export const SITUATIONS: Record<string, Situation> = {
  waits: { title: 'where the reader waits', sourceWaits: true, readerWaits: false },
  ready: { title: 'where a value is ready', sourceWaits: false, readerWaits: true },
};

/** Counts what happens until it is told to stop. */
export type Counter = () => () => number;

export const COUNTERS: Record<string, Counter> = {
  promises() {
    let count = 0;
    const stop = promiseHooks.onInit(() => count++) as unknown as () => void;
    return () => {
      stop();
      return count;
    };
  },
  ticks() {
    let count = 0;
    const init = (_id: number, type: string): void => void (type === 'TickObject' && count++);
    const hook = createHook({ init }).enable();
    return () => {
      hook.disable();
      return count;
    };
  },
};

export async function measure(_id: string, _mode: Mode): Promise<Measurements> {
  const measurements: Measurements = {};
  const chains = only(contenders, [UNBUFFERED, OURS, 'streaming-iterables', READABLE_FROM]);
  for (const [id, situation] of Object.entries(SITUATIONS)) {
    for (const [what, counter] of Object.entries(COUNTERS)) {
      const title = `${what} per value and stage ${situation.title}`;
      measurements[`${what}-${id}`] = await measured(title, what, chains, async (build, name) => {
        const { steps } = (await fresh(name)).plain;
        return perValue(counter, situation, STAGES, (source) => build(source, steps, 1));
      });
    }
  }
  const maps = only(mappers, [LOOP, OURS_MAP, 'Readable.map', 'p-map', 'streaming-iterables']);
  for (const concurrency of [1, 8, 64]) {
    const title = `promises per value, buffer.map with calls that never wait, concurrency ${concurrency}`;
    measurements[`promises-m${concurrency}`] = await measured(title, 'promises', maps, (map) =>
      perValue(COUNTERS['promises']!, { title, sourceWaits: false, readerWaits: false }, 1, (source) =>
        map(source, async (value) => value, concurrency),
      ),
    );
  }
  return measurements;
}

export async function perValue(
  counter: Counter,
  { sourceWaits, readerWaits }: Situation,
  stages: number,
  build: (source: AsyncGenerator<number>) => AsyncIterable<number>,
): Promise<number> {
  async function* source(count: number): AsyncGenerator<number> {
    for (let i = 0; i < count; i++) {
      if (sourceWaits) await turn();
      yield i;
    }
  }
  const read = async (count: number): Promise<void> => {
    for await (const _ of build(source(count))) if (readerWaits) await turn();
  };
  const wait = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) if (sourceWaits || readerWaits) await turn();
  };
  return ((await slope(counter, read)) - (await slope(counter, wait))) / stages;
}

/** What one more value costs, without what it costs to build a chain and to end it. */
async function slope(counter: Counter, work: (count: number) => Promise<void>): Promise<number> {
  const counted = async (count: number): Promise<number> => {
    const stop = counter();
    await work(count);
    return stop();
  };
  return ((await counted(2 * VALUES)) - (await counted(VALUES))) / VALUES;
}
