/**
 * What the chains of a bench do, and who reads them. Every contender gets this module compiled anew ({@link fresh}): what V8
 * learns of its functions from one contender would speed up or slow down the next.
 */
import { fail, ok } from 'node:assert';
import { setImmediate as immediate } from 'node:timers/promises';

type Numbers = AsyncGenerator<number>;

/** A step both as a generator and as a function of one value, for contenders that take those. */
export interface Step {
  generate(input: AsyncIterable<number>): Numbers;
  call(value: number): number | Promise<number>;
  /** Whether `call` returns a promise. */
  readonly waits: boolean;
}

/** `source` yields 0, 1, 2, …; the two steps are `* 2` and `+ 3`. */
export interface Work {
  source(count: number): Numbers;
  steps: Step[];
}

export type Fresh = typeof import('./work.ts');

export function fresh(owner: string): Promise<Fresh> {
  return import(new URL(`./work.js?${encodeURIComponent(owner)}`, import.meta.url).href) as never;
}

/** Reads all values in a loop, or leaves it after so many, and throws where they are not those of the unbuffered chain. */
export async function read(values: AsyncIterable<number>, count: number, most = Infinity): Promise<void> {
  let index = 0;
  for await (const value of values) {
    if (value !== index * 2 + 3) fail(`value ${index} is ${value}, not ${index * 2 + 3}`);
    if (++index === most) break;
  }
  ok(index === Math.min(count, most), `${index} values instead of ${count}`);
}

/** Reads all values, and checks their sum: so many values and `+ summand` for each. */
export async function readSum(values: AsyncIterable<number>, count: number, summand: number): Promise<void> {
  let sum = 0;
  for await (const value of values) sum += value;
  ok(sum === (count * (count - 1)) / 2 + count * summand);
}

/** Never waits. */
export const plain: Work = {
  async *source(count) {
    for (let i = 0; i < count; i++) yield i;
  },
  steps: [computing((value) => value * 2), computing((value) => value + 3)],
};

/** Waits for a turn of the event loop per value. */
export const turns: Work = {
  async *source(count) {
    for (let i = 0; i < count; i++) yield await immediate(i);
  },
  steps: [waiting((value) => immediate(value * 2)), waiting((value) => immediate(value + 3))],
};

/** Computes for 2 µs per value. */
export const busy: Work = {
  async *source(count) {
    for (let i = 0; i < count; i++) yield computed(i);
  },
  steps: [computing((value) => computed(value * 2)), computing((value) => computed(value + 3))],
};

export function waiting(call: (value: number) => Promise<number>): Step {
  return { ...computing(call), waits: true };
}

function computing(call: (value: number) => number | Promise<number>): Step {
  async function* generate(input: AsyncIterable<number>): Numbers {
    for await (const value of input) yield call(value);
  }
  return { generate, call, waits: false };
}

/** Of CPU work for a value, milliseconds. */
const WORK = 0.002;

function computed(value: number): number {
  for (const end = performance.now() + WORK; performance.now() < end;);
  return value;
}

let open = 0;
let onAllClosed: (() => void) | undefined;

/** Settles when none of the generators of {@link tracked} is open. */
export function allClosed(): Promise<void> {
  return new Promise((resolve) => {
    if (open === 0) resolve();
    else onAllClosed = resolve;
  });
}

function closed(): void {
  if (--open === 0) onAllClosed?.();
}

/** Never waits, and knows when it has cleaned up. */
export const tracked: Work = {
  async *source(count) {
    open++;
    try {
      for (let i = 0; i < count; i++) yield i;
    } finally {
      closed();
    }
  },
  steps: [trackedStep((value) => value * 2), trackedStep((value) => value + 3)],
};

function trackedStep(call: (value: number) => number): Step {
  async function* generate(input: AsyncIterable<number>): Numbers {
    open++;
    try {
      for await (const value of input) yield call(value);
    } finally {
      closed();
    }
  }
  return { generate, call, waits: false };
}

/** A call of its own for who asks: what both steps do, at once. */
export function calls(): (value: number) => Promise<number> {
  return async (value) => value * 2 + 3;
}
