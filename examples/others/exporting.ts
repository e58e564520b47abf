/** What `06-database-export.ts` has around its chain: a table, a service that goes down, and files. */
import { createWriteStream } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';

import { stringify } from 'csv-stringify';
import type { Pool as Database } from 'pg';
import { Pool } from 'undici';

import { interruption } from '../ending.ts';
import { openDatabase } from '../servers/database.ts';
import { startPriceService } from '../servers/prices.ts';

const ROWS = 100_000;
/** The others get fewer rows, so that the example is over in a minute. */
const ROWS_ONE_AT_A_TIME = 200;
const ROWS_OF_OTHERS = 20_000;
const DOWN_AT = 10_000;
const CONNECTIONS = 128;
const PROGRESS_EVERY = 10_000;

export interface Order {
  id: number;
  customer: string;
  note: string;
}

/** Makes the chain that yields so many rows with their prices. */
export type Export = (limit: number) => AsyncIterable<Order & { price: number }>;

interface Servers {
  database: Database;
  prices: Pool;
}

/** Exports with each of the chains, and then with each again while the service goes down. */
export async function runExports(chains: (servers: Servers) => Record<string, Export>): Promise<void> {
  const database = openDatabase('database-export');
  const service = await startPriceService();
  const prices = new Pool(service.origin, { connections: CONNECTIONS });
  const folder = process.argv[2] ?? (await mkdtemp(join(tmpdir(), 'database-export-')));
  try {
    await createOrders(database);
    const all = Object.entries(chains({ database, prices }));
    let first: number | undefined;
    for (const [name, chain] of all) {
      const isOurs = name === all.at(-1)![0];
      const limit = isOurs ? ROWS : first === undefined ? ROWS_ONE_AT_A_TIME : ROWS_OF_OTHERS;
      const { count, perSecond } = await exportTo(folder, name, chain(limit));
      console.log(
        `${name}: ${count} rows, ${perSecond}/s${first ? `, ${Math.round(perSecond / first)} times as many` : ''}`,
      );
      first ??= perSecond;
    }
    console.log(`The service goes down at row ${DOWN_AT}:`);
    service.goDownAt(DOWN_AT);
    for (const [name, chain] of all.slice(1)) {
      const { count, failure } = await exportTo(folder, `${name} failed`, chain(ROWS));
      console.log(`${name}: ${count} rows, ${(failure as Error).message}, ${await leftovers(database)}`);
    }
  } finally {
    console.log(`The files${interruption.aborted ? ' written so far' : ''} are in ${folder}`);
    await database.query('drop table if exists buffered_pipeline_orders');
    await database.end();
    await prices.close();
    service.stop();
  }
}

async function createOrders(database: Database): Promise<void> {
  await database.query(`drop table if exists buffered_pipeline_orders;
    create unlogged table buffered_pipeline_orders as
      select id, 'customer ' || id % 1000 as customer, repeat('as discussed, ', 60) as note
      from generate_series(1, ${ROWS}) as id;
    alter table buffered_pipeline_orders add primary key (id)`);
}

/** Ends the file properly in front of an error, so that what came before can be read. */
async function exportTo(folder: string, name: string, source: AsyncIterable<Order>) {
  const start = performance.now();
  let count = 0;
  let failure: unknown;
  const perSecond = () => Math.round((1000 * count) / (performance.now() - start));
  async function* untilFailure() {
    try {
      for await (const order of source) {
        yield order;
        if (++count % PROGRESS_EVERY === 0) console.log(`  ${count} rows, ${perSecond()}/s, ${memory()}`);
      }
    } catch (error) {
      failure = error;
    }
  }
  const file = join(folder, `${name.replaceAll(/[^\w]+/g, '-')}.csv.gz`);
  await pipeline(untilFailure, stringify({ header: true }), createGzip(), createWriteStream(file), {
    signal: interruption,
  });
  return { count, perSecond: perSecond(), failure };
}

function memory(): string {
  return `${Math.round(process.memoryUsage.rss() / 2 ** 20)} MB`;
}

/** What is left of an export: queries that the server still works on, connections that the pool does not have back. */
async function leftovers(database: Database): Promise<string> {
  const query = `select count(*) from pg_stat_activity
    where application_name = current_setting('application_name') and state <> 'idle' and pid <> pg_backend_pid()`;
  const { rows } = await database.query<{ count: string }>(query);
  return `${rows[0]!.count} queries at work, ${database.idleCount} of ${database.totalCount} connections given back`;
}
