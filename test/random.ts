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

/**
 * To be called in a `describe`: what rejects or is thrown there without anybody to handle it. Nobody else is told, mocha
 * included, so that a test can say of which run it is.
 */
export function strays(): unknown[] {
  const events = ['unhandledRejection', 'uncaughtException'] as const;
  const reasons: unknown[] = [];
  const note = (reason: unknown): void => void reasons.push(reason);
  const others = events.map((event) => process.listeners(event as 'uncaughtException'));
  before(() => {
    for (const [index, event] of events.entries()) {
      others[index] = process.listeners(event as 'uncaughtException');
      process.removeAllListeners(event).on(event, note);
    }
  });
  after(() => {
    for (const [index, event] of events.entries()) {
      process.off(event, note);
      for (const listener of others[index]!) process.on(event, listener);
    }
  });
  return reasons;
}
