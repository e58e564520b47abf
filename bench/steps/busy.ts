/** Each generator works 2 µs per value. */
import { spin, SPINS_PER_MICROSECOND } from '../spin.ts';
import type { Step } from '../steps.ts';

const SPINS = Math.round(2 * SPINS_PER_MICROSECOND);

export async function* source(count: number): AsyncGenerator<number> {
  for (let i = 0; i < count; i++) {
    spin(SPINS);
    yield i;
  }
}

async function* doubled(input: AsyncIterable<number>): AsyncGenerator<number> {
  for await (const value of input) yield double(value);
}

async function* plusThree(input: AsyncIterable<number>): AsyncGenerator<number> {
  for await (const value of input) yield addThree(value);
}

function double(value: number): number {
  spin(SPINS);
  return value * 2;
}

function addThree(value: number): number {
  spin(SPINS);
  return value + 3;
}

export const steps: Step[] = [
  { generate: doubled, call: double, waits: false },
  { generate: plusThree, call: addThree, waits: false },
];
