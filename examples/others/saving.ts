/** What `09-fetching.ts` does with the items that it has fetched. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

import { IDS, type Item, type Shop } from '../servers/shop.ts';

/** Reads to the end, and checks what comes. */
export async function gather(chain: AsyncIterable<Item>, shop: Shop): Promise<string> {
  shop.log.length = 0;
  const found: Item[] = [];
  for await (const item of chain) found.push(item);
  assert.deepEqual(
    found,
    IDS.map((id) => ({ id, price: id * 10 })),
  );
  const refused = shop.log.filter((line) => line.startsWith('503')).length;
  return `${found.length} items in order, ${refused} requests made again`;
}

/** Saves until the disk is full, at the third item. Returns what becomes of the requests that are under way then. */
export async function saveUntilFull(chain: AsyncIterable<Item>, shop: Shop): Promise<string> {
  const full = new Error('The disk is full');
  async function save() {
    for await (const { id } of chain) {
      await sleep(200); // By then, requests about the next items wait for their answers.
      if (id === 3) throw full;
    }
  }
  shop.log.length = 0;
  shop.getsSlow();
  await assert.rejects(save, full);
  const failedAt = performance.now();
  const before = shop.log.length;
  const time = Math.max(0, (await shop.idle()) - failedAt);
  const count = (word: string) => shop.log.slice(before).filter((line) => line.startsWith(word)).length;
  const [aborted, answered, made] = ['aborted', '200', 'asked'].map(count);
  return `${aborted} requests aborted, ${answered} answered in vain, ${made} made after it, all over after ${time.toFixed()} ms`;
}
