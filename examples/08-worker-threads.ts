/**
 * Accounts from a file -> passwords hashed with bcrypt -> a file. To hash is computation: it stops the thread it runs on,
 * so that buffering alone gains nothing. Here a stage hands the accounts to a pool of worker threads. Node's
 * `stage.map(fn, { concurrency })` keeps that many under way and yields the results in order.
 *
 * Run after npm run build: node --import tsx examples/08-worker-threads.ts
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { open, readFile, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { pipeline } from 'node:stream/promises';

import bcrypt from 'bcryptjs';
import { bufferedPipeline } from 'buffered-pipeline';
import { Piscina } from 'piscina';

import { interruption, temporaryFolder } from './ending.ts';
import hashed, { type Account } from './workers/hash.ts';

const ACCOUNTS = 16;

await using folder = await temporaryFolder('accounts-');
const input = join(folder.path, 'accounts.csv');
const rows = Array.from(
  { length: ACCOUNTS },
  (_, index) => `account ${index},${randomUUID()},${bcrypt.genSaltSync()}\n`,
);
await writeFile(input, rows.join(''));

async function* accounts(): AsyncGenerator<Account> {
  await using file = await open(input);
  for await (const line of file.readLines()) {
    const [name, password, salt] = line.split(',') as [string, string, string];
    yield { name, password, salt };
  }
}

async function* hashedHere(source: AsyncIterable<Account>) {
  for await (const account of source) yield hashed(account);
}

async function run(name: string, lines: AsyncIterable<string>) {
  const output = join(folder.path, name);
  const pauses = monitorEventLoopDelay({ resolution: 1 });
  const cpuBefore = process.cpuUsage();
  const start = performance.now();
  pauses.enable();
  await pipeline(lines, createWriteStream(output), { signal: interruption });
  pauses.disable();
  const time = performance.now() - start;
  const { user, system } = process.cpuUsage(cpuBefore);
  console.log(`${name}: ${(time / 1000).toFixed(2)} s, ${((user + system) / 1000 / time).toFixed(1)} cores busy`);
  console.log(`  its longest pause on the main thread: ${(pauses.max / 1_000_000).toFixed(0)} ms`);
  return { time, lines: (await readFile(output, 'utf8')).trimEnd().split('\n') };
}

const alone = await run('one thread', hashedHere(accounts()));

const threads = Math.min(availableParallelism(), 4); // More would have little to do with so few accounts.
const filename = new URL('workers/hash.ts', import.meta.url).href;
// A program starts its pool once. How long that takes, half a second or so, is not what is measured here.
await using pool = new Piscina({ filename, minThreads: threads, maxThreads: threads });
while (pool.threads.length < threads) await once(pool, 'workerCreate');
const buffer = bufferedPipeline();
const read = buffer(accounts(), { bufferSize: threads });
// One more than there are threads, so that none waits for its next account. The stage's signal ends what is under way if
// a later step fails.
const hash = (account: Account, signal: AbortSignal) => pool.run(account, { signal }) as Promise<string>;
const hashes = buffer(({ signal }) => read.map((account) => hash(account, signal), { concurrency: threads + 1 }));
const together = await run('worker threads', hashes);

assert.ok(alone.lines.every((line, index) => line.startsWith(`account ${index},`)));
assert.deepEqual(together.lines, alone.lines);
console.log(`${alone.lines.length} lines in order, the same from worker threads as from one thread`);
const atWork = (pool.histogram.runTime.mean * ACCOUNTS) / together.time;
console.log(`threads at work, on average: ${atWork.toFixed(2)} of ${threads}`);
console.log(`worker threads / one thread: ${(together.time / alone.time).toFixed(2)}`);
