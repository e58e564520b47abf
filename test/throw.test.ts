/** What `throw()` of the iterator does: as for a generator that does not catch, the chain closes, and the caller gets its error back. */
import { once } from 'node:events';
import { Duplex, Readable } from 'node:stream';
import { finished } from 'node:stream/promises';

import { expect } from 'chai';

import { bufferedPipeline } from '../lib/index.ts';
import {
  type AnyIterable,
  closed,
  collect,
  deferred,
  pass,
  range,
  recorded,
  rejection,
  settle,
  stateOf,
} from './helpers.ts';

const BOOM = new Error('boom');
const OTHER = new Error('other');
const DONE = { done: true, value: undefined };
const never = new Promise<never>(() => {});

/** What a chain wraps its steps in: a buffer, or nothing. */
type Wrap = <T>(source: AsyncGenerator<T>) => AsyncIterable<T>;
const unbuffered: Wrap = (source) => source;

function buffered(): Wrap {
  const buffer = bufferedPipeline();
  return (source) => buffer(source);
}

/** Two steps that note when they close. */
function chain(wrap: Wrap, log: string[]): AsyncIterable<number> {
  return wrap(recorded(log, 'second', wrap(recorded(log, 'first', range(9)))));
}

/** Catches what is thrown into it, and goes on. */
async function* catching(source: AnyIterable<unknown>): AsyncGenerator<unknown> {
  try {
    yield* source as AsyncIterable<unknown>;
  } catch (error) {
    yield error;
  }
}

async function* delegating<T>(source: AsyncIterable<T>): AsyncGenerator<T> {
  yield* source;
}

