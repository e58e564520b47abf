/** What do statistics cost, and what do subscribers of the channels? Off, neither costs anything. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';

import { bufferedPipeline, type PipelineOptions } from 'buffered-pipeline';

import { type Contender, contenders, OURS, UNBUFFERED } from './contenders.ts';
import { COUNTERS, type Counter, perValue, SITUATIONS } from './counts.ts';
import { type Measurements, type Mode, type Outcome, scaled } from './measurement.ts';
import { paired, type Sample, timed } from './paired.ts';
import { fresh } from './steps.ts';

export const WITH_STATISTICS = 'with statistics';
export const WITH_SUBSCRIBERS = 'with subscribers';

const VALUES = 300_000;
const CHANNELS = ['start', 'state', 'yield', 'handover', 'error', 'close'].map(
  (event) => `buffered-pipeline:stage:${event}`,
);

interface Observed {
  build: Contender;
  /** Observes until it is told to stop. */
  observe: () => () => void;
}

const nobody = (): (() => void) => () => {};

const OBSERVED: Record<string, Observed> = {
  [UNBUFFERED]: { build: contenders[UNBUFFERED]!, observe: nobody },
  [OURS]: { build: wrapped({}), observe: nobody },
  [WITH_STATISTICS]: { build: wrapped({ statistics: true }), observe: nobody },
  [WITH_SUBSCRIBERS]: { build: wrapped({}), observe: subscribeAll },
};

function wrapped(options: PipelineOptions): Contender {
  return (source, steps, bufferSize) => {
    const buffer = bufferedPipeline(options);
    let stage = buffer(source, { bufferSize });
    for (const step of steps) stage = buffer(step.generate(stage), { bufferSize });
    return stage;
  };
}

function subscribeAll(): () => void {
  const ignore = (): void => {};
  for (const channel of CHANNELS) subscribe(channel, ignore);
  return () => {
    for (const channel of CHANNELS) unsubscribe(channel, ignore);
  };
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
    const samples: Record<string, Sample> = {};
    for (const [name, observed] of Object.entries(OBSERVED)) samples[name] = await sample(name, observed, count, size);
    measurements[`s${size}`] = await paired(`Observed, size ${size}, ${count} values`, mode, UNBUFFERED, samples);
  }
  for (const [what, counter] of Object.entries({ ...COUNTERS, reads: clock })) {
    for (const [situationId, situation] of Object.entries(SITUATIONS)) {
      const outcomes: Record<string, Outcome> = {};
      for (const [name, { build, observe }] of Object.entries(OBSERVED)) {
        const stop = observe();
        outcomes[name] = { value: await perValue(counter, name, situation, build) };
        stop();
      }
      const title = `Observed: ${what === 'reads' ? 'reads of the clock' : what} per value and stage ${situation.title}`;
      measurements[`s-${what}-${situationId}`] = { title, unit: what, outcomes };
    }
  }
  return measurements;
}

async function sample(name: string, { build, observe }: Observed, count: number, size: number): Promise<Sample> {
  const { source, steps } = await fresh('plain', `${name} ${size}`);
  const { readAll } = await fresh('reader', `${name} ${size}`);
  return async () => {
    const stop = observe();
    try {
      return await timed(() => readAll(build(source(count), steps, size), count));
    } finally {
      stop();
    }
  };
}
