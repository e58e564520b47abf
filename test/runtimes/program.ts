/** Programs that run for a limited time. */
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';

export interface Ran {
  stdout: string;
  stderr: string;
  /** Whether it had to be ended, with all that it started. */
  hung: boolean;
  seconds: number;
}

export interface Limits {
  cwd: string;
  env?: NodeJS.ProcessEnv;
  /** How long it may take. */
  milliseconds: number;
}

/** Runs a program to its end, or for as long as it may take. */
export async function run(binary: string, args: string[], { cwd, env, milliseconds }: Limits): Promise<Ran> {
  const started = performance.now();
  const child = spawn(binary, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const gone = new Promise<void>((resolve, reject) => child.once('error', reject).once('exit', () => resolve()));
  let hung = false;
  const limit = setTimeout(() => {
    hung = true;
    process.kill(-child.pid!, 'SIGKILL');
  }, milliseconds);
  try {
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), gone]);
    return { stdout, stderr, hung, seconds: Math.round((performance.now() - started) / 1000) };
  } finally {
    clearTimeout(limit);
  }
}
