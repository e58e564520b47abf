/** `buffer.map`: calls, results, errors and signals one by one, what is measured of it, and what it takes as arguments. */
import { getEventListeners } from 'node:events';

import FakeTimers from '@sinonjs/fake-timers';
import { expect } from 'chai';

import { type BufferedPipeline, bufferedPipeline, type Stage, type StageStatistics } from '../lib/index.ts';
import {
  closed,
  collect,
  type Deferred,
  deferred,
  failingAfter,
  outcomeOf,
  range,
  recorded,
  rejection,
  settle,
  stateOf,
  turn,
} from './helpers.ts';
import { unhandledInEach } from './twins.ts';

const BOOM = new Error('boom');

/** Calls that end when the test says so. */
class Held {
  readonly started: number[] = [];
  readonly signals: AbortSignal[] = [];
  readonly #calls = new Map<number, Deferred<number>>();

  readonly call = (n: number, { signal }: { signal: AbortSignal }): Promise<number> => {
    this.started.push(n);
    this.signals.push(signal);
    return this.#of(n).promise;
  };

  async end(...numbers: number[]): Promise<void> {
    for (const n of numbers) this.#of(n).resolve(n);
    await settle();
  }

  async fail(n: number, error: unknown = BOOM): Promise<void> {
    this.#of(n).reject(error);
    await settle();
  }

  #of(n: number): Deferred<number> {
    if (!this.#calls.has(n)) this.#calls.set(n, deferred());
    return this.#calls.get(n)!;
  }
}

function iteratorOf<T>(stage: Stage<T>): AsyncGenerator<T> {
  return stage[Symbol.asyncIterator]() as unknown as AsyncGenerator<T>;
}

async function* naturals(): AsyncGenerator<number> {
  for (let n = 1; ; n++) yield n;
}

