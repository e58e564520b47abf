/** Fills docs/benchmarks.md and the figures of the README, and makes their pictures, of the results that are kept. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { OURS, UNBUFFERED } from '../contenders.ts';
import type { Outcome } from '../measurement.ts';
import { readAll, type Results, ROOT } from '../results.ts';
import { axes, growthChart, ratioChart } from './charts.ts';
import { fill } from './documents.ts';
import { growthTable, table } from './tables.ts';

/** In the README: between this mark and `<!-- end -->`. */
const FIGURES = 'figures: made by npm run bench';

export function writeReport(): void {
  const all = readAll();
  const newest = all.at(-1);
  if (newest === undefined) throw new Error('No results are kept: run "npm run bench" first');
  writeFileSync(join(ROOT, 'docs', 'benchmarks.svg'), ratioChart(newest));
  writeFileSync(join(ROOT, 'docs', 'growth.svg'), growthChart(newest));
  fill('docs/benchmarks.md', (mark) => {
    if (mark === 'machine')
      return `${all.map(({ node }) => node).join(', ')}, in this order. Machine: ${newest.machine}.`;
    if (mark === 'growth') return axes.map((axis) => growthTable(newest, axis)).join('\n\n');
    return table(all, columnsOf(mark));
  });
  if (readFileSync(join(ROOT, 'README.md'), 'utf8').includes(FIGURES)) fill('README.md', () => figures(newest));
}

/** `table: a1 = size 1 | a16 = size 16`: the measurements, and what stands above them. */
function columnsOf(mark: string): Record<string, string> {
  const columns = mark.replace('table: ', '').split(' | ');
  return Object.fromEntries(columns.map((column) => column.split(' = ')));
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
