/**
 * Many URLs: items of a shop, and for each a second request for its price, four requests of a step at a time. The server is
 * overloaded now and then and answers 503, so that requests are tried again, with p-retry. Then a later step fails while
 * requests are under way whose answers take 2 s: `signal` aborts them at once, and no other is made, as the server's log shows.
 *
 * Run: npm run example 09. It compares: the same without this package is in others/ways.ts.
 */
import { bufferedPipeline } from 'buffered-pipeline';
import pRetry, { AbortError } from 'p-retry';

import { compare } from './comparing.ts';
import { interruption } from './ending.ts';
import { gather, saveUntilFull } from './others/saving.ts';
import { oneAtATime, withNode, withPMap } from './others/ways.ts';
import { IDS, type Item, openShop } from './servers/shop.ts';

const concurrency = 4;
await using shop = await openShop();

/** The signal ends a request under way, and the wait for the next try. */
function get<T>(path: string, signal: AbortSignal = interruption): Promise<T> {
  const attempt = async () => {
    const response = await fetch(shop.origin + path, { signal });
    if (response.ok) return response.json() as Promise<T>;
    await response.body?.cancel();
    const error = new Error(`${path} is answered by ${response.status}`);
    throw response.status === 503 ? error : new AbortError(error); // Other answers would not change.
  };
  return pRetry(attempt, { retries: 5, minTimeout: 10, signal });
}

const find = (id: number, signal?: AbortSignal) => get<Item>(`/items/${id}`, signal);
const price = async (item: Item, signal?: AbortSignal) => ({ ...item, price: await get(`/prices/${item.id}`, signal) });

function buffered() {
  const buffer = bufferedPipeline({ signal: interruption });
  const items = buffer.map(IDS, (id, { signal }) => find(id, signal), { concurrency });
  return buffer.map(items, (item, { signal }) => price(item, signal), { concurrency });
}

const ways: Record<string, () => AsyncIterable<Item>> = {
  'one at a time': () => oneAtATime(oneAtATime(IDS, find), price),
  'Readable.from().map()': () => withNode(withNode(IDS, find, concurrency), price, concurrency),
  'pMapIterable()': () => withPMap(withPMap(IDS, find, concurrency), price, concurrency),
  'buffer.map()': buffered,
};
await compare(ways, (chain) => gather(chain, shop));
console.log('A later step fails:');
for (const [name, chain] of Object.entries(ways)) console.log(`${name}: ${await saveUntilFull(chain(), shop)}`);
