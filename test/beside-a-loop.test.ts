/**
 * A stage that is read in more than one way at once: a 'data' listener beside a loop sees what the loop takes, as with
 * Node's own Readable, and in every mixture values keep their order and each is taken once.
 */
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import { expect } from 'chai';
import fc from 'fast-check';

import { bufferedPipeline, type Stage } from '../lib/index.ts';
import { collect, ended, failingAfter, outcomeOf, pass, range, rejection, settle, turn } from './helpers.ts';
import { BOOM, BUFFER_SIZES, sink } from './subject.ts';

/** Yields at the pace of the event loop, so that readers wait for it. */
async function* paced(count: number): AsyncGenerator<number> {
  for (const n of range(count)) {
    await turn();
    yield n;
  }
}

/** Makes the stream that is looked at: a stage, or one of Node's own. */
type Make = (source: AsyncIterable<number> | Iterable<number>, bufferSize: number) => Readable;

const makers: Record<string, Make> = {
  'Node’s own': (source, highWaterMark) => Readable.from(source, { highWaterMark }),
  'a stage': (source, bufferSize) => bufferedPipeline()(source, { bufferSize }),
};

/** What reads a stream to its end by its iterator. */
const readers: Record<string, (stream: Readable) => Promise<unknown[]>> = {
  'for await': collect,
  'a slow loop': async (stream) => {
    const values: unknown[] = [];
    for await (const value of stream) {
      values.push(value);
      await turn(2);
    }
    return values;
  },
  'next()': async (stream) => {
    const iterator = stream[Symbol.asyncIterator]();
    const values: unknown[] = [];
    for (let answer = await iterator.next(); !answer.done; answer = await iterator.next()) values.push(answer.value);
    return values;
  },
  'iterator()': (stream) => collect(stream.iterator({ destroyOnReturn: false })),
  'toArray()': (stream) => stream.toArray(),
  'map()': (stream) => collect(stream.map((value: number) => value)),
  'map() with concurrency': (stream) => collect(stream.map((value: number) => value, { concurrency: 4 })),
  'flatMap()': (stream) => collect(stream.flatMap((value: number) => [value])),
  'forEach()': async (stream) => {
    const values: unknown[] = [];
    await stream.forEach((value: number) => void values.push(value));
    return values;
  },
  'Readable.from': (stream) => collect(Readable.from(pass(stream))),
  'a generator': (stream) => collect(pass(stream)),
  'a stage that reads it': (stream) => collect(bufferedPipeline()(pass(stream))),
  'pipeline into a function': async (stream) => {
    const values: unknown[] = [];
    await pipeline(stream, async (source: AsyncIterable<number>) => {
      for await (const value of source) values.push(value);
    });
    return values;
  },
};

const sources: Record<string, () => AsyncIterable<number> | Iterable<number>> = {
  'at once': () => range(7),
  'at the pace of the event loop': () => paced(7),
};

