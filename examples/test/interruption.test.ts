/** What a Ctrl-C leaves of the examples that write files. */
import { mkdir, mkdtemp, readdir, rm, watch } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect } from 'chai';

import { start } from './running.ts';

const HANGS_AFTER = 30_000;

/** An example, the folder that it makes, and what it prints when it is in the middle of its work. */
const examples = [
  ['02-pages-to-gzip.ts', 'pages-to-gzip-', undefined],
  ['04-progress.ts', 'progress-', /^files /],
  ['08-worker-threads.ts', 'accounts-', /^one thread: /],
] as const;

/** Resolves when a folder of this name is made. */
async function created(parent: string, prefix: string): Promise<void> {
  for await (const { filename } of watch(parent)) if (filename?.startsWith(prefix)) return;
}

describe('Ctrl-C', function () {
  this.timeout(HANGS_AFTER);
  let folder: string;
  before(async () => (folder = await mkdtemp(join(tmpdir(), 'interruption-test-'))));
  after(() => rm(folder, { recursive: true }));

  for (const [program, prefix, line] of examples)
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      it(`ends ${program} by ${signal}, leaves no file and says so in two lines`, async () => {
        const temporary = join(folder, program + signal);
        await mkdir(temporary);
        const making = created(temporary, prefix);
        const example = start(program, [], { TMPDIR: temporary });
        await making;
        if (line !== undefined) await example.line(line);
        example.process.kill(signal);
        const { code, lines, errors } = await example.ended;
        const left = (await readdir(temporary)).filter((name) => name.startsWith(prefix));
        expect({ code, errors, left }).to.deep.equal({
          code: signal === 'SIGINT' ? 130 : 143,
          errors: `Stopped: interrupted by ${signal}\n`,
          left: [],
        });
        expect(lines.at(-1)).to.match(/^Deleted .*, files in it: \d+$/);
      });

  it('ends 09-fetching.ts, in which requests are under way', async () => {
    const example = start('09-fetching.ts', [], {});
    await example.line(/^A later step fails:/);
    example.process.kill('SIGINT');
    const { code, errors } = await example.ended;
    expect({ code, errors }).to.deep.equal({ code: 130, errors: 'Stopped: interrupted by SIGINT\n' });
  });

  for (const [program, variable, url, complaint] of [
    ['06-database-export.ts', 'DATABASE_URL', 'postgres://127.0.0.1:1/none', /^connect ECONNREFUSED 127\.0\.0\.1:1\n$/],
    [
      '07-database-import.ts',
      'DATABASE_URL',
      'postgres://127.0.0.1:1/none',
      /^Nothing was imported: connect ECONN.*\n$/,
    ],
    ['10-more-machines.ts', 'NATS_URL', 'nats://127.0.0.1:1', /^connection refused\n$/],
  ] as const)
    it(`is not needed where a server refuses ${program}: the error is one line`, async () => {
      const { code, errors } = await start(program, [], { [variable]: url }).ended;
      expect(errors).to.match(complaint);
      expect(code).to.equal(1);
    });

  it('is not needed where the folder of 05-trace.ts is missing: the error is one line', async () => {
    const { code, errors } = await start('05-trace.ts', ['/no/folder/trace.json'], {}).ended;
    expect(errors).to.match(/^ENOENT: .*'\/no\/folder\/trace.json'\n$/);
    expect(code).to.equal(1);
  });

  it('is not needed where a folder is missing: the error is one line', async () => {
    const { code, errors } = await start('04-progress.ts', ['/no/folder'], {}).ended;
    expect({ code, errors }).to.deep.equal({
      code: 1,
      errors: "ENOENT: no such file or directory, opendir '/no/folder'\n",
    });
  });
});
