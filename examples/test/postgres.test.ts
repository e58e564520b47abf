import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';

import { expect } from 'chai';
import { Client } from 'pg';

import { startPostgres } from '../servers/postgres.ts';

/** The folder that the server keeps its data in. */
async function dataFolder(url: string): Promise<string> {
  const client = new Client(url);
  await client.connect();
  try {
    const { rows } = await client.query<{ data_directory: string }>('show data_directory');
    return rows[0]!.data_directory;
  } finally {
    await client.end();
  }
}

describe('startPostgres', function () {
  this.timeout(120_000);

  it('starts a server that answers, and stop() ends it and removes its files', async () => {
    const postgres = await startPostgres();
    const data = await dataFolder(postgres.url);
    const wasThere = existsSync(data);
    await postgres.stop();
    expect([wasThere, existsSync(data)]).to.deep.equal([true, false]);
    const error = await dataFolder(postgres.url).catch((reason: unknown) => reason);
    expect(error).to.include({ code: 'ECONNREFUSED' });
  });

  for (const signal of ['SIGINT', 'SIGTERM'])
    it(`ends the server with a process that is killed by ${signal}`, async () => {
      const module = new URL('../servers/postgres.ts', import.meta.url);
      const program = `
        const { startPostgres } = await import('${module.href}');
        console.log((await startPostgres()).url);
        process.kill(process.pid, '${signal}');
        setInterval(() => {}, 1_000);`;
      const args = ['--import', 'tsx', '--input-type=module', '--eval', program];
      const killed = await promisify(execFile)(process.execPath, args, { timeout: 60_000 }).catch(
        (error: unknown) => error,
      );
      expect(killed).to.include({ signal });
      const url = (killed as { stdout: string }).stdout.trim();
      expect(url).to.match(/^postgres:/);
      const error = await dataFolder(url).catch((reason: unknown) => reason);
      expect(error).to.include({ code: 'ECONNREFUSED' });
    });
});
