import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect } from 'chai';
import { Client } from 'pg';

import { order, writeOrders } from '../servers/orders.ts';
import { startPostgres } from '../servers/postgres.ts';
import { type Ended, HANGS_AFTER, start } from './running.ts';

describe('07-database-import', function () {
  this.timeout(HANGS_AFTER);
  let folder: string;
  let file: string;
  let client: Client;
  let url: string;
  let stop: (() => Promise<void>) | undefined;

  const run = (...args: string[]) => start('07-database-import.ts', args, { DATABASE_URL: url });

  async function count(query: string): Promise<number> {
    const { rows } = await client.query<{ count: string }>(`select count(*) ${query}`);
    return Number(rows[0]!.count);
  }

  const imported = () => count('from buffered_pipeline_imports');
  const sessions = (condition = 'true') =>
    count(`from pg_stat_activity where application_name like 'database-import%' and ${condition}`);

  async function expectNothingLeft(): Promise<void> {
    expect(await imported()).to.equal(0);
    expect(await sessions()).to.equal(0);
  }

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'database-import-test-'));
    file = join(folder, 'orders.csv.gz');
    const postgres = await startPostgres();
    ({ url, stop } = postgres);
    client = new Client(url);
    await client.connect();
  });
  beforeEach(async () => {
    if (await count(`from pg_class where relname = 'buffered_pipeline_imports'`))
      await client.query('truncate buffered_pipeline_imports');
  });
  after(async () => {
    await client?.end();
    await stop?.();
    await rm(folder, { recursive: true });
  });

  it('imports all rows of a file, the last batch of which is not full', async () => {
    await writeOrders(file, 2_500);
    expect(await run(file).ended).to.include({ code: 0, errors: '' });
    const sum = 'where id between 1 and 2500 and customer = 1 + id % 1000 and amount = id % 500 + 0.5';
    expect(await count(`from buffered_pipeline_imports ${sum}`)).to.equal(2_500);
    expect(await imported()).to.equal(2_500);
  });

  describe('without a file', () => {
    let result: Ended;
    before(async () => {
      result = await run().ended;
    });

    it('imports as many rows in each way', () => {
      expect(result).to.include({ code: 0, errors: '' });
      expect(result.lines[5]).to.match(/^unbuffered: 100000 rows in \d+\.\d\d s$/);
      expect(result.lines[11]).to.match(/^Readable\.from\(\): 100000 rows in \d+\.\d\d s$/);
      expect(result.lines[17]).to.match(/^buffered: 100000 rows in \d+\.\d\d s$/);
    });

    it('prints that buffering saves time', () => {
      expect(
        Number(/^to unbuffered: buffered (\d\.\d\d), Readable\.from\(\) \d\.\d\d$/.exec(result.lines[18]!)?.[1]),
      ).to.be.below(0.85);
    });

    it('leaves no table or view behind', async () => {
      expect(await count(`from pg_class where relname like 'buffered_pipeline%'`)).to.equal(0);
    });
  });

  const badRows: Record<string, [row: string, complaint: string]> = {
    'breaks a rule': ['3100,7,12,2024-12-31', 'line 3101: "amount" must be a number with two decimals, got "12"'],
    'names no customer that there is': ['3100,1001,12.50,2024-12-31', 'line 3101: there is no customer 1001'],
    'is refused by the database': ['17,7,12.50,2024-12-31', 'line 3101: Key (id)=(17) already exists.'],
    'lacks a column': ['3100,7,12.50', 'Invalid Record Length: columns length is 4, got 3 on line 3101'],
  };
  for (const [what, [row, complaint]] of Object.entries(badRows))
    it(`says which line it is that ${what}, and imports nothing`, async () => {
      await writeOrders(file, 5_000, (id) => (id === 3_100 ? row : order(id)));
      const { code, errors } = await run(file).ended;
      expect(errors).to.equal(`Nothing was imported: ${complaint}\n`);
      expect(code).to.equal(1);
      await expectNothingLeft();
    });

  it('says which file is not there', async () => {
    const { code, errors } = await run(join(folder, 'nowhere.csv.gz')).ended;
    expect(errors).to.match(/^Nothing was imported: ENOENT.*nowhere\.csv\.gz'\n$/);
    expect(code).to.equal(1);
  });

  describe('on Ctrl-C', () => {
    async function expectInterrupted(ended: Promise<Ended>): Promise<void> {
      const { code, errors, lines } = await ended;
      expect(errors).to.equal('Nothing was imported: interrupted\n');
      expect(code).to.equal(130);
      expect(lines.at(-1)).to.match(/^Rolling back\. /);
      await expectNothingLeft();
    }

    it('rolls back what has been copied, and leaves no session', async () => {
      await writeOrders(file, 200_000);
      const example = run(file);
      await example.line(/^ {2}20000 rows$/);
      expect(await sessions()).to.be.above(0);
      example.process.kill('SIGINT');
      await expectInterrupted(example.ended);
    });

    it('does not hang where the server waits for a lock', async function () {
      this.timeout(60_000);
      await writeOrders(file, 5_000);
      await run(file).ended; // Makes the table, in case.
      await client.query('truncate buffered_pipeline_imports');
      const locker = new Client(url);
      await locker.connect();
      await locker.query('begin; lock table buffered_pipeline_imports in exclusive mode');
      const example = run(file);
      while ((await sessions(`wait_event_type = 'Lock' and query like 'copy%'`)) === 0);
      example.process.kill('SIGINT');
      await example.ended;
      await locker.end();
      await expectInterrupted(example.ended);
    });
  });
});
