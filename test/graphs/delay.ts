/** How long things take, in random programs. */
import { setImmediate as turn } from 'node:timers/promises';

/** So many microtasks, then a turn of the event loop or none. */
export interface Delay {
  microtasks: number;
  isTurn: boolean;
}

/** Whoever awaits it is late, even if it is of no length. */
export async function pass({ microtasks, isTurn }: Delay): Promise<void> {
  for (let i = 0; i < microtasks; i++) await Promise.resolve();
  if (isTurn) await turn();
}
