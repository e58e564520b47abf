/** The outcomes on each Node version, kept as JSON. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';
import { join } from 'node:path';

import type { Outcomes } from './workload.ts';

/** Seen from dist/, where this runs. */
export const ROOT: string = join(import.meta.dirname, '..', '..');
const FOLDER = join(ROOT, 'bench', 'results');

export interface Results {
  node: string;
  machine: string;
  /** By the id of the workload. */
  outcomes: Record<string, Outcomes>;
}

/** Adds to those of this Node version, or replaces them. */
export function keep(outcomes: Results['outcomes'], isAll: boolean): void {
  mkdirSync(FOLDER, { recursive: true });
  const node = process.versions.node;
  const [major] = node.split('.');
  const known = readAll().find((results) => results.node.startsWith(`${major}.`));
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GB, ${type()} ${release().split('-')[0]}`;
  const results: Results = { node, machine, outcomes: { ...(isAll ? {} : known?.outcomes), ...outcomes } };
  const rounded = (_key: string, value: unknown): unknown =>
    typeof value === 'number' ? Number(value.toPrecision(4)) : value;
  writeFileSync(join(FOLDER, `node-${major}.json`), `${JSON.stringify(results, rounded, 2)}\n`);
}

/** In the order of their Node versions. */
export function readAll(): Results[] {
  const files = readdirSync(FOLDER).filter((file) => file.endsWith('.json'));
  const all = files.map((file) => JSON.parse(readFileSync(join(FOLDER, file), 'utf8')) as Results);
  return all.toSorted((a, b) => Number.parseInt(a.node, 10) - Number.parseInt(b.node, 10));
}
