/**
 * Accounts from a file -> passwords hashed with bcrypt -> a file. To hash is computation: it stops the thread it runs on,
 * so that buffering alone gains nothing. Here a stage hands the accounts to a pool of worker threads, with `buffer.map`, which
 * keeps that many under way, yields the results in order, and by `signal` has the pool drop what is under way if a later step fails.
 *
 * Run: npm run example 08. It compares: the same without this package is in others/ways.ts.
 */
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

import { bufferedPipeline } from 'buffered-pipeline';
import { Piscina } from 'piscina';

import { compare } from './comparing.ts';
import { interruption, temporaryFolder } from './ending.ts';
import { oneAtATime, withNode, withPMap } from './others/ways.ts';
import { accountsIn, write, writeAccounts } from './others/writing.ts';
import hashed, { type Account } from './workers/hash.ts';

const ACCOUNTS = 16;
const threads = Math.min(availableParallelism(), 4); // More would have little to do with so few accounts.
const concurrency = threads + 1; // One more than there are threads, so that none waits for its next account.

await using folder = await temporaryFolder('accounts-');
const file = join(folder.path, 'accounts.csv');
await writeAccounts(file, ACCOUNTS);

// A program starts its pool once. How long that takes, half a second or so, is not what is measured here.
const filename = new URL('workers/hash.ts', import.meta.url).href;
await using pool = new Piscina({ filename, minThreads: threads, maxThreads: threads });
while (pool.threads.length < threads) await once(pool, 'workerCreate');
const hash = (account: Account, signal = interruption) => pool.run(account, { signal }) as Promise<string>;

function buffered() {
  const buffer = bufferedPipeline({ signal: interruption });
  return buffer.map(accountsIn(file), (account, { signal }) => hash(account, signal), { concurrency });
}

const ways: Record<string, () => AsyncIterable<string>> = {
  'one thread': () => oneAtATime(accountsIn(file), (account) => hashed(account)),
  'one account at a time': () => oneAtATime(accountsIn(file), hash),
  'Readable.from().map()': () => withNode(accountsIn(file), hash, concurrency),
  'pMapIterable()': () => withPMap(accountsIn(file), hash, concurrency),
  'buffer.map()': buffered,
};
await compare(ways, async (lines, name) => {
  pool.histogram.resetRunTime();
  const { time, said } = await write(lines, join(folder.path, name));
  const atWork = ((pool.histogram.runTime.mean || 0) * ACCOUNTS) / time;
  return `${said}, ${atWork.toFixed(2)} of ${threads} threads at work`;
});
