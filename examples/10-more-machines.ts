/**
 * More than one machine: a work queue in NATS JetStream feeds as many workers as there are, and each works through the same
 * buffered chain: message -> customer looked up -> price looked up -> result published, message acknowledged.
 *
 * A buffered chain fetches ahead, so a worker holds messages that it has not finished. What the queue is told about them:
 * - A message is acknowledged when its result is stored, never because a step has taken it: a worker that is killed loses
 *   nothing, the server hands its messages to others when `ack_wait` has passed.
 * - A worker that is stopped (SIGTERM), or fails, gives back at once what it has fetched and not finished. To finish it instead, end
 *   `received` and leave the signal alone: the loop then ends when the last value has left the chain.
 *
 * Run after npm run build: npm run example 10, or, with a server of your own, NATS_URL=nats://127.0.0.1:4222 and
 *   node --import tsx examples/10-more-machines.ts [measure 2000]       measures 1, 2 and 3 workers
 *   node --import tsx examples/10-more-machines.ts fill 10000           makes the queue anew, with so many messages
 *   node --import tsx examples/10-more-machines.ts worker [unbuffered]  works until it gets SIGTERM; readable: with Readable.from()
 * LATENCY=20 makes each look-up take 20 ms instead of 2.
 */
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

import { type Consumer, jetstream, type JetStreamClient, type JsMsg } from '@nats-io/jetstream';
import { bufferedPipeline } from 'buffered-pipeline';

import { interruption } from './ending.ts';
import { measure } from './more-machines/measure.ts';
import { isMode, type Mode, MODES } from './more-machines/worker-process.ts';
import { connectToServer, createQueue, fill, type Job, JOBS, RESULTS, WORKERS } from './more-machines/queue.ts';

/** In milliseconds. The shorter it is, the more the processors are what limits many workers on one machine. */
const LATENCY = checkInteger('LATENCY', process.env['LATENCY'] ?? '2');
const BUFFER_SIZE = 8;
/** How long a request for a message waits where there is none, and so how long stopping may take: the least the client takes. */
const WAIT = 1000;

/** Stands for a request to another service. */
const lookUp = <T>(answer: T, signal: AbortSignal) => sleep(LATENCY, answer, { signal });

/**
 * One request per message: how many are fetched ahead is up to the buffers, and nothing waits in the client where nobody
 * could give it back. The round trip is one more step that the others do not wait for.
 */
async function* received(consumer: Consumer, unsettled: Set<JsMsg>, signal: AbortSignal) {
  while (!signal.aborted) {
    const message = await consumer.next({ expires: WAIT });
    if (message === null) continue;
    unsettled.add(message);
    yield message;
  }
}

async function* withCustomer(messages: AsyncIterable<JsMsg>, signal: AbortSignal) {
  for await (const message of messages) {
    const { order } = message.json<Job>();
    yield { message, order, customer: await lookUp(`customer ${order % 100}`, signal) };
  }
}

async function* withPrice<T extends { order: number }>(orders: AsyncIterable<T>, signal: AbortSignal) {
  for await (const order of orders) yield { ...order, price: await lookUp(order.order * 10, signal) };
}

/** Works until the signal aborts or a step fails. Returns how many messages are done, and those that were given back. */
async function work(client: JetStreamClient, signal: AbortSignal, mode: Mode) {
  const consumer = await client.consumers.get(JOBS, WORKERS);
  const unsettled = new Set<JsMsg>();
  let done = 0;
  try {
    await using buffer = bufferedPipeline({ signal });
    const step = <T>(source: AsyncGenerator<T>): AsyncIterable<T> => {
      if (mode === 'buffered') return buffer(source, { bufferSize: BUFFER_SIZE });
      return mode === 'unbuffered' ? source : Readable.from(source, { highWaterMark: BUFFER_SIZE });
    };
    const messages = step(received(consumer, unsettled, signal));
    for await (const { message, ...result } of step(withPrice(step(withCustomer(messages, signal)), signal))) {
      const deliveries = message.info.deliveryCount;
      // A message comes again if its worker dies between the two lines: by the id, the stream refuses a second result.
      const body = JSON.stringify({ ...result, deliveries, worker: process.pid });
      await client.publish(RESULTS, body, { msgID: String(message.seq) });
      await message.ackAck(); // Unlike ack(), waits until the server has it.
      unsettled.delete(message);
      done++;
    }
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ABORT_ERR') throw error;
  } finally {
    // Here, and not in `received`: that generator is ahead, and may end while what it has yielded waits in a buffer. Leaving
    // the block has waited for all generators, so nothing is added any more, and nobody works on what is given back.
    for (const message of unsettled) message.nak();
  }
  return { done, givenBack: Array.from(unsettled, (message) => message.seq) };
}

async function worker(mode = 'buffered') {
  if (!isMode(mode)) throw new Error(`"mode" must be one of ${MODES.join(', ')}, got ${mode}`);
  const connection = await connectToServer();
  try {
    const { done, givenBack } = await work(jetstream(connection), interruption, mode);
    console.log(`worker ${process.pid}: ${done} done, ${givenBack.length} given back: ${givenBack.join(' ')}`);
  } finally {
    await connection.drain(); // What is given back has not been sent before this.
    if (interruption.aborted) process.exitCode = 0; // To be stopped is how a worker ends.
  }
}

async function fillQueue(count?: string) {
  const messages = checkInteger('count', count);
  const connection = await connectToServer();
  await createQueue(connection);
  await fill(connection, messages);
  await connection.drain();
}

function checkInteger(name: string, text = 'nothing') {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`"${name}" must be an integer >= 1, got ${text}`);
  return value;
}

const commands: Record<string, (argument?: string) => Promise<void>> = {
  measure: async (count = '2000') => measure(checkInteger('count', count)),
  fill: fillQueue,
  worker,
};
const [name = 'measure', argument] = process.argv.slice(2);
const command = commands[name];
if (command === undefined) throw new Error(`"command" must be one of ${Object.keys(commands).join(', ')}, got ${name}`);
await command(argument);
