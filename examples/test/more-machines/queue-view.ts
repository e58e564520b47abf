/** What the test of the queue can see of it: what is sent, what is stored, what is acknowledged. */
import { jetstream, type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';

import { JOBS, RESULTS, WORKERS } from '../../more-machines/queue.ts';
import { startNats } from '../../servers/nats.ts';

/** What a worker sends. */
export interface Result {
  order: number;
  customer: string;
  price: number;
  deliveries: number;
  worker: number;
}

/** A result, and the number of the message that it is of. */
export type StoredResult = Result & { message: number };

export class QueueView {
  #connection: NatsConnection | undefined;
  #manager: JetStreamManager | undefined;

  async open(url: string): Promise<void> {
    this.#connection = await connect({ servers: url });
    this.#manager = await jetstreamManager(this.#connection);
  }

  async close(): Promise<void> {
    await this.#connection?.close();
  }

  get connection(): NatsConnection {
    return this.#connection!;
  }

  /** Calls back for every result that a worker sends, also one that the stream refuses, until that returns true. */
  async whenSent(isEnough: (result: Result) => boolean): Promise<void> {
    const subscription = this.connection.subscribe(RESULTS);
    for await (const message of subscription) if (isEnough(message.json())) break;
  }

  /** Settles when each worker has sent so many results. */
  whenEachHasSent(count: number, workers: { pid: number }[]): Promise<void> {
    const missing = new Map(workers.map((worker) => [worker.pid, count]));
    return this.whenSent(({ worker }) => {
      const left = (missing.get(worker) ?? 0) - 1;
      if (left > 0) missing.set(worker, left);
      else missing.delete(worker);
      return missing.size === 0;
    });
  }

  /** Settles when so many messages have been acknowledged, each counted once. */
  async whenAcknowledged(count: number): Promise<void> {
    const messages = new Set<string | undefined>();
    const prefix = `$JS.ACK.${JOBS}.${WORKERS}`;
    for await (const answer of this.connection.subscribe(`${prefix}.>`)) {
      const [, message] = answer.subject.slice(prefix.length + 1).split('.'); // In front of it, how often it was delivered.
      if (answer.string() === '+ACK' && messages.add(message).size === count) break;
    }
  }

  /** The results in the order in which they were stored. */
  async storedResults(): Promise<StoredResult[]> {
    const { messages } = (await this.#manager!.streams.info(RESULTS)).state;
    const results: StoredResult[] = [];
    const reader = await jetstream(this.connection).consumers.get(RESULTS);
    for await (const stored of await reader.fetch({ max_messages: messages })) {
      results.push({ ...stored.json<Result>(), message: Number(stored.headers?.get('Nats-Msg-Id')) });
    }
    return results;
  }

  /** The messages that the queue does not hold any more, because they were acknowledged. */
  async acknowledged(): Promise<number[]> {
    const { state } = await this.#manager!.streams.info(JOBS, { deleted_details: true });
    const before = Array.from({ length: state.first_seq - 1 }, (_, index) => index + 1);
    return [...before, ...(state.deleted ?? [])];
  }

  /** How many messages are not acknowledged. */
  async queueLength(): Promise<number> {
    return (await this.#manager!.streams.info(JOBS)).state.messages;
  }

  /** How many messages have been delivered and not been acknowledged. */
  async heldCount(): Promise<number> {
    return (await this.#manager!.consumers.info(JOBS, WORKERS)).num_ack_pending;
  }
}

/** A server for the tests of a suite, which programs find by `NATS_URL`, and a view of the queue in it. */
export function useQueue(): QueueView {
  const queue = new QueueView();
  let server: { url: string; stop(): Promise<void> } | undefined;

  before(async () => {
    server = await startNats();
    process.env['NATS_URL'] = server.url;
    await queue.open(server.url);
  });

  after(async () => {
    delete process.env['NATS_URL'];
    await queue.close();
    await server?.stop();
  });

  return queue;
}
