/** Fills the tables of docs/buffer-size.md and makes its picture, and checks what they rest on with fewer values. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { fill } from '../report/documents.ts';
import { markdown } from '../report/tables.ts';
import { ROOT } from '../results.ts';
import { bufferSizes, CONCURRENCIES, concurrencies, FACTORS, NEEDED, type Point, type Row } from './calls.ts';
import { sizesChart } from './chart.ts';
import { experiment, LARGEST, type Result, SIZES } from './experiment.ts';

const VALUES = 1000;
/** In a check. */
const FEW = 40;
/** Columns of the first table. */
const SHOWN = [2, 4, 8, 16, 64];

export async function writeSizes(): Promise<void> {
  const results = await experiment(VALUES);
  writeFileSync(join(ROOT, 'docs', 'buffer-size.svg'), sizesChart(results));
  const tables: Record<string, string> = {
    'table: all': allTable(results),
    'table: alone': aloneTable(results),
    'table: followed': followedTable(results),
    'table: sizes of calls': callsTable(
      'times of the calls',
      FACTORS.map((factor) => `${factor * NEEDED}`),
      await bufferSizes(VALUES),
      ({ mean, blocked }) => `${mean.toFixed(1)} (${percent(blocked)})`,
    ),
    'table: concurrency': callsTable(
      'times of the source; of the calls',
      CONCURRENCIES.map(String),
      await concurrencies(VALUES),
      ({ mean, starved }) => `${mean.toFixed(1)} (${percent(starved)})`,
    ),
  };
  fill('docs/buffer-size.md', (mark) => tables[mark]);
}

/** What they rest on is checked in each run. */
export async function sizesComplaints(): Promise<string[]> {
  try {
    await experiment(FEW, 1);
    await bufferSizes(FEW, 1);
    await concurrencies(FEW, 1);
    return [];
  } catch (error) {
    return [`sizes: ${(error as Error).message}`];
  }
}

function allTable(results: Result[]): string {
  return markdown(
    ['times of the steps', 'at most', ...SHOWN.map((size) => `size ${size}`)],
    results.map(({ title, most, all }) => [
      title,
      percent(most),
      ...SHOWN.map((size) => {
        const { saved, predicted } = all[SIZES.indexOf(size)]!;
        return `${percent(saved)} (${percent(predicted)})`;
      }),
    ]),
  );
}

function aloneTable(results: Result[]): string {
  return markdown(
    ['times of the steps', 'buffer after', 'blocked', 'reader starved', 'at most', 'saved'],
    results.flatMap(({ title, alone }) =>
      alone.map(({ blocked, starved, predicted, saved }, after) => [
        title,
        `step ${after + 1}`,
        ...[blocked, starved, predicted, saved].map(percent),
      ]),
    ),
  );
}

function followedTable(results: Result[]): string {
  return markdown(
    ['times of the steps', 'sizes at the end', 'saved', `all of size ${LARGEST}`],
    results.map(({ title, followed, all }) => [
      title,
      followed.sizes,
      percent(followed.saved),
      percent(all.at(-1)!.saved),
    ]),
  );
}

function callsTable(first: string, heads: string[], rows: Row[], cell: (point: Point) => string): string {
  return markdown(
    [first, ...heads],
    rows.map(({ title, points }) => [title, ...points.map(cell)]),
  );
}

function percent(share: number): string {
  // Without the sign of a zero.
  return `${Math.abs(share * 100) < 0.5 ? 0 : Math.round(share * 100)} %`;
}
