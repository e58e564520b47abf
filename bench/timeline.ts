/** Two runs of the same steps, without buffers and with them, drawn one above the other on one axis of time. */
import { deepStrictEqual } from 'node:assert';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import * as Plot from '@observablehq/plot';
import { bufferedPipeline, type StageMessage } from 'buffered-pipeline';

import { COLORS, type Panel, svg, title } from './charts.ts';
import { inVirtualTime, pause } from './clock.ts';
import { ROOT } from './results.ts';

const STEPS = ['fetch', 'look up', 'save'];
const COUNT = 10;
/** Milliseconds that a step takes, and how many times as long the second takes for one value. */
const STEP = 100;
const SLOWER = 3;
const SLOW_VALUE = 4;

function duration(step: number, value: number): number {
  return step === 1 && value === SLOW_VALUE ? SLOWER * STEP : STEP;
}

/** What a step did with a value, or waited for, from when to when, in milliseconds. */
interface Span {
  step: string;
  state: string;
  value: number;
  from: number;
  to: number;
}

/** What is told of the steps of a run while it runs. */
class Recorder {
  readonly spans: Span[] = [];
  readonly #start = performance.now();
  /** Of each step: what it does now, since when, and when it has yielded its values. */
  readonly #now = new Map(STEPS.map((step) => [step, { state: 'unread', from: 0, yieldedAt: [] as number[] }]));

  get time(): number {
    return performance.now() - this.#start;
  }

  enters(step: string, state: string): void {
    const now = this.#now.get(step)!;
    if (now.state !== 'unread') this.#keep({ ...now, step, value: now.yieldedAt.length + 1, to: this.time });
    Object.assign(now, { state, from: this.time });
  }

  yields(step: string): void {
    const now = this.#now.get(step)!;
    this.enters(step, now.state);
    now.yieldedAt.push(this.time);
  }

  handsOver(step: string, value: number): void {
    this.#keep({ step, state: 'held', value, from: this.#now.get(step)!.yieldedAt[value - 1]!, to: this.time });
  }

  /** What takes less than a millisecond goes on while values are passed on, and nobody would see it. */
  #keep({ step, state, value, from, to }: Span): void {
    if (to - from >= 1) this.spans.push({ step, state, value, from, to });
  }
}

interface Run {
  spans: Span[];
  /** Milliseconds until the reader had all values. */
  total: number;
}

async function run(
  recorder: Recorder,
  wrap: (step: AsyncIterable<number>, at: number) => AsyncIterable<number>,
): Promise<Run> {
  const numbers = Array.from({ length: COUNT }, (_, index) => index + 1);
  async function* afterwards(input: AsyncIterable<number> | number[], step: number): AsyncGenerator<number> {
    for await (const value of input) {
      await pause(duration(step, value));
      yield value;
    }
  }
  let chain = wrap(afterwards(numbers, 0), 0);
  for (let step = 1; step < STEPS.length; step++) chain = wrap(afterwards(chain, step), step);
  const read: number[] = [];
  for await (const value of chain) read.push(value);
  deepStrictEqual(read, numbers);
  return { spans: recorder.spans, total: recorder.time };
}

/** A step begins when it is asked for a value, waits while it asks the one before, and stands still when it has answered. */
function unbuffered(): Promise<Run> {
  const recorder = new Recorder();
  return run(recorder, async function* (source, at) {
    const [step, reader] = [STEPS[at]!, STEPS[at + 1]];
    const iterator = source[Symbol.asyncIterator]();
    for (;;) {
      if (reader !== undefined) recorder.enters(reader, 'starved');
      recorder.enters(step, 'working');
      const result = await iterator.next();
      if (reader !== undefined) recorder.enters(reader, 'working');
      if (result.done) return recorder.enters(step, 'ended');
      recorder.yields(step);
      recorder.enters(step, 'blocked');
      yield result.value;
    }
  });
}

/** The stages tell themselves, as they tell tracing tools. */
async function buffered(): Promise<Run> {
  const recorder = new Recorder();
  const listeners = {
    state: ({ statistics: { name, state } }: StageMessage) => recorder.enters(name, state),
    yield: ({ statistics: { name } }: StageMessage) => recorder.yields(name),
    handover: ({ statistics: { name, taken } }: StageMessage) => recorder.handsOver(name, taken),
  };
  const all = Object.entries(listeners).map(([event, tell]) => {
    return [`buffered-pipeline:stage:${event}`, (message: unknown) => tell(message as StageMessage)] as const;
  });
  for (const [channel, listener] of all) subscribe(channel, listener);
  const buffer = bufferedPipeline();
  const result = await run(recorder, (step, at) => buffer(step, { name: STEPS[at]! }));
  for (const [channel, listener] of all) unsubscribe(channel, listener);
  return result;
}

