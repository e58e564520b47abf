/** Time that passes at once: whoever waits goes on in the right order, and the clock says how late it would be. */
import { setImmediate as turn } from 'node:timers/promises';

/** Turns of the event loop without a timer after which work is taken to hang. */
const PATIENCE = 200;

let virtual: { now: number; timers: { at: number; fire: () => void }[] } | undefined;

/** Waits: on the virtual clock where there is one. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    if (virtual === undefined) {
      setTimeout(resolve, milliseconds);
      return;
    }
    const at = virtual.now + milliseconds;
    const later = virtual.timers.findIndex((timer) => timer.at > at);
    virtual.timers.splice(later < 0 ? virtual.timers.length : later, 0, { at, fire: resolve });
  });
}

/** Keeps the thread busy on the virtual clock. */
export function compute(milliseconds: number): void {
  virtual!.now += milliseconds;
}

/** @param turns - Turns of the event loop in which everything that a timer has set off comes to rest. */
export async function inVirtualTime<T>(work: () => Promise<T>, turns = 1): Promise<T> {
  const clock: typeof virtual = (virtual = { now: 0, timers: [] });
  const { now } = performance;
  performance.now = () => clock.now;
  try {
    let isSettled = false;
    const result = work().finally(() => (isSettled = true));
    for (let idle = 0; !isSettled && idle < PATIENCE; idle++) {
      for (let i = 0; i < turns; i++) await turn();
      const timer = clock.timers.shift();
      if (timer === undefined) continue;
      clock.now = Math.max(clock.now, timer.at);
      timer.fire();
      idle = 0;
    }
    if (!isSettled) throw new Error('does not settle');
    return await result;
  } finally {
    performance.now = now;
    virtual = undefined;
  }
}

/** Milliseconds for a value of a stage. */
export type DurationOf = (stage: number, index: number) => number;

/**
 * When the best possible schedule of a chain ends: value i of a stage starts when the stage is done with i - 1, the stage
 * before has handed it over, and there is room: value i - size has been taken.
 */
export function scheduleEnd(sizes: number[], count: number, duration: DurationOf): number {
  const last = sizes.length - 1;
  const taken = sizes.map((): number[] => []);
  const done = sizes.map(() => 0);
  for (let i = 0; i < count; i++) {
    for (let s = 0; s <= last; s++) {
      const start = Math.max(done[s]!, taken[s]![i - sizes[s]!] ?? 0, s > 0 ? done[s - 1]! : 0);
      if (s > 0) taken[s - 1]![i] = start;
      done[s] = start + duration(s, i);
    }
    taken[last]![i] = done[last]!;
  }
  return done[last]!;
}

/**
 * The same for `buffer.map` behind a generator: a value is asked for when one of `size` calls is free, and value i - size has
 * been taken; its call starts when it has come.
 */
export function mapScheduleEnd(
  size: number,
  count: number,
  sourceTime: number,
  callTime: (index: number) => number,
): number {
  const ends: number[] = [];
  let yielded = 0;
  let taken: number[] = [];
  for (let i = 0; i < count; i++) {
    const free = ends.toSorted((a, b) => a - b)[i - size] ?? 0;
    yielded = Math.max(yielded, free, taken[i - size] ?? 0) + sourceTime;
    ends.push(yielded + callTime(i));
    taken.push(Math.max(taken[i - 1] ?? 0, ends[i]!));
  }
  return taken.at(-1)!;
}
