/** Whoever reads the chain, and checks it. */
import { fail, ok } from 'node:assert';

export async function readAll(values: AsyncIterable<number>, count: number): Promise<void> {
  let index = 0;
  for await (const value of values) {
    if (value !== index * 2 + 3) fail(`value ${index} is ${value}, not ${index * 2 + 3}`);
    index++;
  }
  ok(index === count, `${index} values instead of ${count}`);
}

export async function readSome(values: AsyncIterable<number>, count: number): Promise<void> {
  let index = 0;
  for await (const value of values) {
    if (value !== index * 2 + 3) fail(`value ${index} is ${value}, not ${index * 2 + 3}`);
    if (++index === count) break;
  }
  ok(index === count, `${index} values instead of ${count}`);
}
