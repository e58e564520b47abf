/** What must hold on every machine: results, and what is counted. Times are not judged. */
import { OURS } from './contenders.ts';
import type { Measurements } from './measurement.ts';
import { WITH_STATISTICS, WITH_SUBSCRIBERS } from './observers.ts';

/** Per value and stage. */
const MOST: Record<string, number> = {
  'promises-waits': 6,
  'ticks-waits': 0,
  'promises-ready': 5,
  'ticks-ready': 0,
  's-promises-waits': 6,
  's-ticks-waits': 0,
  's-promises-ready': 5,
  's-ticks-ready': 0,
};

/** Observers may cost time, but nothing of what is counted. */
const COUNTED = [OURS, WITH_STATISTICS, WITH_SUBSCRIBERS];

/** Values yielded while the reader holds one and three stages hold theirs. */
const AHEAD: Record<string, number> = { ahead1: 4, ahead16: 49 };

/** A start and an end may cost some values their regular count. */
const TOLERANCE = 0.05;

/** Contenders that are known not to do what a workload asks. */
const KNOWN: Record<string, string[]> = { e: ['streaming-iterables', 'iter-tools', 'stream.compose'] };

export function complaints(measurements: Measurements): string[] {
  const found: string[] = [];
  for (const [id, { title, outcomes }] of Object.entries(measurements)) {
    for (const [name, outcome] of Object.entries(outcomes)) {
      if ('failure' in outcome && !KNOWN[id]?.includes(name)) found.push(`${id}: ${name} ${outcome.failure}`);
    }
    const most = MOST[id] ?? AHEAD[id];
    for (const name of COUNTED) {
      const outcome = outcomes[name];
      if (most === undefined || outcome === undefined || 'failure' in outcome) continue;
      if (outcome.value > most + TOLERANCE) found.push(`${title}: ${name} ${outcome.value}, at most ${most}`);
    }
  }
  return found;
}
