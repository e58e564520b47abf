/** Sources that never wait. */
import type { Step } from '../steps.ts';

export async function* source(count: number): AsyncGenerator<number> {
  for (let i = 0; i < count; i++) yield i;
}

async function* doubled(input: AsyncIterable<number>): AsyncGenerator<number> {
  for await (const value of input) yield value * 2;
}

async function* plusThree(input: AsyncIterable<number>): AsyncGenerator<number> {
  for await (const value of input) yield value + 3;
}

export const steps: Step[] = [
  { generate: doubled, call: (value) => value * 2, waits: false },
  { generate: plusThree, call: (value) => value + 3, waits: false },
];
