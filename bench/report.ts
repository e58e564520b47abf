/**
 * Fills what is marked in a document, `<!-- growth -->` … `<!-- end -->`, and makes pictures. Which tables a document has, and
 * the words around them, stand there: `<!-- table: a1 = size 1 | a16 = size 16 -->` has these columns of these workloads.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { growthChart, ratioChart } from './charts.ts';
import { BARE, OURS, UNBUFFERED } from './contenders.ts';
import { LOOP } from './mappers.ts';
import { readAll, type Results, ROOT } from './results.ts';
import type { Outcome, Outcomes } from './workload.ts';
import { workloads } from './workloads.ts';

/** What others are compared with: not to be had, or without buffers. */
const BASELINES = [UNBUFFERED, BARE, LOOP];
/** Of these there is no best. */
const UNJUDGED = ['values', 'yes or no'];

export function writeReport(): void {
  const all = readAll();
  const newest = all.at(-1)!;
  writeFileSync(join(ROOT, 'docs', 'benchmarks.svg'), ratioChart(newest));
  writeFileSync(join(ROOT, 'docs', 'growth.svg'), growthChart(newest));
  fill('docs/benchmarks.md', (mark) => {
    if (mark === 'machine')
      return `${all.map(({ node }) => node).join(', ')}, in this order. Machine: ${newest.machine}.`;
    const columns = mark.replace('table: ', '').split(' | ');
    return table(all, Object.fromEntries(columns.map((column) => column.split(' = '))));
  });
}

/** @param part - What stands between a mark and `<!-- end -->`. */
export function fill(path: string, part: (mark: string) => string): void {
  const file = join(ROOT, path);
  const old = readFileSync(file, 'utf8');
  const marked = /<!-- (.*) -->\n[^]*?<!-- end -->/g;
  writeFileSync(
    file,
    old.replace(marked, (_, mark: string) => `<!-- ${mark} -->\n\n${part(mark)}\n\n<!-- end -->`),
  );
  // Found on the path, where `npm run` has put it. Aligns the tables, as the check of the repository wants them.
  execFileSync('oxfmt', [file], { stdio: 'inherit' });
}

export function markdown(header: string[], rows: string[][]): string {
  const rule = header.map((_, column) => (column === 0 ? '---' : '--:'));
  return [header, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** A row for each contender, a column for each workload, and in a cell a number for each Node version. */
function table(all: Results[], columns: Record<string, string>): string {
  const ids = Object.keys(columns);
  const names = new Set(ids.flatMap((id) => all.flatMap(({ outcomes }) => Object.keys(outcomes[id] ?? {}))));
  const rank = (name: string): number => (name === OURS ? 0 : BASELINES.includes(name) ? 1 : 2);
  const rows = [...names]
    .toSorted((a, b) => rank(a) - rank(b))
    .map((name) => [name === OURS ? `**${name}**` : name, ...ids.map((id) => cell(all, id, name))]);
  return [markdown(['', ...Object.values(columns)], rows), ...notes(all, ids)].join('\n');
}

function cell(all: Results[], id: string, name: string): string {
  const { unit } = workloads[id]!;
  const texts = all.map(({ outcomes: { [id]: outcomes = {} } }) => {
    const own = text(outcomes[name], unit);
    const isJudged = own !== '–' && !BASELINES.includes(name) && !UNJUDGED.includes(unit);
    return isJudged && own === best(outcomes) ? `**${own}**` : own;
  });
  return texts.every((own) => own === texts[0]) ? texts[0]! : texts.join(' / ');
}

/** The least, as it is shown: what looks equal is equal. */
function best(outcomes: Outcomes): string {
  const values = Object.entries(outcomes).flatMap(([name, outcome]) =>
    BASELINES.includes(name) || 'failure' in outcome ? [] : [outcome.value],
  );
  return text({ value: Math.min(...values) });
}

function text(outcome: Outcome | undefined, unit = ''): string {
  if (outcome === undefined || 'failure' in outcome) return '–';
  if (unit === 'yes or no') return outcome.value === 1 ? 'yes' : '**no**';
  // Adding 0 makes a rounded -0 a 0.
  return String(Number(outcome.value.toFixed(outcome.value < 20 ? 2 : 0)) + 0);
}

/** Why contenders have no number. */
function notes(all: Results[], ids: string[]): Iterable<string> {
  const found = all.flatMap(({ outcomes }) =>
    ids.flatMap((id) =>
      Object.entries(outcomes[id] ?? {}).flatMap(([name, outcome]) =>
        'failure' in outcome ? [`- ${name}, ${workloads[id]!.title}: ${outcome.failure}.`] : [],
      ),
    ),
  );
  return found.length === 0 ? [] : ['', ...new Set(found)];
}

/** For the terminal: a line for each contender, the best first. */
export function asText(id: string, outcomes: Outcomes): string {
  const order = (outcome: Outcome): number => ('failure' in outcome ? Infinity : outcome.value);
  const lines = Object.entries(outcomes)
    .toSorted(([, a], [, b]) => order(a) - order(b))
    .map(([name, outcome]) => {
      if ('failure' in outcome) return `  ${name.padEnd(26)}${outcome.failure}`;
      const { value, low, high, ms } = outcome;
      const range = ms === undefined ? '' : `  ${low!.toFixed(3)}–${high!.toFixed(3)}${ms.toFixed(1).padStart(11)} ms`;
      return `  ${name.padEnd(26)}${Number.isNaN(value) ? 'checked' : value.toFixed(3).padStart(10) + range}`;
    });
  const { title, unit } = workloads[id]!;
  return [`\n${id}: ${title} (${unit})`, ...lines].join('\n');
}
