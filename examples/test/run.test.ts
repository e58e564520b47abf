import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect } from 'chai';

import { HANGS_AFTER, start } from './running.ts';

describe('npm run example', function () {
  this.timeout(HANGS_AFTER);

  for (const [args, got] of [
    [[], 'nothing'],
    [['77'], '77'],
    [['constructor'], 'constructor'],
  ] as const)
    it(`says which numbers there are when it gets ${got}`, async () => {
      const { code, lines, errors } = await start('run.ts', [...args], {}).ended;
      expect(errors).to.match(/^The number of an example must be one of 01, 02, 03, /);
      expect(errors).to.include(`, got ${got}: `);
      expect({ code, lines }).to.deep.equal({ code: 1, lines: [] });
    });

  it('runs an example that needs no server', async () => {
    const { code, lines, errors } = await start('run.ts', ['03'], {}).ended;
    expect({ code, errors }).to.deep.equal({ code: 0, errors: '' });
    expect(lines.at(-1)).to.equal('  reader: out of the block');
  });

  it('uses the server that is named, instead of starting one', async () => {
    const { code, lines, errors } = await start('run.ts', ['07'], { DATABASE_URL: 'postgres://127.0.0.1:1/none' })
      .ended;
    expect({ code, lines }).to.deep.equal({ code: 1, lines: [] });
    expect(errors).to.include('ECONNREFUSED');
  });

  it('starts a server, hands Ctrl-C on to the example, and then stops the server', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'run-test-'));
    await chmod(folder, 0o755); // The server's user, who is not root, has to get at its own folder in it.
    const example = start('run.ts', ['07'], { DATABASE_URL: '', TMPDIR: folder });
    await example.line(/^ {2}20000 rows$/);
    const started = (await readdir(folder)).filter((name) => name.startsWith('postgres-'));
    example.process.kill('SIGINT');
    const { code, lines, errors } = await example.ended;
    const left = (await readdir(folder)).filter((name) => name.startsWith('postgres-'));
    await rm(folder, { recursive: true });
    expect(lines[0]).to.equal('Starting PostgreSQL for this example. Set DATABASE_URL to use your own.');
    expect(errors).to.equal('Nothing was imported: interrupted\n');
    expect({ code, started: started.length, left: left.length }).to.deep.equal({ code: 130, started: 1, left: 0 });
  });
});
