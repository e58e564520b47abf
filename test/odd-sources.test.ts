/** Sources, errors and observers that one does not expect: hostile, half-made, or busy with the stage that asks them. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Readable } from 'node:stream';
import { ReadableStream } from 'node:stream/web';

import { expect } from 'chai';

import { bufferedPipeline, type BufferedPipeline, type Source, type Stage, type StageMessage } from '../lib/index.ts';
import { collectGarbage, expectCollected } from './garbage.ts';
import {
  type AnyIterable,
  closed,
  collect,
  consumers,
  deferred,
  failingAfter,
  microtasks,
  outcomeOf,
  pass,
  range,
  recorded,
  rejection,
  settle,
  turn,
} from './helpers.ts';

const BOOM = new Error('boom');
const OTHER = new Error('other');
const DONE = { done: true, value: undefined };

/** Records what nobody handles, in place of mocha, while `act` runs. */
async function unhandledIn(act: () => Promise<unknown>): Promise<unknown[]> {
  const unhandled: unknown[] = [];
  const record = (error: unknown): unknown => unhandled.push(error);
  const events = ['uncaughtException', 'unhandledRejection'] as const;
  const listeners = events.map((event) => process.listeners(event as 'uncaughtException'));
  for (const event of events) process.removeAllListeners(event).on(event, record);
  try {
    await act();
    await settle();
  } finally {
    for (const [index, event] of events.entries()) {
      process.removeAllListeners(event);
      for (const listener of listeners[index]!) process.on(event as 'uncaughtException', listener);
    }
  }
  return unhandled;
}

interface Read {
  stage: Stage<number>;
  buffer: BufferedPipeline;
  controller: AbortController;
}

function reading(source: Source<number>): Read {
  const controller = new AbortController();
  const buffer = bufferedPipeline({ signal: controller.signal });
  return { stage: buffer(source), buffer, controller };
}

/** The ways to leave a stage of which a value has been taken. Each rejects with what its consumer is told. */
const leaves: Record<string, (begun: Read, beforeLeaving: () => unknown) => Promise<unknown>> = {
  break: async ({ stage }, beforeLeaving) => {
    for await (const _ of stage) {
      await beforeLeaving();
      break;
    }
  },
  'return()': async ({ stage }, beforeLeaving) => {
    const iterator = stage[Symbol.asyncIterator]();
    await iterator.next();
    await beforeLeaving();
    await iterator.return!();
  },
  'destroy()': async ({ stage }, beforeLeaving) => {
    await stage[Symbol.asyncIterator]().next();
    await beforeLeaving();
    stage.destroy();
  },
  abort: async ({ stage, controller }, beforeLeaving) => {
    await stage[Symbol.asyncIterator]().next();
    await beforeLeaving();
    controller.abort();
  },
  disposal: async ({ stage, buffer }, beforeLeaving) => {
    await stage[Symbol.asyncIterator]().next();
    await beforeLeaving();
    await buffer[Symbol.asyncDispose]();
  },
};

/** What those are told who leave, and then those who dispose. */
async function toldBy(begun: Read, leave: () => Promise<unknown>): Promise<unknown[]> {
  const told: unknown[] = [];
  await leave().catch((error: unknown) => told.push(error));
  await settle();
  await begun.buffer[Symbol.asyncDispose]().catch((error: unknown) => told.push(error));
  return told;
}

describe('A web stream', function () {
  this.timeout(2000);

  /** Has a value, and stays open. */
  function openStream(start: (controller: ReadableStreamDefaultController<number>) => void): ReadableStream<number> {
    return new ReadableStream<number>({
      start(controller) {
        start(controller);
        controller.enqueue(1);
      },
    });
  }

  const fates: Record<string, (controller: ReadableStreamDefaultController<number>) => void> = {
    closes: (controller) => controller.close(),
    fails: (controller) => controller.error(BOOM),
    'yields, and closes': (controller) => {
      controller.enqueue(2);
      controller.close();
    },
  };

  for (const [fate, apply] of Object.entries(fates)) {
    for (const [way, leave] of Object.entries(leaves)) {
      it(`that ${fate} in the turn in which its reader leaves makes nobody fail: ${way}`, async () => {
        for (let ticks = 0; ticks < 12; ticks++) {
          for (const isSettled of [true, false]) {
            let controller!: ReadableStreamDefaultController<number>;
            const stream = openStream((given) => (controller = given));
            const begun = reading(stream);
            const beforeLeaving = async (): Promise<void> => {
              if (isSettled) await settle();
              apply(controller);
              await microtasks(ticks);
            };
            const told: unknown[] = [];
            const unhandled = await unhandledIn(async () => {
              told.push(...(await toldBy(begun, () => leave(begun, beforeLeaving))));
            });
            // A loop over the stream itself may be told that it has failed, but of nothing else.
            expect(told.filter((error) => fate !== 'fails' || error !== BOOM)).to.deep.equal([]);
            expect(unhandled).to.deep.equal([]);
            expect(stream.locked).to.equal(false);
          }
        }
      });
    }
  }
});

