/** Keeps the numbers of the README those of the last run. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { type Results, ROOT } from '../results.ts';
import { table } from './tables.ts';

const PATH = join(ROOT, 'README.md');
const BEGIN = '<!-- made by npm run bench -->\n';
const END = '\n<!-- end -->';

const COLUMNS = {
  a1: 'never wait, size 1',
  b: 'wait a `setImmediate`',
  c: '2 µs of CPU work',
  d: 'build, 10 values',
  e: 'build, take 3, `break`',
  ahead1: 'yielded',
};

export function updateReadme(newest: Results): string {
  const [before, rest] = splitAt(readFileSync(PATH, 'utf8'), BEGIN);
  const [, after] = splitAt(rest, END);
  const caption = `Node ${newest.node}, ${newest.machine}.`;
  writeFileSync(PATH, `${before}${BEGIN}\n${table([newest], COLUMNS)}\n\n${caption}\n${END}${after}`);
  return PATH;
}

function splitAt(text: string, mark: string): [before: string, after: string] {
  const index = text.indexOf(mark);
  if (index < 0) throw new Error(`${PATH} must have the line ${JSON.stringify(mark.trim())}, got none`);
  return [text.slice(0, index), text.slice(index + mark.length)];
}
