import { jetstream } from '@nats-io/jetstream';
import { assert } from 'chai';

import { createQueue, fill, JOBS, RESULTS, WORKERS } from '../more-machines/queue.ts';
import { type WorkerProcess } from '../more-machines/worker-process.ts';
import { failureOf, givenBackBy, MOST_HELD, numbers, startWorkers } from './more-machines/programs.ts';
import { useQueue } from './more-machines/queue-view.ts';

const HOUR = 3_600_000;

describe('10-more-machines, a worker', () => {
  const queue = useQueue();

  /** Asserts that these messages are the ones that wait for an acknowledgement, and that whoever asks gets them. */
  async function assertIsNext(messages: number[]): Promise<void> {
    assert.equal(await queue.heldCount(), messages.length);
    const consumer = await jetstream(queue.connection).consumers.get(JOBS, WORKERS);
    for (const message of messages) {
      const { seq, redelivered } = (await consumer.next())!;
      assert.deepEqual({ seq, redelivered }, { seq: message, redelivered: true });
    }
  }

  it('gives back all it holds when it is stopped: the next to ask gets it at once, however long ack_wait is', async () => {
    await createQueue(queue.connection, HOUR);
    await fill(queue.connection, 1000);
    const [worker] = (await startWorkers(1)) as [WorkerProcess];
    await queue.whenEachHasSent(100, [worker]);
    const givenBack = givenBackBy(await worker.stop());
    assert.isNotEmpty(givenBack);
    await assertIsNext(givenBack);
  });

  it('gives back also what it has asked for and gets while it stops', async () => {
    await createQueue(queue.connection, HOUR);
    const [worker] = (await startWorkers(1)) as [WorkerProcess];
    await Promise.all([queue.whenEachHasSent(1, [worker]), fill(queue.connection, 1)]);
    let isStopped = false;
    const output = worker.stop().finally(() => (isStopped = true));
    while (!isStopped) await fill(queue.connection, 1);
    await assertIsNext(givenBackBy(await output));
  });

  it('finishes what is before a message that a step fails on, and gives back that and all after it', async () => {
    await createQueue(queue.connection, HOUR);
    await fill(queue.connection, 20);
    await jetstream(queue.connection).publish(JOBS, 'no JSON');
    await fill(queue.connection, 100);
    assert.include(await failureOf(['worker']), 'is not valid JSON');
    const stored = (await queue.storedResults()).map(({ message }) => message);
    assert.deepEqual(stored, numbers(1, 20));
    const held = await queue.heldCount();
    assert.isAtLeast(held, 1);
    assert.isAtMost(held, MOST_HELD);
    await assertIsNext(numbers(21, held));
  });

  it('stores no second result for a message whose last worker died before it acknowledged', async () => {
    await createQueue(queue.connection);
    await fill(queue.connection, 2);
    await jetstream(queue.connection).publish(RESULTS, '{}', { msgID: '1' });
    const sent: number[] = [];
    const bothSent = queue.whenSent(({ order }) => sent.push(order) === 2);
    const [worker] = (await startWorkers(1)) as [WorkerProcess];
    await bothSent;
    await worker.stop();
    assert.deepEqual(sent, [0, 1]);
    assert.deepEqual(
      (await queue.storedResults()).map(({ message }) => message),
      [1, 2],
    );
    assert.equal(await queue.queueLength(), 0);
  });
});
