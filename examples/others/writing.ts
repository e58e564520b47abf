/** Where the accounts of `08-worker-threads.ts` come from and go to. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { open, readFile, writeFile } from 'node:fs/promises';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { pipeline } from 'node:stream/promises';

import bcrypt from 'bcryptjs';

import { interruption } from '../ending.ts';
import type { Account } from '../workers/hash.ts';

export async function writeAccounts(file: string, count: number): Promise<void> {
  const line = (_: unknown, index: number) => `account ${index},${randomUUID()},${bcrypt.genSaltSync()}\n`;
  await writeFile(file, Array.from({ length: count }, line).join(''));
}

export async function* accountsIn(path: string): AsyncGenerator<Account> {
  await using file = await open(path);
  for await (const line of file.readLines()) {
    const [name, password, salt] = line.split(',') as [string, string, string];
    yield { name, password, salt };
  }
}

/** Says how many lines there are, and for how long the main thread could do nothing else. */
export async function write(lines: AsyncIterable<string>, file: string): Promise<{ time: number; said: string }> {
  const pauses = monitorEventLoopDelay({ resolution: 1 });
  const start = performance.now();
  pauses.enable();
  await pipeline(lines, createWriteStream(file), { signal: interruption });
  const time = performance.now() - start;
  pauses.disable();
  const written = (await readFile(file, 'utf8')).trimEnd().split('\n');
  assert.ok(written.every((line, index) => line.startsWith(`account ${index},`)));
  const pause = (pauses.max / 1_000_000).toFixed();
  return { time, said: `${written.length} lines in order, longest pause of the main thread ${pause} ms` };
}
