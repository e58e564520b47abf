/**
 * The clean-up of generators that only wait for their input: they are idle, so a loop that is left waits for them, in the
 * order of the unbuffered chain, and is told what they throw.
 */
import { Readable } from 'node:stream';

import { expect } from 'chai';

import { bufferedPipeline, type BufferedPipeline } from '../lib/index.ts';
import { type AnyIterable, deferred, microtasks, range, rejection, settle, turn } from './helpers.ts';

const BOOM = new Error('boom');
const OTHER = new Error('other');

/** What a chain wraps its steps in: a buffer, or nothing. */
type Wrap = <T>(source: AsyncIterable<T>) => AsyncIterable<T>;
const unbuffered: Wrap = (source) => source;

/** Yields a value, and then is in a step until the gate opens. */
async function* oneThenStep(log: string[], gate: Promise<unknown>): AsyncGenerator<number> {
  try {
    yield 1;
    await gate;
    yield 2;
  } finally {
    log.push('source');
  }
}

type Clean = () => unknown;

/** The ways in which a generator waits for nothing but what it reads. */
const waiting: Record<string, (source: AsyncIterable<number>, clean: Clean) => AsyncGenerator<number>> = {
  async *'for await'(source, clean) {
    try {
      for await (const value of source) yield value;
    } finally {
      await clean();
    }
  },
  async *'yield*'(source, clean) {
    try {
      yield* source;
    } finally {
      await clean();
    }
  },
  async *'next()'(source, clean) {
    const iterator = source[Symbol.asyncIterator]();
    try {
      for (let answer = await iterator.next(); !answer.done; answer = await iterator.next()) yield answer.value;
    } finally {
      await iterator.return?.();
      await clean();
    }
  },
  async *'a generator in between'(source, clean) {
    try {
      yield* (async function* inner() {
        for await (const value of source) yield value;
      })();
    } finally {
      await clean();
    }
  },
  async *'a generator that awaited something before it read'(source, clean) {
    try {
      await turn();
      for await (const value of source) yield value;
    } finally {
      await clean();
    }
  },
};

function throwing(error: unknown): () => never {
  return () => {
    throw error;
  };
}

function nothing(): void {}

interface Chain {
  last: AsyncIterable<number>;
  buffer: BufferedPipeline;
  log: string[];
  gate: { resolve: () => void };
}

/** A source in a step, and generators behind it that wait for it. */
function chain(way: string, cleans: Clean[], isBuffered = true): Chain {
  const log: string[] = [];
  const gate = deferred();
  const buffer = bufferedPipeline();
  const wrap: Wrap = isBuffered ? (source) => buffer(source) : unbuffered;
  let last = wrap(oneThenStep(log, gate.promise));
  for (const [index, clean] of cleans.entries()) {
    const noted = async (): Promise<void> => {
      log.push(`step ${index}`);
      await clean();
    };
    last = wrap(waiting[way]!(last, noted));
  }
  return { last, buffer, log, gate };
}

/** The ways in which a loop is left. Each rejects with what the loop is told. */
const leaves: Record<string, (chain: Chain) => Promise<unknown>> = {
  break: async ({ last }) => {
    for await (const _ of last) {
      await settle();
      break;
    }
  },
  'break at once': async ({ last }) => {
    for await (const _ of last) break;
  },
  'return()': async ({ last }) => {
    const iterator = last[Symbol.asyncIterator]();
    await iterator.next();
    await settle();
    await iterator.return!();
  },
};