describe('buffer.map', function () {
  this.timeout(2000);
  const unhandled = unhandledInEach();
  let held: Held;
  beforeEach(() => {
    held = new Held();
  });
  afterEach(async () => {
    await settle();
    expect(unhandled).to.deep.equal([]);
  });

  it('calls nothing before it is read', async () => {
    bufferedPipeline().map(naturals(), held.call);
    await settle();
    expect(held.started).to.deep.equal([]);
  });

  it('makes one call at a time where no concurrency is given', async () => {
    const outcome = outcomeOf(bufferedPipeline().map(range(3), held.call));
    for (const n of range(3)) {
      await settle();
      expect(held.started).to.deep.equal(range(n));
      await held.end(n);
    }
    expect((await outcome).values).to.deep.equal(range(3));
  });

  it('gives results in the order of the values, whatever the order in which the calls end', async () => {
    const collected = collect(bufferedPipeline().map(range(4), held.call, { concurrency: 4 }));
    await settle();
    await held.end(4, 2, 3, 1);
    expect(await collected).to.deep.equal(range(4));
  });

  it('has so many calls under way, and starts another when one has ended and there is room', async () => {
    const iterator = iteratorOf(bufferedPipeline().map(naturals(), held.call, { concurrency: 2, bufferSize: 3 }));
    const first = iterator.next();
    await settle();
    expect(held.started).to.deep.equal([1, 2]);
    await held.end(2);
    expect(held.started).to.deep.equal([1, 2, 3]);
    await held.end(3);
    expect(held.started).to.deep.equal([1, 2, 3]);
    await held.end(1);
    expect((await first).value).to.equal(1);
    expect(held.started).to.deep.equal([1, 2, 3, 4]);
    await iterator.return(undefined);
    await held.end(4);
  });

  it('gives any value', async () => {
    const values = [undefined, null, NaN, 0, '', false];
    expect(await collect(bufferedPipeline().map(values, (value) => value, { concurrency: 3 }))).to.deep.equal(values);
    expect(await collect(bufferedPipeline().map(values, async (value) => value))).to.deep.equal(values);
  });

  it('calls without a receiver, with the value and the context only', async () => {
    const calls: unknown[][] = [];
    await collect(
      bufferedPipeline().map([1], function (this: unknown, ...given: unknown[]) {
        calls.push([this, ...given]);
      }),
    );
    expect(calls).to.have.lengthOf(1);
    expect(calls[0]!.slice(0, 2)).to.deep.equal([undefined, 1]);
    expect(calls[0]![2]).to.have.property('signal').that.is.an.instanceof(AbortSignal);
    expect(calls[0]).to.have.lengthOf(3);
  });

  it('is one step of several that call within calls', async () => {
    const buffer = bufferedPipeline();
    const inner = (n: number): Promise<number[]> =>
      collect(buffer.map(range(n), async (m) => m * n, { concurrency: 2 }));
    const outer = buffer.map(
      buffer.map(range(3), (n) => n),
      inner,
      { concurrency: 3 },
    );
    expect(await collect(outer)).to.deep.equal([[1], [2, 4], [3, 6, 9]]);
  });

  describe('whose call fails', () => {
    for (const error of [BOOM, undefined, null, 0, '', 'text']) {
      for (const [how, fail] of Object.entries({
        throws: () => {
          throw error;
        },
        rejects: () => Promise.reject(error),
      })) {
        it(`gives ${String(error)} itself after all results before it, where the call ${how}`, async () => {
          const call = (n: number): number => (n === 3 ? (fail() as never) : n);
          const outcome = await outcomeOf(bufferedPipeline().map(range(5), call, { concurrency: 4 }));
          expect(outcome.values).to.deep.equal([1, 2]);
          expect(outcome.failed).to.equal(true);
          expect(outcome.error).to.equal(error);
        });
      }
    }

    it('gives the first error in line, though a later call has failed before', async () => {
      const outcome = outcomeOf(bufferedPipeline().map(range(5), held.call, { concurrency: 4 }));
      await settle();
      await held.fail(3, new Error('later'));
      await held.end(1);
      expect(await stateOf(outcome)).to.equal('pending');
      await held.fail(2);
      expect(await outcome).to.deep.equal({ values: [1], failed: true, error: BOOM });
      await held.fail(4, new Error('nobody asks'));
    });

    it('aborts its signal when the error is handed over at the latest, and not while results before it may come', async () => {
      const outcome = outcomeOf(bufferedPipeline().map(range(3), held.call, { concurrency: 3 }));
      await settle();
      await held.end(1);
      expect(held.signals[0]!.aborted).to.equal(false);
      await held.fail(2);
      expect((await outcome).error).to.equal(BOOM);
      expect(held.signals[0]!.aborted).to.equal(true);
      expect(held.signals[0]!.reason).to.include({ name: 'AbortError', cause: BOOM });
    });

    it('asks its source for no more', async () => {
      let asked = 0;
      async function* source(): AsyncGenerator<number> {
        for (;;) yield ++asked;
      }
      const outcome = outcomeOf(bufferedPipeline().map(source(), held.call, { concurrency: 2, bufferSize: 9 }));
      await settle();
      await held.fail(2);
      expect(asked).to.equal(2);
      await held.end(1);
      expect(await outcome).to.deep.equal({ values: [1], failed: true, error: BOOM });
      expect(asked).to.equal(2);
    });

    it('leaves the pipeline to a generator that catches the error', async () => {
      const buffer = bufferedPipeline();
      async function* rescued(source: AsyncIterable<number>): AsyncGenerator<number> {
        try {
          yield* source;
        } catch {
          yield* buffer.map(range(2), (n) => n * 10);
        }
      }
      const call = (n: number): number => {
        if (n === 3) throw BOOM;
        return n;
      };
      const sibling = buffer(range(3));
      await iteratorOf(sibling).next();
      const caught = buffer(rescued(buffer.map(naturals(), call, { concurrency: 2 })));
      expect(await collect(caught)).to.deep.equal([1, 2, 10, 20]);
      expect(await collect(sibling)).to.deep.equal([2, 3]);
    });
  });

  it('gives the error of its source behind the results of the calls before it, without an abort', async () => {
    const outcome = outcomeOf(bufferedPipeline().map(failingAfter(2, BOOM), held.call, { concurrency: 4 }));
    await settle();
    expect(held.signals.map(({ aborted }) => aborted)).to.deep.equal([false, false]);
    await held.end(2, 1);
    expect(await outcome).to.deep.equal({ values: [1, 2], failed: true, error: BOOM });
  });

  /** A stage whose calls 2 and 3 never end by themselves, and whose first result was taken. */
  async function stuck(buffer: BufferedPipeline, log: string[] = []) {
    const stage = buffer.map(recorded(log, 'source', naturals()), held.call, { concurrency: 3 });
    const iterator = iteratorOf(stage);
    const first = iterator.next();
    await held.end(1);
    await first;
    await settle();
    return { stage, iterator };
  }

  type Stuck = Awaited<ReturnType<typeof stuck>>;
  const ways: Record<string, (stuck: Stuck, controller: AbortController, buffer: BufferedPipeline) => unknown> = {
    'its loop is left': ({ iterator }) => iterator.return(undefined),
    'destroy()': ({ stage }) => stage.destroy(),
    'destroy(error)': ({ stage }) => stage.on('error', () => {}).destroy(BOOM),
    'an abort': (_, controller) => controller.abort(BOOM),
    disposal: (_, __, buffer) => void buffer[Symbol.asyncDispose](),
  };
  for (const [way, end] of Object.entries(ways)) {
    it(`aborts its signal at once on ${way}, closes its source, and emits 'close' when its calls have ended`, async () => {
      const log: string[] = [];
      const controller = new AbortController();
      const buffer = bufferedPipeline(controller);
      const made = await stuck(buffer, log);
      const ended = end(made, controller, buffer);
      expect(held.signals.map(({ aborted }) => aborted)).to.deep.equal([true, true, true, true]);
      // Calls that never end hold up nobody.
      await ended;
      await settle();
      expect(log).to.deep.equal(['source starts', 'source closes']);
      expect(made.stage.closed).to.equal(false);
      const disposed = Promise.resolve(buffer[Symbol.asyncDispose]());
      expect(await stateOf(disposed)).to.equal('pending');
      await held.end(2, 3);
      expect(made.stage.closed).to.equal(false);
      await held.fail(4, new Error('nobody asks'));
      await closed(made.stage);
      await disposed;
    });
  }

  it('fails its consumer with an AbortError at once, though calls are under way', async () => {
    const controller = new AbortController();
    const error = rejection(collect(bufferedPipeline(controller).map(naturals(), held.call, { concurrency: 3 })));
    await settle();
    controller.abort(BOOM);
    expect(await error).to.include({ code: 'ABORT_ERR', cause: BOOM });
  });

  it('calls nothing where its signal was aborted before', async () => {
    const buffer = bufferedPipeline({ signal: AbortSignal.abort() });
    expect(await rejection(collect(buffer.map(naturals(), held.call)))).to.have.property('code', 'ABORT_ERR');
    expect(held.started).to.deep.equal([]);
  });

  it('closes a stage that a call under way reads when its own is left', async () => {
    const log: string[] = [];
    const buffer = bufferedPipeline();
    async function* waiting(n: number): AsyncGenerator<number> {
      await new Promise(() => {});
      yield n;
    }
    async function* outer(n: number): AsyncGenerator<number> {
      try {
        yield* buffer(waiting(n));
      } finally {
        log.push(`closed ${n}`);
      }
    }
    const call = (n: number): number | Promise<number> => (n === 1 ? n : collect(buffer(outer(n))).then(() => n));
    for await (const _ of buffer.map(naturals(), call, { concurrency: 3 })) {
      await settle();
      break;
    }
    await settle();
    expect(log.toSorted()).to.deep.equal(['closed 2', 'closed 3', 'closed 4']);
  });

  describe('its signal', () => {
    it('is one for all calls, takes a thousand listeners without a warning, and does not abort at the end', async () => {
      const warnings: Error[] = [];
      const warn = (warning: Error): unknown => warnings.push(warning);
      process.on('warning', warn);
      const signals = new Set<AbortSignal>();
      const call = async (n: number, { signal }: { signal: AbortSignal }): Promise<number> => {
        signals.add(signal);
        signal.addEventListener('abort', () => n);
        await turn();
        return n;
      };
      await collect(bufferedPipeline().map(range(1000), call, { concurrency: 1000 }));
      await turn(3);
      process.off('warning', warn);
      expect(warnings).to.deep.equal([]);
      const [signal] = signals;
      expect(signals.size).to.equal(1);
      expect(getEventListeners(signal!, 'abort')).to.have.lengthOf(1000);
      expect(signal!.aborted).to.equal(false);
    });

    it('takes a thousand listeners of a source function without a warning, too', async () => {
      const warnings: Error[] = [];
      const warn = (warning: Error): unknown => warnings.push(warning);
      process.on('warning', warn);
      const source = ({ signal }: { signal: AbortSignal }): number[] => {
        for (const n of range(1000)) signal.addEventListener('abort', () => n);
        return [1];
      };
      await collect(bufferedPipeline()(source));
      await turn(3);
      process.off('warning', warn);
      expect(warnings).to.deep.equal([]);
    });

    it('is aborted already for a call that first asks for it when the stage was destroyed', async () => {
      let asked!: () => AbortSignal;
      const stage = bufferedPipeline().map([1], (_, context) => {
        asked = () => context.signal;
        return new Promise<never>(() => {});
      });
      void iteratorOf(stage)
        .next()
        .catch(() => {});
      await settle();
      stage.destroy();
      expect(asked().aborted).to.equal(true);
      expect(asked()).to.equal(asked());
    });

    it('is that of the stage for its source function', async () => {
      const signals: AbortSignal[] = [];
      const source = ({ signal }: { signal: AbortSignal }): AsyncGenerator<number> => {
        signals.push(signal);
        return naturals();
      };
      for await (const _ of bufferedPipeline().map(source, (n) => n)) break;
      expect(signals.map(({ aborted }) => aborted)).to.deep.equal([true]);
    });
  });

  it('keeps neither values nor results that were taken', async () => {
    const references: WeakRef<object>[] = [];
    const remember = <T extends object>(value: T): T => {
      references.push(new WeakRef(value));
      return value;
    };
    async function* objects(): AsyncGenerator<object> {
      for (;;) yield remember({ an: 'item' });
    }
    const call = async (): Promise<object> => remember({ a: 'result' });
    const stage = bufferedPipeline().map(objects(), call, { concurrency: 2, bufferSize: 4 });
    const iterator = iteratorOf(stage);
    for (let n = 0; n < 50; n++) await iterator.next();
    for (let round = 0; round < 3; round++) {
      await turn(2);
      globalThis.gc!();
    }
    // Results that wait; no value whose call has ended.
    expect(references.filter((reference) => reference.deref() !== undefined)).to.have.length.below(6);
    await iterator.return(undefined);
  });
});

