/** What the tests of the examples share. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { assert } from 'chai';

const root = new URL('..', import.meta.url);

/** For the time limits of mocha, which must be longer: a run that hangs is ended, and says what it printed. */
export const HANGS_AFTER = 30_000;

/** What an example prints, line by line. Rejects when it fails, writes to stderr, or hangs. */
export async function linesOf(example: string): Promise<string[]> {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--import', 'tsx', `examples/${example}`], {
    cwd: root,
    timeout: HANGS_AFTER,
  });
  assert.equal(stderr, '');
  return stdout.trimEnd().split('\n');
}

/** The figures in a line. */
export function figuresIn(line: string | undefined): number[] {
  return Array.from(line?.matchAll(/\d+(\.\d+)?/g) ?? [], ([figure]) => Number(figure));
}
