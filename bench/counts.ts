/** How many promises and ticks does a value cost per stage? Unlike times, these are the same on every machine. */
import { createHook } from 'node:async_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import { promiseHooks } from 'node:v8';

import { type Contender, contenders, OURS, READABLE_FROM, UNBUFFERED } from './contenders.ts';
import type { Measurements, Mode, Outcome } from './measurement.ts';
import { fresh } from './steps.ts';

const VALUES = 500;
const STAGES = 3;
const NAMES = [UNBUFFERED, OURS, 'streaming-iterables', READABLE_FROM];

interface Situation {
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
    const stop: unknown = promiseHooks.onInit(() => count++);
    return () => {
      (stop as () => void)();
      return count;
    };
  },
  ticks() {
    let count = 0;
    const hook = createHook({
      init(_id, type) {
        if (type === 'TickObject') count++;
      },
    }).enable();
    return () => {
      hook.disable();
      return count;
    };
  },
};

export async function measure(_id: string, _mode: Mode): Promise<Measurements> {
  const measurements: Measurements = {};
  for (const [id, situation] of Object.entries(SITUATIONS)) {
    for (const [what, counter] of Object.entries(COUNTERS)) {
      const outcomes: Record<string, Outcome> = {};
      for (const name of NAMES) outcomes[name] = { value: await perValue(counter, name, situation) };
      measurements[`${what}-${id}`] = { title: `${what} per value and stage ${situation.title}`, unit: what, outcomes };
    }
  }
  return measurements;
}

export async function perValue(
  counter: Counter,
  name: string,
  { sourceWaits, readerWaits }: Situation,
  build: Contender = contenders[name]!,
): Promise<number> {
  const { steps } = await fresh('plain', name);
  const read = async (count: number): Promise<void> => {
    const values = build(source(count, sourceWaits), steps, 1);
    for await (const _ of values) if (readerWaits) await turn();
  };
  return ((await slope(counter, read)) - (await slope(counter, waitOnly))) / STAGES;
}

async function* source(count: number, waits: boolean): AsyncGenerator<number> {
  for (let i = 0; i < count; i++) {
    if (waits) await turn();
    yield i;
  }
}

async function waitOnly(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}

/** What one more value costs, without what it costs to build a chain and to end it. */
async function slope(counter: Counter, work: (count: number) => Promise<void>): Promise<number> {
  return ((await counted(counter, () => work(2 * VALUES))) - (await counted(counter, () => work(VALUES)))) / VALUES;
}

async function counted(counter: Counter, work: () => Promise<void>): Promise<number> {
  const stop = counter();
  await work();
  return stop();
}