describe('The statistics of buffer.map', function () {
  this.timeout(2000);
  let clock: ReturnType<typeof FakeTimers.install>;
  let buffer: BufferedPipeline;
  let held: Held;
  beforeEach(() => {
    clock = FakeTimers.install({ toFake: ['performance'], now: 1000 });
    buffer = bufferedPipeline({ statistics: true });
    held = new Held();
  });
  afterEach(() => clock.uninstall());

  const last = (): StageStatistics => buffer.statistics().at(-1)!;
  const wait = async (milliseconds: number): Promise<void> => {
    await settle();
    clock.tick(milliseconds);
  };
  const times = (): number[] => [last().working, last().starved, last().blocked];

  /** Yields each number when the test lets it go. */
  async function* gated(gates: Deferred<void>[]): AsyncGenerator<number> {
    for (const [index, gate] of gates.entries()) {
      await gate.promise;
      yield index + 1;
    }
  }

  it('tell of a stage that is unread', () => {
    buffer.map(range(3), held.call, { concurrency: 3, bufferSize: 5 });
    expect(last()).to.deep.equal({
      name: 'call',
      bufferSize: 5,
      state: 'unread',
      produced: 0,
      taken: 0,
      held: 0,
      maxHeld: 0,
      working: 0,
      starved: 0,
      blocked: 0,
      calls: { concurrency: 3, underWay: 0, mean: 0 },
    });
  });

  it('have calls only where there are some', async () => {
    await collect(buffer(range(3)));
    expect(last()).to.not.have.property('calls');
  });

  it('call starved what it waits for a stage while a call is free', async () => {
    const gates = range(3).map(() => deferred());
    const iterator = iteratorOf(buffer.map(buffer(gated(gates)), held.call, { concurrency: 2 }));
    void iterator.next();
    await wait(5);
    expect(last().state).to.equal('starved');
    gates[0]!.resolve();
    await wait(7);
    expect(last()).to.include({ state: 'starved' }).and.have.nested.property('calls.underWay', 1);
    gates[1]!.resolve();
    await wait(11);
    expect(last()).to.include({ state: 'working' }).and.have.nested.property('calls.underWay', 2);
    expect(times()).to.deep.equal([11, 12, 0]);
    expect(last().calls!.mean).to.be.closeTo((7 + 2 * 11) / 23, 1e-9);
    await iterator.return(undefined);
  });

  it('call working what all calls are busy, or its own generator is', async () => {
    const gates = range(3).map(() => deferred());
    void iteratorOf(buffer.map(gated(gates), held.call, { concurrency: 2 })).next();
    await wait(5);
    expect(last().state).to.equal('working');
    gates[0]!.resolve();
    gates[1]!.resolve();
    await wait(7);
    expect(last().state).to.equal('working');
    expect(times()).to.deep.equal([12, 0, 0]);
  });

  it('call blocked what a call is free and there is no room', async () => {
    const iterator = iteratorOf(buffer.map(naturals(), held.call, { concurrency: 2 }));
    const first = iterator.next();
    await wait(3);
    await held.end(1);
    await first;
    await wait(5);
    expect(last()).to.include({ state: 'working', taken: 1, held: 0 });
    await held.end(3);
    await wait(7);
    expect(last()).to.include({ state: 'blocked', produced: 2, taken: 1, held: 1 });
    await held.end(2);
    await wait(11);
    expect(last()).to.include({ state: 'blocked', produced: 3, taken: 1, held: 2, maxHeld: 2 });
    expect(times()).to.deep.equal([8, 0, 18]);
    expect(last().calls).to.deep.equal({ concurrency: 2, underWay: 0, mean: (2 * 8 + 7) / 26 });
    await iterator.next();
    await settle();
    // One more is under way, another is free, and there is no room for what it would return.
    expect(last()).to.include({ state: 'blocked', held: 1 }).and.have.nested.property('calls.underWay', 1);
    await iterator.next();
    await settle();
    expect(last()).to.include({ state: 'working', held: 0 }).and.have.nested.property('calls.underWay', 2);
  });

  it('end when the last call has ended', async () => {
    const outcome = outcomeOf(buffer.map(range(2), held.call, { concurrency: 4 }));
    await wait(10);
    await held.end(1, 2);
    expect((await outcome).values).to.deep.equal([1, 2]);
    await wait(10);
    expect(last()).to.include({ state: 'ended', produced: 2, taken: 2, held: 0 });
    expect(last().working + last().starved + last().blocked).to.equal(10);
    expect(last().calls).to.deep.equal({ concurrency: 4, underWay: 0, mean: 2 });
  });

  it('end with a failed call, and count what came before', async () => {
    const outcome = outcomeOf(buffer.map(range(5), held.call, { concurrency: 2 }));
    await settle();
    await held.end(1);
    await held.fail(2);
    expect((await outcome).error).to.equal(BOOM);
    expect(last()).to.include({ state: 'failed', produced: 1, taken: 1, held: 0 });
    await held.end(3);
    expect(last().calls!.underWay).to.equal(0);
  });
});

