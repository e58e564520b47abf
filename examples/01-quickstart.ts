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
  const steps = (performance.now() - start) / STEP;
  console.log(`${name}: ${((steps * STEP) / 1000).toFixed(2)} s, ${steps.toFixed(1)} steps of ${STEP} ms`);
  return steps;
}

const unbuffered = await run('unbuffered', plusThree(doubled(numbers())));

const buffer = bufferedPipeline();
const buffered = await run('buffered', buffer(plusThree(buffer(doubled(buffer(numbers()))))));

// The first value passes three steps; after it, one arrives per step: (10 values + 3 steps - 1) steps.
console.log(`ratio to the ideal: ${(unbuffered / 12).toFixed(2)} unbuffered, ${(buffered / 12).toFixed(2)} buffered`);
