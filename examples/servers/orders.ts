/** What the import needs around it: a file of orders, and the tables they go to. */
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';

import type { Pool } from 'pg';

const CUSTOMERS = 1_000;
const LINES_AT_ONCE = 1_000;
/** In seconds. */
const DISTANCE = 0.02;

/** Writes orders 1 to `count`, each in the line after the one of its number: the first line names the columns. */
export async function writeOrders(file: string, count: number, lineOf: (id: number) => string = order): Promise<void> {
  function* lines() {
    yield 'id,customer,amount,placed\n';
    for (let first = 1; first <= count; first += LINES_AT_ONCE) {
      const length = Math.min(LINES_AT_ONCE, count - first + 1);
      yield Array.from({ length }, (_, index) => `${lineOf(first + index)}\n`).join('');
    }
  }
  await pipeline(lines, createGzip(), createWriteStream(file));
}

export function order(id: number): string {
  return `${id},${1 + (id % CUSTOMERS)},${id % 500}.50,2024-12-${10 + (id % 20)}`;
}

/** Makes them if they are not there. Both answer later than a server next door: `DISTANCE` stands for the network, or for a standby that has to confirm. */
export async function createTables(database: Pool): Promise<void> {
  const { rows } = await database.query<{ found: unknown }>(`select to_regclass('buffered_pipeline_imports') as found`);
  if (rows[0]!.found !== null) return;
  await database.query(`
    create view buffered_pipeline_customers as
      select id from generate_series(1, ${CUSTOMERS}) as id, pg_sleep(${DISTANCE});
    create table buffered_pipeline_imports
      (id int primary key, customer int not null, amount numeric not null, placed date not null);
    create function buffered_pipeline_confirm() returns trigger language plpgsql as
      'begin perform pg_sleep(${DISTANCE}); return null; end';
    create trigger confirm after insert on buffered_pipeline_imports execute function buffered_pipeline_confirm()`);
}

export async function dropTables(database: Pool): Promise<void> {
  await database.query(`
    drop view buffered_pipeline_customers;
    drop table buffered_pipeline_imports;
    drop function buffered_pipeline_confirm`);
}