describe('The arguments of buffer.map', function () {
  this.timeout(2000);
  const buffer = bufferedPipeline({ statistics: true });
  const same = (n: number): number => n;

  const wrong: [call: () => unknown, kind: typeof TypeError | typeof RangeError, message: string][] = [
    [() => buffer.map(1 as never, same), TypeError, '"source" must be '],
    [() => buffer.map(Promise.resolve([1]) as never, same), TypeError, 'await it'],
    [() => buffer.map([1], undefined as never), TypeError, '"fn" must be a function, got undefined'],
    [() => buffer.map([1], { concurrency: 2 } as never), TypeError, '"fn" must be a function, got an object'],
    [() => buffer.map([1], same, 8 as never), TypeError, '"options" must be an object, got 8'],
    [() => buffer.map([1], same, null as never), TypeError, '"options" must be an object, got null'],
    ...[0, -1, 1.5, NaN, Infinity].map((n): [() => unknown, typeof RangeError, string] => [
      () => buffer.map([1], same, { concurrency: n }),
      RangeError,
      `"concurrency" must be an integer >= 1, got ${n}`,
    ]),
    [() => buffer.map([1], same, { concurrency: '8' as never }), TypeError, '"concurrency" must be an integer >= 1'],
    [() => buffer.map([1], same, { concurrency: null as never }), TypeError, 'got null'],
    [() => buffer.map([1], same, { bufferSize: 0 }), RangeError, '"bufferSize" must be an integer >= '],
    [() => buffer.map([1], same, { concurrency: 8, bufferSize: 7 }), RangeError, 'got 7'],
    [() => buffer.map([1], same, { concurrency: 8, bufferSize: 7 }), RangeError, '"concurrency" (8)'],
    [() => buffer.map([1], same, { bufferSize: '7' as never }), TypeError, '"bufferSize" must be an integer'],
    [() => buffer.map([1], same, { name: 5 as never }), TypeError, '"name" must be a string, got 5'],
    [() => buffer.map([1], same, { limit: 2 } as never), TypeError, 'did you mean "concurrency"?'],
    [() => buffer.map([1], same, { concurency: 2 } as never), TypeError, 'did you mean "concurrency"?'],
    [() => buffer.map([1], same, { highWaterMark: 2 } as never), TypeError, 'did you mean "bufferSize"?'],
    [() => buffer.map([1], same, { signal: AbortSignal.abort() } as never), TypeError, 'bufferedPipeline()'],
    [() => buffer.map([1], same, { other: 1 } as never), TypeError, '"other" is no option of buffer.map()'],
  ];
  for (const [call, kind, message] of wrong) {
    it(`are refused at once where they are wrong: ${message}`, () => {
      expect(call).to.throw(kind, message);
    });
  }

  it('leave a refused source alone', async () => {
    const source = failingAfter(2, BOOM);
    expect(() => buffer.map(source, same, { concurrency: 0 })).to.throw(RangeError);
    expect((await outcomeOf(source)).values).to.deep.equal([1, 2]);
  });

  it('give the stage its size: bufferSize, else concurrency, else one', () => {
    expect(buffer.map([1], same).readableHighWaterMark).to.equal(1);
    expect(buffer.map([1], same, {}).readableHighWaterMark).to.equal(1);
    expect(buffer.map([1], same, { concurrency: 4, bufferSize: undefined }).readableHighWaterMark).to.equal(4);
    expect(buffer.map([1], same, { concurrency: 4, bufferSize: 9 }).readableHighWaterMark).to.equal(9);
    expect(buffer.map([1], same, { bufferSize: 9 }).readableHighWaterMark).to.equal(9);
  });

  it('name the stage: by name, else by the function, else by its number', () => {
    const named = bufferedPipeline({ statistics: true });
    named.map([1], same, { name: 'own' });
    named.map([1], same);
    named.map([1], (n) => n);
    named.map(
      function source() {
        return [1];
      },
      (n) => n,
    );
    expect(named.statistics().map(({ name }) => name)).to.deep.equal(['own', 'same', 'stage 3', 'stage 4']);
  });
});