describe("A 'data' listener beside a loop", function () {
  this.timeout(2000);

  for (const [maker, make] of Object.entries(makers)) {
    for (const [reader, read] of Object.entries(readers)) {
      for (const [pace, source] of Object.entries(sources)) {
        it(`of ${maker} sees all that the loop takes: ${reader}, values ${pace}`, async () => {
          for (const bufferSize of BUFFER_SIZES) {
            const seen: unknown[] = [];
            const stream = make(source(), bufferSize).on('data', (value) => seen.push(value));
            expect({ read: await read(stream), seen }).to.deep.equal({ read: range(7), seen: range(7) });
          }
        });
      }
    }

    it(`of ${maker} sees what follows if it comes in the middle, and nothing once it has gone`, async () => {
      for (const bufferSize of BUFFER_SIZES) {
        const [seen, read]: unknown[][] = [[], []];
        const listener = (value: unknown): unknown => seen!.push(value);
        const stream = make(paced(7), bufferSize);
        for await (const value of stream) {
          read!.push(value);
          if (value === 2) stream.on('data', listener);
          if (value === 5) stream.off('data', listener);
        }
        expect({ read, seen }).to.deep.equal({ read: range(7), seen: [3, 4, 5] });
      }
    });

    it(`of ${maker} sees one value if it listens once`, async () => {
      const stream = make(paced(7), 2);
      const first = once(stream, 'data');
      expect(await collect(stream)).to.deep.equal(range(7));
      expect(await first).to.deep.equal([1]);
    });

    it(`of ${maker} sees all, too, if it is put in front of others`, async () => {
      for (const put of ['prependListener', 'prependOnceListener'] as const) {
        const seen: unknown[] = [];
        const stream = make(paced(7), 2)[put]('data', (value) => seen.push(value));
        await turn(2);
        expect(await collect(stream)).to.deep.equal(range(7));
        expect(seen).to.deep.equal(put === 'prependListener' ? range(7) : [1]);
      }
    });

    it(`of ${maker} is one of several that all see all`, async () => {
      const seen: unknown[][] = [[], [], []];
      const stream = make(paced(7), 2);
      for (const values of seen) stream.on('data', (value) => values.push(value));
      expect(await collect(stream)).to.deep.equal(range(7));
      expect(seen).to.deep.equal([range(7), range(7), range(7)]);
    });

    it(`of ${maker} sees the values before an error that the loop is told of`, async () => {
      const seen: unknown[] = [];
      const stream = make(pass(failingAfter(1, BOOM)), 1).on('data', (value) => seen.push(value));
      stream.on('error', () => {});
      expect(await outcomeOf(stream)).to.deep.include({ values: [1], error: BOOM });
      expect(seen).to.deep.equal([1]);
    });

    it(`of ${maker} sees no more than the loop that leaves has taken, or has had fetched`, async () => {
      const seen: unknown[] = [];
      const stream = make(paced(7), 1).on('data', (value) => seen.push(value));
      for await (const value of stream) if (value === 3) break;
      await settle();
      expect(seen).to.deep.equal([1, 2, 3]);
    });
  }

  it('does not take values from the others where two loops share a stage', async () => {
    const seen: unknown[] = [];
    const stage = bufferedPipeline()(paced(8), { bufferSize: 2 }).on('data', (value) => seen.push(value));
    const [some, others] = await Promise.all([collect(stage), collect(stage)]);
    expect(seen).to.deep.equal(range(8));
    expect([...some, ...others].toSorted((a, b) => a - b)).to.deep.equal(range(8));
  });

  it('sees the values that a loop takes from the middle of a chain', async () => {
    const buffer = bufferedPipeline();
    const seen: unknown[] = [];
    const input = buffer(paced(7)).on('data', (value) => seen.push(value));
    expect(await collect(buffer(pass(input)))).to.deep.equal(range(7));
    expect(seen).to.deep.equal(range(7));
  });

  it('does not change how far the stage runs ahead', async () => {
    const progress: number[] = [];
    async function* counted(): AsyncGenerator<number> {
      for (const n of range(9)) {
        progress.push(n);
        yield n;
      }
    }
    const stage = bufferedPipeline()(counted(), { bufferSize: 2 }).on('data', () => {});
    const iterator = stage[Symbol.asyncIterator]();
    for (const taken of range(3)) {
      await iterator.next();
      await settle();
      expect(progress.length).to.equal(taken + 2);
    }
    stage.destroy();
  });

  it('counts each value once as taken', async () => {
    const buffer = bufferedPipeline({ statistics: true });
    const stage = buffer(paced(7), { bufferSize: 2 }).on('data', () => {});
    await collect(stage);
    expect(buffer.statistics()[0]).to.include({ produced: 7, taken: 7, held: 0 });
  });

  it('that throws is an uncaught exception, and not the failure of the loop', async () => {
    const uncaught: unknown[] = [];
    const listeners = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException').on('uncaughtException', (error) => uncaught.push(error));
    try {
      const stage = bufferedPipeline()(paced(3));
      stage.once('data', () => {
        throw BOOM;
      });
      expect(await collect(stage)).to.deep.equal([1, 2, 3]);
      await settle();
    } finally {
      process.removeAllListeners('uncaughtException');
      for (const listener of listeners) process.on('uncaughtException', listener);
    }
    expect(uncaught).to.deep.equal([BOOM]);
  });
});

