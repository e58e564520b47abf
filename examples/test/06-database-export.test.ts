import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createGunzip } from 'node:zlib';

import { expect } from 'chai';
import { Client } from 'pg';

import { startPostgres } from '../servers/postgres.ts';
import { type Ended, HANGS_AFTER, start } from './running.ts';

/** In MB: less than 80,000 rows would take if they were kept, more than what the collector leaves lying about. */
const FLAT = 50;

/** The sessions of the example that are in the middle of something. */
async function busySessions(url: string): Promise<string[]> {
  const client = new Client(url);
  await client.connect();
  try {
    const { rows } = await client.query<{ query: string }>(
      `select query from pg_stat_activity where application_name like 'database-export%' and state = 'active'`,
    );
    return rows.map((row) => row.query);
  } finally {
    await client.end();
  }
}

/** How many rows the file holds from the first on: complete, in order, and with their prices. */
async function countRows(file: string): Promise<number> {
  let count = -1; // The first line names the columns.
  for await (const line of createInterface({ input: createReadStream(file).pipe(createGunzip()) })) {
    count++;
    if (count === 0) expect(line).to.equal('id,customer,note,price');
    else if (!(line.startsWith(`${count},customer ${count % 1000},"as`) && line.endsWith(`,${count / 4}`)))
      throw new Error(`Row ${count} of ${file} is ${line}`);
  }
  return count;
}

function figure(line: string | undefined, pattern: RegExp): number {
  return Number(pattern.exec(line ?? '')?.[1]);
}

describe('06-database-export', function () {
  this.timeout(HANGS_AFTER);
  let folder: string;
  let stop: (() => Promise<void>) | undefined;
  let result: Ended;
  let busyMeanwhile: string[];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'database-export-test-'));
    const postgres = await startPostgres();
    stop = postgres.stop;
    const example = start('06-database-export.ts', [folder], { DATABASE_URL: postgres.url });
    await example.line(/^pMapIterable\(\): /);
    await example.line(/^ {2}30000 rows/);
    busyMeanwhile = await busySessions(postgres.url);
    result = await example.ended;
  });
  after(async () => {
    await stop?.();
    await rm(folder, { recursive: true });
  });

  it('ends well and has nothing to complain of', () => {
    expect(result).to.include({ code: 0, errors: '' });
  });

  it('exports all rows, with their prices, in order', async () => {
    expect(await countRows(join(folder, 'one-at-a-time.csv.gz'))).to.equal(200);
    for (const other of ['Readable-from-map', 'pMapIterable'])
      expect(await countRows(join(folder, `${other}-.csv.gz`))).to.equal(20_000);
    expect(await countRows(join(folder, 'buffer-map-.csv.gz'))).to.equal(100_000);
  });

  it('prints that many calls at once get many times the rows through, in each way', () => {
    for (const way of ['Readable.from().map()', 'pMapIterable()', 'buffer.map()']) {
      const line = result.lines.find((text) => text.startsWith(way));
      expect(figure(line, /, (\d+) times as many$/)).to.be.above(8);
    }
  });

  it('takes no more memory for 100,000 rows than for 20,000', () => {
    const end = result.lines.findIndex((line) => line.startsWith('buffer.map()'));
    const sizes = result.lines.slice(end - 10, end).map((line) => figure(line, /^ {2}\d+0000 rows, \d+\/s, (\d+) MB$/));
    expect(sizes).to.have.lengthOf(10);
    expect(Math.max(...sizes.slice(2)) - sizes[1]!).to.be.below(FLAT);
  });

  it('leaves a readable file with all rows before the one that fails', async () => {
    expect(await countRows(join(folder, 'buffer-map-failed.csv.gz'))).to.equal(9_999);
  });

  it('says which row failed, and leaves no query at work on the server and no connection out of the pool', () => {
    expect(busyMeanwhile).to.have.lengthOf(1);
    expect(result.lines.at(-2)).to.equal(
      'buffer.map(): 9999 rows, Row 10000 got no price: other side closed, ' +
        '0 queries at work, 1 of 1 connections given back',
    );
  });
});

it('06-database-export ends by a Ctrl-C, drops its table and says which files are left', async function () {
  this.timeout(HANGS_AFTER);
  const { url, stop } = await startPostgres();
  const folder = await mkdtemp(join(tmpdir(), 'database-export-test-'));
  try {
    const example = start('06-database-export.ts', [folder], { DATABASE_URL: url });
    await example.line(/^ {2}10000 rows/);
    example.process.kill('SIGINT');
    const { code, lines, errors } = await example.ended;
    expect({ code, errors }).to.deep.equal({ code: 130, errors: 'Stopped: interrupted by SIGINT\n' });
    expect(lines.at(-1)).to.equal(`The files written so far are in ${folder}`);
    const client = new Client(url);
    await client.connect();
    const { rows } = await client.query(`select from pg_class where relname = 'buffered_pipeline_orders'`);
    await client.end();
    expect(rows).to.deep.equal([]);
  } finally {
    await stop();
    await rm(folder, { recursive: true });
  }
});

it('06-database-export says which variable names the server', async () => {
  const { code, errors } = await start('06-database-export.ts', [], { DATABASE_URL: '' }).ended;
  expect(code).to.equal(1);
  expect(errors).to.include('"DATABASE_URL" must name a server');
});
