/** A PostgreSQL cluster of its own, for as long as a program or a test needs it. */
import { execFile, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { chown, mkdtemp, readFile, realpath } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

import { onExit } from 'signal-exit';

import { findProgram } from './program.ts';

const run = promisify(execFile);

const FOLDERS = ['/usr/lib/postgresql/*/bin', '/opt/homebrew/opt/postgresql@*/bin', '/usr/local/opt/postgresql@*/bin'];
const HANGS_AFTER = 60_000;

/** What the programs of PostgreSQL are run with: in a folder that their user may read, as a user that is not root. */
interface Options {
  cwd: string;
  timeout: number;
  uid?: number;
  gid?: number;
}

/**
 * Starts PostgreSQL on a free port of 127.0.0.1, with its files in a temporary folder. Anybody on this machine can log in,
 * and nothing is kept: it is for examples and tests. Also ends when this process does, by itself or by a signal.
 */
export async function startPostgres(): Promise<{ url: string; stop(): Promise<void> }> {
  // The one on PATH may be a link; the three programs have to be of one version.
  const programs = dirname(await realpath(await findProgram('initdb', 'postgresql', FOLDERS)));
  const folder = await mkdtemp(join(tmpdir(), 'postgres-'));
  const options: Options = { cwd: folder, timeout: HANGS_AFTER, ...(await ownerOf(folder)) };
  const data = join(folder, 'data');
  const stopArguments = ['stop', '-D', data, '-m', 'immediate'];
  const remove = () => rmSync(folder, { recursive: true, force: true });
  const stopNow = () => {
    execFileSync(join(programs, 'pg_ctl'), stopArguments, { ...options, stdio: 'ignore' });
    remove();
  };
  try {
    await run(
      join(programs, 'initdb'),
      ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '-N'],
      options,
    );
    const port = await freePort();
    await start(join(programs, 'pg_ctl'), data, port, options);
    const forget = onExit(stopNow);
    const stop = async () => {
      forget();
      await run(join(programs, 'pg_ctl'), stopArguments, options);
      remove();
    };
    return { url: `postgres://postgres@127.0.0.1:${port}/postgres`, stop };
  } catch (error) {
    remove();
    throw error;
  }
}

/** PostgreSQL does not run as root; its package makes a user for it, who then has to own the folder. */
async function ownerOf(folder: string): Promise<{ uid?: number; gid?: number }> {
  if (process.getuid?.() !== 0) return {};
  const [uid, gid] = await Promise.all([idOfPostgres('-u'), idOfPostgres('-g')]);
  await chown(folder, uid, gid);
  return { uid, gid };
}

async function idOfPostgres(which: '-u' | '-g'): Promise<number> {
  const { stdout } = await run('id', [which, 'postgres']).catch((cause: unknown) => {
    throw new Error('PostgreSQL does not run as root, and there is no user "postgres" to run it as', { cause });
  });
  return Number(stdout);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Waits until it answers. pg_ctl puts it into a process group of its own: a Ctrl-C in the terminal is not for it. */
async function start(pgCtl: string, data: string, port: number, options: Options): Promise<void> {
  const log = join(data, 'server.log');
  const settings = `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off`;
  try {
    await run(pgCtl, ['start', '-w', '-D', data, '-l', log, '-o', settings], options);
  } catch (cause) {
    const said = await readFile(log, 'utf8').catch(() => 'It left no log.');
    throw new Error(`PostgreSQL did not start. ${said.trim()}`, { cause });
  }
}
