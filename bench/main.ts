/**
 * npm run bench [-- <workload> …] [-- --quick | --check | --report | --timeline | --sizes]
 *
 * Runs all workloads, or those that are named, keeps the results in bench/results, and fills the tables of docs/benchmarks.md
 * and makes its pictures. --quick: fewer values, keeps nothing. --check: very few values; judges results and counts, not
 * times. --report: only fills the document. --timeline, --sizes: only docs/timeline.svg, or docs/buffer-size.md and its
 * picture, of runs of their own.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { parseArgs } from 'node:util';

import { FLAGS } from './allocation.ts';
import { complaints } from './check.ts';
import { contenders, OURS } from './contenders.ts';
import { type Measurements, MODES } from './measurement.ts';
import { writeReport } from './report/report.ts';
import { asText } from './report/tables.ts';
import { keep } from './results.ts';
import { sizesComplaints, writeSizes } from './sizes/sizes.ts';
import { timelineComplaints, writeTimeline } from './timeline/timeline.ts';

/** The workloads of each file. */
const FILES: Record<string, string[]> = {
  throughput: ['a1', 'a16', 'b', 'c'],
  lifetime: ['d', 'e', 'many'],
  map: ['m1', 'm8', 'm64', 'map'],
  behaviour: ['behaviour'],
  schedule: ['f'],
  memory: ['g'],
  allocation: ['bytes'],
  streaming: ['i'],
  observers: ['s'],
  counts: ['counts'],
  growth: ['growth'],
};
const ALL = Object.values(FILES).flat();

/** Milliseconds after which a workload is taken to hang. */
const TIME_LIMIT = 1_800_000;

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean' },
    check: { type: 'boolean' },
    report: { type: 'boolean' },
    timeline: { type: 'boolean' },
    sizes: { type: 'boolean' },
  },
});
const mode = flags.check ? MODES.check : flags.quick ? MODES.quick : MODES.full;

if (flags.timeline) await writeTimeline();
else if (flags.sizes) await writeSizes();
else if (flags.report) writeReport();
else await bench(positionals);

async function bench(ids: string[]): Promise<void> {
  const isAll = ids.length === 0;
  const measurements: Measurements = {};
  for (const id of isAll ? ALL : ids) await measure(id, measurements);
  if (mode === MODES.check) {
    const others = isAll ? [...(await timelineComplaints()), ...(await sizesComplaints())] : [];
    judge([...complaints(measurements), ...others]);
  } else if (mode === MODES.full) {
    keep(measurements, isAll);
    writeReport();
  }
}

/** Each workload has a process of its own, so that what V8 learns from one does not bear on the next. Memory has one for each contender. */
async function measure(id: string, all: Measurements): Promise<void> {
  const file = Object.keys(FILES).find((name) => FILES[name]!.includes(id));
  if (file === undefined) throw new RangeError(`A workload is one of ${ALL.join(', ')}, got ${id}`);
  const answers: Measurements = {};
  const parts = file !== 'memory' ? [id] : mode === MODES.check ? [OURS] : Object.keys(contenders);
  for (const part of parts)
    for (const [key, answer] of Object.entries(await apart(file, part)))
      answers[key] = { ...answer, outcomes: { ...answers[key]?.outcomes, ...answer.outcomes } };
  Object.assign(all, answers);
  console.log(asText(answers));
}

async function apart(file: string, id: string): Promise<Measurements> {
  const child = fork(new URL('child.js', import.meta.url), [file, id, mode.name], {
    execArgv: ['--expose-gc', ...(file === 'allocation' ? FLAGS : [])],
    serialization: 'advanced',
    timeout: TIME_LIMIT,
  });
  const exited = once(child, 'exit');
  const [answer] = (await Promise.race([once(child, 'message'), exited])) as [Measurements | number | null];
  await exited;
  if (answer === null || typeof answer === 'number') throw new Error(`${file} ${id} has ended with ${answer}`);
  return answer;
}

function judge(found: string[]): void {
  for (const complaint of found) console.error(complaint);
  console.log(found.length === 0 ? 'All results and counts are as they should be.' : `${found.length} are not.`);
  process.exitCode = found.length === 0 ? 0 : 1;
}
