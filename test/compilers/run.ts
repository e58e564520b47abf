/**
 * Checks the declarations of the package with every version of TypeScript and of the types of Node.js, as the strictest
 * user does who has just called `tsc --init`, and as users do who have other module systems. Where the types of Node.js
 * themselves do not compile, that is checked instead: no pair is left out.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

import { run } from '../runtimes/program.ts';

const HANGS_AFTER = 120_000;

const COMPILERS = ['5.4', '5.9', '6', '7'];
const TYPES = ['20', '22', '24', '26'];
/** With `skipLibCheck: false`, not even an empty file compiles there. */
const BROKEN = ['TypeScript 5.4 with @types/node 26'];
/** Has no `moduleResolution: node10` any more. */
const WITHOUT_NODE10 = ['7'];
/** The other module systems are tried with these only, which all compilers can read. */
const TYPES_FOR_OTHERS = '24';
/** Let a step of `stream.pipeline` pass that takes other items, behind any source. */
const WITHOUT_STEPS = ['26'];

/** `"types": []` is what `tsc --init` writes: the package asks for the types of Node.js itself. */
const STRICT = {
  noEmit: true,
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: false,
  types: [],
  target: 'es2022',
  lib: ['es2022'],
};
const NODENEXT = { ...STRICT, module: 'nodenext' };
const BUNDLER = { ...STRICT, module: 'esnext', moduleResolution: 'bundler', lib: ['es2022', 'dom', 'dom.iterable'] };
const NODE10 = { ...STRICT, module: 'commonjs', moduleResolution: 'node10' };

const here = fileURLToPath(new URL('.', import.meta.url));
const root = fileURLToPath(new URL('../..', import.meta.url));

/** A project that has installed the package, a library, and the types of a version of Node.js. */
function makeProject(folder: string, types: string): void {
  const modules = join(folder, 'node_modules');
  mkdirSync(join(modules, '@types'), { recursive: true });
  symlinkSync(join(here, 'node_modules', `node${types}`), join(modules, '@types/node'), 'junction');
  symlinkSync(join(here, 'node_modules/p-map'), join(modules, 'p-map'), 'junction');
  for (const path of ['package.json', 'dist'])
    cpSync(join(root, path), join(modules, 'buffered-pipeline', path), { recursive: true });
  for (const file of ['consumer.mts', 'consumer.cts', 'steps.mts', 'libraries.mts'])
    cpSync(join(here, file), join(folder, file));
  writeFileSync(join(folder, 'empty.mts'), 'export {};');
}

/** What a compiler says of a project that consists of these files. */
async function check(folder: string, compiler: string, compilerOptions: object, files: string[]): Promise<string> {
  const project = mkdtempSync(join(folder, 'project-'));
  const paths = files.map((file) => join(folder, file));
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: paths }));
  const args = [join(here, `node_modules/typescript${compiler}/bin/tsc`), '--project', project];
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
    const said = await check(folder, compiler, { ...NODENEXT, types: ['node'] }, ['empty.mts']);
    const isBroken = said.includes('error TS') && !said.includes('buffered-pipeline');
    report(pair, isBroken ? '' : `compiles by now, so it is to be checked\n${said}`, 'cannot compile an empty file');
    return;
  }
  const steps = WITHOUT_STEPS.includes(types) ? [] : ['steps.mts'];
  const files = ['consumer.mts', 'consumer.cts', 'libraries.mts', ...steps];
  report(pair, await check(folder, compiler, NODENEXT, files));
  if (types !== TYPES_FOR_OTHERS) return;
  report(`${pair}, for a bundler`, await check(folder, compiler, BUNDLER, ['consumer.mts', ...steps]));
  if (WITHOUT_NODE10.includes(compiler)) return;
  const options = compiler === '6' ? { ...NODE10, ignoreDeprecations: '6.0' } : NODE10;
  report(`${pair}, with node10`, await check(folder, compiler, options, ['consumer.cts']));
}

const options = ['--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
execFileSync('npm', ['install', ...options], {
  cwd: here,
  shell: process.platform === 'win32',
  stdio: 'inherit',
  timeout: 300_000,
});
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
