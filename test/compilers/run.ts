/**
 * Checks the declarations of the package with every version of TypeScript and of the types of Node.js, as the strictest
 * user does. Where the types of Node.js themselves do not compile, that is checked instead: no pair is left out.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

import { run } from '../runtimes/program.ts';

const HANGS_AFTER = 120_000;
const OPTIONS =
  '--noEmit --strict --exactOptionalPropertyTypes --noUncheckedIndexedAccess --skipLibCheck false --types node ' +
  '--target es2022 --lib es2022 --module nodenext';

const COMPILERS = ['5.4', '5.9', '6', '7'];
const TYPES = ['20', '22', '24', '26'];
/** With `skipLibCheck: false`, not even an empty file compiles there. */
const BROKEN = ['TypeScript 5.4 with @types/node 26'];
/** Took a `require()` of an ES module for an error, as Node.js did. */
const WITHOUT_REQUIRE = ['5.4'];

const here = fileURLToPath(new URL('.', import.meta.url));
const root = fileURLToPath(new URL('../..', import.meta.url));

/** A project that has installed the package and the types of a version of Node.js. */
function makeProject(folder: string, types: string): void {
  const modules = join(folder, 'node_modules');
  mkdirSync(join(modules, '@types'), { recursive: true });
  symlinkSync(join(here, 'node_modules', `node${types}`), join(modules, '@types/node'), 'junction');
  for (const path of ['package.json', 'dist'])
    cpSync(join(root, path), join(modules, 'buffered-pipeline', path), { recursive: true });
  for (const file of ['consumer.mts', 'consumer.cts']) cpSync(join(here, file), join(folder, file));
  writeFileSync(join(folder, 'empty.mts'), 'export {};');
}

/** What a compiler says of a file. */
async function check(folder: string, compiler: string, ...files: string[]): Promise<string> {
  const args = [join(here, `node_modules/typescript${compiler}/bin/tsc`), ...OPTIONS.split(' '), ...files];
  const { stdout, stderr, hung } = await run(process.execPath, args, { cwd: folder, milliseconds: HANGS_AFTER });
  return hung ? `did not end within ${HANGS_AFTER / 1000} s` : stdout + stderr;
}

let passed = 0;
let failed = 0;

function report(pair: string, said: string, outcome = 'passes'): void {
  if (said === '') passed++;
  else failed++;
  console.log(`${pair}: ${said === '' ? outcome : `fails\n${said}`}`);
}

async function checkPair(folder: string, compiler: string, types: string): Promise<void> {
  const pair = `TypeScript ${compiler} with @types/node ${types}`;
  if (BROKEN.includes(pair)) {
    const said = await check(folder, compiler, 'empty.mts');
    const isBroken = said.includes('error TS') && !said.includes('buffered-pipeline');
    report(pair, isBroken ? '' : `compiles by now, so it is to be checked\n${said}`, 'cannot compile an empty file');
    return;
  }
  const files = WITHOUT_REQUIRE.includes(compiler) ? ['consumer.mts'] : ['consumer.mts', 'consumer.cts'];
  report(pair, await check(folder, compiler, ...files));
}

const options = ['--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
execFileSync('npm', ['install', ...options], { cwd: here, stdio: 'inherit', timeout: 300_000 });
const projects = mkdtempSync(join(tmpdir(), 'buffered-pipeline-'));
try {
  for (const types of TYPES) makeProject(join(projects, types), types);
  const pairs = COMPILERS.flatMap((compiler) => TYPES.map((types) => ({ compiler, types })));
  const checkOne = ({ compiler, types }: (typeof pairs)[number]) => checkPair(join(projects, types), compiler, types);
  await Readable.from(pairs).forEach(checkOne, { concurrency: 2 });
} finally {
  rmSync(projects, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
