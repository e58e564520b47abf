/** What must hold on every machine: results, behaviour, and what is counted. Times are not judged. */
import { OURS } from './contenders.ts';
import type { Measurements } from './measurement.ts';
import { WITH_STATISTICS, WITH_SUBSCRIBERS } from './observers.ts';

/** The most for us, and for us observed: observers may cost time, but nothing of what is counted. */
const MOST: Record<string, number> = {
  // Per value and stage.
  'promises-waits': 6,
  'ticks-waits': 0,
  'promises-ready': 5,
  'ticks-ready': 0,
  's-promises-waits': 6,
  's-ticks-waits': 0,
  's-promises-ready': 5,
  's-ticks-ready': 0,
  // Per value.
  'promises-m1': 8,
  'promises-m8': 8,
  'promises-m64': 8,
  // Values yielded while the reader holds one and three stages hold theirs, or a stage with so many calls.
  ahead1: 4,
  ahead16: 49,
  'map-ahead1': 2,
  'map-ahead8': 9,
  // The best possible schedule.
  f: 1,
  f1: 1,
  f4: 1,
  f16: 1,
  h: 1,
  'h-inner': 1,
  'map-equal': 1,
  'map-random': 1,
  'map-slow': 1,
  'map-source': 1,
  // Bytes, a tenth or so above what Node.js 20 to 26 were measured with.
  'bytes-pipeline': 50_000,
  'bytes-stage': 16_000,
  'bytes-value': 1150,
  'bytes-left': 2500,
  idle: 4700,
  running: 7200,
  blocked: 7000,
};

const COUNTED = [OURS, WITH_STATISTICS, WITH_SUBSCRIBERS];

/** A start and an end may cost some values their regular count. */
const TOLERANCE = 0.05;

/** Contenders that are known not to do what a workload asks. */
const KNOWN: Record<string, string[]> = { e: ['streaming-iterables', 'iter-tools', 'stream.compose'] };

export function complaints(measurements: Measurements): string[] {
  const found: string[] = [];
  for (const [id, { title, unit, outcomes }] of Object.entries(measurements)) {
    for (const [name, outcome] of Object.entries(outcomes)) {
      if ('failure' in outcome) {
        if (!KNOWN[id]?.includes(name)) found.push(`${id}: ${name} ${outcome.failure}`);
      } else if (COUNTED.includes(name)) {
        const most = MOST[id] ?? Infinity;
        if (outcome.value > most + TOLERANCE) found.push(`${title}: ${name} ${outcome.value}, at most ${most}`);
        if (unit === 'yes or no' && outcome.value !== 1) found.push(`${title}: ${name} does not`);
      }
    }
  }
  return found;
}
