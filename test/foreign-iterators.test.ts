/**
 * Iterators that others have made, and that were given as they are: those that can be closed while a read is under way are
 * closed at once, and each is closed once, also if nobody has read it.
 */
import { EventEmitter, getEventListeners, on } from 'node:events';
import { MessageChannel, type MessagePort } from 'node:worker_threads';

import { expect } from 'chai';

import { bufferedPipeline, type BufferedPipeline, type Source, type Stage } from '../lib/index.ts';
import {
  type AnyIterable,
  closed,
  collect,
  deferred,
  failingAfter,
  outcomeOf,
  pass,
  range,
  rejection,
  settle,
  stateOf,
  turn,
} from './helpers.ts';

const BOOM = new Error('boom');
const OTHER = new Error('other');
const DONE = { done: true, value: undefined };
const never = new Promise<never>(() => {});

/** An iterator that can be closed while it waits, and how its maker sees it. */
interface Foreign {
  iterator: AsyncIterableIterator<unknown>;
  /** Gives the one that waits a value. */
  give: () => void;
  isClosed: () => boolean;
  /** Whether a read under way is never answered, so that disposal may wait for it. */
  isStuck?: true;
}

/** What a hand-written channel does with a read under way when it is closed. */
type OnReturn = (read: {
  resolve: (answer: IteratorResult<unknown>) => void;
  reject: (error: unknown) => void;
}) => void;

/** A channel as people write them: values wait for readers, or readers for values. */
class Channel implements AsyncIterableIterator<unknown> {
  readonly calls: string[] = [];
  readonly #onReturn: OnReturn;
  #values: unknown[] = [];
  #reads: { resolve: (answer: IteratorResult<unknown>) => void; reject: (error: unknown) => void }[] = [];

  constructor(onReturn: OnReturn) {
    this.#onReturn = onReturn;
  }

