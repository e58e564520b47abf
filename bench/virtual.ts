/** Time that passes at once: whoever waits goes on in the right order, and the clock shows how late it would be. */
import { setImmediate as turn } from 'node:timers/promises';

import FakeTimers from '@sinonjs/fake-timers';

/** Runs work that waits for nothing but timers of whole milliseconds, at least 1. */
export async function inVirtualTime<T>(work: () => Promise<T>): Promise<T> {
  const clock = FakeTimers.install({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  try {
    const result = work();
    // Before the next timer, all that this one has set off comes to rest.
    for (await turn(); clock.countTimers() > 0; await turn()) clock.next();
    return await result;
  } finally {
    clock.uninstall();
  }
}

/** Looks the timer up when it is called: it may be virtual by then. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });
}
