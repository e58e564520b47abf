/** Runs the programs of the example, and reads what they print. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { assert } from 'chai';

import { startWorker, type WorkerProcess } from '../../more-machines/worker-process.ts';

/** What a chain of three stages with a buffer of 8 holds at most, the value that its reader works on included. */
export const MOST_HELD: number = 3 * 8 + 1;
const HANGS_AFTER = 60_000;

const running = new Set<WorkerProcess>();

after(async () => {
  // Those that a failed test has left.
  await Promise.all(Array.from(running, (worker) => worker.kill()));
});

export async function startWorkers(count: number): Promise<WorkerProcess[]> {
  const workers = await Promise.all(Array.from({ length: count }, () => startWorker('buffered')));
  for (const worker of workers) running.add(worker);
  return workers;
}

/** The messages that a stopped worker says it gave back. */
export function givenBackBy(output: string): number[] {
  const [, list] =
    /given back: ([\d ]*)$/m.exec(output) ?? assert.fail(`no list in what the worker printed: ${output}`);
  return Array.from(list!.matchAll(/\d+/g), Number);
}

export function numbers(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => first + index);
}

export async function outputOf(args: string[], env?: NodeJS.ProcessEnv): Promise<string> {
  return (await run(args, env)).stdout;
}

export async function failureOf(args: string[], env?: NodeJS.ProcessEnv): Promise<string> {
  return run(args, env).then(
    () => assert.fail(`${args.join(' ')} did not fail`),
    (error: { stderr: string }) => error.stderr,
  );
}

function run(args: string[], env: NodeJS.ProcessEnv = {}) {
  const program = fileURLToPath(new URL('../../10-more-machines.ts', import.meta.url));
  const options = { env: { ...process.env, ...env }, timeout: HANGS_AFTER };
  return promisify(execFile)(process.execPath, ['--import', 'tsx', program, ...args], options);
}