  put(value: unknown): void {
    const read = this.#reads.shift();
    if (read === undefined) this.#values.push(value);
    else read.resolve({ done: false, value });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<unknown>> {
    if (this.#values.length > 0) return Promise.resolve({ done: false, value: this.#values.shift() });
    return new Promise((resolve, reject) => this.#reads.push({ resolve, reject }));
  }

  async return(): Promise<IteratorResult<unknown>> {
    this.calls.push('return');
    for (const read of this.#reads.splice(0)) this.#onReturn(read);
    return { done: true, value: undefined };
  }

  async throw(error: unknown): Promise<never> {
    this.calls.push('throw');
    throw error;
  }
}

function channel(onReturn: OnReturn): Foreign {
  const made = new Channel(onReturn);
  return { iterator: made, give: () => made.put(0), isClosed: () => made.calls.join() === 'return' };
}

/** As repeaters are: the executor runs at the first read, and is told by a promise that its reader has left. */
function repeater(): Foreign {
  let stops = 0;
  const inner = new Channel((read) => read.resolve({ done: true, value: undefined }));
  const stop = deferred();
  let isStarted = false;
  const start = async (): Promise<void> => {
    isStarted = true;
    await stop.promise;
    stops++;
  };
  const iterator: AsyncIterableIterator<unknown> = {
    next() {
      if (!isStarted) void start();
      return inner.next();
    },
    return() {
      stop.resolve();
      isStarted = true;
      return inner.return();
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
  return { iterator, give: () => inner.put(0), isClosed: () => inner.calls.join() === 'return' && stops <= 1 };
}

/** What keeps the process alive until a test is over. */
const ports: MessagePort[] = [];
afterEach(() => {
  for (const port of ports.splice(0)) port.close();
});

const foreigners: Record<string, () => Foreign> = {
  'events.on of an emitter': () => {
    const emitter = new EventEmitter();
    const iterator = on(emitter, 'value') as AsyncIterableIterator<unknown>;
    const isClosed = (): boolean => emitter.listenerCount('value') + emitter.listenerCount('error') === 0;
    return { iterator, give: () => void emitter.emit('value', 0), isClosed };
  },
  'events.on of a message port': () => {
    const { port1, port2 } = new MessageChannel();
    ports.push(port2);
    const iterator = on(port1, 'message') as AsyncIterableIterator<unknown>;
    const isClosed = (): boolean => getEventListeners(port1, 'message').length === 0;
    return { iterator, give: () => port2.postMessage(0), isClosed };
  },
  'a hand-written one that answers a read under way with done': () =>
    channel((read) => read.resolve({ done: true, value: undefined })),
  'a hand-written one that rejects a read under way': () => channel((read) => read.reject(OTHER)),
  'a hand-written one that never answers a read under way': () => ({ ...channel(() => {}), isStuck: true }),
  'a hand-written one that answers a read under way with a value': () =>
    channel((read) => read.resolve({ done: false, value: 'late' })),
  'a repeater': repeater,
};

interface Chain {
  /** The stage over the iterator. */
  input: Stage<unknown>;
  /** What the consumer reads: the same, or one that reads it. */
  stage: Stage<unknown>;
  /** A stage that fails when it is read, and that no other could read: made after them, and before any has started. */
  failing: Stage<number>;
  buffer: BufferedPipeline;
  controller: AbortController;
  /** Has the iterator yield. */
  give: () => void;
}

/** Has the consumer take a value, and lets the next read get under way. */
async function begin({ stage, give }: Chain): Promise<AsyncIterator<unknown>> {
  const iterator = stage[Symbol.asyncIterator]();
  const first = iterator.next();
  give();
  await first;
  await settle();
  return iterator;
}

/** The ways to come to an end while the iterator waits. Each resolves when the consumer is through. */
const waysOut: Record<string, (chain: Chain) => Promise<unknown>> = {
  break: async (chain) => {
    chain.give();
    for await (const _ of chain.stage) {
      await settle();
      break;
    }
  },
  'throw in the loop body': async (chain) => {
    chain.give();
    const loop = async (): Promise<void> => {
      for await (const _ of chain.stage) {
        await settle();
        throw BOOM;
      }
    };
    expect(await rejection(loop())).to.equal(BOOM);
  },
  'return() of the iterator': async (chain) => {
    const iterator = await begin(chain);
    expect(await iterator.return!()).to.deep.equal(DONE);
  },
  'return() with a read of the consumer under way': async (chain) => {
    const iterator = await begin(chain);
    const read = iterator.next();
    await settle();
    await iterator.return!();
    void read.catch(() => {});
  },
  'destroy()': async (chain) => {
    await begin(chain);
    chain.stage.destroy();
  },
  'destroy(error)': async (chain) => {
    await begin(chain);
    chain.stage.on('error', () => {}).destroy(BOOM);
  },
  'destroy() as a stream': async ({ stage, give }) => {
    const first = new Promise((resolve) => stage.once('data', resolve));
    give();
    await first;
    await settle();
    stage.destroy();
  },
  abort: async (chain) => {
    await begin(chain);
    chain.controller.abort();
  },
  'abort while the consumer waits': async (chain) => {
    const iterator = await begin(chain);
    const waiting = rejection(iterator.next());
    await settle();
    chain.controller.abort();
    expect(await waiting).to.include({ code: 'ABORT_ERR' });
  },
  disposal: async (chain) => {
    await begin(chain);
    void chain.buffer[Symbol.asyncDispose]();
    await settle();
  },
  'an error that has left the pipeline': async (chain) => {
    await begin(chain);
    expect(await rejection(collect(chain.failing))).to.equal(BOOM);
  },
};

function newChain(source: Source<unknown>, isReadByStage: boolean): Omit<Chain, 'give'> {
  const controller = new AbortController();
  const buffer = bufferedPipeline({ signal: controller.signal });
  const input = buffer(source);
  const stage = isReadByStage ? buffer(pass(input)) : input;
  return { input, stage, failing: buffer(failingAfter(0, BOOM)), buffer, controller };
}

/** How the iterator is given. */
const givenAs: Record<string, (iterator: AsyncIterableIterator<unknown>) => Source<unknown>> = {
  'as it is': (iterator) => iterator,
  'by a function': (iterator) => () => iterator,
  'by an iterable': (iterator) => ({ [Symbol.asyncIterator]: () => iterator }),
};

describe('A foreign iterator that can be closed while it waits', function () {
  this.timeout(2000);

  for (const [name, make] of Object.entries(foreigners)) {
    describe(name, () => {
      for (const [way, leave] of Object.entries(waysOut)) {
        for (const isReadByStage of [false, true]) {
          it(`is closed once, at once: ${way}, read by ${isReadByStage ? 'a stage' : 'the consumer'}`, async () => {
            const foreign = make();
            const chain = { ...newChain(foreign.iterator, isReadByStage), give: foreign.give };
            await leave(chain);
            await turn();
            expect(foreign.isClosed()).to.equal(true);
            const disposed = chain.buffer[Symbol.asyncDispose]();
            if (!foreign.isStuck) await disposed;
            expect(foreign.isClosed()).to.equal(true);
          });
        }
      }

      for (const [way, given] of Object.entries(givenAs)) {
        it(`is closed when a loop is left that it was given to ${way}`, async () => {
          const foreign = make();
          const chain = { ...newChain(given(foreign.iterator), false), give: foreign.give };
          await waysOut['break']!(chain);
          await turn();
          expect(foreign.isClosed()).to.equal(true);
        });
      }
    });
  }

  it('has its stage close when the read under way is answered', async () => {
    const foreign = foreigners['events.on of an emitter']!();
    const chain = { ...newChain(foreign.iterator, true), give: foreign.give };
    await waysOut['break']!(chain);
    await Promise.all([closed(chain.input), closed(chain.stage)]);
  });

  it('answers a read under way of another reader as a generator that has returned', async () => {
    const foreign = foreigners['events.on of an emitter']!();
    const { stage } = newChain(foreign.iterator, false);
    const [reader, leaver] = [stage[Symbol.asyncIterator](), stage[Symbol.asyncIterator]()];
    const read = reader.next();
    await settle();
    await leaver.return!();
    expect(await read).to.deep.equal(DONE);
  });

  it('does not hold up a loop that leaves, if its return() waits for the read under way', async () => {
    const gate = deferred();
    const iterator: AsyncIterableIterator<number> = {
      next: (): Promise<IteratorResult<number>> => gate.promise.then(() => ({ done: false, value: 1 })),
      return: (): Promise<IteratorResult<number>> => gate.promise.then(() => ({ done: true, value: undefined })),
      [Symbol.asyncIterator]() {
        return this;
      },
    };
    const stage = bufferedPipeline()(iterator);
    const read = stage[Symbol.asyncIterator]().next();
    await settle();
    const left = stage[Symbol.asyncIterator]().return!();
    expect(await stateOf(left)).to.equal('fulfilled');
    gate.resolve();
    await read;
    await closed(stage);
  });

  for (const [kind, fail] of Object.entries({
    throws: () => {
      throw OTHER;
    },
    rejects: () => Promise.reject(OTHER),
  })) {
    it(`whose return() ${kind} while it waits has that told once: to the loop that leaves, or to disposal`, async () => {
      const buffer = bufferedPipeline();
      const values = [1];
      const iterator: AsyncIterableIterator<number> = {
        next: () => (values.length > 0 ? Promise.resolve({ done: false, value: values.pop()! }) : never),
        return: fail,
        [Symbol.asyncIterator]() {
          return this;
        },
      };
      const loop = async (): Promise<void> => {
        for await (const _ of buffer(iterator)) {
          await settle();
          break;
        }
      };
      const told: unknown[] = [];
      await loop().catch((error: unknown) => told.push(error));
      const disposed = buffer[Symbol.asyncDispose]();
      void disposed.catch((error: unknown) => told.push(error));
      await settle();
      expect(told).to.deep.equal([OTHER]);
    });
  }

  it('is read on by others if the stage that is left only borrowed it through a generator', async () => {
    const emitter = new EventEmitter();
    const events = on(emitter, 'value') as AsyncIterableIterator<[number]>;
    async function* firstOf(): AsyncGenerator<number> {
      const { value } = await events.next();
      yield value[0];
    }
    const stage = bufferedPipeline()(firstOf());
    emitter.emit('value', 1);
    for await (const value of stage) {
      expect(value).to.equal(1);
      break;
    }
    emitter.emit('value', 2);
    expect(await events.next()).to.deep.equal({ done: false, value: [2] });
    await events.return!();
  });
});

/** The ends of a stage that nobody has read. */
const unreadEnds: Record<string, (chain: Omit<Chain, 'give'>) => unknown> = {
  'destroy()': ({ input }) => input.destroy(),
  'destroy(error)': ({ input }) => input.on('error', () => {}).destroy(BOOM),
  'return() of its iterator': ({ input }) => input[Symbol.asyncIterator]().return!(),
  abort: ({ controller }) => controller.abort(),
  disposal: ({ buffer }) => buffer[Symbol.asyncDispose](),
  'an error that has left the pipeline': ({ failing }) => rejection(collect(failing)),
};

/** A generator whose first value was taken by hand, and how often its `finally` has run. */
function started<T>(values: AnyIterable<T>): { generator: AsyncGenerator<T>; closings: () => number } {
  let count = 0;
  async function* generator(): AsyncGenerator<T> {
    try {
      yield* values;
    } finally {
      count++;
    }
  }
  return { generator: generator(), closings: () => count };
}

function startedInline<T>(values: Iterable<T>): { generator: Generator<T>; closings: () => number } {
  let count = 0;
  function* generator(): Generator<T> {
    try {
      yield* values;
    } finally {
      count++;
    }
  }
  return { generator: generator(), closings: () => count };
}

describe('An iterator that is given and never read', function () {
  this.timeout(2000);

  for (const [end, finish] of Object.entries(unreadEnds)) {
    for (const [name, make] of Object.entries(foreigners)) {
      it(`is closed once by ${end}: ${name}`, async () => {
        const foreign = make();
        const chain = newChain(foreign.iterator, false);
        await finish(chain);
        await settle();
        expect(foreign.isClosed()).to.equal(true);
        await chain.buffer[Symbol.asyncDispose]();
        expect(foreign.isClosed()).to.equal(true);
      });
    }

    it(`runs its finally once if it was started by hand: ${end}`, async () => {
      const { generator, closings } = started(range(5));
      await generator.next();
      const chain = newChain(generator, false);
      await finish(chain);
      await settle();
      expect(closings()).to.equal(1);
      expect(await generator.next()).to.deep.equal(DONE);
    });

    it(`runs its finally once if it was started by hand and is synchronous: ${end}`, async () => {
      const { generator, closings } = startedInline(range(5));
      generator.next();
      const chain = newChain(generator, false);
      await finish(chain);
      await settle();
      expect(closings()).to.equal(1);
      expect(generator.next()).to.deep.equal(DONE);
    });

    it(`does not start for it: ${end}`, async () => {
      const { generator, closings } = started(range(5));
      await finish(newChain(generator, false));
      await settle();
      expect(closings()).to.equal(0);
    });
  }

  it('is not made by its stage, if what was given is an iterable of others: nothing runs', async () => {
    let made = 0;
    const iterable = {
      [Symbol.asyncIterator](): AsyncIterator<number> {
        made++;
        return range(3)[Symbol.iterator]() as unknown as AsyncIterator<number>;
      },
    };
    const stage = bufferedPipeline()(iterable);
    stage.destroy();
    await closed(stage);
    expect(made).to.equal(0);
  });

  it('is closed when its generator has a clean-up that fails, which disposal is told of', async () => {
    async function* failingToClose(): AsyncGenerator<number> {
      try {
        yield* range(5);
      } finally {
        // oxlint-disable-next-line no-unsafe-finally -- what the test is about
        throw OTHER;
      }
    }
    const generator = failingToClose();
    await generator.next();
    const buffer = bufferedPipeline();
    buffer(generator);
    expect(await rejection(buffer[Symbol.asyncDispose]())).to.equal(OTHER);
  });
});

describe('A generator that was started by hand before it was wrapped', function () {
  this.timeout(2000);

  it('gives its stage all that follows', async () => {
    const { generator, closings } = started(range(4));
    expect((await generator.next()).value).to.equal(1);
    expect(await collect(bufferedPipeline()(generator))).to.deep.equal([2, 3, 4]);
    expect(closings()).to.equal(1);
  });

  it('gives its stage all that follows if it is synchronous', async () => {
    const { generator, closings } = startedInline(range(4));
    expect(generator.next().value).to.equal(1);
    expect(await collect(bufferedPipeline()(generator))).to.deep.equal([2, 3, 4]);
    expect(closings()).to.equal(1);
  });

  it('is closed by a loop that is left', async () => {
    const { generator, closings } = started(range(9));
    await generator.next();
    for await (const _ of bufferedPipeline()(generator)) break;
    expect(closings()).to.equal(1);
  });
});

/** A synchronous generator that yields promises, and how often its `finally` has run. */
function promising(promises: () => Iterable<unknown>): { generator: Generator<unknown>; closings: () => number } {
  let count = 0;
  function* generator(): Generator<unknown> {
    try {
      yield* promises();
    } finally {
      count++;
    }
  }
  return { generator: generator(), closings: () => count };
}

describe('A synchronous generator whose yielded promise rejects', function () {
  this.timeout(2000);

  const places: Record<string, () => Generator<unknown>> = {
    *'the first'() {
      yield Promise.reject(BOOM);
      yield 2;
    },
    *'one in the middle'() {
      yield 1;
      yield Promise.resolve(2);
      yield Promise.reject(BOOM);
      yield 4;
    },
    *'the last'() {
      yield* [1, 2];
      yield Promise.reject(BOOM);
    },
  };
  const ways: Record<string, (generator: Generator<unknown>) => Source<unknown>> = {
    'as it is': (generator) => generator,
    'by a function': (generator) => () => generator,
    'through its iterable': (generator) => ({ [Symbol.iterator]: () => generator }),
  };

  for (const [place, promises] of Object.entries(places)) {
    for (const [way, given] of Object.entries(ways)) {
      for (const bufferSize of [1, 4]) {
        it(`runs its finally once, and fails in line: ${place}, given ${way}, size ${bufferSize}`, async () => {
          const { generator, closings } = promising(promises);
          const buffer = bufferedPipeline();
          const { values, failed, error } = await outcomeOf(buffer(given(generator), { bufferSize }));
          expect({ failed, error }).to.deep.equal({ failed: true, error: BOOM });
          expect(values).to.deep.equal(place === 'the first' ? [] : [1, 2]);
          await settle();
          expect(closings()).to.equal(1);
          expect(generator.next()).to.deep.equal(DONE);
        });
      }
    }
  }

  it('keeps that error if its finally throws, too', async () => {
    function* failingToClose(): Generator<Promise<number>> {
      try {
        yield Promise.reject(BOOM);
      } finally {
        // oxlint-disable-next-line no-unsafe-finally -- what the test is about
        throw OTHER;
      }
    }
    expect(await rejection(collect(bufferedPipeline()(failingToClose())))).to.equal(BOOM);
  });

  it('is closed once if it is an iterator written by hand', async () => {
    const calls: string[] = [];
    const iterator = {
      next: (): IteratorResult<unknown> => ({ done: false, value: Promise.reject(BOOM) }),
      return(): IteratorResult<unknown> {
        calls.push('return');
        return { done: true, value: undefined };
      },
    };
    const stage = bufferedPipeline()({ [Symbol.iterator]: () => iterator });
    expect(await rejection(collect(stage))).to.equal(BOOM);
    await settle();
    expect(calls).to.deep.equal(['return']);
  });

  it('does not hold up a loop that leaves while the promise is pending', async () => {
    const { generator, closings } = promising(() => [1, never]);
    for await (const _ of bufferedPipeline()(generator)) {
      await settle();
      break;
    }
    await settle();
    expect(closings(), 'a synchronous generator stands at its yield').to.equal(1);
  });

  it('is not closed again when it has thrown by itself, or has ended', async () => {
    let returns = 0;
    const closeable = (next: () => IteratorResult<number>): Iterable<number> => ({
      [Symbol.iterator]: () => ({
        next,
        return(): IteratorResult<number> {
          returns++;
          return { done: true, value: undefined };
        },
      }),
    });
    const throwing = closeable(() => {
      throw BOOM;
    });
    expect(await rejection(collect(bufferedPipeline()(throwing)))).to.equal(BOOM);
    expect(await collect(bufferedPipeline()(closeable(() => ({ done: true, value: undefined }))))).to.deep.equal([]);
    await settle();
    expect(returns).to.equal(0);
  });
});
