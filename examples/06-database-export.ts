/**
 * Exports a table: rows from PostgreSQL -> each completed by a call to a slow service -> CSV -> gzip -> a file, through
 * `stream.pipeline`. Then once more, with the service going down on the way. The table and the service are made for it.
 *
 * The calls take the time: half an hour, one after the other. `map` makes many at once and keeps the order of the rows.
 * When a call fails, the rows before it still arrive, and are in a file that can be read; the query is closed on the
 * server, and its connection goes back to the pool.
 *
 * Run: npm run example 06. On a server of your own, after npm run build:
 * DATABASE_URL=postgres://… node --import tsx examples/06-database-export.ts [folder for the files]
 */
import { setMaxListeners } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';

import { bufferedPipeline } from 'buffered-pipeline';
import { stringify } from 'csv-stringify';
import QueryStream from 'pg-query-stream';
import { Pool } from 'undici';

import { interruption } from './ending.ts';
import { openDatabase } from './servers/database.ts';
import { startPriceService } from './servers/prices.ts';

const ROWS = 100_000;
const ROWS_UNBUFFERED = 200;
const DOWN_AT = 40_000;
const CALLS_AT_ONCE = 128;
const PROGRESS_EVERY = 10_000;

interface Order {
  id: number;
  customer: string;
  note: string;
}
type Orders = AsyncIterable<Order & { price: number }>;

const database = openDatabase('database-export');
const service = await startPriceService();
const prices = new Pool(service.origin, { connections: CALLS_AT_ONCE });

/** However this is left, the query is closed, by `yield*`, and then the connection is given back. */
async function* orders(limit: number): AsyncGenerator<Order> {
  const client = await database.connect();
  try {
    const query = 'select id, customer, note from buffered_pipeline_orders order by id limit $1';
    yield* client.query(new QueryStream(query, [limit], { batchSize: 500 }));
  } finally {
    client.release();
  }
}

async function priced(order: Order, signal?: AbortSignal) {
  try {
    const response = await prices.request({ method: 'GET', path: `/prices/${order.id}`, signal });
    return { ...order, price: ((await response.body.json()) as { price: number }).price };
  } catch (cause) {
    throw new Error(`Row ${order.id} got no price: ${(cause as Error).message}`, { cause });
  }
}

async function* unbuffered(): Orders & AsyncGenerator {
  for await (const order of orders(ROWS_UNBUFFERED)) yield await priced(order, interruption);
}

function buffered(): Orders {
  const buffer = bufferedPipeline({ signal: interruption });
  const rows = buffer(orders(ROWS), { bufferSize: CALLS_AT_ONCE });
  // The signal of the stage, so that calls under way end with it. That of `map` does not abort when the stage is destroyed.
  const calls = ({ signal }: { signal: AbortSignal }) => {
    setMaxListeners(0, signal); // All calls share it: more listeners than Node's limit of ten are no leak here.
    return rows.map((order) => priced(order, signal), { concurrency: CALLS_AT_ONCE });
  };
  return buffer(calls, { bufferSize: CALLS_AT_ONCE });
}

/** Ends the file properly in front of an error, so that what came before can be read, and then throws it. */
async function exportTo(file: string, source: Orders): Promise<number> {
  const start = performance.now();
  let count = 0;
  let failure: unknown;
  const rowsPerSecond = () => Math.round((1000 * count) / (performance.now() - start));
  async function* untilFailure() {
    try {
      for await (const order of source) {
        yield order;
        if (++count % PROGRESS_EVERY === 0) console.log(`  ${count} rows, ${rowsPerSecond()}/s, ${memory()}`);
      }
    } catch (error) {
      failure = error;
    }
  }
  await pipeline(untilFailure, stringify({ header: true }), createGzip(), createWriteStream(file));
  console.log(`  ${count} rows, ${rowsPerSecond()}/s, are in ${file}`);
  if (failure !== undefined) throw failure;
  return rowsPerSecond();
}

function memory(): string {
  return `${Math.round(process.memoryUsage.rss() / 2 ** 20)} MB`;
}

/** What is left of an export: queries that the server still works on, connections that the pool does not have back. */
async function leftovers(): Promise<string> {
  const query = `select count(*) from pg_stat_activity
    where application_name = current_setting('application_name') and state <> 'idle' and pid <> pg_backend_pid()`;
  const { rows } = await database.query<{ count: string }>(query);
  return `${rows[0]!.count} queries at work, ${database.idleCount} of ${database.totalCount} connections given back`;
}

const folder = process.argv[2] ?? (await mkdtemp(join(tmpdir(), 'database-export-')));
try {
  await database.query(`drop table if exists buffered_pipeline_orders;
    create unlogged table buffered_pipeline_orders as
      select id, 'customer ' || id % 1000 as customer, repeat('as discussed, ', 60) as note
      from generate_series(1, ${ROWS}) as id;
    alter table buffered_pipeline_orders add primary key (id)`);

  console.log(`unbuffered, one call after the other, ${ROWS_UNBUFFERED} of the rows:`);
  const before = await exportTo(join(folder, 'unbuffered.csv.gz'), unbuffered());
  console.log(`buffered, ${CALLS_AT_ONCE} calls at once, all rows:`);
  const after = await exportTo(join(folder, 'buffered.csv.gz'), buffered());
  console.log(`buffered / unbuffered: ${(after / before).toFixed(1)} times the rows per second`);

  console.log(`buffered, and the service goes down at row ${DOWN_AT}:`);
  service.goDownAt(DOWN_AT);
  const error = await exportTo(join(folder, 'failed.csv.gz'), buffered()).catch((reason: Error) => reason);
  console.log(`  ${String(error)}`);
  console.log(`  ${await leftovers()}`);
} finally {
  await database.query('drop table if exists buffered_pipeline_orders');
  await database.end();
  await prices.close();
  service.stop();
}
