/** What `buffer.statistics()` tells, with a clock that only the tests move. */
import { PassThrough, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { inspect } from 'node:util';

import FakeTimers from '@sinonjs/fake-timers';
import { expect } from 'chai';

import {
  type BufferedPipeline,
  bufferedPipeline,
  type Source,
  type Stage,
  type StageStatistics,
} from '../lib/index.ts';
import { collect, deferred, failingAfter, outcomeOf, pass, range, rejection, settle } from './helpers.ts';

type InstalledClock = ReturnType<typeof FakeTimers.install>;

let clock: InstalledClock;

function useFakeClock(): void {
  beforeEach(() => {
    clock = FakeTimers.install({ toFake: ['performance'], now: 1000 });
  });
  afterEach(() => clock.uninstall());
}

/** Lets all happen that can, then so much time pass. */
async function wait(milliseconds: number): Promise<void> {
  await settle();
  clock.tick(milliseconds);
}

/** Some fields of the statistics of a stage, which is the last one unless it is named. */
function look<Field extends keyof StageStatistics>(
  buffer: BufferedPipeline,
  fields: Field[],
  name = buffer.statistics().at(-1)!.name,
): StageStatistics[Field][] {
  const found = buffer.statistics().find((statistics) => statistics.name === name)!;
  return fields.map((field) => found[field]);
}

function stateOf(buffer: BufferedPipeline, name?: string): string {
  return look(buffer, ['state'], name)[0]!;
}

function times(buffer: BufferedPipeline, name?: string): number[] {
  return look(buffer, ['working', 'starved', 'blocked'], name);
}

function counts(buffer: BufferedPipeline, name?: string): number[] {
  return look(buffer, ['produced', 'taken', 'held', 'maxHeld'], name);
}

/** A source whose values come when the test says so. */
class Faucet {
  #next = deferred<number | undefined>();

  async yield(value: number): Promise<void> {
    this.#open(value);
    await settle();
  }

  async end(): Promise<void> {
    this.#open(undefined);
    await settle();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<number> {
    for (let value = await this.#next.promise; value !== undefined; value = await this.#next.promise) yield value;
  }

  #open(value: number | undefined): void {
    const { resolve } = this.#next;
    this.#next = deferred();
    resolve(value);
  }
}

const iteratorOf = <T>(stage: Stage<T>): AsyncIterator<T> => stage[Symbol.asyncIterator]();

describe('buffer.statistics()', function () {
  this.timeout(2000);
  useFakeClock();
  let buffer: BufferedPipeline;
  beforeEach(() => {
    buffer = bufferedPipeline({ statistics: true });
  });

  it('tells of all stages in the order in which they were made, those included that nobody reads', async () => {
    const first = buffer(range(3), { name: 'first' });
    buffer(range(3), { name: 'aside' });
    await collect(buffer(pass(first), { name: 'last' }));
    expect(buffer.statistics().map(({ name, state }) => [name, state])).to.deep.equal([
      ['first', 'ended'],
      ['aside', 'unread'],
      ['last', 'ended'],
    ]);
  });

  it('tells of a stage that is unread', async () => {
    buffer(range(3), { bufferSize: 4 });
    await wait(5);
    expect(buffer.statistics()).to.deep.equal([
      {
        name: 'stage 1',
        bufferSize: 4,
        state: 'unread',
        produced: 0,
        taken: 0,
        held: 0,
        maxHeld: 0,
        working: 0,
        starved: 0,
        blocked: 0,
      },
    ]);
  });

  it('is empty where there are no stages', () => {
    expect(buffer.statistics()).to.deep.equal([]);
  });

  it('is a snapshot, which does not change', async () => {
    const stage = buffer(range(3));
    const before = buffer.statistics();
    await collect(stage);
    expect(before[0]).to.include({ state: 'unread', produced: 0 });
  });

  it('throws where statistics are off', () => {
    for (const off of [bufferedPipeline(), bufferedPipeline({ statistics: false })]) {
      expect(() => off.statistics())
        .to.throw(Error, 'bufferedPipeline({ statistics: true })')
        .with.property('code', 'ERR_INVALID_STATE');
    }
  });

  it('calls a stage by its name, else by that of its source function, else by its number', () => {
    async function* pages(): AsyncGenerator<number> {}
    buffer(pages, { name: 'own name' });
    buffer(pages);
    buffer(pages());
    buffer(() => pages());
    buffer([1], { name: undefined });
    const names = buffer.statistics().map(({ name }) => name);
    expect(names).to.deep.equal(['own name', 'pages', 'stage 3', 'stage 4', 'stage 5']);
  });

  describe('through the life of a stage', () => {
    it('counts as working what the source takes for a value, and as blocked what it stands still', async () => {
      const faucet = new Faucet();
      const iterator = iteratorOf(buffer(faucet));
      await wait(3);
      const first = iterator.next();
      expect(stateOf(buffer)).to.equal('working');
      await wait(10);
      await faucet.yield(1);
      await first;
      await wait(20);
      expect(stateOf(buffer)).to.equal('working');
      await faucet.yield(2);
      await wait(40);
      expect(stateOf(buffer)).to.equal('blocked');
      await iterator.next();
      await wait(80);
      expect(stateOf(buffer)).to.equal('working');
      await faucet.end();
      expect(stateOf(buffer)).to.equal('ended');
      await wait(160);
      expect(times(buffer)).to.deep.equal([110, 0, 40]);
    });

    it('is up to date in the middle of a step', async () => {
      void iteratorOf(buffer(new Faucet())).next();
      await wait(7);
      expect(times(buffer)).to.deep.equal([7, 0, 0]);
      await wait(4);
      expect(times(buffer)).to.deep.equal([11, 0, 0]);
    });

    it('counts the call of a source function as work', async () => {
      const compute = (): number[] => {
        clock.tick(9);
        return [1];
      };
      await collect(buffer(compute));
      expect(times(buffer)).to.deep.equal([9, 0, 0]);
    });

    it('starts when a stage is first read, however late', async () => {
      const stage = buffer(range(2));
      await wait(1000);
      await collect(stage);
      expect(times(buffer)).to.deep.equal([0, 0, 0]);
    });

    it('counts values exactly', async () => {
      const iterator = iteratorOf(buffer(range(5), { bufferSize: 3 }));
      await iterator.next();
      await settle();
      expect(counts(buffer)).to.deep.equal([4, 1, 3, 3]);
      await iterator.next();
      await settle();
      expect(counts(buffer)).to.deep.equal([5, 2, 3, 3]);
      for (let i = 0; i < 3; i++) await iterator.next();
      expect(counts(buffer)).to.deep.equal([5, 5, 0, 3]);
      expect((await iterator.next()).done).to.equal(true);
      expect(counts(buffer)).to.deep.equal([5, 5, 0, 3]);
    });

    it('has held nothing where each value was awaited', async () => {
      const faucet = new Faucet();
      const iterator = iteratorOf(buffer(faucet));
      for (const value of range(3)) {
        const answer = iterator.next();
        await faucet.yield(value);
        await answer;
      }
      expect(counts(buffer)).to.deep.equal([3, 3, 0, 0]);
    });

    it('has ended when the source is over, though values are held', async () => {
      await iteratorOf(buffer(range(3), { bufferSize: 8 })).next();
      await settle();
      expect(stateOf(buffer)).to.equal('ended');
      expect(counts(buffer)).to.deep.equal([3, 1, 2, 2]);
    });

    it('has failed when the source has thrown, though values are held', async () => {
      const stage = buffer(failingAfter(3, new Error('boom')), { bufferSize: 8 });
      await iteratorOf(stage).next();
      await settle();
      expect(stateOf(buffer)).to.equal('failed');
      expect(counts(buffer)).to.deep.equal([3, 1, 2, 2]);
      await rejection(collect(stage));
      expect(counts(buffer)).to.deep.equal([3, 3, 0, 2]);
    });

    type End = (stage: Stage<number>, controller: AbortController) => unknown;
    const ends: Record<string, [state: string, end: End]> = {
      'destroy()': ['ended', (stage) => stage.destroy()],
      'destroy(error)': ['failed', (stage) => stage.on('error', () => {}).destroy(new Error('boom'))],
      'an abort': ['ended', (_, controller) => controller.abort()],
      'leaving its loop': ['ended', (stage) => iteratorOf(stage).return?.()],
    };
    for (const [way, [state, end]] of Object.entries(ends)) {
      it(`has ${state} and holds nothing after ${way}`, async () => {
        const controller = new AbortController();
        buffer = bufferedPipeline({ statistics: true, signal: controller.signal });
        const stage = buffer(range(9), { bufferSize: 3 });
        await iteratorOf(stage).next();
        await wait(10);
        await end(stage, controller);
        await wait(20);
        expect(stateOf(buffer)).to.equal(state);
        expect(counts(buffer)).to.deep.equal([4, 1, 0, 3]);
        expect(times(buffer)).to.deep.equal([0, 0, 10]);
      });
    }

    it('has ended where it was made after the end of its pipeline', async () => {
      buffer = bufferedPipeline({ statistics: true, signal: AbortSignal.abort() });
      buffer([1]);
      expect(stateOf(buffer)).to.equal('ended');
    });

    it('has ended, without a life, where it was destroyed unread', async () => {
      buffer(range(9)).destroy();
      await wait(5);
      expect(stateOf(buffer)).to.equal('ended');
      expect(times(buffer)).to.deep.equal([0, 0, 0]);
    });
  });

  describe('of a stage that is read as a stream', () => {
    it('counts what read() takes', async () => {
      const stage = buffer(range(9), { bufferSize: 3 });
      stage.on('readable', () => {});
      await wait(5);
      expect(counts(buffer)).to.deep.equal([3, 0, 3, 3]);
      expect(stage.read()).to.equal(1);
      await wait(5);
      expect(counts(buffer)).to.deep.equal([4, 1, 3, 3]);
      expect(stateOf(buffer)).to.equal('blocked');
    });

    it('counts what a data listener takes, and what is held while it pauses', async () => {
      const stage = buffer(range(9), { bufferSize: 3 });
      stage.on('data', (value) => value === 2 && stage.pause());
      await settle();
      expect(counts(buffer)).to.deep.equal([5, 2, 3, 3]);
      stage.resume();
      await settle();
      expect(counts(buffer)).to.deep.equal([9, 9, 0, 3]);
      expect(stateOf(buffer)).to.equal('ended');
    });

    it('counts a value that a listener took before it destroyed the stage', async () => {
      const stage = buffer(range(9), { bufferSize: 3 });
      stage.on('data', () => stage.destroy());
      await settle();
      const [produced, taken, held] = counts(buffer);
      expect([taken, held]).to.deep.equal([1, 0]);
      expect(produced).to.be.within(1, 4);
    });

    it('keeps count of what a loop has left while it goes over to the stream', async () => {
      const stage = buffer(range(9), { bufferSize: 3 });
      await iteratorOf(stage).next();
      await settle();
      stage.on('readable', () => {});
      expect(counts(buffer)).to.deep.equal([4, 1, 3, 3]);
      expect(stage.read()).to.equal(2);
      expect(counts(buffer).slice(1, 2)).to.deep.equal([2]);
      await iteratorOf(stage).next();
      await settle();
      expect(counts(buffer)).to.deep.equal([6, 3, 3, 3]);
    });

    it('counts each value once, though it was given back, and none that the source has not yielded', async () => {
      const stage = buffer(range(6), { bufferSize: 2 });
      stage.on('readable', () => {});
      await settle();
      const first = stage.read()!;
      await settle();
      for (const value of [99, 98, first]) stage.unshift(value);
      await settle();
      expect(counts(buffer)).to.deep.equal([3, 1, 2, 2]);
      for (const value of [1, 98, 99]) expect(stage.read()).to.equal(value);
      expect(counts(buffer)).to.deep.equal([3, 1, 2, 2]);
      expect(stage.read()).to.equal(2);
      expect(counts(buffer)).to.deep.equal([3, 2, 1, 2]);
      await collect(stage);
      expect(counts(buffer)).to.deep.equal([6, 6, 0, 2]);
    });

    it('does not count as held the end that a loop has left', async () => {
      const stage = buffer(range(2), { bufferSize: 4 });
      const iterator = iteratorOf(stage);
      await iterator.next();
      await settle();
      await iterator.next();
      expect(stage.read()).to.equal(null);
      expect(counts(buffer)).to.deep.equal([2, 2, 0, 1]);
      await settle();
      expect(counts(buffer)).to.deep.equal([2, 2, 0, 1]);
    });

    it('does not count a null as taken, which no stream can carry', async () => {
      const stage = buffer([1, 2, null], { bufferSize: 8 });
      stage.on('error', () => {});
      stage.on('readable', () => {});
      await settle();
      expect(counts(buffer)).to.deep.equal([3, 0, 3, 3]);
      stage.read();
      stage.read();
      await settle();
      expect(counts(buffer)).to.deep.equal([3, 2, 0, 3]);
    });
  });

  describe('of a generator that reads stages', () => {
    it('counts as starved what it waits for a stage', async () => {
      const faucet = new Faucet();
      const iterator = iteratorOf(buffer(pass(buffer(faucet)), { name: 'reader' }));
      const answer = iterator.next();
      expect(stateOf(buffer, 'reader')).to.equal('starved');
      await wait(6);
      await faucet.yield(1);
      await answer;
      expect(stateOf(buffer, 'reader')).to.equal('starved');
      await wait(3);
      await faucet.yield(2);
      await wait(50);
      expect(stateOf(buffer, 'reader')).to.equal('blocked');
      expect(times(buffer, 'reader')).to.deep.equal([0, 9, 50]);
      expect(times(buffer, 'stage 1')).to.deep.equal([59, 0, 0]);
    });

    it('counts as working what it awaits that is not a stage', async () => {
      const lookup = deferred();
      async function* looking(source: AsyncIterable<number>): AsyncGenerator<number> {
        for await (const value of source) {
          await lookup.promise;
          yield value;
        }
      }
      void iteratorOf(buffer(looking(buffer(range(2))), { name: 'reader' })).next();
      await wait(8);
      expect(stateOf(buffer, 'reader')).to.equal('working');
      expect(times(buffer, 'reader')).to.deep.equal([8, 0, 0]);
      expect(times(buffer, 'stage 1')).to.deep.equal([0, 0, 8]);
    });

    const lateReaders: Record<string, { waitsAfterEach: boolean; expected: number[] }> = {
      'the first call of a generator that has awaited something else before': {
        waitsAfterEach: false,
        expected: [3, 12, 0],
      },
      'all calls of a generator that awaits something else before each': { waitsAfterEach: true, expected: [15, 0, 0] },
    };
    for (const [calls, { waitsAfterEach, expected }] of Object.entries(lateReaders)) {
      it(`counts as working ${calls}`, async () => {
        async function* late(source: AsyncIterable<number>): AsyncGenerator<number> {
          await settle();
          for await (const value of source) {
            yield value;
            if (waitsAfterEach) await settle();
          }
        }
        const faucet = new Faucet();
        void iteratorOf(buffer(late(buffer(faucet)), { name: 'late', bufferSize: 3 })).next();
        for (const milliseconds of [3, 5, 7]) {
          await settle();
          await wait(milliseconds);
          await faucet.yield(1);
        }
        expect(times(buffer, 'late')).to.deep.equal(expected);
      });
    }

    it('counts as starved what it waits for either of two stages', async () => {
      async function* pairs(left: Stage<number>, right: Stage<number>): AsyncGenerator<number[]> {
        const [ones, others] = [iteratorOf(left), iteratorOf(right)];
        for (;;) {
          const [one, other] = await Promise.all([ones.next(), others.next()]);
          if (one.done || other.done) return;
          yield [one.value, other.value];
        }
      }
      const [left, right] = [new Faucet(), new Faucet()];
      const iterator = iteratorOf(buffer(pairs(buffer(left), buffer(right)), { name: 'pairs' }));
      const answer = iterator.next();
      await wait(1);
      await left.yield(1);
      await wait(2);
      expect(stateOf(buffer, 'pairs')).to.equal('starved');
      await right.yield(2);
      expect((await answer).value).to.deep.equal([1, 2]);
      await wait(4);
      await right.yield(3);
      await wait(8);
      await left.yield(4);
      await wait(16);
      expect(times(buffer, 'pairs')).to.deep.equal([0, 15, 16]);
    });

    it('counts as starved what it waits for the last of several calls', async () => {
      async function* batches(source: Stage<number>): AsyncGenerator<number[]> {
        const iterator = iteratorOf(source);
        yield (await Promise.all(range(3).map(() => iterator.next()))).map(({ value }) => value);
      }
      const faucet = new Faucet();
      const answer = iteratorOf(buffer(batches(buffer(faucet)), { name: 'batches' })).next();
      for (const value of range(3)) {
        await wait(5);
        expect(stateOf(buffer, 'batches')).to.equal('starved');
        await faucet.yield(value);
      }
      expect((await answer).value).to.deep.equal([1, 2, 3]);
      expect(times(buffer, 'batches')).to.deep.equal([0, 15, 0]);
      expect(counts(buffer, 'stage 1').slice(0, 3)).to.deep.equal([3, 3, 0]);
    });

    it('counts as starved what it waits for a value that it has asked for ahead', async () => {
      async function* ahead(source: Stage<number>): AsyncGenerator<number> {
        const iterator = iteratorOf(source);
        let next = iterator.next();
        for (let answer = await next; !answer.done; answer = await next) {
          next = iterator.next();
          yield answer.value;
        }
      }
      const faucet = new Faucet();
      const iterator = iteratorOf(buffer(ahead(buffer(faucet)), { name: 'ahead' }));
      void iterator.next();
      await faucet.yield(1);
      await wait(5);
      await faucet.yield(2);
      expect(times(buffer, 'ahead')).to.deep.equal([0, 5, 0]);
    });

    it('is fed when it is answered, not when another one is that shares its stage', async () => {
      const faucet = new Faucet();
      const shared = buffer(faucet);
      const iterators = ['one', 'two'].map((name) => iteratorOf(buffer(pass(shared), { name })));
      for (const iterator of iterators) void iterator.next();
      await wait(5);
      expect([stateOf(buffer, 'one'), stateOf(buffer, 'two')]).to.deep.equal(['starved', 'starved']);
      await faucet.yield(1);
      await wait(3);
      await faucet.yield(2);
      await faucet.yield(3);
      await wait(7);
      expect([stateOf(buffer, 'one'), stateOf(buffer, 'two')]).to.deep.equal(['blocked', 'starved']);
      expect(times(buffer, 'one')).to.deep.equal([0, 8, 7]);
      expect(times(buffer, 'two')).to.deep.equal([0, 15, 0]);
    });

    it('does not count as its own work what a stage that it waits for computes', async () => {
      async function* computing(): AsyncGenerator<number> {
        for (const value of range(4)) {
          await settle();
          clock.tick(10);
          yield value;
          clock.tick(100);
        }
      }
      await collect(buffer(pass(buffer(computing())), { name: 'reader' }));
      expect(times(buffer, 'stage 1')).to.deep.equal([440, 0, 0]);
      expect(times(buffer, 'reader')).to.deep.equal([0, 440, 0]);
    });

    for (const [answer, fail] of Object.entries({
      'fails while it waits': (stage: Stage<number>) => stage.on('error', () => {}).destroy(new Error('boom')),
      'is destroyed while it waits': (stage: Stage<number>) => stage.destroy(),
    })) {
      it(`works again when the stage that it reads ${answer}, and it goes on`, async () => {
        async function* recovering(source: AsyncIterable<number>): AsyncGenerator<number> {
          try {
            yield* source;
          } catch {
            yield await new Promise<number>(() => {});
          }
        }
        const stuck = buffer(new Faucet());
        void iteratorOf(buffer(recovering(stuck), { name: 'reader' })).next();
        await wait(5);
        fail(stuck);
        await wait(3);
        expect(stateOf(buffer, 'reader')).to.equal('working');
        expect(times(buffer, 'reader')).to.deep.equal([3, 5, 0]);
      });
    }

    it('works again when the source of the stage that it reads throws while it waits', async () => {
      async function* failing(): AsyncGenerator<number> {
        await settle();
        throw new Error('boom');
      }
      async function* recovering(source: AsyncIterable<number>): AsyncGenerator<number> {
        try {
          yield* source;
        } catch {
          yield await new Promise<number>(() => {});
        }
      }
      void iteratorOf(buffer(recovering(buffer(failing())), { name: 'reader' })).next();
      await settle();
      await wait(0);
      await wait(3);
      expect(times(buffer, 'reader')).to.deep.equal([3, 0, 0]);
    });

    it('is let go, and has ended, when the stage that it waits for fails', async () => {
      const stuck = buffer(new Faucet());
      const error = rejection(collect(buffer(pass(stuck), { name: 'reader' })));
      await wait(5);
      stuck.on('error', () => {}).destroy(new Error('boom'));
      expect(await error).to.include({ message: 'boom' });
      await wait(5);
      expect(stateOf(buffer, 'reader')).to.equal('ended');
      expect(times(buffer, 'reader')).to.deep.equal([0, 5, 0]);
    });
  });
});

describe('buffer.statistics() of a failure', function () {
  this.timeout(2000);
  let buffer: BufferedPipeline;
  beforeEach(() => {
    buffer = bufferedPipeline({ statistics: true });
  });

  /** The stages that have failed, and with what. */
  function failures(): [name: string, error: unknown][] {
    return buffer
      .statistics()
      .filter(({ state }) => state === 'failed')
      .map(({ name, error }) => [name, error]);
  }

  /** A chain of three stages: the first yields numbers, the second does with them what it is told to, the third passes them on. */
  function chain(second: (source: Stage<number>) => Source<number>, first: Source<number> = range(9)): Stage<number> {
    const read = buffer(first, { name: 'first' });
    return buffer(pass(buffer(second(read), { name: 'second' })), { name: 'third' });
  }

  const boom = new Error('boom');

  async function* late(source: AsyncIterable<number>): AsyncGenerator<number> {
    await settle();
    yield* source;
  }

  async function* wrapping(source: AsyncIterable<number>): AsyncGenerator<number> {
    try {
      yield* source;
    } catch (cause) {
      throw new Error('The first stage is of no use', { cause });
    }
  }

  const steps: Record<string, (source: Stage<number>) => Source<number>> = {
    'a generator that passes it on': pass,
    'a generator that awaits something else before it reads': late,
    'a generator that throws another one with it as its cause': wrapping,
    'an operator': (source) => source.map((value) => value),
    compose: (source) => source.compose(pass) as AsyncIterable<number>,
    'a stream behind pipe()': (source) => {
      const behind = new PassThrough({ objectMode: true });
      return source.on('error', (error) => behind.destroy(error)).pipe(behind);
    },
  };
  for (const [name, step] of Object.entries(steps)) {
    it(`names only the stage where it happened, behind ${name}`, async () => {
      await outcomeOf(chain(step, failingAfter(3, boom)));
      expect(failures()).to.deep.equal([['first', boom]]);
    });
  }

  for (const thrown of [undefined, null, 'text', 0, { code: 1 }, Object.freeze(() => {})]) {
    it(`names only the stage that threw ${inspect(thrown)}`, async () => {
      await outcomeOf(chain(pass, failingAfter(3, thrown)));
      expect(failures()).to.deep.equal([['first', thrown]]);
      const fields = buffer.statistics().map((statistics) => 'error' in statistics);
      expect(fields).to.deep.equal([true, false, false]);
    });
  }

  it('names the stage in the middle, and neither those before nor those behind it', async () => {
    async function* failing(source: AsyncIterable<number>): AsyncGenerator<number> {
      for await (const value of source) {
        if (value === 3) throw boom;
        yield value;
      }
    }
    await outcomeOf(chain(failing));
    expect(failures()).to.deep.equal([['second', boom]]);
    expect(buffer.statistics().map(({ state }) => state)).to.deep.equal(['ended', 'failed', 'ended']);
  });

  it('names the stage that was destroyed with it', async () => {
    const source = buffer(range(9), { name: 'first' });
    const reading = outcomeOf(buffer(pass(source)));
    source.destroy(boom);
    await reading;
    expect(failures()).to.deep.equal([['first', boom]]);
  });

  it('names the last stage where the stream fails that a pipeline writes to', async () => {
    const full = new Writable({ objectMode: true, write: (_value, _encoding, callback) => callback(boom) });
    await rejection(pipeline(chain(pass), full));
    expect(failures()).to.deep.equal([['third', boom]]);
  });

  it('names the stage that goes on without what failed, if that fails for a reason of its own', async () => {
    const another = new Error('another');
    await outcomeOf(
      chain(
        async function* (source) {
          try {
            yield* source;
          } catch {
            throw another;
          }
        },
        failingAfter(1, boom),
      ),
    );
    expect(failures()).to.deep.equal([
      ['first', boom],
      ['second', another],
    ]);
  });

  it('names each stage that fails while another catches its errors', async () => {
    const errors = range(3).map((number) => new Error(String(number)));
    async function* trying(): AsyncGenerator<number> {
      for (const [index, error] of errors.entries()) {
        try {
          yield* buffer(failingAfter(1, error), { name: `try ${index}` });
        } catch {
          // The next one.
        }
      }
    }
    await collect(buffer(trying, { name: 'trying' }));
    expect(failures()).to.deep.equal(errors.map((error, index) => [`try ${index}`, error]));
  });

  it('names the stage of buffer.map() whose call failed', async () => {
    const mapped = buffer.map(range(9), (value) => (value === 3 ? Promise.reject(boom) : value), { name: 'calls' });
    await outcomeOf(buffer(pass(mapped)));
    expect(failures()).to.deep.equal([['calls', boom]]);
  });

  it('tells of the first call in line, as the consumer is, though one behind it failed earlier', async () => {
    const calls = range(3).map(() => deferred<number>());
    const mapped = buffer.map([0, 1, 2], (index) => calls[index]!.promise, { concurrency: 3, name: 'calls' });
    const outcome = outcomeOf(mapped);
    await settle();
    calls[2]!.reject(new Error('behind'));
    await settle();
    calls[1]!.reject(boom);
    await settle();
    expect(failures()).to.deep.equal([['calls', boom]]);
    calls[0]!.resolve(0);
    expect(await outcome).to.deep.equal({ values: [0], failed: true, error: boom });
    expect(failures()).to.deep.equal([['calls', boom]]);
  });

  it('names the stage whose clean-up threw', async () => {
    async function* failingToClose(): AsyncGenerator<number> {
      try {
        yield* range(9);
      } finally {
        // oxlint-disable-next-line no-unsafe-finally -- what the test is about
        throw boom;
      }
    }
    const leave = async (stage: Stage<number>): Promise<void> => {
      for await (const _ of stage) break;
    };
    expect(await rejection(leave(chain(pass, failingToClose())))).to.equal(boom);
    await settle();
    expect(failures()).to.deep.equal([['first', boom]]);
  });

  const ends: Record<string, (stage: Stage<number>, controller: AbortController) => unknown> = {
    'an abort': (stage, controller) => {
      controller.abort();
      return outcomeOf(stage);
    },
    'leaving a loop': (stage) => iteratorOf(stage).return?.(),
    'leaving a loop behind compose()': async (stage) => {
      for await (const _ of stage.compose(pass)) break;
    },
    'take()': (stage) => collect(stage.take(1)),
    'destroy()': (stage) => stage.destroy(),
    disposal: () => buffer[Symbol.asyncDispose](),
  };
  for (const [way, end] of Object.entries(ends)) {
    it(`names no stage after ${way}`, async () => {
      const controller = new AbortController();
      buffer = bufferedPipeline({ statistics: true, signal: controller.signal });
      const stage = chain(pass);
      await iteratorOf(stage).next();
      await end(stage, controller);
      await settle();
      expect(buffer.statistics().map(({ state }) => state)).to.deep.equal(['ended', 'ended', 'ended']);
    });
  }

  it('names, for each of two pipelines, the stage where its part of it happened', async () => {
    const inner = bufferedPipeline({ statistics: true });
    await outcomeOf(chain(() => inner(failingAfter(1, boom))));
    expect(inner.statistics().map(({ state }) => state)).to.deep.equal(['failed']);
    expect(failures()).to.deep.equal([['second', boom]]);
  });
});

describe('Without anybody who observes', function () {
  this.timeout(2000);

  it('no clock is read', async () => {
    const { now } = performance;
    let reads = 0;
    performance.now = () => {
      reads++;
      return now.call(performance);
    };
    const run = async (buffer: BufferedPipeline): Promise<number> => {
      const before = reads;
      await collect(buffer(pass(buffer(range(3)))));
      return reads - before;
    };
    try {
      expect(await run(bufferedPipeline())).to.equal(0);
      expect(await run(bufferedPipeline({ statistics: true }))).to.be.above(0);
    } finally {
      performance.now = now;
    }
  });
});
