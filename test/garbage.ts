/** What the tests of memory share. */
import { expect } from 'chai';

import { turn } from './helpers.ts';

/** A compiler at work on another thread may hold what it looks at for some rounds; a leak is held for ever. */
const MOST_ROUNDS = 30;

/** Collects all that nothing refers to; what has just been used lives until the end of the turn. */
export async function collectGarbage(): Promise<void> {
  for (let round = 0; round < 3; round++) {
    await turn(2);
    globalThis.gc!();
  }
}

/**
 * Fails if more than `most` of what is referred to have stayed. Bun's collector takes for a reference whatever looks like one on the
 * stack, so it misses a few.
 */
export async function expectCollected(references: WeakRef<object>[], most: number): Promise<void> {
  const limit = 'bun' in process.versions ? Math.max(most, references.length / 2 - 1) : most;
  const left = (): WeakRef<object>[] => references.filter((reference) => reference.deref() !== undefined);
  for (let round = 0; round < MOST_ROUNDS && left().length > limit; round++) await collectGarbage();
  expect(left()).to.have.length.at.most(limit);
}
