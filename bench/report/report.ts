/** Fills docs/benchmarks.md and the figures of the README, and makes their pictures, of the results that are kept. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { OURS, UNBUFFERED } from '../contenders.ts';
import type { Outcome } from '../measurement.ts';
import { readAll, type Results, ROOT } from '../results.ts';
import { growthChart, ratioChart } from './charts.ts';
import { fill } from './documents.ts';
import { growthTable, table } from './tables.ts';

/** Which measurements stand in the columns of each table. */
const TABLES: Record<string, Record<string, string>> = {
  speed: {
    a1: 'never wait, size 1',
    a16: 'never wait, size 16',
    b: 'wait a `setImmediate`',
    c: '2 µs of CPU work',
    d: 'build, 10 values',
    e: 'build, take 3, `break`',
    many: '5,000 at once',
  },
  schedule: {
    f: '10 ms, size 1',
    f1: '1/19 ms, size 1',
    f4: '1/19 ms, size 4',
    f16: '1/19 ms, size 16',
    h: '8 ms reader',
    'h-inner': '8 ms reader, the step reads a stage',
    ahead1: 'yielded, size 1',
    ahead16: 'yielded, size 16',
  },
  map: {
    m1: 'never wait, 1 call',
    m8: 'never wait, 8 calls',
    m64: 'never wait, 64 calls',
    'map-equal': 'equal times',
    'map-random': 'random times',
    'map-slow': 'one in 20 slow',
    'map-source': 'random times, slow source',
    'map-ahead1': 'yielded, 1 call',
    'map-ahead8': 'yielded, 8 calls',
  },
  behaviour: {
    'map-error-kept': 'values before a failed call are kept',
    'map-error-itself': 'its error itself is told',
    'map-error-falsy': '`undefined`, too',
    'map-error-closed': 'the source is closed',
    'map-error-aborted': 'other calls are told',
    'map-source-kept': 'the same for a failed source',
    'map-break-closed': '`break` closes the source',
    'map-break-waits': 'and waits for it',
    'map-break-aborted': 'calls are told',
    'map-break-stops': 'the source is asked for no more',
    'map-quiet': 'no unhandled rejection',
  },
  memory: {
    idle: 'not read yet',
    running: 'source and reader wait',
    blocked: 'reader holds a value',
    g: 'growth, MB',
  },
  allocation: {
    'bytes-pipeline': 'three stages, 10 values',
    'bytes-stage': 'a stage more',
    'bytes-value': 'a value and stage more',
  },
  streams: Object.fromEntries(
    [
      [1, 1],
      [16, 1],
      [1, 3],
      [16, 3],
    ].flatMap(([size, stages]) =>
      ['data', 'pipeline'].map((how) => [
        `i-${how}-${size}-${stages}`,
        `${how}, size ${size}, ${stages} stage${stages === 1 ? '' : 's'}`,
      ]),
    ),
  ),
  counts: {
    'promises-waits': 'promises, reader waits',
    'ticks-waits': 'ticks, reader waits',
    'promises-ready': 'promises, value ready',
    'ticks-ready': 'ticks, value ready',
  },
  'map-counts': { 'promises-m1': '1 call', 'promises-m8': '8 calls', 'promises-m64': '64 calls' },
  observed: {
    s1: 'size 1',
    s16: 'size 16',
    's-reads-waits': 'clock reads, reader waits',
    's-reads-ready': 'clock reads, value ready',
  },
};

/** In the README: between this mark and `<!-- end -->`. */
const FIGURES = 'figures: made by npm run bench';

export function writeReport(): void {
  const all = readAll();
  const newest = all.at(-1);
  if (newest === undefined) throw new Error('No results are kept: run "npm run bench" first');
  writeFileSync(join(ROOT, 'docs', 'benchmarks.svg'), ratioChart(newest));
  writeFileSync(join(ROOT, 'docs', 'growth.svg'), growthChart(newest));
  const tables = Object.entries(TABLES).map(([name, columns]) => [`table: ${name}`, table(all, columns)]);
  fill('docs/benchmarks.md', {
    machine: `${all.map(({ node }) => node).join(', ')}, in this order. Machine: ${newest.machine}.`,
    ...(Object.fromEntries(tables) as Record<string, string>),
    'table: growth': (['stages', 'size', 'pipelines'] as const).map((axis) => growthTable(newest, axis)).join('\n\n'),
  });
  if (readFileSync(join(ROOT, 'README.md'), 'utf8').includes(FIGURES))
    fill('README.md', { [FIGURES]: figures(newest) });
}

/** A sentence with three figures. */
export function figures({ node, measurements }: Results): string {
  const of = (id: string, name: string): Extract<Outcome, { value: number }> => {
    const outcome = measurements[id]?.outcomes[name];
    if (outcome === undefined || 'failure' in outcome)
      throw new Error(`No result of ${id} for ${name} is kept: run "npm run bench -- ${id}"`);
    return outcome;
  };
  const hops = 3 * measurements['a1']!.count!;
  const microseconds = ((of('a1', OURS).ms! - of('a1', UNBUFFERED).ms!) * 1000) / hops;
  const short = of('d', OURS).value;
  const sooner = of('f', UNBUFFERED).value / of('f', OURS).value;
  return (
    `On Node.js ${node}, a value that passes a buffered step costs ${microseconds.toFixed(2)} µs more than one that passes a plain ` +
    `generator. A pipeline that is built for ten values takes ${short.toFixed(1)} times as long as the plain chain, where no step ` +
    `waits for anything. Three steps that wait 10 ms each are done with 50 values ${sooner.toFixed(1)} times as fast.`
  );
}
