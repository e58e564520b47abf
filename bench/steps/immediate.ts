/** Each generator waits for a turn of the event loop per value. */
import { setImmediate as immediate } from 'node:timers/promises';

import type { Step } from '../steps.ts';

export async function* source(count: number): AsyncGenerator<number> {
  for (let i = 0; i < count; i++) {
    await immediate();
    yield i;
  }
}

async function* doubled(input: AsyncIterable<number>): AsyncGenerator<number> {
  for await (const value of input) {
    await immediate();
    yield value * 2;
  }
}

async function* plusThree(input: AsyncIterable<number>): AsyncGenerator<number> {
  for await (const value of input) {
    await immediate();
    yield value + 3;
  }
}

export const steps: Step[] = [
  { generate: doubled, call: (value) => immediate(value * 2), waits: true },
  { generate: plusThree, call: (value) => immediate(value + 3), waits: true },
];
