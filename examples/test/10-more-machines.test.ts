import { assert } from 'chai';

import { createQueue, fill, RESULTS } from '../more-machines/queue.ts';
import { type WorkerProcess } from '../more-machines/worker-process.ts';
import { failureOf, givenBackBy, MOST_HELD, numbers, outputOf, startWorkers } from './more-machines/programs.ts';
import { type StoredResult, useQueue } from './more-machines/queue-view.ts';

describe('10-more-machines', () => {
  const queue = useQueue();

  describe('with 10,000 messages and three workers, of which one is killed and one stopped', () => {
    const MESSAGES = 10_000;
    const ACK_WAIT = 15_000;
    let acknowledgedAtKill: number[];
    let storedAtKill: number[];
    let givenBack: number[];
    let stopped: WorkerProcess;
    let killed: WorkerProcess;
    let results: StoredResult[];
    let sent = 0;

    before(async () => {
      await createQueue(queue.connection, ACK_WAIT);
      await fill(queue.connection, MESSAGES);
      const counting = queue.connection.subscribe(RESULTS, { callback: () => void sent++ });
      const allAcknowledged = queue.whenAcknowledged(MESSAGES);
      const workers = await startWorkers(3);
      [killed, stopped] = workers as [WorkerProcess, WorkerProcess];
      await queue.whenEachHasSent(1000, workers);
      await killed.kill();
      acknowledgedAtKill = await queue.acknowledged();
      storedAtKill = (await queue.storedResults()).map(({ message }) => message);
      givenBack = givenBackBy(await stopped.stop());
      await allAcknowledged;
      counting.unsubscribe();
      await workers[2]!.stop();
      results = await queue.storedResults();
    });

    it('stores a result for each message, once', () => {
      const orders = results.map(({ order }) => order).toSorted((a, b) => a - b);
      assert.deepEqual(orders, numbers(0, MESSAGES));
      for (const { order, customer, price } of results) {
        assert.deepEqual({ customer, price }, { customer: `customer ${order % 100}`, price: order * 10 });
      }
    });

    it('leaves nothing in the queue', async () => {
      assert.equal(await queue.queueLength(), 0);
    });

    it('has acknowledged, when the worker is killed, only messages whose results are stored', () => {
      assert.isAtLeast(acknowledgedAtKill.length, 2900);
      const stored = new Set(storedAtKill);
      assert.deepEqual(
        acknowledgedAtKill.filter((message) => !stored.has(message)),
        [],
      );
    });

    it('has others finish what the stopped worker gave back, each message delivered a second time', () => {
      assert.isNotEmpty(givenBack);
      assert.isAtMost(givenBack.length, MOST_HELD);
      const finished = results.filter(({ message }) => givenBack.includes(message));
      assert.sameMembers(
        finished.map(({ message }) => message),
        givenBack,
      );
      for (const { worker, deliveries } of finished) {
        assert.notEqual(worker, stopped.pid);
        assert.equal(deliveries, 2);
      }
    });

    it('has others finish what the killed worker held, which is no more than its buffers', () => {
      const orphans = orphansIn(results);
      assert.isNotEmpty(orphans);
      assert.isAtMost(orphans.length + sent - MESSAGES, MOST_HELD);
      for (const { worker } of orphans) assert.notEqual(worker, killed.pid);
    });

    it('has what was given back finished before what was held by the worker killed earlier', () => {
      const places = new Map(results.map(({ message }, place) => [message, place]));
      const lastGivenBack = Math.max(...givenBack.map((message) => places.get(message)!));
      const firstOrphan = Math.min(...orphansIn(results).map(({ message }) => places.get(message)!));
      assert.isBelow(lastGivenBack, firstOrphan);
    });

    /** What had to be delivered again and was not given back. */
    const orphansIn = (all: StoredResult[]) =>
      all.filter(({ message, deliveries }) => deliveries > 1 && !givenBack.includes(message));
  });

  it('prints how the throughput grows by buffers, and by workers', async () => {
    // Long waits: on a busy machine, the time of workers that hardly wait is the time they get from the processors.
    const lines = (await outputOf(['measure', '120'], { LATENCY: '20' })).trimEnd().split('\n').slice(-5) as [
      string,
      string,
      string,
      string,
      string,
    ];
    assert.match(lines[0], /^1 worker, unbuffered: \d+ messages\/s$/);
    assert.match(lines[1], /^1 worker, Readable\.from\(\): \d+ messages\/s, \d\.\d\d times unbuffered$/);
    assert.match(lines[2], /^1 worker, buffered: \d+ messages\/s, \d\.\d\d times unbuffered$/);
    assert.match(lines[3], /^2 workers, buffered: \d+ messages\/s, \d\.\d\d times 1 worker$/);
    assert.match(lines[4], /^3 workers, buffered: \d+ messages\/s, \d\.\d\d times 1 worker$/);
    const [byBuffers, byThird] = [lines[2], lines[4]].map((line) => Number(/([\d.]+) times/.exec(line)![1]));
    assert.isAbove(byBuffers!, 1.3);
    assert.isAbove(byThird!, 1.5);
  });

  it('names what is missing or wrong', async () => {
    assert.include(await failureOf(['worker'], { NATS_URL: '' }), '"NATS_URL" must be the address of a server');
    assert.include(await failureOf(['fill', 'many']), '"count" must be an integer >= 1, got many');
    assert.include(await failureOf(['fill', '1'], { LATENCY: '0' }), '"LATENCY" must be an integer >= 1, got 0');
    assert.include(
      await failureOf(['worker', 'fast']),
      '"mode" must be one of buffered, unbuffered, readable, got fast',
    );
    assert.include(await failureOf(['work']), '"command" must be one of measure, fill, worker, got work');
  });
});
