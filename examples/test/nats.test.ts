import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { assert } from 'chai';

import { startNats } from '../servers/nats.ts';

describe('startNats', () => {
  const temporaryFolder = process.env['TMPDIR'];
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'nats-test-'));
    process.env['TMPDIR'] = folder;
  });

  after(async () => {
    if (temporaryFolder === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = temporaryFolder;
    await rm(folder, { recursive: true });
  });

  /** The names of the servers' folders. What tsx keeps in the folder is not of interest. */
  const serverFolders = async () => (await readdir(folder)).filter((name) => name.startsWith('nats-'));

  it('starts a server that has streams, and stop() ends it and removes its files', async () => {
    const { url, stop } = await startNats();
    const connection = await connect({ servers: url, reconnect: false });
    const { streams } = await jetstreamManager(connection);
    await streams.add({ name: 'kept', subjects: ['kept'] });
    const [server] = await serverFolders();
    assert.isTrue(existsSync(join(folder, server!, 'jetstream', '$G', 'streams', 'kept')));
    await stop();
    await connection.closed();
    assert.isEmpty(await serverFolders());
  });

  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    it(`ends the server with a process that is ended by ${signal}`, async () => {
      const module = new URL('../servers/nats.ts', import.meta.url);
      const program = `
        const { startNats } = await import('${module.href}');
        console.log((await startNats()).url);
        setInterval(() => {}, 1_000);`;
      const args = ['--import', 'tsx', '--input-type=module', '--eval', program];
      const owner = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      const [url] = await once(owner.stdout, 'data');
      const connection = await connect({ servers: String(url).trim(), reconnect: false });
      owner.kill(signal);
      assert.deepEqual(await once(owner, 'exit'), [null, signal]);
      await connection.closed();
      assert.isEmpty(await serverFolders());
    });
});
