/** How many promises, ticks and readings of the clock does a value cost? Unlike times, these are the same on every machine. */
import { createHook } from 'node:async_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import { promiseHooks } from 'node:v8';

import { contenders, READABLE_FROM } from './contenders.ts';
import { LOOP, mappers, OURS_MAP } from './mappers.ts';
import { observed, observing } from './throughput.ts';
import { fresh } from './work.ts';
import { counted, only, type Workload, type Workloads } from './workload.ts';

const VALUES = 500;
const STAGES = 3;

/** Counts what happens until it is told to stop. */
const COUNTERS = {
  promises() {
    let count = 0;
    const stop = promiseHooks.onInit(() => count++) as unknown as () => void;
    return () => (stop(), count);
  },
  ticks() {
    let count = 0;
    const init = (_id: number, type: string): void => void (type === 'TickObject' && count++);
    const hook = createHook({ init }).enable();
    return () => (hook.disable(), count);
  },
  reads() {
    const { now } = performance;
    let count = 0;
    performance.now = () => (count++, now.call(performance));
    return () => ((performance.now = now), count);
  },
};

/** Who waits for the other. */
const SITUATIONS = { waits: 'the reader waits', ready: 'a value is ready', neither: 'nobody waits' };
type Situation = keyof typeof SITUATIONS;

/** What one more value costs, without what it costs to build a chain, to end it, and to wait. */
async function perValue(
  counter: () => () => number,
  situation: Situation,
  build: (source: AsyncGenerator<number>) => AsyncIterable<number>,
): Promise<number> {
  async function* source(count: number): AsyncGenerator<number> {
    for (let i = 0; i < count; i++) {
      if (situation === 'waits') await turn();
      yield i;
    }
  }
  const read = async (count: number): Promise<void> => {
    for await (const _ of build(source(count))) if (situation === 'ready') await turn();
  };
  const wait = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) if (situation !== 'neither') await turn();
  };
  const of = async (work: (count: number) => Promise<void>, count: number): Promise<number> => {
    const stop = counter();
    await work(count);
    return stop();
  };
  const more = async (work: (count: number) => Promise<void>) =>
    (await of(work, 2 * VALUES)) - (await of(work, VALUES));
  return ((await more(read)) - (await more(wait))) / VALUES;
}

const chains = { ...observed, ...only(contenders, ['streaming-iterables', READABLE_FROM]) };

function perStage(unit: keyof typeof COUNTERS, situation: Situation, atMost = Infinity): Workload {
  const question = { title: `${unit} per value and stage where ${SITUATIONS[situation]}`, unit, atMost };
  return counted(question, chains, async (build, _mode, name) => {
    const { steps } = (await fresh(name)).plain;
    const count = () => perValue(COUNTERS[unit], situation, (source) => build(source, steps, 1));
    return (await observing(name, count)) / STAGES;
  });
}

function perCall(concurrency: number): Workload {
  const title = `promises per value, buffer.map with calls that never wait, concurrency ${concurrency}`;
  const asked = only(mappers, [LOOP, OURS_MAP, 'Readable.map', 'p-map', 'streaming-iterables']);
  return counted({ title, unit: 'promises', atMost: 8 }, asked, (map) =>
    perValue(COUNTERS.promises, 'neither', (source) => map(source, async (value) => value, concurrency)),
  );
}

export const counts: Workloads = {
  'promises-waits': perStage('promises', 'waits', 6),
  'ticks-waits': perStage('ticks', 'waits', 0),
  'reads-waits': perStage('reads', 'waits'),
  'promises-ready': perStage('promises', 'ready', 5),
  'ticks-ready': perStage('ticks', 'ready', 0),
  'reads-ready': perStage('reads', 'ready'),
  'promises-m1': perCall(1),
  'promises-m8': perCall(8),
  'promises-m64': perCall(64),
};
