/** A NATS server with JetStream of its own, for as long as a program or a test needs it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

import { connect } from '@nats-io/transport-node';
import { onExit } from 'signal-exit';

import { findProgram } from './program.ts';

/** Where Debian has it: not on the PATH of a user who is not root. */
const FOLDERS = ['/usr/sbin'];

/**
 * Starts NATS on a free port of 127.0.0.1, with its streams in a temporary folder. Nothing is kept: it is for examples and
 * tests. Also ends when this process does, by itself or by a signal.
 */
export async function startNats(): Promise<{ url: string; stop(): Promise<void> }> {
  const program = await findProgram('nats-server', 'nats-server', FOLDERS);
  const folder = await mkdtemp(join(tmpdir(), 'nats-'));
  // Port -1 has the server choose a free one, which it tells in its log.
  const server = spawn(program, ['-js', '-sd', folder, '-a', '127.0.0.1', '-p', '-1'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true, // A Ctrl-C in the terminal is for the program, which may still need the server.
  });
  const remove = () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  const forget = onExit(() => {
    server.kill('SIGKILL'); // Nobody can wait for more now.
    remove();
  });
  const stop = async () => {
    await end(server);
    remove();
    forget();
  };
  try {
    await once(server, 'spawn');
    const url = await urlOf(server.stderr);
    const connection = await connect({ servers: url });
    await connection.close();
    return { url, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Reads the log until the server is ready. */
async function urlOf(log: Readable): Promise<string> {
  const said: string[] = [];
  for await (const line of createInterface({ input: log })) {
    said.push(line);
    if (line.endsWith('Server is ready')) break;
  }
  log.resume(); // What nobody reads would fill the pipe, and the server would wait.
  const [, address] = /Listening for client connections on (\S+)/.exec(said.join('\n')) ?? [];
  if (address === undefined) throw new Error(`NATS did not start.\n${said.join('\n')}`);
  return `nats://${address}`;
}

async function end(server: ChildProcess): Promise<void> {
  if (server.pid === undefined || server.exitCode !== null || server.signalCode !== null) return;
  server.kill();
  await once(server, 'exit');
}
