/** Runs an example as its user does, in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** Several times what the slowest takes, on a machine that has other things to do. */
export const HANGS_AFTER = 300_000;

export interface Running {
  process: ChildProcess;
  /** Resolves with the first line that matches, as soon as it is printed. Rejects if the example ends without it. */
  line(pattern: RegExp): Promise<string>;
  ended: Promise<Ended>;
}

export interface Ended {
  /** The exit code, or the signal that ended it. */
  code: number | NodeJS.Signals;
  lines: string[];
  /** What it wrote to stderr. */
  errors: string;
}

export function start(program: string, args: string[], env: Record<string, string>): Running {
  const child = spawn(process.execPath, ['--import', 'tsx', `examples/${program}`, ...args], {
    cwd: root,
    env: { ...process.env, ...env },
    timeout: HANGS_AFTER,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  let errors = '';
  const output = createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const ended = once(child, 'close').then(([code, signal]): Ended => ({ code: code ?? signal, lines, errors }));
  return {
    process: child,
    ended,
    line: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (line: string) => pattern.test(line) && resolve(line);
        lines.forEach(look);
        output.on('line', look);
        void ended.then(() => reject(new Error(`No line matches ${pattern}:\n${lines.join('\n')}\n${errors}`)));
      }),
  };
}
