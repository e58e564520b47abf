/** Makes docs/timeline.svg of a real run, and checks what such a run records in virtual time. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { inVirtualTime } from '../clock.ts';
import { ROOT } from '../results.ts';
import { timelineChart } from './chart.ts';
import { type Plan, recordBuffered, recordUnbuffered, type Run } from './runs.ts';

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

/** The steps one after another, and the longest way through them; each lane shows all the work of its step. */
export async function timelineComplaints(): Promise<string[]> {
  const unbuffered = await inVirtualTime(() => recordUnbuffered(PLAN));
  const buffered = await inVirtualTime(() => recordBuffered(PLAN));
  return [
    ...complaintsAbout('unbuffered', unbuffered, (3 * PLAN.count + SLOWER - 1) * STEP),
    ...complaintsAbout('buffered', buffered, (PLAN.count + 2 + SLOWER - 1) * STEP),
  ];
}

function complaintsAbout(which: string, { lanes, total }: Run, expected: number): string[] {
  const found = total === expected ? [] : [`timeline, ${which}: takes ${total} ms, not ${expected}`];
  for (const [index, { name, segments }] of lanes.entries()) {
    const work = segments.filter(({ state }) => state === 'working').map(({ value, from, to }) => [value, to - from]);
    const all = Array.from({ length: PLAN.count }, (_, at) => [at + 1, PLAN.duration(index + 1, at + 1)]);
    if (work.join(' ') !== all.join(' ')) found.push(`timeline, ${which}: ${name} works on ${work.join(' ')}`);
  }
  return found;
}
