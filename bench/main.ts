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

import type { Task } from './child.ts';
import { OURS } from './contenders.ts';
import { asText, writeReport } from './report.ts';
import { keep, type Results } from './results.ts';
import { checkSizes, writeSizes } from './sizes.ts';
import { WITH_STATISTICS, WITH_SUBSCRIBERS } from './throughput.ts';
import { checkTimeline, writeTimeline } from './timeline.ts';
import { type Mode, MODES, type Outcomes } from './workload.ts';
import { workloads } from './workloads.ts';

/** Milliseconds after which a workload is taken to hang. */
const TIME_LIMIT = 1_800_000;
/** A start and an end may cost some values their regular count. */
const TOLERANCE = 0.05;

const flag = { type: 'boolean' } as const;
const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: flag, check: flag, report: flag, timeline: flag, sizes: flag },
});

if (flags.timeline) await writeTimeline();
else if (flags.sizes) await writeSizes();
else if (flags.report) writeReport();
else await bench(flags.check ? MODES.check : flags.quick ? MODES.quick : MODES.full);

async function bench(mode: Mode): Promise<void> {
  const all: Results['outcomes'] = {};
  const complaints: string[] = [];
  for (const { ids, processes } of groups(asked(), mode)) {
    for (const names of processes) {
      const answers = await inProcess({ mode: mode.name, ids, names });
      for (const [id, outcomes] of Object.entries(answers)) Object.assign((all[id] ??= {}), outcomes);
    }
    for (const id of ids) {
      console.log(asText(id, all[id]!));
      complaints.push(...complaintsOf(id, all[id]!));
    }
  }
  const isAll = positionals.length === 0;
  if (mode === MODES.full) {
    keep(all, isAll);
    writeReport();
  }
  if (mode !== MODES.check) return;
  if (isAll) {
    await checkTimeline();
    await checkSizes();
  }
  for (const complaint of complaints) console.error(complaint);
  console.log(
    complaints.length === 0 ? 'All results and counts are as they should be.' : `${complaints.length} are not.`,
  );
  process.exitCode = complaints.length === 0 ? 0 : 1;
}

/** The ids that are named, or begin with a name and a dash: all of them without names. */
function asked(): string[] {
  const ids = Object.keys(workloads);
  if (positionals.length === 0) return ids;
  return positionals.flatMap((name) => {
    const found = ids.filter((id) => id === name || id.startsWith(`${name}-`));
    if (found.length === 0) throw new RangeError(`A workload is one of ${ids.join(', ')}, got ${name}`);
    return found;
  });
}

interface Group {
  ids: string[];
  /** Of each process: the contenders that it asks, if not all. */
  processes: (string[] | undefined)[];
}

/** Each workload has a process of its own. Where no time is measured, those with the same first word share one. */
function groups(ids: string[], mode: Mode): Group[] {
  const found: Record<string, Group> = {};
  for (const id of ids) {
    const { heap, names } = workloads[id]!;
    const isShared = mode === MODES.check || heap;
    const each = mode === MODES.check ? [OURS] : names;
    const processes = heap ? each.map((name) => [name]) : [undefined];
    (found[isShared ? id.split('-')[0]! : id] ??= { ids: [], processes }).ids.push(id);
  }
  return Object.values(found);
}

async function inProcess(task: Task): Promise<Results['outcomes']> {
  const child = fork(new URL('child.js', import.meta.url), [JSON.stringify(task)], {
    execArgv: ['--expose-gc', ...(workloads[task.ids[0]!]!.flags ?? [])],
    serialization: 'advanced',
    timeout: TIME_LIMIT,
  });
  const exited = once(child, 'exit');
  const [answer] = (await Promise.race([once(child, 'message'), exited])) as [Results['outcomes'] | number | null];
  await exited;
  if (answer === null || typeof answer === 'number') throw new Error(`${task.ids.join()} has ended with ${answer}`);
  return answer;
}

/** What must hold on every machine: results, behaviour, and what is counted. Times are not judged. */
function complaintsOf(id: string, outcomes: Outcomes): string[] {
  const { title, unit, atMost = Infinity, unable = [] } = workloads[id]!;
  return Object.entries(outcomes).flatMap(([name, outcome]) => {
    if ('failure' in outcome) return unable.includes(name) ? [] : [`${title}: ${name} ${outcome.failure}`];
    if (![OURS, WITH_STATISTICS, WITH_SUBSCRIBERS].includes(name)) return [];
    if (unit === 'yes or no' && outcome.value !== 1) return [`${title}: ${name} does not`];
    return outcome.value > atMost + TOLERANCE ? [`${title}: ${name} ${outcome.value}, at most ${atMost}`] : [];
  });
}
