/**
 * What Node's own `Readable.from` does where a stage differs: a test for each row of the table in docs/readable.md, by
 * what its first column says.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Readable, Writable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';

import { expect } from 'chai';

import { bufferedPipeline } from '../lib/index.ts';
import {
  collect,
  failingAfter,
  type Outcome,
  outcomeOf,
  pass,
  range,
  recorded,
  rejection,
  settle,
  turn,
} from './helpers.ts';
import { HANGS_AFTER, runProgram } from './programs.ts';
import { BOOM, BUFFER_SIZES, endless, ignore, orWaits, PREMATURE_CLOSE } from './subject.ts';

/** Takes a value as a stream, and lets the source come to rest. */
async function readOne(stream: Readable): Promise<unknown> {
  await once(stream, 'readable');
  const value: unknown = stream.read();
  await settle();
  return value;
}

/** Notes what an iterator is closed with. */
function closable(calls: string[]): AsyncIterableIterator<number> {
  const close = (name: string) => async (): Promise<IteratorResult<number>> => {
    calls.push(name);
    return { done: true, value: undefined };
  };
  return {
    next: async () => ({ done: false, value: 1 }),
    return: close('return'),
    throw: close('throw'),
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

async function* oneThenStuck(log: string[]): AsyncGenerator<number> {
  try {
    yield 1;
    await new Promise(ignore);
  } finally {
    log.push('cleaned');
  }
}

/** A reader that is away for a turn after each value. */
function slowOutcome(stream: Readable): Promise<Outcome<unknown>> {
  const values: unknown[] = [];
  return outcomeOf(
    (async function* () {
      for await (const value of stream) {
        values.push(value);
        yield value;
        await turn();
      }
    })(),
  );
}

const rows: Record<string, () => Promise<void>> = {
  'An error destroys the stream, and with it the values that wait in its buffer.': async () => {
    const { values, error } = await slowOutcome(Readable.from(failingAfter(3, BOOM), { highWaterMark: 16 }));
    expect({ values, error }).to.deep.equal({ values: [], error: BOOM });
  },

  'What is thrown and falsy is lost: a loop gets `ERR_STREAM_PREMATURE_CLOSE`.': async () => {
    for (const thrown of [undefined, null, 0, NaN, '', false])
      expect(await rejection(collect(Readable.from(failingAfter(2, thrown))))).to.include({ code: PREMATURE_CLOSE });
  },

  'A stream that is destroyed with an error, or left by a loop, closes the generator with `throw()`, which it may catch.':
    async () => {
      const calls: string[] = [];
      const destroyed = Readable.from(closable(calls)).on('error', ignore);
      await readOne(destroyed);
      destroyed.destroy(BOOM);
      for await (const _ of Readable.from(closable(calls))) break;
      await settle();
      expect(calls).to.deep.equal(['throw', 'throw']);
    },

  'A loop that is left does not wait for the generator to clean up, and an error in its `finally` is lost.':
    async () => {
      const log: string[] = [];
      async function* cleaning(): AsyncGenerator<number> {
        try {
          yield* range(9);
        } finally {
          await turn();
          log.push('cleaned');
          // oxlint-disable-next-line no-unsafe-finally -- what the test is about
          throw BOOM;
        }
      }
      for await (const _ of Readable.from(cleaning())) break;
      log.push('left');
      await settle();
      expect(log).to.deep.equal(['left', 'cleaned']);
    },

  'After `break`, another loop fails with an `AbortError`.': async () => {
    const stream = Readable.from(range(3));
    for await (const _ of stream) break;
    expect(await rejection(collect(stream))).to.include({ name: 'AbortError' });
  },

  '`null` cannot be yielded: `ERR_STREAM_NULL_VALUES`.': async () => {
    const { values, error } = await outcomeOf(Readable.from([1, null, 2], { highWaterMark: 1 }));
    expect(values).to.deep.equal([1]);
    expect(error).to.include({ code: 'ERR_STREAM_NULL_VALUES' });
  },

  "`'error'` is emitted in any case, and ends the process if nobody listens, also if nobody has read.": async () => {
    const errors: unknown[] = [];
    const stream = Readable.from(failingAfter(1, BOOM)).on('error', (error) => errors.push(error));
    await rejection(collect(stream));
    await turn();
    expect(errors).to.deep.equal([BOOM]);

    const { code, stderr } = await runProgram(`
      import { Readable } from 'node:stream';
      Readable.from([1]).destroy(new Error('boom'));`);
    expect(code).to.equal(1);
    expect(stderr).to.include('boom');
  },

  'Streams that are not connected know nothing of each other.': async () => {
    const [fails, goesOn] = [Readable.from(failingAfter(1, BOOM)), Readable.from(range(3))];
    expect(await readOne(goesOn)).to.equal(1);
    await rejection(collect(fails));
    expect(await collect(goesOn)).to.deep.equal([2, 3]);
  },

  "`'error'` and `'close'` wait for `_destroy`, and so for the generator's step.": async () => {
    const events: string[] = [];
    const stream = Readable.from(oneThenStuck([]));
    for (const event of ['error', 'close']) stream.on(event, () => events.push(event));
    await readOne(stream);
    stream.destroy(BOOM);
    await settle();
    expect(stream.destroyed).to.equal(true);
    expect(events).to.deep.equal([]);
  },

  'The end is pushed as soon as the source ends.': async () => {
    // Destroyed while its last value is being written, it passes for complete.
    const stream = Readable.from([1]);
    const write = (_: unknown, __: unknown, done: () => void): void => {
      setImmediate(() => {
        stream.destroy();
        done();
      });
    };
    await pipeline(stream, new Writable({ objectMode: true, write }));
  },

  'A generator runs in the async context of whoever causes its next step.': async () => {
    const storage = new AsyncLocalStorage<string>();
    const seen: (string | undefined)[] = [];
    async function* noting(): AsyncGenerator<number> {
      for (const n of range(9)) {
        seen.push(storage.getStore());
        yield n;
      }
    }
    const iterator = Readable.from(noting(), { highWaterMark: 1 })[Symbol.asyncIterator]();
    for (const reader of ['first reader', 'second reader']) {
      await storage.run(reader, () => iterator.next());
      await settle();
    }
    expect(seen).to.include.members(['first reader', 'second reader']);
  },

  'A `data` handler that throws makes the stream fail, and its error is thrown into the generator.': async () => {
    const caught: unknown[] = [];
    async function* catching(): AsyncGenerator<number> {
      try {
        yield* endless();
      } catch (error) {
        caught.push(error);
      }
    }
    const stream = Readable.from(catching());
    stream.once('data', () => {
      throw BOOM;
    });
    expect(await rejection(finished(stream))).to.equal(BOOM);
    expect(caught).to.deep.equal([BOOM]);
  },

  '`destroy()` closes the one generator, once its step has settled.': async () => {
    const log: string[] = [];
    const first = Readable.from(oneThenStuck(log));
    const second = Readable.from(recorded(log, 'second', first));
    await readOne(second);
    second.destroy();
    await settle();
    expect({ log, destroyed: first.destroyed }).to.deep.equal({ log: ['second starts'], destroyed: false });
  },
};

describe("Node's own Readable.from", function () {
  this.timeout(HANGS_AFTER + 5_000);

  for (const [row, show] of Object.entries(rows)) it(`as docs/readable.md says: ${row}`, show);

  it('is shown here for each row of the table', () => {
    const docs = readFileSync(new URL('../docs/readable.md', import.meta.url), 'utf8');
    const start = docs.indexOf('\n| Node ') + 1;
    const table = docs.slice(start, docs.indexOf('\n\n', start));
    const [, , ...said] = table.trim().split('\n');
    expect(said.map((row) => row.split(' | ')[0]!.slice(2).trim())).to.have.members(Object.keys(rows));
  });

  it('is destroyed while a value is written, which pipeline never learns, or takes for the end', async () => {
    for (const size of BUFFER_SIZES) {
      const outcomes: unknown[] = [];
      for (const stream of [
        Readable.from(endless(), { highWaterMark: size }),
        bufferedPipeline()(pass(endless()), { bufferSize: size }),
      ]) {
        const write = (_: unknown, __: unknown, done: () => void): void => {
          stream.destroy();
          setImmediate(done);
        };
        const writable = new Writable({ objectMode: true, highWaterMark: 1, write });
        const end = pipeline(stream, writable).then(
          () => 'complete',
          (error: NodeJS.ErrnoException) => error.code,
        );
        outcomes.push(await orWaits(end));
      }
      expect(outcomes[0]).to.be.oneOf(['waits', 'complete']);
      expect(outcomes[1]).to.equal(PREMATURE_CLOSE);
    }
  });
});
