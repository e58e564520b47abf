/** Makes docs/timeline.svg of a real run, and checks what such a run records in virtual time. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { ROOT } from '../results.ts';
import { inVirtualTime } from '../virtual.ts';
import { timelineChart } from './chart.ts';
import { type Plan, recordBuffered, recordUnbuffered, type Run } from './runs.ts';

/** Milliseconds that a step takes. */
const STEP = 100;
/** The value that the second step takes longer for. */
export const SLOW_VALUE = 4;
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

/** Milliseconds that the two runs take by the rules: the steps one after another, and the longest way through them. */
const EXPECTED = { unbuffered: (3 * PLAN.count + SLOWER - 1) * STEP, buffered: (PLAN.count + 2 + SLOWER - 1) * STEP };

export async function timelineComplaints(): Promise<string[]> {
  const runs = {
    unbuffered: await inVirtualTime(() => recordUnbuffered(PLAN)),
    buffered: await inVirtualTime(() => recordBuffered(PLAN)),
  };
  const found = Object.entries(runs).flatMap(([name, run]) =>
    complaintsAbout(run).map((text) => `timeline, ${name}: ${text}`),
  );
  for (const [name, total] of Object.entries(EXPECTED)) {
    const run = runs[name as keyof typeof runs];
    if (run.total !== total) found.push(`timeline, ${name}: takes ${run.total} ms, not ${total}`);
  }
  if (works(runs.unbuffered).some(({ from }, index, all) => from < (all[index - 1]?.to ?? 0))) {
    found.push('timeline, unbuffered: two steps work at the same time');
  }
  return found;
}

/** All work of a run in the order of its beginnings. */
function works({ lanes }: Run): { from: number; to: number }[] {
  const all = lanes.flatMap(({ segments }) => segments.filter(({ state }) => state === 'working'));
  return all.toSorted((a, b) => a.from - b.from);
}

function complaintsAbout({ lanes }: Run): string[] {
  return lanes.flatMap(({ name, segments, held }, index) => {
    const found: string[] = [];
    const work = segments.filter(({ state }) => state === 'working');
    if (work.length !== PLAN.count || work.some(({ value }, at) => value !== at + 1))
      found.push(`${name} works on ${work.map(({ value }) => value).join()}`);
    if (work.some(({ value, from, to }) => to - from !== PLAN.duration(index + 1, value)))
      found.push(`${name} does not work as long as its step takes`);
    if (segments.some(({ from }, at) => from !== (segments[at - 1]?.to ?? 0)))
      found.push(`${name} has gaps or overlaps in what it does`);
    if (held.some(({ from }, at) => from < (held[at - 1]?.to ?? 0))) found.push(`${name} holds more than one value`);
    return found;
  });
}
