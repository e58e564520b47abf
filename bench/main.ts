/**
 * npm run bench [-- <workload> …] [-- --quick | --check | --report | --timeline | --sizes]
 *
 * Runs all workloads, or those that are named, keeps the results in bench/results, and makes docs/benchmarks.md and its
 * pictures of them. --quick: fewer values, keeps nothing. --check: very few values; judges results and counts, not times.
 * --report: only makes the document. --timeline, --sizes: only make docs/timeline.svg and docs/buffer-size.md, of runs of
 * their own.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { parseArgs } from 'node:util';

import { complaints } from './check.ts';
import { contenders } from './contenders.ts';
import { type Measurements, MODES } from './measurement.ts';
import { writeReport } from './report/report.ts';
import { asText } from './report/text.ts';
import { keep } from './results.ts';
import { sizesComplaints, writeSizes } from './sizes/sizes.ts';
import { timelineComplaints, writeTimeline } from './timeline/timeline.ts';

/** The file that a workload is measured by. */
const FILES: Record<string, string> = {
  a1: 'throughput',
  a16: 'throughput',
  b: 'throughput',
  c: 'throughput',
  d: 'lifetime',
  e: 'lifetime',
  f: 'schedule',
  g: 'memory',
  h: 'overlap',
  i: 'streaming',
  s: 'observers',
  counts: 'counts',
  growth: 'growth',
};

/** Milliseconds after which a workload is taken to hang. */
const TIME_LIMIT = 3_600_000;

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
  const measurements = await measureAll(isAll ? Object.keys(FILES) : ids);
  if (mode === MODES.check) {
    const others = isAll ? [...(await timelineComplaints()), ...(await sizesComplaints())] : [];
    judge([...complaints(measurements), ...others]);
  } else if (mode === MODES.full) {
    keep(measurements);
    writeReport();
  }
}

async function measureAll(ids: string[]): Promise<Measurements> {
  const all: Measurements = {};
  for (const id of ids) {
    const file = FILES[id];
    if (file === undefined) throw new RangeError(`A workload is one of ${Object.keys(FILES).join(', ')}, got ${id}`);
    for (const part of file === 'memory' ? Object.keys(contenders) : [id]) merge(all, await measureApart(file, part));
    if (file === 'memory') console.log(asText({ g: all['g']!, idle: all['idle']! }));
  }
  return all;
}

async function measureApart(file: string, id: string): Promise<Measurements> {
  const child = fork(new URL('child.js', import.meta.url), [file, id, mode.name], {
    execArgv: ['--expose-gc'],
    serialization: 'advanced',
    timeout: TIME_LIMIT,
  });
  const exited = once(child, 'exit');
  const [answer] = (await Promise.race([once(child, 'message'), exited])) as [Measurements | number | null];
  await exited;
  if (answer === null || typeof answer === 'number') throw new Error(`${file} ${id} has ended with ${answer}`);
  if (file !== 'memory') console.log(asText(answer));
  return answer;
}

/** Adds measurements, and outcomes to measurements that are there. */
function merge(all: Measurements, added: Measurements): void {
  for (const [id, measurement] of Object.entries(added)) {
    const known = (all[id] ??= { ...measurement, outcomes: {} });
    Object.assign(known.outcomes, measurement.outcomes);
  }
}

function judge(found: string[]): void {
  for (const complaint of found) console.error(complaint);
  console.log(found.length === 0 ? 'All results and counts are as they should be.' : `${found.length} are not.`);
  process.exitCode = found.length === 0 ? 0 : 1;
}