describe("The iterator's throw()", function () {
  this.timeout(2000);

  const throwInto: Record<string, (iterator: AsyncIterator<unknown>) => Promise<unknown>> = {
    'before the first read': (iterator) => rejection(iterator.throw!(BOOM)),
    'after a value': async (iterator) => {
      await iterator.next();
      return rejection(iterator.throw!(BOOM));
    },
    'after a value, with full buffers': async (iterator) => {
      await iterator.next();
      await settle();
      return rejection(iterator.throw!(BOOM));
    },
    'after the end': async (iterator) => {
      while (!(await iterator.next()).done);
      return rejection(iterator.throw!(BOOM));
    },
    'after return()': async (iterator) => {
      await iterator.next();
      await iterator.return!();
      return rejection(iterator.throw!(BOOM));
    },
    twice: async (iterator) => {
      await iterator.next();
      const [first, second] = [rejection(iterator.throw!(BOOM)), rejection(iterator.throw!(OTHER))];
      return [await first, await second];
    },
    'and return() at once': async (iterator) => {
      await iterator.next();
      return Promise.all([rejection(iterator.throw!(BOOM)), iterator.return!(1)]);
    },
  };

  for (const [when, act] of Object.entries(throwInto)) {
    it(`closes the chain and gives the error back, as that of a generator: ${when}`, async () => {
      const seen = [];
      for (const wrap of [unbuffered, buffered()]) {
        const log: string[] = [];
        const iterator = chain(wrap, log)[Symbol.asyncIterator]();
        const outcome = await act(iterator);
        const after = await iterator.next();
        await settle();
        seen.push({ outcome, after, closings: log.filter((line) => line.endsWith('closes')) });
      }
      expect(seen[1]).to.deep.equal(seen[0]);
    });
  }

  for (const thrown of [BOOM, undefined, null, 0, '', NaN]) {
    it(`gives back what is thrown, itself: ${String(thrown)}`, async () => {
      const iterator = bufferedPipeline()(range(3))[Symbol.asyncIterator]();
      await iterator.next();
      expect(await rejection(iterator.throw!(thrown))).to.deep.equal(thrown);
      expect(await iterator.next()).to.deep.equal(DONE);
    });
  }

  it('has a source see return(), once, and never throw()', async () => {
    const calls: string[] = [];
    const source: AsyncIterableIterator<number> = {
      next: async () => ({ done: false, value: 1 }),
      async return() {
        calls.push('return');
        return { done: true, value: undefined };
      },
      async throw() {
        calls.push('throw');
        return { done: true, value: undefined };
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
    const iterator = bufferedPipeline()(source)[Symbol.asyncIterator]();
    await iterator.next();
    expect(await rejection(iterator.throw!(BOOM))).to.equal(BOOM);
    await settle();
    expect(calls).to.deep.equal(['return']);
  });

  it('destroys the stage and what it reads', async () => {
    const buffer = bufferedPipeline();
    const first = buffer(range(9));
    const second = buffer(pass(first));
    const iterator = second[Symbol.asyncIterator]();
    await iterator.next();
    await rejection(iterator.throw!(BOOM));
    await Promise.all([closed(first), closed(second)]);
    expect([first.destroyed, second.destroyed]).to.deep.equal([true, true]);
  });

  it('waits for the clean-up of idle generators', async () => {
    const gate = deferred();
    async function* cleaning(): AsyncGenerator<number> {
      try {
        yield* range(9);
      } finally {
        await gate.promise;
      }
    }
    const iterator = bufferedPipeline()(cleaning())[Symbol.asyncIterator]();
    await iterator.next();
    await settle();
    const thrown = rejection(iterator.throw!(BOOM));
    expect(await stateOf(thrown)).to.equal('pending');
    gate.resolve();
    expect(await thrown).to.equal(BOOM);
  });

  it('is not held up by a step that never settles', async () => {
    async function* stuck(): AsyncGenerator<number> {
      yield 1;
      await never;
    }
    const iterator = bufferedPipeline()(stuck())[Symbol.asyncIterator]();
    await iterator.next();
    await settle();
    expect(await rejection(iterator.throw!(BOOM))).to.equal(BOOM);
  });

  it('is answered behind a read under way, which gets what the step yields', async () => {
    const gate = deferred();
    async function* slow(): AsyncGenerator<number> {
      await gate.promise;
      yield 1;
    }
    const iterator = bufferedPipeline()(slow())[Symbol.asyncIterator]();
    const read = iterator.next();
    const thrown = rejection(iterator.throw!(BOOM));
    await settle();
    gate.resolve();
    expect(await read).to.deep.equal({ done: false, value: 1 });
    expect(await thrown).to.equal(BOOM);
    expect(await iterator.next()).to.deep.equal(DONE);
  });

  it('ends no stage but its own and what that reads', async () => {
    const buffer = bufferedPipeline();
    const sibling = buffer(range(3));
    await sibling[Symbol.asyncIterator]().next();
    const iterator = buffer(range(3))[Symbol.asyncIterator]();
    await iterator.next();
    await rejection(iterator.throw!(BOOM));
    await settle();
    expect(await collect(sibling)).to.deep.equal([2, 3]);
    expect(await collect(buffer([1]))).to.deep.equal([1]);
  });

  it('leaves nothing for disposal to tell', async () => {
    const buffer = bufferedPipeline();
    const iterator = buffer(pass(buffer(range(9))))[Symbol.asyncIterator]();
    await iterator.next();
    await rejection(iterator.throw!(BOOM));
    await buffer[Symbol.asyncDispose]();
  });

  it('aborts the signal of a source function', async () => {
    let signal!: AbortSignal;
    const stage = bufferedPipeline()((context) => {
      ({ signal } = context);
      return range(9);
    });
    const iterator = stage[Symbol.asyncIterator]();
    await iterator.next();
    await rejection(iterator.throw!(BOOM));
    expect(signal.aborted).to.equal(true);
  });
});

describe('A generator that delegates to a stage', function () {
  this.timeout(2000);

  it('catches what is thrown into it, as over a generator', async () => {
    const seen = [];
    for (const wrap of [unbuffered, buffered()]) {
      const log: string[] = [];
      const iterator = catching(chain(wrap, log));
      const answers = [await iterator.next()];
      await settle();
      answers.push(await iterator.throw(BOOM), await iterator.next());
      seen.push({ answers, closings: log.filter((line) => line.endsWith('closes')) });
    }
    expect(seen[1]).to.deep.equal(seen[0]);
  });

  const streams: Record<string, (values: () => AsyncGenerator<number>) => Readable> = {
    'Readable.from': (values) => Readable.from(values()),
    'Duplex.from a generator function': (values) => Duplex.from(values),
    'Duplex.from an iterable': (values) => Duplex.from(values()),
  };

  for (const [name, streamOf] of Object.entries(streams)) {
    for (const turns of ['at once', 'with full buffers']) {
      it(`closes with the error that its stream is destroyed with: ${name}, ${turns}`, async () => {
        const seen = [];
        for (const wrap of [unbuffered, buffered()]) {
          const log: string[] = [];
          const stream = streamOf(() => delegating(chain(wrap, log)));
          const errors: unknown[] = [];
          stream.on('error', (error) => errors.push(error));
          await once(stream, 'readable');
          if (turns !== 'at once') await settle();
          const end = rejection(finished(stream));
          stream.destroy(BOOM);
          await end;
          await settle();
          seen.push({ end: await end, errors, closings: log.filter((line) => line.endsWith('closes')) });
        }
        expect(seen[0]!.errors).to.deep.equal([BOOM]);
        expect(seen[1]).to.deep.equal(seen[0]);
      });
    }
  }

  it('of a stream over the stage itself: the error is that which it is destroyed with', async () => {
    const stage = bufferedPipeline()(pass(range(9)));
    const stream = Readable.from(stage[Symbol.asyncIterator]() as AsyncIterable<number>);
    const errors: unknown[] = [];
    stream.on('error', (error) => errors.push(error));
    await once(stream, 'readable');
    stream.destroy(BOOM);
    await closed(stream);
    expect(errors).to.deep.equal([BOOM]);
    expect(stage.destroyed).to.equal(true);
  });
});
