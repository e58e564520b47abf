/**
 * How many bytes does a short pipeline allocate, a stage more, and a value more? Without the optimising compilers, which
 * leave out what they can prove to be of no use, and with a young generation large enough that nothing is collected
 * meanwhile: the same on every machine.
 */
import { setImmediate as turn } from 'node:timers/promises';

import { contenders, OURS, READABLE_FROM, UNBUFFERED } from './contenders.ts';
import { measured, type Measurements, median, type Mode, only } from './measurement.ts';
import { fresh, type Step } from './work.ts';

/** Of the process, megabytes. */
export const FLAGS: string[] = ['--no-opt', '--no-maglev', '--min-semi-space-size=64', '--max-semi-space-size=64'];

const PIPELINES = 50;
const ROUNDS = 3;
const SHORT = 10;
const LONG = 110;

export async function measure(_id: string, mode: Mode): Promise<Measurements> {
  const shapes = {
    pipeline: { title: `a pipeline of three stages and ${SHORT} values`, of: (bytes: Bytes) => bytes(3, SHORT) },
    stage: {
      title: `a stage more, with ${SHORT} values`,
      of: async (bytes: Bytes) => ((await bytes(3, SHORT)) - (await bytes(1, SHORT))) / 2,
    },
    value: {
      title: 'a value and stage more',
      of: async (bytes: Bytes) => ((await bytes(3, LONG)) - (await bytes(3, SHORT))) / 3 / (LONG - SHORT),
    },
  };
  const measurements: Measurements = {};
  const peers = mode.name === 'check' ? [] : ['streaming-iterables', 'p-map', READABLE_FROM];
  const chains = only(contenders, [UNBUFFERED, OURS, ...peers]);
  for (const [id, { title, of }] of Object.entries(shapes)) {
    measurements[`bytes-${id}`] = await measured(
      `Bytes allocated by ${title}`,
      'bytes',
      chains,
      async (build, name) => {
        const { source, steps } = (await fresh(name)).plain;
        return of((stages, count) => allocated(() => build(source(count), Array<Step>(stages - 1).fill(steps[1]!), 1)));
      },
    );
  }
  return measurements;
}

type Bytes = (stages: number, count: number) => Promise<number>;

async function allocated(chain: () => AsyncIterable<number>): Promise<number> {
  const run = async (pipelines: number): Promise<void> => {
    for (let i = 0; i < pipelines; i++) {
      for await (const _ of chain());
      await turn();
    }
  };
  const turns = async (): Promise<void> => {
    for (let i = 0; i < PIPELINES; i++) await turn();
  };
  const growth = async (work: () => Promise<void>): Promise<number> => {
    globalThis.gc!();
    const before = process.memoryUsage().heapUsed;
    await work();
    return process.memoryUsage().heapUsed - before;
  };
  await run(PIPELINES);
  const differences: number[] = [];
  for (let round = 0; round < ROUNDS; round++)
    differences.push(((await growth(() => run(PIPELINES))) - (await growth(turns))) / PIPELINES);
  return median(differences);
}
