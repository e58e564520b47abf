/**
 * How the longer examples end: a Ctrl-C aborts `interruption`, which their pipelines get as their signal, so that they clean
 * up and end by an error like any other. An error that nothing catches is one line, and no stack trace.
 */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';

const controller = new AbortController();

/** Aborts when the program is to stop. Whoever asks for it a second time does not want to wait, and nothing is waited for. */
export const interruption: AbortSignal = controller.signal;

for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.once(name, () => {
    process.exitCode = 128 + constants.signals[name]; // As a shell says it of a program that a signal has ended.
    controller.abort(new Error(`interrupted by ${name}`));
  });

process.on('uncaughtException', (error: unknown) => {
  console.error(interruption.aborted ? `Stopped: ${(interruption.reason as Error).message}` : inOneLine(error));
  process.exit(interruption.aborted ? process.exitCode : 1);
});

/** A connection that is refused on each of a host's addresses has a message for each, and none of its own. */
function inOneLine(error: unknown): string {
  const { message, errors } = error as AggregateError;
  return message || errors?.map((each: Error) => each.message).join('; ') || String(error);
}

/** A folder for what a program writes. Leaving the block deletes it, and says so if the program is interrupted. */
export async function temporaryFolder(prefix: string): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), prefix));
  return {
    path,
    async [Symbol.asyncDispose]() {
      const files = await readdir(path);
      await rm(path, { recursive: true });
      if (interruption.aborted) console.log(`Deleted ${path}, files in it: ${files.length}`);
    },
  };
}
