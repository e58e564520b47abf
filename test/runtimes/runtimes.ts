/** The runtimes, as `npm install` in this folder brings them. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export type RuntimeName = 'Node.js' | 'Bun' | 'Deno';

export interface Runtime {
  name: RuntimeName;
  binary: string;
  /** Name and version, as it says itself. */
  title: string;
  /** Run a program with gc() exposed. */
  flags: string[];
  /** What runs mocha: on Node.js a program that adds the flags of .mocharc.json. */
  mocha: string;
  /** Whether the tests of memory, which take longest, are run as well: on the newest of each. */
  hasMemoryTests: boolean;
}

export const folder: string = fileURLToPath(new URL('.', import.meta.url));
export const root: string = fileURLToPath(new URL('../..', import.meta.url));

const NEWEST = 'node26';
const NODES = ['node20-oldest', 'node20', 'node22-oldest', 'node22', 'node24', NEWEST];

/** All of them; fails if one cannot be run. */
export function runtimes(): Runtime[] {
  const inProcess = 'node_modules/mocha/lib/cli/cli.js';
  const nodes = NODES.map((name) => ({
    ...found('Node.js', `${name}/bin/node`, ['--expose-gc'], 'node_modules/mocha/bin/mocha.js'),
    hasMemoryTests: name === NEWEST,
  }));
  const bun = found('Bun', 'bun/bin/bun', ['--expose-gc'], inProcess);
  const deno = found('Deno', 'deno/deno', ['run', '--allow-all', '--v8-flags=--expose-gc'], inProcess);
  return [...nodes, bun, deno];
}

function found(name: RuntimeName, path: string, flags: string[], mocha: string): Runtime {
  const binary = `${folder}node_modules/${path}`;
  const [version] = /\d+\.\d+\.\d+/.exec(execFileSync(binary, ['--version'], { encoding: 'utf8' })) ?? ['?'];
  return { name, binary, title: `${name} ${version}`, flags, mocha, hasMemoryTests: true };
}
