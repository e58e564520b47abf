/**
 * Exports a table: rows from PostgreSQL -> each completed by a call to a slow service, many at once -> CSV -> gzip -> a file,
 * through `stream.pipeline`. Then once more, with the service going down on the way: the rows before the failed call are in a
 * file that can be read, calls under way are aborted, the query is closed on the server, and its connection is given back.
 *
 * Run: npm run example 06 [folder for the files]. It compares: the same without this package is in others/ways.ts.
 * On a server of your own: DATABASE_URL=postgres://… npm run example 06
 */
import { bufferedPipeline } from 'buffered-pipeline';
import QueryStream from 'pg-query-stream';

import { interruption } from './ending.ts';
import { type Export, type Order, runExports } from './others/exporting.ts';
import { oneAtATime, withNode, withPMap } from './others/ways.ts';

const concurrency = 128;

await runExports(({ database, prices }) => {
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

  function buffered(limit: number) {
    const buffer = bufferedPipeline({ signal: interruption });
    return buffer.map(orders(limit), (order, { signal }) => priced(order, signal), { concurrency });
  }

  return {
    'one at a time': (limit) => oneAtATime(orders(limit), priced),
    'Readable.from().map()': (limit) => withNode(orders(limit), priced, concurrency),
    'pMapIterable()': (limit) => withPMap(orders(limit), priced, concurrency),
    'buffer.map()': buffered,
  } satisfies Record<string, Export>;
});
