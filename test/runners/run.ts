/** Runs the packed package in the test runners that users have, as they are installed. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const HANGS_AFTER = 120_000;

const here = fileURLToPath(new URL('.', import.meta.url));
const root = fileURLToPath(new URL('../..', import.meta.url));

const JEST = 'node_modules/jest/bin/jest.js --ci --rootDir';
const VITEST = 'node_modules/vitest/vitest.mjs run --root vitest';
/** Vitest's own `require()` in a vm context loads no ES module, which is what Node.js resolves the package to. */
const WITHOUT_REQUIRE = 'imported.spec.mjs';

/** The arguments of Node.js, by what is tried. */
const RUNNERS = {
  'jest, in its environments node and jsdom': `${JEST} jest --testMatch **/*.spec.js`,
  'jest, with ES modules': `--experimental-vm-modules ${JEST} jest --testMatch **/*.spec.mjs`,
  'ts-jest': `${JEST} ts-jest --preset ts-jest`,
  'vitest, in threads': `${VITEST} --pool threads`,
  'vitest, in processes': `${VITEST} --pool forks`,
  'vitest, in threads with vm contexts': `${VITEST} --pool vmThreads ${WITHOUT_REQUIRE}`,
  'vitest, in processes with vm contexts': `${VITEST} --pool vmForks ${WITHOUT_REQUIRE}`,
};

/** On Windows, npm is a script. */
function npm(cwd: string, ...args: string[]): string {
  const shell = process.platform === 'win32';
  return execFileSync('npm', args, { cwd, shell, encoding: 'utf8', timeout: 300_000 });
}

/** Installs the runners, and the package as it would be published. */
function install(): void {
  const folder = mkdtempSync(join(tmpdir(), 'buffered-pipeline-'));
  try {
    const packed = npm(root, 'pack', '--silent', '--ignore-scripts', '--pack-destination', folder).trim();
    // Else npm might keep what an earlier run has installed under the same version.
    rmSync(join(here, 'node_modules/buffered-pipeline'), { recursive: true, force: true });
    const options = ['--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    npm(here, 'install', ...options, join(folder, packed));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

let passed = 0;
let failed = 0;

async function tryOut([runner, args]: [string, string]): Promise<void> {
  try {
    await promisify(execFile)(process.execPath, args.split(' '), { cwd: here, timeout: HANGS_AFTER });
    passed++;
    console.log(`${runner}: passes`);
  } catch (error) {
    failed++;
    const { message, stdout, stderr } = error as Error & { stdout: string; stderr: string };
    console.log(`${runner}: fails\n${message}\n${stdout}\n${stderr}`);
  }
}

install();
await Readable.from(Object.entries(RUNNERS)).forEach(tryOut, { concurrency: 2 });
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
