/** What do statistics cost, and what do subscribers of the channels? Off, neither costs anything. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';

import { type Contender, contenders, OURS, UNBUFFERED, wrapped } from './contenders.ts';
import { COUNTERS, type Counter, perValue, SITUATIONS } from './counts.ts';
import { measured, type Measurements, type Mode, scaled } from './measurement.ts';
import { paired } from './paired.ts';
import { fresh } from './work.ts';

export const WITH_STATISTICS = 'with statistics';
export const WITH_SUBSCRIBERS = 'with subscribers';

const VALUES = 60_000;
const STAGES = 3;
const CHANNELS = ['start', 'state', 'yield', 'handover', 'error', 'close'].map(
  (event) => `buffered-pipeline:stage:${event}`,
);

const OBSERVED: Record<string, Contender> = {
  [UNBUFFERED]: contenders[UNBUFFERED]!,
  [OURS]: wrapped(),
  [WITH_STATISTICS]: wrapped({ statistics: true }),
  [WITH_SUBSCRIBERS]: wrapped(),
};

/** Runs the work while somebody has subscribed to all channels, if that is what the name says. */
async function observed<T>(name: string, work: () => Promise<T>): Promise<T> {
  const ignore = (): void => {};
  if (name === WITH_SUBSCRIBERS) for (const channel of CHANNELS) subscribe(channel, ignore);
  try {
    return await work();
  } finally {
    for (const channel of CHANNELS) unsubscribe(channel, ignore);
  }
}

const clock: Counter = () => {
  const { now } = performance;
  let count = 0;
  performance.now = () => {
    count++;
    return now.call(performance);
  };
  return () => {
    performance.now = now;
    return count;
  };
};

export async function measure(_id: string, mode: Mode): Promise<Measurements> {
  const measurements: Measurements = {};
  const count = scaled(VALUES, mode);
  for (const size of [1, 16]) {
    const title = `Observed, size ${size}, ${count} values`;
    measurements[`s${size}`] = await paired(title, mode, UNBUFFERED, OBSERVED, (build, { plain, read }, name) => {
      return () => observed(name, () => read(build(plain.source(count), plain.steps, size), count));
    });
  }
  const { steps } = (await fresh('observers')).plain;
  for (const [what, counter] of Object.entries({ ...COUNTERS, reads: clock })) {
    for (const [id, situation] of Object.entries(SITUATIONS)) {
      const title = `Observed: ${what === 'reads' ? 'reads of the clock' : what} per value and stage ${situation.title}`;
      measurements[`s-${what}-${id}`] = await measured(title, what, OBSERVED, (build, name) =>
        observed(name, () => perValue(counter, situation, STAGES, (source) => build(source, steps, 1))),
      );
    }
  }
  return measurements;
}
