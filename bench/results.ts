/** The measurements of each Node version, kept as JSON. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';
import { join } from 'node:path';

import type { Measurements } from './measurement.ts';

/** Seen from dist/, where this runs. */
export const ROOT: string = join(import.meta.dirname, '..', '..');
const FOLDER = join(ROOT, 'bench', 'results');

export interface Results {
  node: string;
  machine: string;
  measurements: Measurements;
}

const [major] = process.versions.node.split('.');

/** Replaces the measurements of this Node version: all of them, or those that were made. */
export function keep(measurements: Measurements, isAll: boolean): void {
  mkdirSync(FOLDER, { recursive: true });
  const known = readAll().find((results) => results.node.startsWith(`${major}.`));
  const results: Results = {
    node: process.versions.node,
    machine: describeMachine(),
    measurements: isAll ? measurements : { ...known?.measurements, ...measurements },
  };
  writeFileSync(join(FOLDER, `node-${major}.json`), `${JSON.stringify(results, rounded, 2)}\n`);
}

/** In the order of their Node versions. */
export function readAll(): Results[] {
  const files = readdirSync(FOLDER).filter((file) => file.endsWith('.json'));
  const all = files.map((file) => JSON.parse(readFileSync(join(FOLDER, file), 'utf8')) as Results);
  return all.toSorted((a, b) => Number.parseInt(a.node, 10) - Number.parseInt(b.node, 10));
}

function describeMachine(): string {
  const [processor] = cpus();
  return `${cpus().length} × ${processor?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GB, ${type()} ${release().split('-')[0]}`;
}

function rounded(_key: string, value: unknown): unknown {
  return typeof value === 'number' ? Number(value.toPrecision(4)) : value;
}