describe('A generator that waits for its input when a loop is left', function () {
  this.timeout(2000);

  for (const way of Object.keys(waiting)) {
    for (const [leave, act] of Object.entries(leaves)) {
      for (const [where, cleans] of Object.entries({
        'the only one': [throwing(BOOM)],
        'the last of two': [nothing, throwing(BOOM)],
        'the first of two': [throwing(BOOM), nothing],
        'in the middle': [nothing, throwing(BOOM), nothing],
        'behind a clean-up that lasts': [() => settle(), throwing(BOOM)],
        'and its clean-up takes some ticks': [nothing, () => microtasks(5).then(throwing(BOOM))],
      })) {
        it(`has the loop told what its finally throws, as unbuffered: ${way}, ${leave}, ${where}`, async () => {
          expect(await rejection(act(chain(way, cleans, false)))).to.equal(BOOM);

          const chained = chain(way, cleans);
          expect(await rejection(act(chained))).to.equal(BOOM);
          expect(chained.log).to.have.members(cleans.map((_, index) => `step ${index}`));
          chained.gate.resolve();
          await chained.buffer[Symbol.asyncDispose]();
        });
      }

      it(`closes in the order of the unbuffered chain: ${way}, ${leave}`, async () => {
        const cleans = [nothing, nothing, nothing];
        const plain = chain(way, cleans, false);
        await act(plain);

        const chained = chain(way, cleans);
        await act(chained);
        expect(plain.log).to.deep.equal(['source', 'step 0', 'step 1', 'step 2']);
        expect(chained.log).to.deep.equal(['step 0', 'step 1', 'step 2']);
        chained.gate.resolve();
        await chained.buffer[Symbol.asyncDispose]();
        expect(chained.log.at(-1)).to.equal('source');
      });

      it(`is waited for, if its clean-up lasts no longer than a turn: ${way}, ${leave}`, async () => {
        let isCleaned = false;
        const clean = async (): Promise<void> => {
          await microtasks(5);
          isCleaned = true;
        };
        const chained = chain(way, [nothing, clean]);
        await act(chained);
        expect(isCleaned).to.equal(true);
        chained.gate.resolve();
      });

      it(`has what a longer clean-up throws told once, to the loop or to disposal: ${way}, ${leave}`, async () => {
        const told: unknown[] = [];
        const chained = chain(way, [nothing, () => settle().then(throwing(BOOM))]);
        await act(chained).catch((error: unknown) => told.push(error));
        chained.gate.resolve();
        await chained.buffer[Symbol.asyncDispose]().catch((error: unknown) => told.push(error));
        expect(told).to.deep.equal([BOOM]);
      });
    }

    it(`has nobody told but the loop's own error, if it is left by one: ${way}`, async () => {
      const chained = chain(way, [nothing, throwing(BOOM)]);
      const loop = async (): Promise<void> => {
        for await (const _ of chained.last) {
          await settle();
          throw OTHER;
        }
      };
      expect(await rejection(loop())).to.equal(OTHER);
      expect(chained.log).to.deep.equal(['step 0', 'step 1']);
      chained.gate.resolve();
    });

    it(`has disposal told what its finally throws: ${way}`, async () => {
      const chained = chain(way, [nothing, throwing(BOOM)]);
      await chained.last[Symbol.asyncIterator]().next();
      await settle();
      const disposed = rejection(chained.buffer[Symbol.asyncDispose]());
      chained.gate.resolve();
      expect(await disposed).to.equal(BOOM);
    });

    it(`has an 'error' listener or disposal told what its finally throws after destroy(): ${way}`, async () => {
      for (const listens of [true, false]) {
        const told: unknown[] = [];
        const chained = chain(way, [nothing, throwing(BOOM)]);
        const last = chained.last as Readable;
        if (listens) last.on('error', (error) => told.push(error));
        await last[Symbol.asyncIterator]().next();
        await settle();
        last.destroy();
        await settle();
        chained.gate.resolve();
        await chained.buffer[Symbol.asyncDispose]().catch((error: unknown) => told.push(error));
        await settle();
        expect(told).to.deep.equal([BOOM]);
      }
    });
  }

  it('has one of the errors told, once, if several throw', async () => {
    for (const way of Object.keys(waiting)) {
      const chained = chain(way, [throwing(OTHER), throwing(BOOM)]);
      expect(await rejection(leaves['break']!(chained))).to.be.oneOf([OTHER, BOOM]);
      chained.gate.resolve();
    }
  });

  /** Yields a value, then waits, and can be closed meanwhile. */
  function closable(): AsyncIterableIterator<number> {
    const closed = deferred<IteratorResult<number>>();
    const answers = [Promise.resolve({ done: false, value: 1 }), closed.promise];
    return {
      next: () => answers.shift() ?? closed.promise,
      return() {
        closed.resolve({ done: true, value: undefined });
        return closed.promise;
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  for (const [when, wait] of Object.entries({ 'at once': nothing, 'after a wait': turn })) {
    for (const isClosable of [false, true]) {
      const what = isClosable ? ', one of which can be closed while it waits' : '';
      it(`that reads two stages at once${what}, is told of by the loop, if it reads ${when}`, async () => {
        const buffer = bufferedPipeline();
        const gate = deferred();
        const busy = (): AsyncGenerator<number> => oneThenStep([], gate.promise);
        const [left, right] = [buffer(isClosable ? closable() : busy()), buffer(busy())];
        async function* zipped(): AsyncGenerator<number[]> {
          await wait();
          const iterators = [left, right].map((stage) => stage[Symbol.asyncIterator]());
          try {
            for (;;)
              yield (await Promise.all(iterators.map((iterator) => iterator.next()))).map(
                ({ value }) => value as number,
              );
          } finally {
            // oxlint-disable-next-line no-unsafe-finally -- what the test is about
            throw BOOM;
          }
        }
        const loop = async (): Promise<void> => {
          for await (const _ of buffer(zipped())) {
            await settle();
            break;
          }
        };
        expect(await rejection(loop())).to.equal(BOOM);
        expect([left.destroyed, right.destroyed]).to.deep.equal([true, true]);
        gate.resolve();
      });
    }
  }

  it('is not waited for if it waits for something of its own, too', async () => {
    const buffer = bufferedPipeline();
    const input = buffer(range(9));
    const gate = deferred();
    async function* busy(): AsyncGenerator<number> {
      for await (const value of input) {
        yield value;
        await gate.promise;
      }
    }
    for await (const _ of buffer(busy())) {
      await settle();
      break;
    }
    gate.resolve();
  });
});

/** A step that hands on, and notes when its clean-up begins, and when it is over. */
async function* step(
  log: string[],
  name: number,
  source: AnyIterable<number>,
  stuckAt: { name: number; gate: Promise<void> } | undefined,
): AsyncGenerator<number> {
  try {
    for await (const value of source) {
      yield value;
      if (stuckAt?.name === name) await stuckAt.gate;
    }
  } finally {
    log.push(`${name} closes`);
    await microtasks(5);
    log.push(`${name} is closed`);
  }
}

describe('The clean-up of a chain when a loop is left', function () {
  this.timeout(2000);
  const LENGTH = 4;

  function build(log: string[], wrap: Wrap, stuckAt?: { name: number; gate: Promise<void> }): AsyncIterable<number> {
    let last: AsyncIterable<number> = wrap(step(log, 0, range(99), stuckAt));
    for (let name = 1; name < LENGTH; name++) last = wrap(step(log, name, last, stuckAt));
    return last;
  }

  async function leave(stage: AsyncIterable<number>, turns: number): Promise<void> {
    for await (const _ of stage) {
      await turn(turns);
      break;
    }
  }

  for (const bufferSize of [1, 4]) {
    for (const turns of [0, 1, 20]) {
      it(`runs one after the other, as unbuffered: size ${bufferSize}, left after ${turns} turns`, async () => {
        const logs: string[][] = [];
        const buffer = bufferedPipeline();
        for (const wrap of [unbuffered, (<T>(source: AsyncIterable<T>) => buffer(source, { bufferSize })) as Wrap]) {
          const log: string[] = [];
          await leave(build(log, wrap), turns);
          logs.push(log);
        }
        expect(logs[0]).to.have.lengthOf(2 * LENGTH);
        expect(logs[1]).to.deep.equal(logs[0]);
      });
    }

    for (const name of range(LENGTH).map((n) => n - 1)) {
      it(`keeps that order on each side of a step that is stuck: size ${bufferSize}, number ${name}`, async () => {
        const plain: string[] = [];
        await leave(build(plain, unbuffered), 0);

        const gate = deferred();
        const log: string[] = [];
        const buffer = bufferedPipeline();
        const wrap: Wrap = (source) => buffer(source, { bufferSize });
        await leave(build(log, wrap, { name, gate: gate.promise }), 20);
        const side = (lines: string[], isInside: (n: number) => boolean): string[] =>
          lines.filter((line) => isInside(Number(line[0])));
        expect(side(log, (n) => n < name)).to.deep.equal(side(plain, (n) => n < name));
        expect(side(log, (n) => n > name)).to.deep.equal(side(plain, (n) => n > name));
        expect(side(log, (n) => n === name)).to.deep.equal([]);
        gate.resolve();
        await buffer[Symbol.asyncDispose]();
        expect(side(log, (n) => n === name)).to.deep.equal([`${name} closes`, `${name} is closed`]);
      });
    }
  }

  it('is told once, to the loop, and not to disposal', async () => {
    const buffer = bufferedPipeline();
    async function* failingToClose(source: AnyIterable<number>): AsyncGenerator<number> {
      try {
        for await (const value of source) yield value;
      } finally {
        // oxlint-disable-next-line no-unsafe-finally -- what the test is about
        throw BOOM;
      }
    }
    const last = buffer(failingToClose(buffer(range(9))));
    const iterator = last[Symbol.asyncIterator]();
    await iterator.next();
    await settle();
    const told = await Promise.allSettled([iterator.return!(), iterator.return!(), buffer[Symbol.asyncDispose]()]);
    expect(told.filter(({ status }) => status === 'rejected')).to.deep.equal([{ status: 'rejected', reason: BOOM }]);
  });
});

describe('The clean-up of a generator that has caught an error', function () {
  this.timeout(2000);

  /** Goes on behind an error that it has caught, and throws something when it is left. */
  async function* goingOn(source: AsyncIterable<number>, thrown: (caught: unknown) => unknown): AsyncGenerator<number> {
    let caught: unknown;
    try {
      try {
        for await (const value of source) yield value;
      } catch (error) {
        caught = error;
      }
      for (let n = 0; ; n--, await turn()) yield n;
    } finally {
      // oxlint-disable-next-line no-unsafe-finally
      throw thrown(caught);
    }
  }

  async function* failing(error: unknown): AsyncGenerator<number> {
    yield 1;
    throw error;
  }

  async function leftBehind(wrap: Wrap, error: unknown, thrown: (caught: unknown) => unknown): Promise<unknown> {
    for await (const value of wrap(goingOn(wrap(failing(error)), thrown))) {
      // The generator comes to rest at a later value.
      await settle();
      if (value === -3) break;
    }
    return 'left';
  }

  const thrown: Record<string, (caught: unknown) => unknown> = {
    'that error': (caught) => caught,
    'one made of it': (caught) => new Error('clean-up', { cause: caught }),
    another: () => OTHER,
  };

  for (const error of [BOOM, undefined, null, 0]) {
    for (const [what, throws] of Object.entries(thrown)) {
      it(`has the loop told that it throws ${what}: ${String(error)}`, async () => {
        const expected = await rejection(leftBehind(unbuffered, error, throws));
        for (const bufferSize of [1, 16]) {
          const buffer = bufferedPipeline();
          const seen = await rejection(leftBehind((source) => buffer(source, { bufferSize }), error, throws));
          expect(seen).to.deep.equal(expected);
        }
      });
    }
  }
});

describe('A clean-up that reads the rest of its input', function () {
  this.timeout(2000);

  async function* draining(source: AsyncIterable<number>, rest: number[], wrapped: boolean): AsyncGenerator<number> {
    const iterator = source[Symbol.asyncIterator]();
    const drain = async (): Promise<void> => {
      for (let { done, value } = await iterator.next(); !done; { done, value } = await iterator.next())
        rest.push(value);
    };
    try {
      yield (await iterator.next()).value;
      for (;;) yield 0;
    } finally {
      if (wrapped) await drain().catch((cause: unknown) => Promise.reject(new Error('clean-up', { cause })));
      else await drain();
    }
  }

  async function* threeThen(error: unknown): AsyncGenerator<number> {
    yield* range(3);
    if (error !== undefined) throw error;
  }

  async function leftWith(wrap: Wrap, error: unknown, wrapped: boolean, isCaught: boolean): Promise<unknown> {
    const rest: number[] = [];
    async function* catching(source: AsyncIterable<number>): AsyncGenerator<unknown> {
      try {
        for await (const _ of source) {
          await settle();
          break;
        }
        yield 'left';
      } catch (caught) {
        yield { caught };
      }
    }
    const seen: unknown[] = [];
    const drained = wrap(draining(wrap(threeThen(error)), rest, wrapped));
    for await (const value of isCaught ? wrap(catching(drained)) : catching(drained)) seen.push(value);
    return { rest, seen };
  }

  for (const error of [undefined, BOOM]) {
    for (const wrapped of [false, true]) {
      for (const isCaught of [false, true]) {
        const name = `${error === undefined ? 'ends' : 'fails'}, ${wrapped ? 'with a cause' : 'as it is'}`;
        it(`has ${isCaught ? 'a stage' : 'the loop'} that leaves told how it ends: it ${name}`, async () => {
          const expected = await leftWith(unbuffered, error, wrapped, isCaught);
          for (const bufferSize of [1, 16]) {
            const buffer = bufferedPipeline();
            const wrap: Wrap = (source) => buffer(source, { bufferSize });
            expect(await leftWith(wrap, error, wrapped, isCaught)).to.deep.equal(expected);
          }
        });
      }
    }
  }
});

describe('A generator that had one of its two reads fail, ahead of a consumer that leaves', function () {
  this.timeout(2000);

  it('is not taken for one whose clean-up has failed', async () => {
    const gate = deferred();
    async function* both(sources: AsyncIterable<number>[]): AsyncGenerator<unknown> {
      yield 'first';
      const iterators = sources.map((source) => source[Symbol.asyncIterator]());
      try {
        yield await Promise.all(iterators.map((iterator) => iterator.next()));
      } finally {
        await gate.promise;
      }
    }
    async function* failing(): AsyncGenerator<number> {
      yield* [];
      throw BOOM;
    }
    async function* waitingFor(opened: Promise<unknown>): AsyncGenerator<number> {
      await opened;
      yield 1;
    }
    const buffer = bufferedPipeline();
    const stage = buffer(both([buffer(failing()), buffer(waitingFor(gate.promise))]));
    for await (const _ of stage) {
      await settle();
      break;
    }
    gate.resolve();
    await buffer[Symbol.asyncDispose]();
  });
});
