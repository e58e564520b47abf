/** Chains whose steps take given times on a virtual clock. */
import { setImmediate as turn } from 'node:timers/promises';

import fc from 'fast-check';

import type { BufferedPipeline } from '../lib/index.ts';
import type { AnyIterable } from './helpers.ts';

export interface Plan {
  /** A row a stage and one for the consumer: how long each value takes. */
  times: number[][];
  /** A size a stage. */
  sizes: number[];
}

/** What is used of a virtual clock. */
export interface VirtualClock {
  setTimeout(callback: () => void, milliseconds: number): unknown;
  next(): unknown;
}

export const plan: fc.Arbitrary<Plan> = fc
  .tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 12 }))
  .chain(([stages, values]) => {
    const row = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: values, maxLength: values });
    return fc.record({
      times: fc.array(row, { minLength: stages + 1, maxLength: stages + 1 }),
      sizes: fc.array(fc.constantFrom(1, 1, 2, 3, 16), { minLength: stages, maxLength: stages }),
    });
  });

/** Runs the chain to its end; `onStart` is told when the work of a stage, or of the consumer, on a value begins. */
export async function run(
  { times, sizes }: Plan,
  clock: VirtualClock,
  buffer: BufferedPipeline,
  onStart: (stage: number, value: number) => void = () => {},
): Promise<void> {
  const work = (stage: number, value: number): Promise<void> => {
    onStart(stage, value);
    return new Promise((resolve) => clock.setTimeout(() => resolve(), times[stage]![value]!));
  };
  async function* step(stage: number, source: AnyIterable<number>): AsyncGenerator<number> {
    for await (const value of source) {
      await work(stage, value);
      yield value;
    }
  }
  let last: AnyIterable<number> = times[0]!.keys();
  for (const [stage, bufferSize] of sizes.entries()) last = buffer(step(stage, last), { bufferSize });
  let isRunning = true;
  const consumed = (async () => {
    for await (const value of last) await work(sizes.length, value);
    isRunning = false;
  })();
  while (isRunning) {
    await turn();
    clock.next();
  }
  await consumed;
}
