/** Generators that never wait and say when they have cleaned up. */
import type { Step } from '../steps.ts';

let open = 0;
let onAllClosed: (() => void) | undefined;

function closed(): void {
  if (--open === 0) onAllClosed?.();
}

export async function allClosed(): Promise<void> {
  if (open === 0) return;
  await new Promise<void>((resolve) => {
    onAllClosed = resolve;
  });
}

export async function* source(count: number): AsyncGenerator<number> {
  open++;
  try {
    for (let i = 0; i < count; i++) yield i;
  } finally {
    closed();
  }
}

async function* doubled(input: AsyncIterable<number>): AsyncGenerator<number> {
  open++;
  try {
    for await (const value of input) yield value * 2;
  } finally {
    closed();
  }
}

async function* plusThree(input: AsyncIterable<number>): AsyncGenerator<number> {
  open++;
  try {
    for await (const value of input) yield value + 3;
  } finally {
    closed();
  }
}

export const steps: Step[] = [
  { generate: doubled, call: (value) => value * 2, waits: false },
  { generate: plusThree, call: (value) => value + 3, waits: false },
];