describe('A source that throws when it is closed', function () {
  this.timeout(2000);

  function throwing(): never {
    throw OTHER;
  }

  class Indestructible extends Readable {
    #count = 0;

    constructor() {
      super({ objectMode: true, highWaterMark: 1 });
    }

    override _read(): void {
      this.push(++this.#count);
    }

    override destroy(): this {
      throw OTHER;
    }
  }

  const iterator = (closing: object): AsyncIterable<number> => {
    const made = { next: async () => ({ done: false, value: 1 }), ...closing };
    return { [Symbol.asyncIterator]: () => made as AsyncIterator<number> };
  };
  const sources: Record<string, () => Source<number>> = {
    'a Node stream whose destroy() throws': () => new Indestructible(),
    'a Node stream of a function': () => () => new Indestructible(),
    'a web stream whose cancel() throws': () =>
      new ReadableStream<number>({ start: (controller) => controller.enqueue(1), cancel: throwing }),
    'an iterator whose return() throws': () => iterator({ return: throwing }),
    'an iterator whose return() rejects': () => iterator({ return: () => Promise.reject(OTHER) }),
    'an iterator whose return is a getter that throws': () =>
      iterator(Object.defineProperty({}, 'return', { get: throwing, enumerable: false })),
  };

  for (const [name, source] of Object.entries(sources)) {
    for (const [way, leave] of Object.entries(leaves)) {
      it(`has that told at most once, to who leaves or who disposes, and to nobody else: ${name}, ${way}`, async () => {
        const begun = reading(source());
        begun.stage.on('error', () => {});
        const sibling = begun.buffer(range(3));
        await sibling[Symbol.asyncIterator]().next();
        const told: unknown[] = [];
        const unhandled = await unhandledIn(async () => {
          told.push(...(await toldBy(begun, () => leave(begun, settle))));
        });
        expect(unhandled).to.deep.equal([]);
        expect(told.filter((error) => error !== OTHER)).to.deep.equal([]);
        expect(told.length).to.be.at.most(1);
        expect(sibling.destroyed).to.equal(true);
      });
    }

    it(`does not keep an unread stage, and others, from being destroyed: ${name}`, async () => {
      const { buffer, stage, controller } = reading(source());
      const others = [buffer(range(3)), buffer(range(3))];
      const unhandled = await unhandledIn(async () => {
        controller.abort();
        await settle();
      });
      expect(unhandled).to.deep.equal([]);
      for (const each of [stage, ...others]) expect(each).to.include({ destroyed: true, closed: true });
    });
  }
});

/** Fails if it is called. */
function uncallable(): never {
  throw new Error('was called');
}

describe('A function that can be iterated', function () {
  this.timeout(2000);

  const iterables: Record<string, () => AsyncIterable<number> | Iterable<number>> = {
    'by [Symbol.asyncIterator]': () =>
      Object.assign(() => uncallable(), { [Symbol.asyncIterator]: () => pass(range(3)) }),
    'by [Symbol.iterator]': () => Object.assign(() => uncallable(), { [Symbol.iterator]: () => range(3).values() }),
  };

  for (const [way, iterable] of Object.entries(iterables)) {
    it(`is iterated, and not called: ${way}`, async () => {
      expect(await collect(iterable())).to.deep.equal([1, 2, 3]);
      expect(await collect(bufferedPipeline()(iterable()))).to.deep.equal([1, 2, 3]);
    });

    it(`is iterated also if a function returns it: ${way}`, async () => {
      expect(await collect(bufferedPipeline()(() => iterable()))).to.deep.equal([1, 2, 3]);
    });
  }
});

describe('An iterable that has something of a stream', function () {
  this.timeout(2000);

  const methods: Record<string, Record<string, () => never>> = {
    'pipe(), as an observable has': { pipe: uncallable },
    'destroy(), as a connection has': { destroy: uncallable },
    'cancel(), as a subscription has': { cancel: uncallable },
  };

  for (const [what, method] of Object.entries(methods)) {
    it(`is none, and is left as any other: ${what}`, async () => {
      const log: string[] = [];
      const source = (): AsyncIterable<number> =>
        Object.assign({ [Symbol.asyncIterator]: () => recorded(log, 'source', range(3)) }, method);
      expect(await collect(bufferedPipeline()(source()))).to.deep.equal([1, 2, 3]);
      for await (const _ of bufferedPipeline()(source())) break;
      const unread = bufferedPipeline()(source()).destroy();
      await settle();
      expect(unread.closed).to.equal(true);
      expect(log).to.deep.equal(['source starts', 'source closes', 'source starts', 'source closes']);
    });
  }
});

/** Throws for each name that it does not know, as configuration and mock objects do. */
function strict<T extends object>(target: T, names: PropertyKey[], hasTrap: boolean): T {
  const check = (name: PropertyKey): void => {
    if (!names.includes(name)) throw new Error(`"${String(name)}" is not known`);
  };
  const get = (_: T, name: PropertyKey): unknown => {
    check(name);
    const value: unknown = Reflect.get(target, name);
    return typeof value === 'function' ? value.bind(target) : value;
  };
  const has = (_: T, name: PropertyKey): boolean => {
    check(name);
    return Reflect.has(target, name);
  };
  return new Proxy(target, hasTrap ? { get, has } : { get });
}

describe('A strict Proxy', function () {
  this.timeout(2000);

  const iterables: Record<string, (hasTrap: boolean, closings: string[]) => AnyIterable<number>> = {
    'of an async iterable': (hasTrap) =>
      strict({ [Symbol.asyncIterator]: () => pass(range(3)) }, [Symbol.asyncIterator], hasTrap),
    'of an iterable': (hasTrap) => strict(range(3), [Symbol.asyncIterator, Symbol.iterator], hasTrap),
    'of an async generator': (hasTrap) =>
      strict(pass(range(3)), [Symbol.asyncIterator, 'next', 'return'], hasTrap) as AsyncIterable<number>,
    'whose iterator is one, too': (hasTrap, closings) => {
      const values = range(3);
      const iterator = {
        next: async (): Promise<IteratorResult<number>> =>
          values.length > 0 ? { done: false, value: values.shift()! } : { done: true, value: undefined },
        async return(): Promise<IteratorResult<number>> {
          closings.push('return');
          return { done: true, value: undefined };
        },
      };
      const strictIterator = strict(iterator, ['next', 'return'], hasTrap);
      return strict({ [Symbol.asyncIterator]: () => strictIterator }, [Symbol.asyncIterator], hasTrap);
    },
  };

  for (const [kind, iterable] of Object.entries(iterables)) {
    for (const hasTrap of [false, true]) {
      const name = `${kind}${hasTrap ? ', with a has trap' : ''}`;

      it(`is read as \`for await\` reads it: ${name}`, async () => {
        expect(await collect(iterable(hasTrap, []))).to.deep.equal([1, 2, 3]);
        expect(await collect(bufferedPipeline()(iterable(hasTrap, [])))).to.deep.equal([1, 2, 3]);
      });

      it(`is read when a function returns it: ${name}`, async () => {
        expect(await collect(bufferedPipeline()(() => iterable(hasTrap, [])))).to.deep.equal([1, 2, 3]);
      });

      it(`can be left: ${name}`, async () => {
        const closings: string[] = [];
        const buffer = bufferedPipeline();
        for await (const _ of buffer(iterable(hasTrap, closings))) break;
        await buffer[Symbol.asyncDispose]();
        expect(closings).to.have.length.at.most(1);
      });

      it(`can be given up unread: ${name}`, async () => {
        const buffer = bufferedPipeline();
        const stages = range(2).map(() => buffer(iterable(hasTrap, [])));
        stages[0]!.destroy();
        await buffer[Symbol.asyncDispose]();
        for (const stage of stages) expect(stage).to.include({ destroyed: true, closed: true });
      });
    }
  }
});

/** What a promise rejects with, in an object: to resolve with a revoked Proxy fails, as its `then` cannot be looked at. */
async function caught(promise: Promise<unknown>): Promise<{ error: unknown }> {
  try {
    await promise;
  } catch (error) {
    return { error };
  }
  throw new Error('The promise was expected to reject');
}

describe('A hostile thing that is thrown', function () {
  this.timeout(2000);

  function fails(): never {
    throw new Error('hostile');
  }

  function withGetter(name: string): Error {
    return Object.defineProperty(new Error('getter'), name, { get: fails });
  }

  function revoked(target: object): object {
    const { proxy, revoke } = Proxy.revocable(target, {});
    revoke();
    return proxy;
  }

  const thrown: Record<string, () => unknown> = {
    'an error whose stack getter throws': () => withGetter('stack'),
    'an error whose name getter throws': () => withGetter('name'),
    'an error whose message getter throws': () => withGetter('message'),
    'an error whose code getter throws': () => withGetter('code'),
    'an error that is frozen': () => Object.freeze(new Error('frozen')),
    'a revoked Proxy of an error': () => revoked(new Error('revoked')),
    'a revoked Proxy of an object': () => revoked({}),
    'a revoked Proxy of a function': () => revoked(() => {}),
    'an object without a prototype': () => Object.create(null) as object,
  };

  /** As a consumer has it that needs a real Error: itself, or its cause. */
  function isOf(error: unknown, original: unknown): boolean {
    if (error === original) return true;
    return (error as Error).cause === original;
  }

  const loops = ['for await', 'next'];
  const streams = ['data', 'readable', 'pipe', 'pipeline into a writable'];

  for (const [name, make] of Object.entries(thrown)) {
    for (const [way, consume] of consumers.filter(([consumer]) => [...loops, ...streams].includes(consumer))) {
      it(`arrives in its place: ${name}, read by ${way}`, async () => {
        const original = make();
        const outcomes: { failed: boolean; error: unknown; values: number[] }[] = [];
        const unhandled = await unhandledIn(async () => {
          const buffer = bufferedPipeline();
          outcomes.push(await consume(buffer(pass(buffer(failingAfter(2, original))))));
        });
        const { failed, error, values } = outcomes[0]!;
        expect({ failed, values }).to.deep.equal({ failed: true, values: [1, 2] });
        expect(loops.includes(way) ? error === original : isOf(error, original)).to.equal(true);
        expect(unhandled.length).to.equal(0);
      });
    }

    it(`arrives in its place where stages are measured: ${name}`, async () => {
      const original = make();
      const buffer = bufferedPipeline({ statistics: true });
      const { values, error } = await outcomeOf(buffer(pass(buffer(failingAfter(2, original)))));
      expect(values).to.deep.equal([1, 2]);
      expect(error === original).to.equal(true);
      expect(buffer.statistics()).to.have.lengthOf(2);
    });

    it(`destroys the other stages, too: ${name}`, async () => {
      const buffer = bufferedPipeline();
      const sibling = buffer(range(9));
      await sibling[Symbol.asyncIterator]().next();
      await settle();
      await caught(collect(buffer(failingAfter(0, make()))));
      expect(sibling.destroyed).to.equal(true);
      await closed(sibling);
    });

    it(`can be the reason of an abort: ${name}`, async () => {
      const original = make();
      const controller = new AbortController();
      const buffer = bufferedPipeline({ signal: controller.signal });
      const iterator = buffer(pass(buffer(range(9))))[Symbol.asyncIterator]();
      await iterator.next();
      controller.abort(original);
      const error = (await rejection(iterator.next())) as NodeJS.ErrnoException;
      expect(error.code).to.equal('ABORT_ERR');
      expect(error.cause === original).to.equal(true);
    });

    it(`can be what a loop body throws: ${name}`, async () => {
      const original = make();
      const stage = bufferedPipeline()(range(9));
      const loop = async (): Promise<void> => {
        for await (const _ of stage) throw original;
      };
      const { error } = await caught(loop());
      expect(error === original).to.equal(true);
      await closed(stage);
    });

    it(`can be what a clean-up throws: ${name}`, async () => {
      const original = make();
      async function* cleaning(): AsyncGenerator<number> {
        try {
          yield* range(9);
        } finally {
          // oxlint-disable-next-line no-unsafe-finally -- what the test is about
          throw original;
        }
      }
      const loop = async (): Promise<void> => {
        for await (const _ of bufferedPipeline()(cleaning())) {
          await settle();
          break;
        }
      };
      const { error } = await caught(loop());
      expect(error === original).to.equal(true);
    });
  }
});

describe('What gives no iterator', function () {
  this.timeout(2000);

  const given = [null, undefined, 1, 'text', true];
  const wrongs: Record<string, unknown> = {
    ...Object.fromEntries(
      given.flatMap((value) => [
        [`[Symbol.asyncIterator] that returns ${String(value)}`, { [Symbol.asyncIterator]: () => value }],
        [`[Symbol.iterator] that returns ${String(value)}`, { [Symbol.iterator]: () => value }],
      ]),
    ),
    'an iterator without a next()': { [Symbol.asyncIterator]: () => ({}) },
    'an iterator whose next() answers null': { [Symbol.asyncIterator]: () => ({ next: async () => null }) },
    'an iterator whose next() answers 1, not a promise': { [Symbol.asyncIterator]: () => ({ next: () => 1 }) },
    'an iterator whose next() answers undefined': { [Symbol.iterator]: () => ({ next: () => undefined }) },
  };

  for (const [name, wrong] of Object.entries(wrongs)) {
    for (const isReturned of [false, true]) {
      it(`fails by a TypeError when it is read: ${name}${isReturned ? ', of a function' : ''}`, async () => {
        const unbuffered = await outcomeOf(wrong as AsyncIterable<number>);
        expect(unbuffered.error).to.be.an.instanceof(TypeError);

        const source = (isReturned ? (): unknown => wrong : wrong) as Source<number>;
        const buffer = bufferedPipeline();
        const { values, error } = await outcomeOf(buffer(pass(buffer(source))));
        expect(values).to.deep.equal([]);
        expect(error).to.be.an.instanceof(TypeError);
        // Not that of a step of the library itself that has gone wrong.
        expect((error as Error).message).not.to.match(/Cannot read properties/);
        expect((error as Error).message).to.match(/iterator|object|function|iterable/i);
      });
    }
  }
});

describe('An iterator whose prototype is one that the library knows', function () {
  this.timeout(2000);

  const prototypes: Record<string, () => object> = {
    "a stage's iterator": () => bufferedPipeline()(range(9))[Symbol.asyncIterator](),
    "the prototype of a stage's iterator": () =>
      Object.getPrototypeOf(bufferedPipeline()(range(9))[Symbol.asyncIterator]()) as object,
    'an async generator': () => pass(range(9)),
    'a generator': () => range(9).values(),
  };
  const answers: Record<string, (result: IteratorResult<number>) => unknown> = {
    'a promise': (result) => Promise.resolve(result),
    'a thenable': (result) => ({
      // oxlint-disable-next-line no-thenable -- what the test is about
      then: (resolve: (result: IteratorResult<number>) => void) => resolve(result),
    }),
    'a result that is no promise': (result) => result,
  };

  for (const [prototype, make] of Object.entries(prototypes)) {
    for (const [kind, answer] of Object.entries(answers)) {
      /** Reads its own values, and notes how it is closed. */
      const derived = (calls: string[]): AsyncIterable<number> => {
        let n = 10;
        const iterator = Object.create(make(), {
          next: {
            value: () => answer(n < 13 ? { done: false, value: n++ } : { done: true, value: undefined }),
          },
          return: {
            value: () => {
              calls.push('return');
              return answer({ done: true, value: undefined });
            },
          },
        }) as AsyncIterator<number>;
        return { [Symbol.asyncIterator]: () => iterator };
      };

      it(`is read by its own next(), which answers ${kind}: ${prototype}`, async () => {
        expect(await collect(derived([]))).to.deep.equal([10, 11, 12]);
        expect(await collect(bufferedPipeline()(derived([])))).to.deep.equal([10, 11, 12]);
      });

      it(`is closed by its own return(), which answers ${kind}: ${prototype}`, async () => {
        const calls: string[] = [];
        for await (const _ of bufferedPipeline()(derived(calls))) {
          await settle();
          break;
        }
        expect(calls).to.deep.equal(['return']);
      });
    }

    it(`fails in line if its own next() throws at once: ${prototype}`, async () => {
      const iterator = Object.create(make(), {
        next: {
          value: () => {
            throw BOOM;
          },
        },
      }) as AsyncIterator<number>;
      const stage = bufferedPipeline()({ [Symbol.asyncIterator]: () => iterator });
      expect(await rejection(collect(stage))).to.equal(BOOM);
    });
  }
});

const EVENTS = ['start', 'state', 'yield', 'handover', 'error', 'close'] as const;

describe('A subscriber', function () {
  this.timeout(2000);
  const subscriptions: [channel: string, listener: (message: unknown) => void][] = [];

  /** Tells of the stages with a name, until the test is over. */
  function listen(event: (typeof EVENTS)[number], name: string, told: (message: StageMessage) => void): void {
    const channel = `buffered-pipeline:stage:${event}`;
    const listener = (message: unknown): void => {
      if ((message as StageMessage).statistics.name === name) told(message as StageMessage);
    };
    subscriptions.push([channel, listener]);
    subscribe(channel, listener);
  }

  afterEach(() => {
    for (const [channel, listener] of subscriptions.splice(0)) unsubscribe(channel, listener);
  });

  const leavings: Record<string, (stage: Stage<number>) => Promise<unknown>> = {
    'is left': async (stage) => {
      for await (const _ of stage) {
        await settle();
        break;
      }
    },
    'is destroyed': async (stage) => {
      await stage[Symbol.asyncIterator]().next();
      await settle();
      stage.destroy();
    },
    ends: (stage) => collect(stage),
    fails: (stage) => rejection(collect(stage)),
  };

  for (const event of EVENTS) {
    for (const [fate, leave] of Object.entries(leavings)) {
      it(`of ${event} that starts a pipeline of its own keeps it when the observed one ${fate}`, async () => {
        const gate = deferred();
        async function* feed(): AsyncGenerator<number> {
          yield 1;
          await gate.promise;
          yield 2;
        }
        const feeds: Promise<number[]>[] = [];
        listen(event, 'observed', () => {
          if (feeds.length > 0) return;
          const own = bufferedPipeline();
          feeds.push(collect(own(pass(own(feed())))));
        });
        const buffer = bufferedPipeline();
        const gateOfStep = deferred();
        async function* source(): AsyncGenerator<number> {
          yield 1;
          if (fate === 'fails') throw BOOM;
          if (fate !== 'ends') await gateOfStep.promise;
        }
        const observed = buffer(pass(buffer(source(), { name: 'input' })), { name: 'observed' });
        await leave(observed);
        gateOfStep.resolve();
        await settle();
        gate.resolve();
        expect(feeds).to.have.length(event === 'error' && fate !== 'fails' ? 0 : 1);
        for (const values of feeds) expect(await values).to.deep.equal([1, 2]);
      });
    }

    it(`of ${event} that reads the stage takes its share, and nothing is lost`, async () => {
      const taken: Promise<IteratorResult<number>>[] = [];
      listen(event, 'observed', ({ stage }) => {
        if (taken.length < 2) taken.push((stage as Stage<number>)[Symbol.asyncIterator]().next());
      });
      const buffer = bufferedPipeline();
      const values = await collect(buffer(range(9), { name: 'observed' }));
      const own = await Promise.all(taken);
      const together = [...values, ...own.flatMap(({ done, value }) => (done ? [] : [value]))];
      expect(together.toSorted((a, b) => a - b)).to.deep.equal(range(9));
      expect(values).to.deep.equal(values.toSorted((a, b) => a - b));
    });

    it(`of ${event} that reads the stage by read() takes its share, and nothing is lost`, async () => {
      const taken: number[] = [];
      let reads = 0;
      listen(event, 'observed', ({ stage }) => {
        if (++reads > 3) return;
        const value = (stage as Stage<number>).read();
        if (value !== null) taken.push(value);
      });
      const values = await collect(bufferedPipeline()(range(9), { name: 'observed' }));
      expect([...values, ...taken].toSorted((a, b) => a - b)).to.deep.equal(range(9));
    });

    for (const way of ['next()', 'read()']) {
      it(`of ${event} that reads the stage by ${way} never sees taken fall`, async () => {
        for (const bufferSize of [1, 3]) {
          const seen: number[] = [];
          const produced: number[] = [];
          let isReading = false;
          for (const each of EVENTS) {
            listen(each, `observed ${bufferSize}`, ({ stage, statistics }) => {
              seen.push(statistics.taken);
              produced.push(statistics.produced - statistics.taken);
              if (each !== event || isReading) return;
              isReading = true;
              if (way === 'read()') stage.read();
              else void stage[Symbol.asyncIterator]().next();
              isReading = false;
            });
          }
          await collect(bufferedPipeline()(range(9), { name: `observed ${bufferSize}`, bufferSize }));
          expect(seen.length).to.be.above(0);
          expect(seen).to.deep.equal(seen.toSorted((a, b) => a - b));
          expect(Math.min(...produced)).to.be.at.least(0);
        }
      });
    }
  }
});

describe('A source function that reads its own stage', function () {
  this.timeout(2000);

  const ways: Record<string, (stage: Stage<number>, take: (value: unknown) => void) => unknown> = {
    'next()': (stage, take) =>
      void stage[Symbol.asyncIterator]()
        .next()
        .then(({ value }) => take(value)),
    'read()': (stage, take) => {
      const value = stage.read();
      if (value !== null) take(value);
    },
    'once(data)': (stage, take) => void stage.once('data', take),
    'a loop': async (stage, take) => {
      for await (const value of stage) take(value);
    },
  };

  for (const [way, readOwn] of Object.entries(ways)) {
    for (const [kind, source] of Object.entries({ 'an array': () => range(9), 'a generator': () => pass(range(9)) })) {
      it(`takes its share, and nothing is lost: ${way}, ${kind}`, async () => {
        const taken = new Set<unknown>();
        const stage: Stage<number> = bufferedPipeline()(() => {
          void readOwn(stage, (value) => taken.add(value));
          return source();
        });
        for (const value of await collect(stage)) taken.add(value);
        await settle();
        expect([...taken].map(Number).toSorted((a, b) => a - b)).to.deep.equal(range(9));
      });
    }
  }
});

function remember<T extends object>(references: WeakRef<object>[], value: T): T {
  references.push(new WeakRef(value));
  return value;
}

/** How many of each, to tell a leak from what a collector misses. */
const MANY = 20;

/** Hangs on a promise that nothing else refers to. */
async function* oneThenStuck(): AsyncGenerator<number> {
  yield 1;
  await new Promise(() => {});
}

describe('A stage that is not needed any more', function () {
  this.timeout(10_000);

  for (const stages of [1, 2]) {
    it(`is collectable if its next step is stuck when it is dropped: ${stages} stages`, async () => {
      const references: WeakRef<object>[] = [];
      const buffer = bufferedPipeline();
      const drop = async (): Promise<void> => {
        let last = remember(references, buffer(oneThenStuck()));
        if (stages === 2) last = remember(references, buffer(pass(last)));
        await last[Symbol.asyncIterator]().next();
      };
      for (let dropped = 0; dropped < MANY; dropped++) await drop();
      await collectGarbage();
      await expectCollected(references, 2);
      expect(await collect(buffer([1]))).to.deep.equal([1]);
    });
  }

  it('is collectable if its next step is stuck, and whoever waited for that was given a value back', async () => {
    const references: WeakRef<object>[] = [];
    const buffer = bufferedPipeline();
    const drop = async (): Promise<void> => {
      const stage = remember(references, buffer(oneThenStuck()));
      const iterator = stage[Symbol.asyncIterator]();
      await iterator.next();
      const read = iterator.next();
      stage.unshift(0);
      expect(await read).to.deep.equal({ done: false, value: 0 });
    };
    for (let dropped = 0; dropped < MANY; dropped++) await drop();
    await collectGarbage();
    await expectCollected(references, 2);
    expect(await collect(buffer([1]))).to.deep.equal([1]);
  });

  it('is collectable if a signal lives, and its next step is stuck when it is dropped', async () => {
    const references: WeakRef<object>[] = [];
    const controller = new AbortController();
    const drop = async (): Promise<void> => {
      await remember(references, bufferedPipeline(controller)(oneThenStuck()))[Symbol.asyncIterator]().next();
    };
    for (let dropped = 0; dropped < MANY; dropped++) await drop();
    await collectGarbage();
    await expectCollected(references, 2);
    controller.abort();
  });

  const traced = EVENTS.flatMap((event) => [false, true].map((statistics) => ({ event, statistics })));
  for (const { event, statistics } of traced) {
    it(`is collectable if it was traced when it was dropped: ${event}${statistics ? ', and measured' : ''}`, async () => {
      const references: WeakRef<object>[] = [];
      const buffer = bufferedPipeline({ statistics });
      const channel = `buffered-pipeline:stage:${event}`;
      let count = 0;
      const listener = (): void => void count++;
      subscribe(channel, listener);
      const drop = async (): Promise<void> => {
        const first = remember(references, buffer(pass(range(99))));
        const iterator = remember(references, buffer(pass(first)))[Symbol.asyncIterator]();
        await iterator.next();
        await turn();
      };
      for (let dropped = 0; dropped < MANY; dropped++) await drop();
      await collectGarbage();
      unsubscribe(channel, listener);
      await expectCollected(references, 2);
      expect(await collect(buffer([1]))).to.deep.equal([1]);
    });
  }

  const others: Record<string, (stage: Stage<number>, buffer: BufferedPipeline) => Promise<unknown>> = {
    'reads on to the end': (stage, buffer) => collect(buffer(pass(stage))),
    'reads on, and leaves': async (stage, buffer) => {
      for await (const _ of buffer(pass(stage))) break;
    },
  };

  for (const [how, readOn] of Object.entries(others)) {
    it(`is collectable while the stage lives that peeked into it, where another ${how}`, async () => {
      const references: WeakRef<object>[] = [];
      const buffer = bufferedPipeline();
      const peekers: AsyncIterator<unknown>[] = [];
      /** Holds no stage in a variable of its own, which would live while it is suspended. */
      async function* peeker(box: { peek: (() => Promise<unknown>) | undefined }): AsyncGenerator<unknown> {
        yield await box.peek!();
        yield 'lives on';
        await new Promise(() => {});
      }
      const run = async (): Promise<void> => {
        const stage = remember(references, buffer(pass(range(9))));
        const box: { peek: (() => Promise<unknown>) | undefined } = {
          peek: async () => (await stage[Symbol.asyncIterator]().next()).value,
        };
        const peeking = buffer(peeker(box))[Symbol.asyncIterator]();
        peekers.push(peeking);
        expect(await peeking.next()).to.deep.equal({ done: false, value: 1 });
        box.peek = undefined;
        await readOn(stage, buffer);
      };
      for (let ran = 0; ran < MANY; ran++) await run();
      await collectGarbage();
      await expectCollected(references, 2);
      for (const peeking of peekers) {
        expect(await peeking.next()).to.deep.equal({ done: false, value: 'lives on' });
        await peeking.return!();
      }
    });
  }

  const endings: Record<string, (stage: Stage<unknown>, buffer: BufferedPipeline, abort: () => void) => unknown> = {
    'a break': async (stage) => {
      for await (const _ of stage) break;
    },
    'the end': (stage) => collect(stage),
    'destroy()': async (stage) => {
      await stage[Symbol.asyncIterator]().next();
      stage.destroy();
    },
    'destroy() in the middle of a read': async (stage) => {
      const waiting = collect(stage).catch(() => {});
      await turn();
      stage.destroy();
      await waiting;
    },
    'destroy(error)': async (stage) => {
      await stage[Symbol.asyncIterator]().next();
      stage.on('error', () => {}).destroy(new Error('boom'));
    },
    'an error': (_, buffer) => collect(buffer(failingAfter(0, new Error('boom')))).catch(() => {}),
    'an error of its own': async (stage, buffer) => {
      async function* failing(): AsyncGenerator<never> {
        for await (const _ of stage) throw new Error('own');
      }
      await collect(buffer(failing())).catch(() => {});
    },
    abort: async (stage, _, abort) => {
      await stage[Symbol.asyncIterator]().next();
      abort();
    },
    'an abort in the middle of a read': async (stage, _, abort) => {
      const waiting = collect(stage).catch(() => {});
      await turn();
      abort();
      await waiting;
    },
    disposal: async (stage, buffer) => {
      await stage[Symbol.asyncIterator]().next();
      await buffer[Symbol.asyncDispose]();
    },
    'null in a stream': (_, buffer) => new Promise((resolve) => buffer([null]).on('error', resolve).resume()),
  };

  for (const [ending, end] of Object.entries(endings)) {
    it(`is not kept by the function that made it after ${ending}`, async () => {
      const references: WeakRef<object>[] = [];
      let kept: BufferedPipeline[] = [];
      async function* slow(source: AnyIterable<object>): AsyncGenerator<unknown> {
        for await (const value of source) {
          yield value;
          await turn();
        }
      }
      const run = async (noted: WeakRef<object>[]): Promise<void> => {
        const controller = new AbortController();
        const buffer = bufferedPipeline({ signal: controller.signal });
        kept = [...kept, buffer];
        const first = remember(noted, buffer(range(9).map((n) => remember(noted, { n }))));
        const second = remember(noted, buffer(slow(first)));
        await end(second, buffer, () => controller.abort());
        await turn();
      };
      for (let ran = 0; ran < MANY; ran++) await run(references);
      // What has been used last may live on a little.
      await run([]);
      await collectGarbage();
      await expectCollected(references, 2);
      expect(kept).to.have.length(MANY + 1);
    });
  }
});

describe('The async context of a source', function () {
  this.timeout(2000);
  const storage = new AsyncLocalStorage<string>();

  async function* noting(seen: unknown[]): AsyncGenerator<number> {
    try {
      for (const n of range(8)) {
        seen.push(storage.getStore());
        yield n;
        await turn();
      }
    } finally {
      seen.push(storage.getStore());
    }
  }

  /** How a generator asks for the next value. */
  const asks: Record<string, (iterator: AsyncIterator<number>, n: number) => Promise<IteratorResult<number>>> = {
    'run()': (iterator, n) => storage.run(`run ${n}`, () => iterator.next()),
    'enterWith()': (iterator, n) => {
      storage.enterWith(`entered ${n}`);
      return iterator.next();
    },
    'run() around a later tick': (iterator, n) =>
      storage.run(`run ${n}`, async () => {
        await turn();
        return iterator.next();
      }),
  };

  for (const [way, ask] of Object.entries(asks)) {
    for (const begins of ['at once', 'after a first value']) {
      for (const bufferSize of [1, 4]) {
        it(`stays, where a generator reads it by ${way}, ${begins}, size ${bufferSize}`, async () => {
          const seen: unknown[] = [];
          const buffer = bufferedPipeline();
          const input = buffer(noting(seen), { bufferSize });
          async function* reader(): AsyncGenerator<number> {
            const iterator = input[Symbol.asyncIterator]();
            let answer = begins === 'at once' ? await ask(iterator, 0) : await iterator.next();
            for (let n = 1; !answer.done; n++) {
              yield answer.value;
              answer = await ask(iterator, n);
            }
          }
          const values: number[] = [];
          await storage.run('consumer', async () => {
            for await (const value of buffer(reader())) {
              values.push(value);
              // The buffers fill, so that who takes a value is who has the source asked for the next.
              await turn(4);
            }
          });
          expect(values).to.deep.equal(range(8));
          expect(seen).to.have.lengthOf(9);
          expect(new Set(seen).size).to.equal(1);
          if (begins !== 'at once') expect(seen[0]).to.equal('consumer');
        });
      }
    }
  }

  it('does not leak into the generator that reads', async () => {
    const seen: unknown[] = [];
    const buffer = bufferedPipeline();
    const input = buffer(noting([]));
    async function* reader(): AsyncGenerator<number> {
      const iterator = input[Symbol.asyncIterator]();
      for (;;) {
        const answer = await storage.run('inside', () => iterator.next());
        seen.push(storage.getStore());
        if (answer.done) return;
        yield answer.value;
        seen.push(storage.getStore());
      }
    }
    await storage.run('consumer', () => collect(buffer(reader())));
    expect(new Set(seen)).to.deep.equal(new Set(['consumer']));
  });
});

describe('A race in a generator', function () {
  this.timeout(2000);

  /** What a chain wraps its steps in: a buffer, or nothing. */
  type Wrap = <T>(source: AsyncGenerator<T>) => AsyncIterable<T>;
  const wraps: [name: string, make: () => Wrap][] = [
    ['unbuffered', () => (source) => source],
    [
      'buffered',
      () => {
        const buffer = bufferedPipeline();
        return (source) => buffer(source);
      },
    ],
    [
      'buffered, size 4',
      () => {
        const buffer = bufferedPipeline();
        return (source) => buffer(source, { bufferSize: 4 });
      },
    ],
  ];

  /** How the generator is done with the one that has lost. */
  const losers: Record<string, (loser: Promise<unknown>, iterator: AsyncIterator<unknown>) => void> = {
    'catches it': (loser) => void loser.catch(() => {}),
    'catches it, and leaves': (loser, iterator) => {
      loser.catch(() => {});
      void iterator.return?.().catch(() => {});
    },
  };

  for (const [how, treat] of Object.entries(losers)) {
    it(`that ends before its loser fails, and ${how}, is not followed by that failure`, async () => {
      const outcomes: unknown[] = [];
      for (const [, makeWrap] of wraps) {
        const wrap = makeWrap();
        const [slowGate, lastGate] = [deferred(), deferred()];
        async function* fast(): AsyncGenerator<number> {
          yield 1;
        }
        async function* slow(): AsyncGenerator<number> {
          await slowGate.promise;
          throw new Error('slow one failed');
        }
        async function* race(): AsyncGenerator<number> {
          const [first, second] = [wrap(fast()), wrap(slow())].map((source) => source[Symbol.asyncIterator]());
          const loser = second!.next();
          treat(loser, second!);
          const winner = await Promise.race([first!.next(), loser]);
          yield winner.value as number;
          yield 2;
        }
        async function* last(source: AsyncIterable<number>): AsyncGenerator<number> {
          for await (const value of source) yield value;
          slowGate.resolve();
          await settle();
          lastGate.resolve();
          yield 3;
        }
        outcomes.push(await outcomeOf(wrap(last(wrap(race())))));
        await lastGate.promise;
      }
      expect(outcomes).to.deep.equal(wraps.map(() => ({ values: [1, 2, 3], failed: false, error: undefined })));
    });
  }

  it('that is left before its loser fails has nobody told of that failure', async () => {
    for (const [name, makeWrap] of wraps) {
      const wrap = makeWrap();
      const gate = deferred();
      async function* slow(): AsyncGenerator<number> {
        await gate.promise;
        throw new Error('slow one failed');
      }
      async function* race(): AsyncGenerator<number> {
        const loser = wrap(slow())[Symbol.asyncIterator]().next();
        void loser.catch(() => {});
        yield Promise.race([Promise.resolve(1), loser.then(() => 2)]);
        yield 2;
      }
      const sibling = wrap(pass(range(3)))[Symbol.asyncIterator]();
      await sibling.next();
      for await (const _ of wrap(race())) break;
      gate.resolve();
      await settle();
      expect(await sibling.next(), name).to.deep.equal({ done: false, value: 2 });
      await sibling.return!();
      expect(await sibling.next()).to.deep.equal(DONE);
    }
  });
});
