/** How a step made by `buffer.map` ends while calls are under way: by its source, a call, a reader that leaves. */
import { setImmediate as nextTurn } from 'node:timers/promises';

import { expect } from 'chai';

import { bufferedPipeline, type Stage } from '../lib/index.ts';
import { type Deferred, deferred, outcomeOf, range, rejection, settle, stateOf } from './helpers.ts';

const BOOM = new Error('boom');

async function sumOf(page: AsyncIterable<number>): Promise<number> {
  let sum = 0;
  for await (const n of page) sum += n;
  return sum;
}

describe('A source of buffer.map that throws', function () {
  this.timeout(2000);

  it('leaves alone the stages that calls before it read', async () => {
    const buffer = bufferedPipeline();
    async function* numbers(n: number): AsyncGenerator<number> {
      await nextTurn();
      yield n;
      await nextTurn();
      yield n;
    }
    async function* pages(): AsyncGenerator<Stage<number>> {
      for (const n of [1, 2]) {
        await nextTurn();
        yield buffer(numbers(n));
      }
      throw BOOM;
    }
    const sums = buffer.map(pages(), sumOf, { concurrency: 4 });
    expect(await outcomeOf(sums)).to.deep.equal({ values: [2, 4], failed: true, error: BOOM });
  });
});

describe('A failed call of buffer.map', function () {
  this.timeout(2000);
  const fail = async (n: number): Promise<number> => {
    if (n === 2) throw BOOM;
    return n;
  };

  /** Takes turns of the event loop for its clean-up. */
  async function* numbers(log: string[]): AsyncGenerator<number> {
    try {
      yield* range(9);
    } finally {
      await settle();
      log.push('closed');
    }
  }

  for (const concurrency of [1, 3]) {
    it(`has its idle source cleaned up when its error arrives, as behind a plain loop, with ${concurrency} at once`, async () => {
      const log: string[] = [];
      const failLate = async (n: number): Promise<number> => {
        await settle();
        return fail(n);
      };
      const outcome = await outcomeOf(bufferedPipeline().map(numbers(log), failLate, { concurrency }));
      expect(outcome).to.include({ error: BOOM });
      expect(log).to.deep.equal(['closed']);
    });
  }

  it('closes its source at once, however long its error waits behind earlier calls', async () => {
    const log: string[] = [];
    const first = deferred();
    const call = async (n: number): Promise<number> => {
      if (n === 1) await first.promise;
      return fail(n);
    };
    const outcome = outcomeOf(bufferedPipeline().map(numbers(log), call, { concurrency: 2 }));
    await settle();
    await settle();
    expect(log).to.deep.equal(['closed']);
    first.resolve();
    expect(await outcome).to.deep.equal({ values: [1], failed: true, error: BOOM });
  });

  it('has no call start for what its source yields afterwards, and closes it then', async () => {
    const log: (number | string)[] = [];
    const [first, step] = [deferred(), deferred()];
    async function* slow(): AsyncGenerator<number> {
      try {
        yield* [1, 2];
        await step.promise;
        yield* [3, 4];
      } finally {
        log.push('closed');
      }
    }
    const call = async (n: number): Promise<number> => {
      log.push(n);
      if (n === 1) await first.promise;
      return fail(n);
    };
    const outcome = outcomeOf(bufferedPipeline().map(slow(), call, { concurrency: 4 }));
    await settle();
    step.resolve();
    await settle();
    expect(log).to.deep.equal([1, 2, 'closed']);
    first.resolve();
    expect(await outcome).to.deep.equal({ values: [1], failed: true, error: BOOM });
  });

  it('is told though its source throws in its clean-up, and nothing else is', async () => {
    async function* failing(): AsyncGenerator<number> {
      try {
        yield* range(3);
      } finally {
        // oxlint-disable-next-line no-unsafe-finally -- it is what is tried
        throw new Error('clean-up');
      }
    }
    const buffer = bufferedPipeline();
    expect(await outcomeOf(buffer.map(failing(), fail))).to.deep.equal({ values: [1], failed: true, error: BOOM });
    await buffer[Symbol.asyncDispose]();
  });

  it('is told at once where its source is in the middle of a step', async () => {
    async function* stuck(): AsyncGenerator<number> {
      yield* [1, 2];
      await new Promise(() => {});
    }
    const outcome = await outcomeOf(bufferedPipeline().map(stuck(), fail, { concurrency: 3 }));
    expect(outcome).to.deep.equal({ values: [1], failed: true, error: BOOM });
  });

  it('holds up no abort while its source cleans up', async () => {
    const cleanUp = deferred();
    async function* slowToClose(): AsyncGenerator<number> {
      try {
        yield* range(3);
      } finally {
        await cleanUp.promise;
      }
    }
    const controller = new AbortController();
    const buffer = bufferedPipeline(controller);
    const outcome = outcomeOf(buffer.map(slowToClose(), fail));
    await settle();
    controller.abort();
    expect(await outcome).to.have.nested.property('error.code', 'ABORT_ERR');
    const disposed = Promise.resolve(buffer[Symbol.asyncDispose]());
    expect(await stateOf(disposed)).to.equal('pending');
    cleanUp.resolve();
    await disposed;
  });
});

