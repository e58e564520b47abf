/** Makes docs/benchmarks.md and its pictures of the results that are kept. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { AXES } from '../growth.ts';
import { readAll, type Results, ROOT } from '../results.ts';
import { growthChart, ratioChart } from './charts.ts';
import { updateReadme } from './readme.ts';
import { growthTable, table } from './tables.ts';

const DOCS = join(ROOT, 'docs');

/** The tables by their headings: what they say, and which measurements stand in their columns. */
const TABLES: [heading: string, text: string, columns: Record<string, string>][] = [
  [
    'Speed',
    'The time beside the same chain unbuffered: below 1 is faster than without buffers. Three stages: `yield i`, `* 2`, `+ 3`. ' +
      'Part of the differences is how far a contender runs ahead: the last two columns of the next table.',
    {
      a1: 'never wait, size 1',
      a16: 'never wait, size 16',
      b: 'wait a `setImmediate`',
      c: '2 µs of CPU work',
      d: 'build, 10 values',
      e: 'build, take 3, `break`',
    },
  ],
  [
    'Schedule',
    'The time beside the least that timers allow: three steps of 10 ms, three of 1 and 19 ms in turns, and a step of 10 ms ' +
      'whose reader computes for 8 ms. Then the values that the source of three stages has yielded while the reader holds ' +
      'the first: 4 and 49 are what was asked for.',
    {
      f: '10 ms, size 1',
      f1: '1/19 ms, size 1',
      f4: '1/19 ms, size 4',
      f16: '1/19 ms, size 16',
      h: '8 ms reader',
      'h-inner': '8 ms reader, the step reads a stage',
      ahead1: 'yielded, size 1',
      ahead16: 'yielded, size 16',
    },
  ],
  [
    'Memory',
    'How far the heap grows over 5 million values from a source that never waits, and what a stage takes before it is read.',
    { g: 'growth, MB', idle: 'idle stage, bytes' },
  ],
  ['Read as a stream', 'The time beside `Readable.from` in the same place.', streamColumns()],
  [
    'Counts',
    'Promises and `process.nextTick`s per value and stage. CI guards these.',
    {
      'promises-waits': 'promises, reader waits',
      'ticks-waits': 'ticks, reader waits',
      'promises-ready': 'promises, value ready',
      'ticks-ready': 'ticks, value ready',
    },
  ],
  [
    'Observed',
    'What statistics and subscribers of all channels cost: the time beside the same chain unbuffered, for sources that never ' +
      'wait, and how often a value and stage reads the clock.',
    {
      s1: 'size 1',
      s16: 'size 16',
      's-reads-waits': 'clock reads, reader waits',
      's-reads-ready': 'clock reads, value ready',
    },
  ],
];

function streamColumns(): Record<string, string> {
  const columns: Record<string, string> = {};
  for (const stages of [1, 3]) {
    for (const size of [1, 16]) {
      for (const how of ['data', 'pipe', 'pipeline']) {
        columns[`i-${how}-${size}-${stages}`] = `${how}, size ${size}, ${stages} stage${stages > 1 ? 's' : ''}`;
      }
    }
  }
  return columns;
}

export function writeReport(): void {
  const all = readAll();
  const newest = all.at(-1);
  if (newest === undefined) throw new Error('No results are kept: run "npm run bench" first');
  mkdirSync(DOCS, { recursive: true });
  writeFileSync(join(DOCS, 'benchmarks.svg'), ratioChart(newest));
  writeFileSync(join(DOCS, 'growth.svg'), growthChart(newest));
  const path = join(DOCS, 'benchmarks.md');
  writeFileSync(path, document(all, newest));
  // Found on the path, where `npm run` has put it. Aligns the tables, as the check of the repository wants them.
  execFileSync('oxfmt', [path, updateReadme(newest)], { stdio: 'inherit' });
}

function document(all: Results[], newest: Results): string {
  const sections = TABLES.map(([heading, text, columns]) => `## ${heading}\n\n${text}\n\n${table(all, columns)}\n`);
  const growth = Object.keys(AXES).map((axis) => growthTable(newest, axis));
  return `# Benchmarks

Made by \`npm run bench\` of [what the runs measured](../bench/results), on Node ${all.map((r) => r.node).join(', ')}.
Where a cell has several numbers, they are for these versions, in this order. The best of each is bold; those of chains
without buffers and of the bare buffer do not count. Machine: ${newest.machine}.

Each number is the median over rounds in which every contender runs right after what it is compared with, with functions of
its own, and its results are checked. A dash means that it cannot do the work; the notes say why. The
[bare buffer](../bench/bare.ts) is the least that a buffer can cost: what a package takes on top is the price of what it promises.

![Time beside the same chain unbuffered](benchmarks.svg)

${sections.join('\n')}
## Growth

Nanoseconds per value and stage on Node ${newest.node}, sources that never wait.

![Cost per value over the number of stages, their sizes, and pipelines at once](growth.svg)

${growth.join('\n\n')}
`;
}
