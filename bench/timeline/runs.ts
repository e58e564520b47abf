/** Runs the same steps without buffers and with them, and records what each does. */
import { deepStrictEqual } from 'node:assert';
import { channel } from 'node:diagnostics_channel';

import { bufferedPipeline, type StageMessage } from 'buffered-pipeline';

import { pause } from '../virtual.ts';
import { type Lane, Recorder } from './lane.ts';

/** How many milliseconds the step with this number takes for a value; both from 1. */
export type DurationOf = (step: number, value: number) => number;

export interface Plan {
  /** Names of the steps. */
  steps: string[];
  /** How many values. */
  count: number;
  duration: DurationOf;
}

export interface Run {
  lanes: Lane[];
  /** Milliseconds until the reader had all values. */
  total: number;
}

/** Makes what reads the generator of a step, and what the next step reads. */
type Wrap = (generator: AsyncIterable<number>, step: number) => AsyncIterable<number>;

/** A step begins when it is asked for a value, waits while it asks the one before, and stands still when it has answered. */
export async function recordUnbuffered(plan: Plan): Promise<Run> {
  const start = performance.now();
  const lanes = plan.steps.map((name) => new Recorder(name, start));
  await readAll(plan, (generator, step) => watched(generator, lanes[step - 1]!, lanes[step]));
  return { lanes, total: performance.now() - start };
}

async function* watched(
  source: AsyncIterable<number>,
  lane: Recorder,
  reader: Recorder | undefined,
): AsyncGenerator<number> {
  const iterator = source[Symbol.asyncIterator]();
  for (let value = 1; ; value++) {
    reader?.enters('starved');
    lane.enters('working');
    const result = await iterator.next();
    reader?.enters('working');
    if (result.done) return lane.enters('ended');
    lane.yields();
    lane.enters('blocked');
    yield result.value;
  }
}

/** The stages tell themselves, as they tell tracing tools. */
export async function recordBuffered(plan: Plan): Promise<Run> {
  const start = performance.now();
  const lanes = new Map(plan.steps.map((name) => [name, new Recorder(name, start)]));
  const forget = subscribe(lanes);
  const buffer = bufferedPipeline();
  try {
    await readAll(plan, (generator, step) => buffer(generator, { name: plan.steps[step - 1] }));
    return { lanes: [...lanes.values()], total: performance.now() - start };
  } finally {
    forget();
  }
}

function subscribe(lanes: Map<string, Recorder>): () => void {
  const listeners: Record<string, (lane: Recorder, message: StageMessage) => void> = {
    state: (lane, { statistics }) => lane.enters(statistics.state),
    yield: (lane) => lane.yields(),
    handover: (lane, { statistics }) => lane.handsOver(statistics.taken),
  };
  const ends = Object.entries(listeners).map(([event, tell]) => {
    const stages = channel(`buffered-pipeline:stage:${event}`);
    const listener = (message: unknown): void => {
      const told = message as StageMessage;
      tell(lanes.get(told.statistics.name)!, told);
    };
    stages.subscribe(listener);
    return () => stages.unsubscribe(listener);
  });
  return () => {
    for (const end of ends) end();
  };
}

async function readAll({ steps, count, duration }: Plan, wrap: Wrap): Promise<void> {
  let chain = wrap(numbers(count, duration), 1);
  for (let number = 2; number <= steps.length; number++) chain = wrap(afterwards(chain, number, duration), number);
  const values = [];
  for await (const value of chain) values.push(value);
  deepStrictEqual(
    values,
    Array.from({ length: count }, (_, index) => index + 1),
  );
}

async function* numbers(count: number, duration: DurationOf): AsyncGenerator<number> {
  for (let value = 1; value <= count; value++) {
    await pause(duration(1, value));
    yield value;
  }
}

async function* afterwards(input: AsyncIterable<number>, number: number, duration: DurationOf): AsyncGenerator<number> {
  for await (const value of input) {
    await pause(duration(number, value));
    yield value;
  }
}
