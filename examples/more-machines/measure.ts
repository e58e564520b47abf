/** Measures how many messages per second workers get done: one without buffers, one with `Readable.from()`, then one, two and three with buffers. */
import { setTimeout as sleep } from 'node:timers/promises';

import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';

import { interruption } from '../ending.ts';
import { connectToServer, createQueue, fill, JOBS, RESULTS, WORKERS } from './queue.ts';
import { type Mode, startWorker } from './worker-process.ts';

const PROGRESS_EVERY = 1000;

export async function measure(messages: number): Promise<void> {
  const connection = await connectToServer();
  const buffered: number[] = [];
  let unbuffered: number;
  let readable: number;
  try {
    unbuffered = await throughput(connection, messages, 1, 'unbuffered');
    readable = await throughput(connection, messages, 1, 'readable');
    for (const workers of [1, 2, 3]) buffered.push(await throughput(connection, messages, workers, 'buffered'));
  } finally {
    await connection.drain();
  }
  const one = buffered[0]!;
  const times = (rate: number) => `${rate.toFixed()} messages/s, ${(rate / unbuffered).toFixed(2)} times unbuffered`;
  console.log(`1 worker, unbuffered: ${unbuffered.toFixed()} messages/s`);
  console.log(`1 worker, Readable.from(): ${times(readable)}`);
  console.log(`1 worker, buffered: ${times(one)}`);
  for (const [index, rate] of buffered.slice(1).entries()) {
    console.log(
      `${index + 2} workers, buffered: ${rate.toFixed()} messages/s, ${(rate / one).toFixed(2)} times 1 worker`,
    );
  }
}

/** In messages per second, from the first result to the last, by the clock of the server. */
async function throughput(connection: NatsConnection, messages: number, count: number, mode: Mode) {
  await createQueue(connection);
  const manager = await jetstreamManager(connection);
  const workers = await Promise.all(Array.from({ length: count }, () => startWorker(mode)));
  try {
    await until(async () => (await manager.consumers.info(JOBS, WORKERS)).num_waiting === count);
    await fill(connection, messages);
    const { first_ts, last_ts } = await whenDone(manager, messages, `${count} ${mode}`);
    return ((messages - 1) / (Date.parse(last_ts) - Date.parse(first_ts))) * 1000;
  } finally {
    await Promise.all(workers.map((worker) => worker.stop()));
    if (interruption.aborted) console.log(`Stopped ${count} workers. The queue stays on the server.`);
  }
}

async function whenDone(manager: JetStreamManager, messages: number, name: string) {
  for (;;) {
    const { state } = await manager.streams.info(RESULTS);
    if (state.messages === messages) return state;
    console.log(`  ${name}: ${state.messages} of ${messages} results`);
    await sleep(PROGRESS_EVERY, undefined, { signal: interruption });
  }
}

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await sleep(50, undefined, { signal: interruption });
}