describe('A stage whose first values a next() has taken by hand', function () {
  this.timeout(2000);

  const rest: Record<string, (stage: Stage<number>) => Promise<unknown[]>> = {
    'pipe()': async (stage) => {
      const taken: unknown[] = [];
      const writable = sink(taken);
      stage.pipe(writable);
      await once(writable, 'finish');
      return taken;
    },
    "on('data')": async (stage) => {
      const taken: unknown[] = [];
      await ended(stage.on('data', (value) => taken.push(value)));
      return taken;
    },
    "on('readable')": async (stage) => {
      const taken: unknown[] = [];
      await ended(
        stage.on('readable', () => {
          for (let value = stage.read(); value !== null; value = stage.read()) taken.push(value);
        }),
      );
      return taken;
    },
    'pipeline()': async (stage) => {
      const taken: unknown[] = [];
      await pipeline(stage, sink(taken));
      return taken;
    },
  };

  for (const [way, readOn] of Object.entries(rest)) {
    for (const [pace, source] of Object.entries(sources)) {
      for (const turns of [0, 1, 5]) {
        it(`gives all the rest to ${way}, ${turns} turns later, values ${pace}`, async () => {
          for (const bufferSize of BUFFER_SIZES) {
            for (const headers of [1, 2]) {
              const stage = bufferedPipeline()(source(), { bufferSize });
              const iterator = stage[Symbol.asyncIterator]();
              for (const n of range(headers)) expect((await iterator.next()).value).to.equal(n);
              await turn(turns);
              expect(await readOn(stage)).to.deep.equal(range(7).slice(headers));
            }
          }
        });
      }
    }
  }
});

/** What a program does with a stage, one after the other. */
const OPERATIONS = [
  'next',
  'await next',
  'read',
  'turn',
  'tick',
  'listen',
  'stop listening',
  'resume',
  'pause',
] as const;
type Operation = (typeof OPERATIONS)[number];

/** What the readers of a stage got: in the order in which they asked, and in the order of the events. */
interface Mixture {
  asked: number[];
  listened: number[];
}

/** Runs a program, and then has a loop take what is left. */
async function mix(stage: Stage<number>, program: readonly Operation[]): Promise<Mixture> {
  const iterator = stage[Symbol.asyncIterator]();
  const asked: Promise<IteratorResult<number>>[] = [];
  const listened: number[] = [];
  const listen = (value: number): unknown => listened.push(value);
  const next = (): Promise<IteratorResult<number>> => {
    const answer = iterator.next();
    asked.push(answer);
    return answer;
  };
  const operations: Record<Operation, () => unknown> = {
    next,
    'await next': () => next(),
    read() {
      const value = stage.read();
      if (value !== null) asked.push(Promise.resolve({ done: false, value }));
    },
    turn: () => turn(),
    tick: () => Promise.resolve(),
    listen: () => stage.off('data', listen).on('data', listen),
    // Without the pause, values would flow that nobody sees, as from any stream.
    'stop listening': () => stage.off('data', listen).pause(),
    resume: () => (stage.listenerCount('data') > 0 ? stage.resume() : undefined),
    pause: () => stage.pause(),
  };
  for (const operation of program) {
    const done = operations[operation]();
    if (operation !== 'next') await done;
  }
  stage.pause();
  while (!(await next()).done);
  const answers = await Promise.all(asked);
  return { asked: answers.flatMap(({ done, value }) => (done ? [] : [value])), listened };
}

function expectInOrder({ asked, listened }: Mixture, count: number): void {
  const ascending = (values: number[]): number[] => [...new Set(values)].toSorted((a, b) => a - b);
  expect(asked, 'asked').to.deep.equal(ascending(asked));
  expect(listened, 'listened').to.deep.equal(ascending(listened));
  expect(ascending([...asked, ...listened]), 'together').to.deep.equal(range(count));
}

