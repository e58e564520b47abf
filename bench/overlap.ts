/** Does a step that waits for I/O go on while its reader computes? */
import { ok } from 'node:assert';

import { bareTimers, sleep } from './clock.ts';
import { type Contender, contenders } from './contenders.ts';
import { type Measurement, type Measurements, type Mode, scaled } from './measurement.ts';
import { paired, type Sample, timed } from './paired.ts';
import type { Step } from './steps.ts';

const STEP = 10;
const READER = 8;
const ROUNDS = 5;
const IDEAL = 'ideal';

export async function measure(_id: string, mode: Mode): Promise<Measurements> {
  const count = scaled(30, mode, 4);
  const title = `A ${STEP} ms I/O step before a reader that computes ${READER} ms, size 1, ${count} values`;
  return {
    h: await compare(title, mode, count, (build) => build(waiting(count), [], 1)),
    'h-inner': await compare(`${title}; the step reads a stage`, mode, count, (build) =>
      build(numbers(count), [io], 1),
    ),
  };
}

async function compare(
  title: string,
  mode: Mode,
  count: number,
  chain: (build: Contender) => AsyncIterable<number>,
): Promise<Measurement> {
  const samples: Record<string, Sample> = { [IDEAL]: () => timed(() => ideal(count)) };
  for (const [name, build] of Object.entries(contenders)) samples[name] = () => timed(() => read(chain(build), count));
  return paired(title, { ...mode, rounds: Math.min(ROUNDS, mode.rounds), warmUp: 0 }, IDEAL, samples);
}

/** The last value is computed with when all I/O is done. */
async function ideal(count: number): Promise<void> {
  await bareTimers(Array.from({ length: count }, () => STEP));
  compute();
}

async function* numbers(count: number): AsyncGenerator<number> {
  for (let i = 0; i < count; i++) yield i;
}

async function* waiting(count: number): AsyncGenerator<number> {
  for (let i = 0; i < count; i++) yield await sleep(STEP, i);
}

async function* wait(input: AsyncIterable<number>): AsyncGenerator<number> {
  for await (const value of input) yield await sleep(STEP, value);
}

const io: Step = { generate: wait, call: (value) => sleep(STEP, value), waits: true };

async function read(values: AsyncIterable<number>, count: number): Promise<void> {
  let index = 0;
  for await (const value of values) {
    ok(value === index++);
    compute();
  }
  ok(index === count);
}

function compute(): void {
  const end = performance.now() + READER;
  while (performance.now() < end);
}
