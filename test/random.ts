/** What the tests of random programs share. */
import type { Parameters } from 'fast-check';

/** So many runs, from the seed in `SEED=…` if there is one: a failing run prints its own, and what was wrong. */
export function parameters(numRuns: number): Parameters<any> {
  const { SEED } = process.env;
  const common = { numRuns, includeErrorInReport: true };
  return SEED === undefined ? common : { ...common, seed: Number(SEED) };
}

/** To be called in a `describe`: what rejects there without anybody to handle it. */
export function unhandledRejections(): unknown[] {
  const reasons: unknown[] = [];
  const note = (reason: unknown): void => void reasons.push(reason);
  before(() => process.on('unhandledRejection', note));
  after(() => process.off('unhandledRejection', note));
  return reasons;
}
