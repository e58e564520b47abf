/** Makes docs/timeline.svg of a real run, and checks what such a run records in virtual time. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { inVirtualTime } from '../clock.ts';
import { ROOT } from '../results.ts';
import { timelineChart } from './chart.ts';
import { type Lane, type Plan, recordBuffered, recordUnbuffered } from './runs.ts';

/** Milliseconds that a step takes. */
const STEP = 100;
/** The value that the second step takes longer for. */
const SLOW_VALUE = 4;
const SLOWER = 3;

const PLAN: Plan = {
  steps: ['fetch', 'look up', 'save'],
  count: 10,
  duration: (step, value) => (step === 2 && value === SLOW_VALUE ? SLOWER * STEP : STEP),
};

export async function writeTimeline(): Promise<void> {
  const unbuffered = await recordUnbuffered(PLAN);
  const buffered = await recordBuffered(PLAN);
  writeFileSync(join(ROOT, 'docs', 'timeline.svg'), timelineChart(unbuffered, buffered, SLOW_VALUE));
}

/** The steps one after another, and the longest way through them. */
export async function timelineComplaints(): Promise<string[]> {
  const unbuffered = await inVirtualTime(() => recordUnbuffered(PLAN));
  const buffered = await inVirtualTime(() => recordBuffered(PLAN));
  const expected = [(3 * PLAN.count + SLOWER - 1) * STEP, (PLAN.count + 2 + SLOWER - 1) * STEP];
  return [unbuffered, buffered].flatMap(({ total, lanes }, at) => [
    ...(total === expected[at] ? [] : [`timeline: takes ${total} ms, not ${expected[at]}`]),
    ...lanes.filter((lane) => !isAllWork(lane)).map(({ name }) => `timeline: ${name} does not show its work`),
  ]);
}

function isAllWork({ name, segments }: Lane): boolean {
  const step = PLAN.steps.indexOf(name) + 1;
  const work = segments.filter(({ state }) => state === 'working');
  return (
    work.length === PLAN.count &&
    work.every(({ value, from, to }, at) => value === at + 1 && to - from === PLAN.duration(step, value))
  );
}
