/**
 * What buffering does: three steps over ten values, first as they are, then with each step wrapped in `buffer`.
 * A step takes 100 ms here so that the program takes seconds; read it as 1 s, a slow request, and it is 30 s against 12.
 *
 * Run: npm start, or after npm run build: node --import tsx examples/01-quickstart.ts
 */
import { setTimeout as sleep } from 'node:timers/promises';

import { bufferedPipeline } from 'buffered-pipeline';

const STEP = 100;

async function* numbers() {
  for (let value = 0; value < 10; value++) {
    await sleep(STEP);
    yield value;
  }
}

async function* doubled(source: AsyncIterable<number>) {
  for await (const value of source) {
    await sleep(STEP);
    yield value * 2;
  }
}

async function* plusThree(source: AsyncIterable<number>) {
  for await (const value of source) {
    await sleep(STEP);
    yield value + 3;
  }
}

async function run(name: string, chain: AsyncIterable<number>) {
  const start = performance.now();
  for await (const value of chain) console.log(value);
  const seconds = (performance.now() - start) / 1000;
  console.log(`${name}: ${seconds.toFixed(2)} s`);
  return seconds;
}

const unbuffered = await run('unbuffered', plusThree(doubled(numbers())));

const buffer = bufferedPipeline();
const buffered = await run('buffered', buffer(plusThree(buffer(doubled(buffer(numbers()))))));

// 10 values times 3 steps of 0.1 s, against (10 + 3 - 1) steps: the first value passes three, then one arrives per step.
const [before, after] = [unbuffered.toFixed(2), buffered.toFixed(2)];
console.log(`${before} s → ${after} s, ${(unbuffered / buffered).toFixed(1)} times faster`);
