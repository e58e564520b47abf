/**
 * Imports a file: gzip -> CSV -> batches, checked against rules and against the database -> `COPY` into PostgreSQL, all in
 * one transaction. Reading, looking up and copying go on at once, here and in two sessions of the server.
 *
 * A Ctrl-C cancels what the server is at and rolls back; a bad row rolls back, too, and the error says which line it is.
 *
 * Run: npm run example 07. On a server of your own, after npm run build:
 * DATABASE_URL=postgres://… node --import tsx examples/07-database-import.ts [file.csv.gz]
 * Without a file it makes one, and imports it unbuffered, with Node's `Readable.from()`, which reads ahead, too, and buffered.
 */
import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline as connect, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';

import { type BufferedPipeline, bufferedPipeline } from 'buffered-pipeline';
import { parse } from 'csv-parse';
import { stringify } from 'csv-stringify/sync';
import type { DatabaseError, PoolClient } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';

import { cancelStatements, openDatabase } from './servers/database.ts';
import { createTables, dropTables, writeOrders } from './servers/orders.ts';

const ROWS = 100_000;
const BATCH = 1_000;
const PROGRESS_EVERY = 20_000;
type Line = { number: number; record: Record<string, string> };

const rules: Record<string, [rule: RegExp, inWords: string]> = {
  id: [/^\d{1,9}$/, 'an integer'],
  customer: [/^\d{1,9}$/, 'an integer'],
  amount: [/^\d+\.\d\d$/, 'a number with two decimals'],
  placed: [/^\d{4}-\d\d-\d\d$/, 'a date like 2024-12-31'],
};
type Way = 'unbuffered' | 'Readable.from()' | 'buffered';

const columns = Object.keys(rules);
const database = openDatabase('database-import');
const controller = new AbortController();
const { signal } = controller;

async function* batches(file: string): AsyncGenerator<Line[]> {
  // An error of any of the three is thrown by the loop, so the callback has nothing to do.
  const parser = connect(createReadStream(file), createGunzip(), parse({ columns: true, info: true }), () => {});
  const batch: Line[] = [];
  for await (const { record, info } of parser) {
    batch.push({ number: info.lines, record });
    if (batch.length === BATCH) yield batch.splice(0);
  }
  if (batch.length > 0) yield batch;
}

async function* checked(source: AsyncIterable<Line[]>): AsyncGenerator<Line[]> {
  for await (const lines of source) {
    lines.forEach(checkRules);
    await checkCustomers(lines);
    yield lines;
  }
}

function checkRules({ number, record }: Line): void {
  for (const [column, [rule, inWords]] of Object.entries(rules))
    if (!rule.test(record[column] ?? ''))
      throw new Error(`line ${number}: "${column}" must be ${inWords}, got ${JSON.stringify(record[column])}`);
}

async function checkCustomers(lines: Line[]): Promise<void> {
  const query = `select number, customer from unnest($1::int[], $2::int[]) as line (number, customer)
    where not exists (select from buffered_pipeline_customers where id = customer) order by number limit 1`;
  const values = [lines.map(({ number }) => number), lines.map(({ record }) => record['customer'])];
  const { rows } = await database.query<{ number: number; customer: number }>(query, values);
  for (const { number, customer } of rows) throw new Error(`line ${number}: there is no customer ${customer}`);
}

async function copy(client: PoolClient, lines: Line[]): Promise<void> {
  const csv = stringify(lines.map(({ record }) => columns.map((column) => record[column])));
  const statement = `copy buffered_pipeline_imports (${columns.join()}) from stdin with (format csv)`;
  try {
    await pipeline([csv], client.query(copyFrom(statement)));
  } catch (error) {
    const { where, detail, message } = error as DatabaseError;
    const line = lines[Number(/line (\d+)/.exec(where ?? '')?.[1]) - 1]; // PostgreSQL counts those of the batch.
    throw line ? new Error(`line ${line.number}: ${detail ?? message}`, { cause: error }) : error;
  }
}

function chain(way: Way, file: string, buffer: BufferedPipeline): AsyncIterable<Line[]> {
  if (way === 'buffered') return buffer(checked(buffer(batches(file))));
  return way === 'unbuffered' ? checked(batches(file)) : Readable.from(checked(Readable.from(batches(file))));
}

async function copyAll(client: PoolClient, file: string, way: Way): Promise<number> {
  const start = performance.now();
  let count = 0;
  await using buffer = bufferedPipeline({ signal }); // Waits, on every way out, until no look-up is under way.
  for await (const lines of chain(way, file, buffer)) {
    signal.throwIfAborted();
    await copy(client, lines);
    count += lines.length;
    if (count % PROGRESS_EVERY === 0) console.log(`  ${count} rows`);
  }
  signal.throwIfAborted();
  await client.query('commit');
  const time = performance.now() - start;
  console.log(`${way}: ${count} rows in ${(time / 1000).toFixed(2)} s`);
  return time;
}

async function importFile(file: string, way: Way): Promise<number> {
  const client = await database.connect();
  try {
    await client.query('begin');
    return await copyAll(client, file, way);
  } catch (error) {
    await client.query('rollback').catch(() => {}); // It fails if the connection is lost, which has rolled back then.
    throw error;
  } finally {
    client.release();
  }
}

async function compare(): Promise<void> {
  const file = join(tmpdir(), `orders-${process.pid}.csv.gz`);
  try {
    await writeOrders(file, ROWS);
    const times: number[] = [];
    for (const way of ['unbuffered', 'Readable.from()', 'buffered'] as const) {
      await database.query('truncate buffered_pipeline_imports');
      times.push(await importFile(file, way));
    }
    const [unbuffered, byNode, buffered] = times as [number, number, number];
    const ratio = (time: number) => (time / unbuffered).toFixed(2);
    console.log(`to unbuffered: buffered ${ratio(buffered)}, Readable.from() ${ratio(byNode)}`);
  } finally {
    await rm(file, { force: true });
    await dropTables(database);
  }
}

for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.once(name, () => {
    console.log('Rolling back. Another Ctrl-C leaves without waiting for the server.');
    process.exitCode = 128 + constants.signals[name];
    controller.abort();
    cancelStatements(database); // The rollback would wait for a statement that waits for a lock.
  });
try {
  await createTables(database);
  const file = process.argv[2];
  await (file === undefined ? compare() : importFile(file, 'buffered'));
} catch (error) {
  console.error(`Nothing was imported: ${signal.aborted ? 'interrupted' : (error as Error).message}`);
  process.exitCode ??= 1;
} finally {
  await database.end();
}
