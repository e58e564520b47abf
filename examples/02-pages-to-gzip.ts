/**
 * Pages from an HTTP server -> parsed -> rows, each page with a second request for its prices -> a gzip file through
 * `stream.pipeline`. The file is read back and checked. The server is the example's own, on loopback, and takes 30 ms to
 * answer. Unbuffered, the two requests of a page take turns; buffered, the next page is under way meanwhile. Node's
 * `Readable.from()` reads ahead, too; an error would lose what it has read.
 *
 * Run after npm run build: node --import tsx examples/02-pages-to-gzip.ts
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';

import { bufferedPipeline } from 'buffered-pipeline';

import { interruption, temporaryFolder } from './ending.ts';

const PAGES = 20;
const ROWS = 50;
const LATENCY = 30;

// /items/3 answers with the ids of page 3, /prices/3 with their prices.
const server = createServer((request, response) => {
  const [, kind, page] = request.url!.split('/');
  const ids = Array.from({ length: ROWS }, (_, row) => Number(page) * ROWS + row);
  const body = JSON.stringify(kind === 'items' ? ids : ids.map((id) => id * 10));
  setTimeout(() => response.end(body), LATENCY);
});
await once(server.listen(0, '127.0.0.1'), 'listening');
const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

async function* pages(signal: AbortSignal | null = null) {
  for (let page = 0; page < PAGES; page++) {
    const response = await fetch(`${origin}/items/${page}`, { signal });
    yield { page, body: await response.text() };
  }
}

async function* rows(source: AsyncIterable<{ page: number; body: string }>, signal: AbortSignal | null = null) {
  for await (const { page, body } of source) {
    const ids = JSON.parse(body) as number[];
    const response = await fetch(`${origin}/prices/${page}`, { signal });
    const prices = (await response.json()) as number[];
    for (const [index, id] of ids.entries()) yield `${id},${prices[index]}\n`;
  }
}

async function run(name: string, source: AsyncIterable<string>) {
  await using folder = await temporaryFolder('pages-to-gzip-');
  const file = join(folder.path, 'rows.csv.gz');
  const start = performance.now();
  await pipeline(source, createGzip(), createWriteStream(file), { signal: interruption });
  const time = performance.now() - start;
  const csv = await text(createReadStream(file).pipe(createGunzip()));
  const expected = Array.from({ length: PAGES * ROWS }, (_, id) => `${id},${id * 10}\n`);
  assert.equal(csv, expected.join(''));
  console.log(`${name}: ${(time / 1000).toFixed(2)} s, ${expected.length} rows read back, all as expected`);
  return time;
}

const unbuffered = await run('unbuffered', rows(pages()));

const byNode = await run('Readable.from()', Readable.from(rows(Readable.from(pages()))));

const buffer = bufferedPipeline();
const bufferedPages = buffer(({ signal }) => pages(signal));
// Rows come a page at a time: room for one page lets the next be asked for while gzip is at this one.
const bufferedRows = buffer(({ signal }) => rows(bufferedPages, signal), { bufferSize: ROWS });
const buffered = await run('buffered', bufferedRows);

const ratio = (time: number) => (time / unbuffered).toFixed(2);
console.log(`to unbuffered: buffered ${ratio(buffered)}, Readable.from() ${ratio(byNode)}`);
server.close();
server.closeAllConnections();
