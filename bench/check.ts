/** What must hold on every machine: results, and what is counted. Times are not judged. */
import { OURS } from './contenders.ts';
import type { Measurements } from './measurement.ts';

/** Per value and stage. */
const MOST: Record<string, number> = {
  'promises-waits': 6,
  'ticks-waits': 0,
  'promises-ready': 5,
  'ticks-ready': 0,
};

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
    const ours = outcomes[OURS];
    if (ours === undefined || 'failure' in ours) continue;
    const most = MOST[id] ?? AHEAD[id];
    if (most !== undefined && ours.value > most + TOLERANCE) found.push(`${title}: ${ours.value}, at most ${most}`);
  }
  return found;
}
