/**
 * How much does a pipeline take on the heap, does that stay flat over a million values, how many bytes does a short pipeline
 * allocate, and what does it leave behind that only a full collection finds?
 */
import { ok } from 'node:assert';
import { setImmediate as turn } from 'node:timers/promises';

import { type Contender, contenders, OURS, READABLE_FROM, UNBUFFERED } from './contenders.ts';
import { fresh, type Step, type Work } from './work.ts';
import { counted, only, scaled, type Workload, type Workloads } from './workload.ts';

/** Of a source that never waits; how often the heap is looked at meanwhile. */
const VALUES = 1_000_000;
const LOOKS = 20;
/** With fewer, what else is on the heap counts. */
const PIPELINES = 1000;
const TURNS_TO_REST = 20;

function heap(): number {
  globalThis.gc!();
  return process.memoryUsage().heapUsed;
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}

/** In megabytes, from a first look, after which what is compiled and cached is there, to the highest. */
async function growth(values: AsyncIterable<number>, count: number): Promise<number> {
  const looks: number[] = [];
  let index = 0;
  for await (const value of values) {
    ok(value === index * 2 + 3);
    if (++index % Math.ceil(count / LOOKS) === 0) looks.push(heap());
  }
  ok(index === count);
  return (Math.max(...looks) - looks[0]!) / 1e6;
}

/** How far a pipeline has come when it is looked at. */
type State = 'idle' | 'running' | 'blocked';

/** Never let go: to be rid of one pipeline must not count for the next. */
const kept: unknown[] = [];

/** Of a pipeline. */
async function bytesHeld(build: Contender, { steps }: Work, state: State): Promise<number> {
  const forever = new Promise<never>(() => {});
  async function* source(): AsyncGenerator<number> {
    if (state === 'running') await forever;
    for (let i = 0; ; i++) yield i;
  }
  const add = async (): Promise<void> => {
    const stage = build(source(), steps, 1);
    if (state === 'idle') return void kept.push(stage);
    const iterator = stage[Symbol.asyncIterator]();
    const first = iterator.next();
    // Kept by whoever reads it, as a loop keeps it.
    kept.push(stage, iterator, first);
    if (state === 'blocked') await first;
  };
  // What is compiled and cached is there afterwards.
  for (let i = 0; i < 50; i++) await add();
  await turns(TURNS_TO_REST);
  const before = heap();
  for (let i = 0; i < PIPELINES; i++) await add();
  await turns(TURNS_TO_REST);
  const used = heap() - before;
  ok(kept.length > 0);
  return used / PIPELINES;
}

function held(state: State, what: string, atMost: number): Workload {
  const title = `Memory of a pipeline of three stages ${what}, without its generators`;
  return counted({ title, unit: 'bytes', atMost, heap: true }, contenders, async (build, _mode, name) => {
    const { plain } = await fresh(name);
    return (await bytesHeld(build, plain, state)) - (await bytesHeld(contenders[UNBUFFERED]!, plain, state));
  });
}

/**
 * Without the optimising compilers, which leave out what they can prove to be of no use, and with a young generation large enough
 * that nothing is collected meanwhile: the same on every machine.
 */
const flags = ['--no-opt', '--no-maglev', '--min-semi-space-size=64', '--max-semi-space-size=64'];
const ROUNDS = 3;
const SHORT = 10;
const LONG = 110;

/** Makes a chain of so many stages and values. */
type Chain = (stages: number, count: number) => AsyncIterable<number>;

/** Bytes by which the heap grows for each of so many pipelines: the least of some rounds. */
async function grown(
  chain: () => AsyncIterable<number>,
  pipelines: number,
  afterEach = (): void => {},
): Promise<number> {
  const rounds: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const before = heap();
    for (let i = 0; i < pipelines; i++) {
      for await (const _ of chain());
      await turn();
      afterEach();
    }
    rounds.push((process.memoryUsage().heapUsed - before) / pipelines);
  }
  // In the first, what is compiled and cached came to be.
  return Math.min(...rounds.slice(1));
}

const allocated = (chain: Chain, stages: number, count: number): Promise<number> =>
  grown(() => chain(stages, count), 50);

function bytes(title: string, atMost: number, of: (chain: Chain) => Promise<number>): Workload {
  const asked = only(contenders, [UNBUFFERED, OURS, 'streaming-iterables', 'p-map', READABLE_FROM]);
  return counted({ title: `Bytes ${title}`, unit: 'bytes', atMost, flags }, asked, async (build, _mode, name) => {
    const { source, steps } = (await fresh(name)).plain;
    return of((stages, count) => build(source(count), Array<Step>(stages - 1).fill(steps[1]!), 1));
  });
}

/** Limits are a tenth or so above what Node.js 20 to 26 were measured with. */
export const memory: Workloads = {
  // First: what is compiled and cached is there for the others.
  'memory-growth': counted(
    { title: `Growth of the heap over ${VALUES} values`, unit: 'MB', heap: true },
    contenders,
    async (build, mode, name) => {
      const { source, steps } = (await fresh(name)).plain;
      const count = scaled(VALUES, mode);
      return growth(build(source(count), steps, 1), count);
    },
  ),
  'memory-idle': held('idle', 'not read yet', 4700),
  'memory-running': held('running', 'whose source and reader wait', 7200),
  'memory-blocked': held('blocked', 'whose reader holds the first value', 7000),
  'bytes-pipeline': bytes('allocated by a pipeline of three stages and 10 values', 50_000, (chain) =>
    allocated(chain, 3, SHORT),
  ),
  'bytes-stage': bytes('allocated by a stage more, with 10 values', 16_000, async (chain) => {
    return ((await allocated(chain, 3, SHORT)) - (await allocated(chain, 1, SHORT))) / 2;
  }),
  'bytes-value': bytes('allocated by a value and stage more', 1150, async (chain) => {
    return ((await allocated(chain, 3, LONG)) - (await allocated(chain, 3, SHORT))) / 3 / (LONG - SHORT);
  }),
  'bytes-left': bytes('left to the old generation by a pipeline of three stages and 10 values', 2500, (chain) =>
    grown(
      () => chain(3, SHORT),
      300,
      () => globalThis.gc!({ type: 'minor' }),
    ),
  ),
};
