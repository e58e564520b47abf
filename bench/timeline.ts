/** Two runs of the same steps, without buffers and with them, drawn one above the other on one axis of time. */
import { deepStrictEqual } from 'node:assert';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import * as Plot from '@observablehq/plot';
import { bufferedPipeline } from 'buffered-pipeline';

import { COLORS, type Panel, svg, title } from './charts.ts';
import { inVirtualTime, pause } from './clock.ts';
import { ROOT } from './results.ts';

const STEPS = ['fetch', 'look up', 'save'];
const VALUES = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
/** Milliseconds that a step takes, and how many times as long the second takes for one value. */
const STEP = 100;
const SLOWER = 3;
const SLOW_VALUE = 4;

function duration(step: number, value: number): number {
  return step === 1 && value === SLOW_VALUE ? SLOWER * STEP : STEP;
}

type Numbers = AsyncIterable<number> | Iterable<number>;

/** What a step did with a value, or waited for, or how long the value waited behind it, in milliseconds. */
interface Span {
  step: string;
  state: string;
  value: number;
  from: number;
  to: number;
}

interface Run {
  spans: Span[];
  /** Milliseconds until the reader had all values. */
  total: number;
}

/** The steps themselves say when they work, when they wait for a value, and when they stand still until they are asked. */
async function run(wrap: (step: AsyncIterable<number>) => AsyncIterable<number>): Promise<Run> {
  const start = performance.now();
  const spans: Span[] = [];
  const yieldedAt = STEPS.map((): number[] => []);
  const ends = (step: number, state: string, value: number, from: number): number => {
    const to = performance.now() - start;
    // What is shorter goes on while values are passed on, and nobody would see it.
    if (to - from >= 1) spans.push({ step: STEPS[step]!, state, value, from, to });
    return to;
  };
  /** Sees how long values have waited behind a step. */
  async function* taken(input: Numbers, step: number): AsyncGenerator<number> {
    for await (const value of input) {
      ends(step, 'held', value, yieldedAt[step]![value]!);
      yield value;
    }
  }
  async function* work(input: Numbers, step: number): AsyncGenerator<number> {
    let at = performance.now() - start;
    for await (const value of input) {
      at = ends(step, 'starved', value, at);
      await pause(duration(step, value));
      at = yieldedAt[step]![value] = ends(step, 'working', value, at);
      yield value;
      at = ends(step, 'blocked', value, at);
    }
  }
  let chain: Numbers = VALUES;
  for (const step of STEPS.keys()) chain = taken(wrap(work(chain, step)), step);
  const read: number[] = [];
  for await (const value of chain) read.push(value);
  deepStrictEqual(read, VALUES);
  return { spans, total: performance.now() - start };
}

const unbuffered = (): Promise<Run> => run((step) => step);
const buffered = (): Promise<Run> => run(bufferedPipeline());

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
  const work = STEPS.map((_, step) => VALUES.map((value) => [value, duration(step, value)]));
  for (const [record, length] of [
    [unbuffered, STEPS.length * VALUES.length],
    [buffered, VALUES.length + STEPS.length - 1],
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
