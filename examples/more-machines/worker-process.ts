/** A worker in a process of its own, as it would be on a machine of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { text } from 'node:stream/consumers';

const program = fileURLToPath(new URL('../10-more-machines.ts', import.meta.url));

/** What the steps of a worker's chain are wrapped in: `readable` is `Readable.from()`. */
export const MODES = ['buffered', 'unbuffered', 'readable'] as const;
export type Mode = (typeof MODES)[number];

export function isMode(mode: string): mode is Mode {
  return (MODES as readonly string[]).includes(mode);
}

export interface WorkerProcess {
  readonly pid: number;
  /** Ends it, and returns what it has printed. Rejects if it fails. */
  stop(): Promise<string>;
  /** Ends it as a machine that loses power does. */
  kill(): Promise<void>;
}

export async function startWorker(mode: Mode): Promise<WorkerProcess> {
  const worker = spawn(process.execPath, ['--import', 'tsx', program, 'worker', mode], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(worker, 'spawn');
  const output = text(worker.stdout);
  const end = async (signal: NodeJS.Signals) => {
    if (!hasEnded(worker)) {
      worker.kill(signal);
      await once(worker, 'exit');
    }
  };
  return {
    pid: worker.pid!,
    async stop() {
      await end('SIGTERM');
      if (worker.exitCode !== 0)
        throw new Error(`worker ${worker.pid} ended with ${worker.exitCode ?? worker.signalCode}`);
      return output;
    },
    kill: () => end('SIGKILL'),
  };
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}