const LOOKS: Record<string, { fill: string; fillOpacity?: number; says: string }> = {
  working: { fill: COLORS.blue, says: 'works on value n' },
  slow: { fill: COLORS.orange, says: `the same on value ${SLOW_VALUE}, which is slow to look up` },
  starved: { fill: 'currentColor', fillOpacity: 0.09, says: 'starved: waits for the step before it' },
  blocked: { fill: '#e0a100', fillOpacity: 0.42, says: 'blocked: waits for the step after it' },
  held: { fill: COLORS.green, says: 'a value waits in the buffer' },
};
const SIZE = { width: 830, height: 160, marginLeft: 66, marginRight: 14, marginTop: 30, marginBottom: 22 };
const TOP = { y1: 0.3, y2: 1 };
const BELOW = { y1: 0.02, y2: 0.2 };

export async function writeTimeline(): Promise<void> {
  const [before, after] = [await unbuffered(), await buffered()];
  const panel = (name: string, y0: number, { spans, total }: Run): Panel => ({
    ...SIZE,
    x0: 0,
    y0,
    x: { domain: [0, before.total / 1000], label: null, ticks: 7, tickFormat: (at: number) => `${at} s` },
    y: { axis: null, domain: [0, 1] },
    fy: { domain: STEPS, label: null, padding: 0.12 },
    marks: [
      ...Object.entries(LOOKS).map(([look, { fill, fillOpacity }]) =>
        Plot.rect(
          spans.filter(({ state, value }) => look === (state === 'working' && value === SLOW_VALUE ? 'slow' : state)),
          {
            x1: inSeconds('from'),
            x2: inSeconds('to'),
            fy: 'step',
            ...(look === 'held' ? BELOW : TOP),
            fill,
            ...(fillOpacity === undefined ? {} : { fillOpacity }),
            inset: 0.5,
            rx: 2,
          },
        ),
      ),
      Plot.text(
        spans.filter(({ state }) => state === 'working'),
        {
          x: (span: Span) => (span.from + span.to) / 2000,
          y: 0.65,
          fy: 'step',
          text: 'value',
          fill: 'white',
          fontWeight: 'bold',
        },
      ),
      Plot.ruleX([total / 1000], { strokeWidth: 2 }),
      title(`${name}: ${(total / 1000).toFixed(1)} s`),
    ],
  });
  // Stands where the shorter run has left room.
  const legend: Panel = {
    width: 370,
    height: 110,
    x0: SIZE.width - 370,
    y0: SIZE.height + 30,
    margin: 0,
    axis: null,
    x: { domain: [0, 370] },
    y: { domain: Object.keys(LOOKS), type: 'band', padding: 0.3 },
    marks: Object.entries(LOOKS).flatMap(([look, { says, ...style }]) => [
      Plot.barX([look], { x1: 0, x2: 18, y: [look], rx: 2, ...style }),
      Plot.text([says], { x: 26, y: [look], textAnchor: 'start', fontSize: 13 }),
    ]),
  };
  const panels = [panel('Unbuffered', 0, before), panel('Buffered', SIZE.height + 4, after), legend];
  writeFileSync(join(ROOT, 'docs', 'timeline.svg'), svg(SIZE.width, 2 * SIZE.height + 4, [], panels));
}

function inSeconds(key: 'from' | 'to'): (span: Span) => number {
  return (span) => span[key] / 1000;
}

/** In virtual time: the steps one after another take the sum, buffered the longest way through them, and all show their work. */
export async function checkTimeline(): Promise<void> {
  const values = Array.from({ length: COUNT }, (_, index) => index + 1);
  const work = STEPS.map((_, step) => values.map((value) => [value, duration(step, value)]));
  for (const [record, length] of [
    [unbuffered, STEPS.length * COUNT],
    [buffered, COUNT + STEPS.length - 1],
  ] as const) {
    const { spans, total } = await inVirtualTime(record);
    deepStrictEqual(total, (length + SLOWER - 1) * STEP);
    const shown = STEPS.map((name) => spans.filter(({ step, state }) => step === name && state === 'working'));
    deepStrictEqual(
      shown.map((spansOf) => spansOf.map(({ value, from, to }) => [value, to - from])),
      work,
    );
  }
}
