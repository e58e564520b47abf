/** The queue: a stream of jobs, which workers share, and a stream of results. */
import { AckPolicy, jetstream, jetstreamManager, RetentionPolicy } from '@nats-io/jetstream';
import { connect, type NatsConnection, nanos } from '@nats-io/transport-node';

export const JOBS = 'more-machines-jobs';
export const RESULTS = 'more-machines-results';
/** The durable consumer that all workers fetch from: the server gives each message to one of them. */
export const WORKERS = 'workers';

export interface Job {
  order: number;
}

/** How long the server waits for a worker before it gives a message to another: longer than one passes through the chain. */
const ACK_WAIT = 30_000;
/** How long the stream of results remembers ids: longer than a message may take to come again. */
const DUPLICATE_WINDOW = 600_000;
/** How many messages may be on their way to the server at once. */
const FILL_AT_ONCE = 100;

export async function connectToServer(): Promise<NatsConnection> {
  const url = process.env['NATS_URL'];
  if (url === undefined || url === '') {
    throw new Error(
      `"NATS_URL" must be the address of a server, such as nats://127.0.0.1:4222, got ${url ?? 'nothing'}`,
    );
  }
  return connect({ servers: url });
}

/** Makes the queue, and deletes what an earlier run has left of it. */
export async function createQueue(connection: NatsConnection, ackWait: number = ACK_WAIT): Promise<void> {
  const { streams, consumers } = await jetstreamManager(connection);
  for await (const { config } of streams.list()) {
    if (config.name === JOBS || config.name === RESULTS) await streams.delete(config.name);
  }
  await streams.add({ name: JOBS, subjects: [JOBS], retention: RetentionPolicy.Workqueue });
  await streams.add({ name: RESULTS, subjects: [RESULTS], duplicate_window: nanos(DUPLICATE_WINDOW) });
  await consumers.add(JOBS, { durable_name: WORKERS, ack_policy: AckPolicy.Explicit, ack_wait: nanos(ackWait) });
}

/** Puts jobs into the queue: orders 0 to `count` - 1. */
export async function fill(connection: NatsConnection, count: number): Promise<void> {
  const client = jetstream(connection);
  const publish = (order: number) => client.publish(JOBS, JSON.stringify({ order } satisfies Job));
  for (let first = 0; first < count; first += FILL_AT_ONCE) {
    const length = Math.min(FILL_AT_ONCE, count - first);
    await Promise.all(Array.from({ length }, (_, index) => publish(first + index)));
  }
}