describe('Reads of a step of buffer.map that a reader leaves', function () {
  this.timeout(2000);

  /** A stage whose calls end when the test says so. */
  function held(count: number, concurrency: number): { stage: Stage<number>; calls: Deferred<void>[] } {
    const calls = range(count).map(() => deferred());
    const call = async (n: number): Promise<number> => {
      await calls[n - 1]!.promise;
      return n;
    };
    return { stage: bufferedPipeline().map(range(count), call, { concurrency }), calls };
  }

  it('are all answered where a later call ends before an earlier one', async () => {
    const { stage, calls } = held(6, 3);
    const [one, other, leaver] = range(3).map(() => stage[Symbol.asyncIterator]());
    const reads = [one!.next(), other!.next()];
    await settle();
    const left = leaver!.return!();
    calls[1]!.resolve();
    await settle();
    calls[0]!.resolve();
    const [first, second] = await Promise.all(reads);
    expect(first).to.deep.equal({ done: false, value: 1 });
    // What is under way may still be theirs.
    if (!second!.done) expect(second!.value).to.equal(2);
    await left;
  });

  it('get the result of the call under way though the source throws meanwhile', async () => {
    const [call, step] = [deferred(), deferred()];
    async function* failing(): AsyncGenerator<number> {
      yield 1;
      await step.promise;
      throw BOOM;
    }
    const double = async (n: number): Promise<number> => {
      await call.promise;
      return n * 2;
    };
    const iterator = bufferedPipeline().map(failing(), double, { concurrency: 2 })[Symbol.asyncIterator]();
    const read = iterator.next();
    await settle();
    const left = iterator.return!();
    step.resolve();
    await settle();
    call.resolve();
    expect(await read).to.deep.equal({ done: false, value: 2 });
    expect(await left).to.deep.equal({ done: true, value: undefined });
  });
});

describe('Disposal', function () {
  this.timeout(2000);

  it('waits for calls under way where the clean-up of their source throws', async () => {
    const call = deferred();
    async function* failing(): AsyncGenerator<number> {
      try {
        yield* range(3);
      } finally {
        // oxlint-disable-next-line no-unsafe-finally -- it is what is tried
        throw BOOM;
      }
    }
    const buffer = bufferedPipeline();
    const slow = async (n: number): Promise<void> => (n === 1 ? undefined : call.promise);
    const iterator = buffer.map(failing(), slow, { concurrency: 2 })[Symbol.asyncIterator]();
    await iterator.next();
    await settle();
    const disposed = buffer[Symbol.asyncDispose]();
    expect(await stateOf(Promise.resolve(disposed))).to.equal('pending');
    call.resolve();
    expect(await rejection(Promise.resolve(disposed))).to.equal(BOOM);
  });
});

describe('The end of a step of buffer.map', function () {
  this.timeout(2000);

  it('carries no value, whatever its source returns', async () => {
    async function* source(): AsyncGenerator<number, string> {
      return 'returned';
    }
    const stage = bufferedPipeline().map(source(), (n) => n);
    expect(await stage[Symbol.asyncIterator]().next()).to.deep.equal({ done: true, value: undefined });
  });
});
