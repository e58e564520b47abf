/** What the import needs around it: a file of orders, and the tables they go to. */
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';

import type { Pool } from 'pg';

const CUSTOMERS = 1_000;
const LINES_AT_ONCE = 1_000;

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

export async function createTables(database: Pool): Promise<void> {
  await database.query(`
    create table if not exists buffered_pipeline_customers as select generate_series(1, ${CUSTOMERS}) as id;
    create table if not exists buffered_pipeline_imports
      (id int primary key, customer int not null, amount numeric not null, placed date not null)`);
}

export async function dropTables(database: Pool): Promise<void> {
  await database.query('drop table buffered_pipeline_imports, buffered_pipeline_customers');
}