describe('A mixture of next(), read() and listeners', function () {
  this.timeout(10_000);

  const programs: Record<string, Operation[]> = {
    'a read() between two next()': ['next', 'read', 'next'],
    'a listener between two next()': ['next', 'listen', 'next', 'turn', 'turn'],
    'a read(), and a next() with a listener': ['next', 'read', 'listen', 'next', 'turn'],
    'a next() with a listener, after a read()': ['read', 'turn', 'listen', 'next', 'read', 'next', 'turn'],
    'a listener that is paused': ['listen', 'turn', 'pause', 'next', 'read', 'turn', 'read', 'resume', 'next'],
    'reads between waiting loops': ['next', 'next', 'read', 'turn', 'read', 'next', 'tick', 'read', 'next'],
  };

  for (const [name, program] of Object.entries(programs)) {
    for (const [pace, source] of Object.entries(sources)) {
      for (const bufferSize of BUFFER_SIZES) {
        it(`keeps the order, and loses nothing: ${name}, size ${bufferSize}, values ${pace}`, async function () {
          this.timeout(2000);
          expectInOrder(await mix(bufferedPipeline()(source(), { bufferSize }), program), 7);
        });
      }
    }
  }

  it('keeps the order, and loses nothing, in random programs without listeners', async () => {
    const operations = fc.array(fc.constantFrom<Operation[]>('next', 'await next', 'read', 'turn', 'tick'), {
      maxLength: 15,
    });
    await fc.assert(
      fc.asyncProperty(
        operations,
        fc.boolean(),
        fc.constantFrom(...BUFFER_SIZES),
        async (program, isPaced, bufferSize) => {
          const source = isPaced ? paced(12) : range(12);
          const mixture = await mix(bufferedPipeline()(source, { bufferSize }), program);
          expect(mixture.asked).to.deep.equal(range(12));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('keeps the order, and loses nothing, in random programs', async () => {
    const operations = fc.array(fc.constantFrom(...OPERATIONS), { maxLength: 15 });
    await fc.assert(
      fc.asyncProperty(
        operations,
        fc.boolean(),
        fc.constantFrom(...BUFFER_SIZES),
        async (program, isPaced, bufferSize) => {
          const source = isPaced ? paced(12) : range(12);
          expectInOrder(await mix(bufferedPipeline()(source, { bufferSize }), program), 12);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('tells a listener that is there from the beginning all, in random programs', async () => {
    const operations = fc.array(fc.constantFrom(...OPERATIONS.filter((operation) => operation !== 'stop listening')), {
      maxLength: 15,
    });
    await fc.assert(
      fc.asyncProperty(
        operations,
        fc.boolean(),
        fc.constantFrom(...BUFFER_SIZES),
        async (program, isPaced, bufferSize) => {
          const source = isPaced ? paced(12) : range(12);
          const stage = bufferedPipeline()(source, { bufferSize });
          const mixture = await mix(stage, ['listen', ...program]);
          expectInOrder(mixture, 12);
          expect(mixture.listened).to.deep.equal(range(12));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('answers all that wait when the stage fails: one with the error, the others with done', async () => {
    const stage = bufferedPipeline()(failingAfter(1, BOOM));
    stage.on('error', () => {});
    const iterator = stage[Symbol.asyncIterator]();
    const answers = [iterator.next(), iterator.next(), iterator.next()];
    stage.read();
    stage.on('data', () => {});
    expect((await answers[0]!).value).to.equal(1);
    expect(await rejection(answers[1]!)).to.equal(BOOM);
    expect(await answers[2]).to.deep.equal({ done: true, value: undefined });
  });
});

describe('A loop that also calls read()', function () {
  this.timeout(2000);

  for (const bufferSize of [1, 16]) {
    it(`gets all values, then the error, at size ${bufferSize}`, async () => {
      const boom = BOOM;
      const stage = bufferedPipeline()(failingAfter(5, boom), { bufferSize });
      const seen: unknown[] = [];
      try {
        for await (const first of stage) {
          seen.push(first);
          await turn();
          for (let value = stage.read(); value !== null; value = stage.read()) seen.push(value);
        }
      } catch (error) {
        seen.push(error);
      }
      // An 'error' event that nobody listens for would end the process.
      await turn(3);
      expect(seen).to.deep.equal([1, 2, 3, 4, 5, boom]);
    });
  }
});
