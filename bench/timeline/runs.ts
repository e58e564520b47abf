/** Runs the same steps without buffers and with them, and records what each does. */
import { deepStrictEqual } from 'node:assert';
import { channel } from 'node:diagnostics_channel';

import { bufferedPipeline, type StageMessage, type StageState } from 'buffered-pipeline';

import { pause } from '../clock.ts';

export interface Plan {
  /** Names of the steps. */
  steps: string[];
  /** How many values. */
  count: number;
  /** How many milliseconds a step takes for a value; both from 1. */
  duration: (step: number, value: number) => number;
}

/** From when to when, in milliseconds since the run began, and the value that a stage worked on, waited with, or held. */
export interface Span {
  from: number;
  to: number;
  value: number;
}

/** What one stage did over time, as it is told from outside. */
export class Lane {
  readonly name: string;
  /** Without gaps from its first read to its end. */
  readonly segments: (Span & { state: StageState })[] = [];
  /** Which values waited in its buffer, and when. */
  readonly held: Span[] = [];
  readonly #start = performance.now();
  #state: StageState = 'unread';
  #since = 0;
  /** When each value was yielded. */
  readonly #yieldedAt: number[] = [];

  constructor(name: string) {
    this.name = name;
  }

  enters(state: StageState): void {
    const now = this.#now();
    if (this.#state !== 'unread')
      keep(this.segments, { state: this.#state, value: this.#yieldedAt.length + 1, from: this.#since, to: now });
    this.#state = state;
    this.#since = now;
  }

  yields(): void {
    this.enters(this.#state);
    this.#yieldedAt.push(this.#now());
  }

  handsOver(value: number): void {
    keep(this.held, { from: this.#yieldedAt[value - 1]!, to: this.#now(), value });
  }

  #now(): number {
    return performance.now() - this.#start;
  }
}

/** What takes less than a millisecond goes on while values are passed on, and nobody would see it. */
function keep<S extends Span>(spans: S[], span: S): void {
  if (span.to - span.from >= 1) spans.push(span);
}

export interface Run {
  lanes: Lane[];
  /** Milliseconds until the reader had all values. */
  total: number;
}

/** Makes what reads the generator of a step, and what the next step reads. */
type Wrap = (generator: AsyncIterable<number>, step: number) => AsyncIterable<number>;

/** A step begins when it is asked for a value, waits while it asks the one before, and stands still when it has answered. */
export function recordUnbuffered(plan: Plan): Promise<Run> {
  return record(plan, (lanes) => (generator, step) => watched(generator, lanes[step - 1]!, lanes[step]));
}

async function* watched(source: AsyncIterable<number>, lane: Lane, reader: Lane | undefined): AsyncGenerator<number> {
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
  const ends: (() => void)[] = [];
  const on = (lanes: Lane[], event: string, tell: (lane: Lane, message: StageMessage) => void): void => {
    const stages = channel(`buffered-pipeline:stage:${event}`);
    const listener = (message: unknown): void => {
      const told = message as StageMessage;
      tell(
        lanes.find(({ name }) => name === told.statistics.name)!,
        told,
      );
    };
    stages.subscribe(listener);
    ends.push(() => stages.unsubscribe(listener));
  };
  const run = await record(plan, (lanes) => {
    on(lanes, 'state', (lane, { statistics }) => lane.enters(statistics.state));
    on(lanes, 'yield', (lane) => lane.yields());
    on(lanes, 'handover', (lane, { statistics }) => lane.handsOver(statistics.taken));
    const buffer = bufferedPipeline();
    return (generator, step) => buffer(generator, { name: plan.steps[step - 1] });
  });
  for (const end of ends) end();
  return run;
}

async function record({ steps, count, duration }: Plan, watch: (lanes: Lane[]) => Wrap): Promise<Run> {
  const start = performance.now();
  const lanes = steps.map((name) => new Lane(name));
  const wrap = watch(lanes);
  const numbers = Array.from({ length: count }, (_, index) => index + 1);
  let chain = wrap(afterwards(numbers, 1), 1);
  for (let step = 2; step <= steps.length; step++) chain = wrap(afterwards(chain, step), step);
  const values = [];
  for await (const value of chain) values.push(value);
  deepStrictEqual(values, numbers);
  return { lanes, total: performance.now() - start };

  async function* afterwards(input: AsyncIterable<number> | number[], step: number): AsyncGenerator<number> {
    for await (const value of input) {
      await pause(duration(step, value));
      yield value;
    }
  }
}
