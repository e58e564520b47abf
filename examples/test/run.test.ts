import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect } from 'chai';

import { HANGS_AFTER, start } from './running.ts';

describe('npm run example', function () {
  this.timeout(HANGS_AFTER);

  for (const [args, got] of [
    [['77'], '77'],
    [['0'], '0'],
    [['constructor'], 'constructor'],
  ] as const)
    it(`says which numbers there are when it gets ${got}`, async () => {
      const { code, lines, errors } = await start('run.ts', [...args], {}).ended;
      expect(errors).to.match(/^The number of an example must be one of 01, 02, 03, /);
      expect(errors).to.include(`, got ${got}: `);
      expect({ code, lines }).to.deep.equal({ code: 1, lines: [] });
    });

  it('lists the examples without a number', async () => {
    const { code, lines, errors } = await start('run.ts', [], {}).ended;
    const examples = (await readdir(new URL('..', import.meta.url))).filter((file) => /^\d\d-/.test(file));
    expect({ code, errors }).to.deep.equal({ code: 0, errors: '' });
    expect(lines[0]).to.equal('npm run example 01  Three slow steps');
    expect(lines).to.have.lengthOf(examples.length);
  });

  for (const number of ['03', '3'])
    it(`runs example ${number}, which needs no server`, async () => {
      const { code, lines, errors } = await start('run.ts', [number], {}).ended;
      expect({ code, errors }).to.deep.equal({ code: 0, errors: '' });
      expect(lines.at(-1)).to.equal('  reader: out of the block');
    });

  for (const [args, complaint] of [
    [['03', 'more'], 'Example 03 does not take more: npm run example 03'],
    [['06', '--help'], 'Example 06 does not take --help: npm run example 06 [folder]'],
    [['06', '/no/folder'], '"folder" must exist, got /no/folder: npm run example 06 [folder]'],
    [['7', '/no/file'], '"file.csv.gz" must exist, got /no/file: npm run example 07 [file.csv.gz]'],
    [
      ['10', 'measur'],
      '"command" must be one of measure, fill, worker, got measur: npm run example 10 [command] [argument]',
    ],
  ] as const)
    it(`refuses the arguments ${args.join(' ')} before a server is started`, async () => {
      const outcome = await start('run.ts', [...args], { DATABASE_URL: '', NATS_URL: '' }).ended;
      expect(outcome).to.deep.equal({ code: 1, lines: [], errors: `${complaint}\n` });
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
