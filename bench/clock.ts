/** Timers, and the least time that a chain of timers can take. */
import { setTimeout as sleep } from 'node:timers/promises';

export { sleep };

/** One timer after another. */
export async function bareTimers(durations: number[]): Promise<void> {
  for (const duration of durations) await sleep(duration);
}

/** A step of a chain: when it ended, how long it took, and the step that it waited for. */
interface Done {
  at: number;
  duration: number;
  after: Done | undefined;
}

/**
 * The durations along the longest way through the exact schedule: value i of stage s starts when the stage is done with
 * i - 1, the value has been handed over by stage s - 1, and there is room, i.e. value i - its size has been taken.
 */
export function criticalPath(sizes: number[], count: number, duration: DurationOf): number[] {
  const stages = sizes.length;
  // What the taking of value i from stage s waits for: the value itself, and that the reader asks.
  const taken: (Done | undefined)[][] = Array.from({ length: stages }, () => []);
  const done: (Done | undefined)[] = [];
  for (let i = 0; i < count; i++) {
    for (let s = 0; s < stages; s++) {
      const asked = later(done[s], taken[s]![i - sizes[s]!]);
      const after = s === 0 ? asked : later(done[s - 1], asked);
      if (s > 0) taken[s - 1]![i] = after;
      const milliseconds = duration(s, i);
      done[s] = { at: (after?.at ?? 0) + milliseconds, duration: milliseconds, after };
    }
    taken[stages - 1]![i] = done[stages - 1];
  }
  return wayTo(done[stages - 1]);
}

export type DurationOf = (stage: number, index: number) => number;

function later(a: Done | undefined, b: Done | undefined): Done | undefined {
  return (a?.at ?? 0) >= (b?.at ?? 0) ? a : b;
}

function wayTo(last: Done | undefined): number[] {
  const durations: number[] = [];
  for (let step = last; step !== undefined; step = step.after) durations.unshift(step.duration);
  return durations;
}
