/**
 * How many bytes does a short pipeline allocate, a stage more, and a value more, and what does it leave behind that only a full
 * collection finds? Without the optimising compilers, which leave out what they can prove to be of no use, and with a young
 * generation large enough that nothing is collected meanwhile: the same on every machine.
 */
import { setImmediate as turn } from 'node:timers/promises';

import { contenders, OURS, READABLE_FROM, UNBUFFERED } from './contenders.ts';
import { measured, type Measurements, median, type Mode, only } from './measurement.ts';
import { fresh, type Step } from './work.ts';

/** Of the process, megabytes. */
export const FLAGS: string[] = ['--no-opt', '--no-maglev', '--min-semi-space-size=64', '--max-semi-space-size=64'];

const PIPELINES = 50;
/** More, since what else comes to stay counts as well. */
const PIPELINES_LEFT = 300;
const ROUNDS = 3;
const SHORT = 10;
const LONG = 110;

/** Makes a chain of so many stages and values. */
type Chain = (stages: number, count: number) => AsyncIterable<number>;

const QUESTIONS: Record<string, { title: string; of: (chain: Chain) => Promise<number> }> = {
  pipeline: {
    title: `allocated by a pipeline of three stages and ${SHORT} values`,
    of: (chain) => allocated(() => chain(3, SHORT)),
  },
  stage: {
    title: `allocated by a stage more, with ${SHORT} values`,
    of: async (chain) => ((await allocated(() => chain(3, SHORT))) - (await allocated(() => chain(1, SHORT)))) / 2,
  },
  value: {
    title: 'allocated by a value and stage more',
    of: async (chain) =>
      ((await allocated(() => chain(3, LONG))) - (await allocated(() => chain(3, SHORT)))) / 3 / (LONG - SHORT),
  },
  left: {
    title: `left to the old generation by a pipeline of three stages and ${SHORT} values`,
    of: (chain) => leftBehind(() => chain(3, SHORT)),
  },
};

export async function measure(_id: string, mode: Mode): Promise<Measurements> {
  const measurements: Measurements = {};
  const peers = mode.name === 'check' ? [] : ['streaming-iterables', 'p-map', READABLE_FROM];
  const chains = only(contenders, [UNBUFFERED, OURS, ...peers]);
  for (const [id, { title, of }] of Object.entries(QUESTIONS))
    measurements[`bytes-${id}`] = await measured(`Bytes ${title}`, 'bytes', chains, async (build, name) => {
      const { source, steps } = (await fresh(name)).plain;
      return of((stages, count) => build(source(count), Array<Step>(stages - 1).fill(steps[1]!), 1));
    });
  return measurements;
}

async function run(chain: () => AsyncIterable<number>, pipelines: number, afterEach = (): void => {}): Promise<void> {
  for (let i = 0; i < pipelines; i++) {
    for await (const _ of chain());
    await turn();
    afterEach();
  }
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}

async function growth(work: () => Promise<void>): Promise<number> {
  globalThis.gc!();
  const before = process.memoryUsage().heapUsed;
  await work();
  return process.memoryUsage().heapUsed - before;
}

async function allocated(chain: () => AsyncIterable<number>): Promise<number> {
  await run(chain, PIPELINES);
  const differences: number[] = [];
  for (let round = 0; round < ROUNDS; round++)
    differences.push(
      ((await growth(() => run(chain, PIPELINES))) - (await growth(() => turns(PIPELINES)))) / PIPELINES,
    );
  return median(differences);
}

async function leftBehind(chain: () => AsyncIterable<number>): Promise<number> {
  const collectYoung = (): void => globalThis.gc!({ type: 'minor' });
  await run(chain, PIPELINES);
  const rounds: number[] = [];
  for (let round = 0; round < ROUNDS; round++)
    rounds.push((await growth(() => run(chain, PIPELINES_LEFT, collectYoung))) / PIPELINES_LEFT);
  return Math.min(...rounds);
}
