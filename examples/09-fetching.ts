/**
 * Many URLs: items of a shop, and for each a second request for its price. The server is overloaded now and then and
 * answers 503, so that requests are tried again, with p-retry. Then a later step fails: the requests under way, whose
 * answers would take 5 s, are aborted at once, and no other is made, as the server's own log shows.
 *
 * Run after npm run build: node --import tsx examples/09-fetching.ts
 */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

import { bufferedPipeline, type Stage } from 'buffered-pipeline';
import pRetry, { AbortError } from 'p-retry';

import { openShop } from './servers/shop.ts';

type Item = { id: number; price?: number };

const shop = await openShop();
const ids = Array.from({ length: 24 }, (_, index) => index + 1);

/** The signal ends a request under way, and the wait for the next try. */
function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const attempt = async () => {
    const response = await fetch(shop.origin + path, { signal: signal ?? null });
    if (response.ok) return response.json() as Promise<T>;
    await response.body?.cancel();
    const error = new Error(`${path} is answered by ${response.status}`);
    throw response.status === 503 ? error : new AbortError(error); // Other answers would not change.
  };
  return pRetry(attempt, { retries: 5, minTimeout: 10, signal });
}

async function withPrice(item: Item, signal?: AbortSignal): Promise<Item> {
  return { ...item, price: await get(`/prices/${item.id}`, signal) };
}

async function* items(signal?: AbortSignal) {
  for (const id of ids) yield await get<Item>(`/items/${id}`, signal);
}

async function* priced(source: AsyncIterable<Item>, signal?: AbortSignal) {
  for await (const item of source) yield await withPrice(item, signal);
}

/** For a server that can take it, four requests of a step at a time, in order all the same. */
const atATime = { concurrency: 4 };

function itemsAtOnce(signal: AbortSignal): AsyncIterable<Item> {
  return Readable.from(ids).map((id: number) => get<Item>(`/items/${id}`, signal), atATime);
}

function pricedAtOnce(source: Stage<Item>, signal: AbortSignal) {
  return source.map((item) => withPrice(item, signal), atATime);
}

type First = (signal: AbortSignal) => AsyncIterable<Item>;
type Second = (source: Stage<Item>, signal: AbortSignal) => AsyncIterable<Item>;

/** Each stage hands its own signal to its requests. */
function buffered(first: First, second: Second, buffer = bufferedPipeline()) {
  const found = buffer(({ signal }) => first(signal));
  return buffer(({ signal }) => second(found, signal));
}

async function run(name: string, chain: AsyncIterable<Item>) {
  shop.log.length = 0;
  const start = performance.now();
  const found: Item[] = [];
  for await (const item of chain) found.push(item);
  const time = performance.now() - start;
  const refused = shop.log.filter((line) => line.startsWith('503')).length;
  assert.ok(found.every(({ id, price }, index) => id === ids[index] && price === id * 10));
  console.log(`${name}: ${(time / 1000).toFixed(2)} s, ${found.length} items in order, ${refused} requests made again`);
  return time;
}

const unbuffered = await run('unbuffered', priced(items()));
const overlapping = await run('buffered', buffered(items, priced));
const concurrent = await run('four at a time', buffered(itemsAtOnce, pricedAtOnce));
console.log(`to unbuffered: ${(overlapping / unbuffered).toFixed(2)}, ${(concurrent / unbuffered).toFixed(2)}`);

async function* saved(source: AsyncIterable<Item>) {
  for await (const item of source) {
    await sleep(200); // By then, the steps before wait for the answers about the next items.
    shop.log.push(item.id < 3 ? `saved ${item.id}` : 'failed to save');
    if (item.id === 3) throw new Error('The disk is full');
    yield item;
  }
}

shop.log.length = 0;
for (const path of ['/prices/4', '/items/5', '/items/6', '/items/7', '/items/8']) shop.slowPaths.add(path);
const buffer = bufferedPipeline();
await assert.rejects(buffer(saved(buffered(itemsAtOnce, priced, buffer))).toArray(), /The disk is full/);
const failed = performance.now();
await shop[Symbol.asyncDispose]();
console.log(`a later step fails: all requests have ended after ${Math.round(performance.now() - failed)} ms`);
console.log(shop.log.join('\n'));
