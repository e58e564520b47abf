/**
 * Leaving while reads are under way. They are answered as over one generator: with what the step under way yields, then
 * `done`. Nothing is rejected for it, nobody else is told of a failure, and nobody waits for a long step.
 */
import { EventEmitter, on } from 'node:events';
import { Readable } from 'node:stream';
import { ReadableStream } from 'node:stream/web';

import { expect } from 'chai';

import { bufferedPipeline, type BufferedPipeline, type SourceContext, type Stage } from '../lib/index.ts';
import { collect, deferred, outcomeOf, pass, range, rejection, settle, stateOf, turn } from './helpers.ts';
import { HANGS_AFTER, runProgram } from './programs.ts';
import { BOOM, orWaits } from './subject.ts';
import { halfRead, paced, unhandledInEach } from './twins.ts';

const SIZES = [1, 16];
const end = { done: true, value: undefined };
const never = new Promise<never>(() => {});

type Given = (context: SourceContext) => AsyncIterable<number>;

/** How a stage's source may be given. */
const forms: Record<string, (buffer: BufferedPipeline, source: Given, bufferSize: number) => Stage<number>> = {
  'a generator': (buffer, source, bufferSize) =>
    buffer(source({ signal: new AbortController().signal }), { bufferSize }),
  'a function': (buffer, source, bufferSize) => buffer(source, { bufferSize }),
  'another stage': (buffer, source, bufferSize) => buffer(pass(buffer(source, { bufferSize })), { bufferSize }),
};

/** Yields 1, waits for the gate, yields 2, and so on; throws when its signal aborts in between. */
function gated(gate: Promise<void>, log: string[] = []): Given {
  return async function* ({ signal }): AsyncGenerator<number> {
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => {
        log.push('aborted');
        reject(signal.reason as Error);
      });
    });
    aborted.catch(() => {});
    try {
      yield 1;
      await Promise.race([gate, aborted]);
      yield* range(9).slice(1);
    } finally {
      log.push('closed');
    }
  };
}

/** Yields 1, waits for the gate, and yields on. */
async function* cleanedUp(log: string[], gate: Promise<void>): AsyncGenerator<number> {
  try {
    yield 1;
    await gate;
    yield* range(9).slice(1);
  } finally {
    log.push('closed');
  }
}

describe('A stage that several loops share', function () {
  this.timeout(2000);
  const unhandled = unhandledInEach();

  /** What each of the workers saw, and how it ended. */
  interface Worker {
    values: number[];
    end: unknown;
  }

  /** Takes values until it has `count`, then leaves. */
  async function work(
    source: AsyncIterable<number>,
    count: number,
    leave: 'break' | 'throw' = 'break',
  ): Promise<Worker> {
    const values: number[] = [];
    try {
      for await (const value of source) {
        values.push(value);
        if (values.length < count) continue;
        if (leave === 'throw') throw BOOM;
        break;
      }
    } catch (error) {
      return { values, end: error };
    }
    return { values, end: 'end' };
  }

  for (const bufferSize of SIZES) {
    for (const [form, make] of Object.entries(forms)) {
      for (const leave of ['break', 'throw'] as const) {
        for (const workers of [2, 4]) {
          it(`ends for ${workers} as a generator when one leaves by ${leave}: ${form}, size ${bufferSize}`, async () => {
            const run = async (source: AsyncIterable<number>): Promise<Worker[]> => {
              const left = work(source, 1, leave);
              return Promise.all([left, ...range(workers - 1).map(() => work(source, Infinity))]);
            };
            const buffer = bufferedPipeline();
            const sibling = await halfRead(buffer);
            const seen = await orWaits(run(make(buffer, () => paced(20), bufferSize)));
            expect(seen).to.not.equal('waits');
            const [left, ...others] = seen as Worker[];
            expect(left).to.deep.equal({ values: [1], end: leave === 'throw' ? BOOM : 'end' });
            expect(others.map((other) => other.end)).to.deep.equal(others.map(() => 'end'));
            const values = others.flatMap((other) => other.values).toSorted((a, b) => a - b);
            expect(values).to.deep.equal(range(values.length + 1).slice(1));
            await settle();
            expect(await collect(sibling)).to.deep.equal([2, 3]);
            expect(unhandled).to.deep.equal([]);
          });
        }
      }

      it(`gives the first that waits what its step yields, and nobody is held up: ${form}, size ${bufferSize}`, async () => {
        const gate = deferred();
        const log: string[] = [];
        const stage = make(bufferedPipeline(), gated(gate.promise, log), bufferSize);
        const [leaver, waiter, second] = range(3).map(() => stage[Symbol.asyncIterator]());
        expect(await leaver!.next()).to.deep.equal({ done: false, value: 1 });
        const read = waiter!.next();
        const behind = second!.next();
        await settle();

        expect(await orWaits(leaver!.return!())).to.deep.equal(end);
        expect(await stateOf(read)).to.equal('pending');
        expect(log).to.deep.equal([]);

        gate.resolve();
        expect(await orWaits(read)).to.deep.equal({ done: false, value: 2 });
        expect(await orWaits(behind)).to.deep.equal(end);
        expect(await orWaits(waiter!.next())).to.deep.equal(end);
        await settle();
        expect(log).to.include('closed');
        expect(stage).to.have.property('destroyed', true);
        expect(unhandled).to.deep.equal([]);
      });

      it(`hands on the error of the step to the first that waits: ${form}, size ${bufferSize}`, async () => {
        const gate = deferred();
        const buffer = bufferedPipeline();
        const source = async function* (): AsyncGenerator<number> {
          yield 1;
          await gate.promise;
          throw BOOM;
        };
        const stage = make(buffer, source, bufferSize);
        const [leaver, waiter, second] = range(3).map(() => stage[Symbol.asyncIterator]());
        await leaver!.next();
        const read = outcomeOf({ [Symbol.asyncIterator]: () => ({ next: () => waiter!.next() }) });
        const behind = second!.next();
        await settle();
        expect(await orWaits(leaver!.return!())).to.deep.equal(end);
        gate.resolve();
        expect(await orWaits(read)).to.deep.equal({ values: [], failed: true, error: BOOM });
        expect(await orWaits(behind)).to.deep.equal(end);
        expect(unhandled).to.deep.equal([]);
      });

      it(`fails those that wait when the signal aborts after one has left: ${form}, size ${bufferSize}`, async () => {
        const controller = new AbortController();
        const stage = make(bufferedPipeline(controller), gated(never), bufferSize);
        const [leaver, waiter] = range(2).map(() => stage[Symbol.asyncIterator]());
        await leaver!.next();
        const read = rejection(waiter!.next());
        await settle();
        expect(await orWaits(leaver!.return!())).to.deep.equal(end);
        controller.abort();
        expect(await orWaits(read)).to.include({ code: 'ABORT_ERR' });
        expect(unhandled).to.deep.equal([]);
      });

      it(`closes when its step is done, also if the stage that waits is closed before: ${form}, size ${bufferSize}`, async () => {
        const log: string[] = [];
        const [gate, late] = [deferred(), deferred()];
        const buffer = bufferedPipeline();
        // The source does not listen to its signal, so that its step goes on.
        const stage = buffer(cleanedUp(log, gate.promise), { bufferSize });
        async function* peeking(): AsyncGenerator<unknown> {
          const iterator = stage[Symbol.asyncIterator]();
          yield (await iterator.next()).value;
          await late.promise;
          void iterator.return!();
          yield 'left';
          await never;
        }
        const leaver = make(buffer, peeking as Given, bufferSize)[Symbol.asyncIterator]();
        expect((await leaver.next()).value).to.equal(1);
        const waiter = buffer(pass(stage))[Symbol.asyncIterator]();
        void waiter.next().catch(() => {});
        await settle();
        late.resolve();
        expect((await leaver.next()).value).to.equal('left');
        await orWaits(waiter.return!());
        expect(log).to.deep.equal([]);
        gate.resolve();
        await settle();
        expect(log).to.deep.equal(['closed']);
      });

      it(`tells those that do not wait the end: ${form}, size ${bufferSize}`, async () => {
        const log: string[] = [];
        const stage = make(bufferedPipeline(), gated(Promise.resolve(), log), bufferSize);
        const [leaver, other] = range(2).map(() => stage[Symbol.asyncIterator]());
        await leaver!.next();
        expect(await other!.next()).to.deep.equal({ done: false, value: 2 });
        await settle();
        expect(await orWaits(leaver!.return!())).to.deep.equal(end);
        expect(log).to.include('closed');
        expect(await orWaits(other!.next())).to.deep.equal(end);
      });
    }

    it(`ends when one has left and another was given a value back meanwhile, size ${bufferSize}`, async () => {
      const log: string[] = [];
      const gate = deferred();
      const stage = bufferedPipeline()(cleanedUp(log, gate.promise), { bufferSize });
      const [leaver, waiter] = range(2).map(() => stage[Symbol.asyncIterator]());
      await leaver!.next();
      const read = waiter!.next();
      await orWaits(leaver!.return!());
      stage.unshift(0);
      expect((await read).value).to.equal(0);
      gate.resolve();
      await settle();
      expect(log).to.deep.equal(['closed']);
      expect(await orWaits(waiter!.next())).to.deep.equal(end);
    });

    it(`does not hide the error of the worker that failed in a pool, size ${bufferSize}`, async () => {
      const run = (source: AsyncIterable<number>): Promise<unknown> => {
        const worker = async (id: number): Promise<void> => {
          for await (const _ of source) {
            await turn();
            if (id === 2) throw BOOM;
          }
        };
        return Promise.all(range(4).map(worker));
      };
      const buffer = bufferedPipeline();
      const sibling = await halfRead(buffer);
      const stage = buffer(pass(buffer(paced(20), { bufferSize })), { bufferSize });
      expect(await rejection(run(stage))).to.equal(BOOM);
      await settle();
      expect(unhandled).to.deep.equal([]);
      expect(await collect(sibling)).to.deep.equal([2, 3]);
    });

    it(`may be left by workers that are stages, size ${bufferSize}`, async () => {
      const buffer = bufferedPipeline();
      const jobs = buffer(paced(20), { bufferSize });
      const worker = (): Stage<number> => buffer(pass(jobs), { bufferSize });
      const [first, second] = [worker(), worker()];
      const [left, stayed] = await Promise.all([work(first, 1), work(second, Infinity)]);
      expect(left.end).to.equal('end');
      expect(stayed.end).to.equal('end');
      expect(unhandled).to.deep.equal([]);
    });
  }
});

describe('A reader that asks ahead', function () {
  this.timeout(2000);
  const unhandled = unhandledInEach();

  /** Never looks at the answers that it does not need. */
  async function* asking(ahead: number, source: AsyncIterable<number>, count = Infinity): AsyncGenerator<number> {
    const iterator = source[Symbol.asyncIterator]();
    try {
      const asked = [iterator.next()];
      for (let taken = 0; taken < count; taken++) {
        const { done, value } = await asked.shift()!;
        if (done) return;
        while (asked.length < ahead) asked.push(iterator.next());
        yield value;
      }
    } finally {
      await iterator.return?.();
    }
  }

  /** Steps in which a source may be when it is left. */
  const steps: Record<string, Given> = {
    'is quick': () => pass(range(9)),
    'takes a turn': () => paced(9),
    'never settles': async function* () {
      yield* range(3);
      await never;
    },
    'fails when it is aborted': async function* ({ signal }) {
      yield* range(3);
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(BOOM)));
    },
    'waits for events until it is aborted': async function* ({ signal }) {
      yield* range(3);
      for await (const [value] of on(new EventEmitter(), 'value', { signal })) yield value as number;
    },
  };

  for (const bufferSize of SIZES) {
    for (const [form, make] of Object.entries(forms)) {
      for (const [step, source] of Object.entries(steps)) {
        for (const ahead of [1, 3]) {
          const label = `${ahead} ahead of a source that ${step}, given as ${form}, size ${bufferSize}`;

          it(`may return, and rejects nothing: ${label}`, async () => {
            const buffer = bufferedPipeline();
            const sibling = await halfRead(buffer);
            const stage = make(buffer, source, bufferSize);
            expect(await orWaits(collect(asking(ahead, stage, 3)))).to.deep.equal(range(3));
            await settle();
            expect(stage).to.have.property('destroyed', true);
            expect(await collect(sibling)).to.deep.equal([2, 3]);
            expect(unhandled).to.deep.equal([]);
          });

          it(`may be a stage that is left, and rejects nothing: ${label}`, async () => {
            const buffer = bufferedPipeline();
            const sibling = await halfRead(buffer);
            const input = make(buffer, source, bufferSize);
            const stage = buffer(asking(ahead, input), { bufferSize });
            const left = (async () => {
              for await (const _ of stage) {
                await settle();
                break;
              }
            })();
            expect(await orWaits(left)).to.equal(undefined);
            await settle();
            expect([stage.destroyed, input.destroyed]).to.deep.equal([true, true]);
            expect(await collect(sibling)).to.deep.equal([2, 3]);
            expect(unhandled).to.deep.equal([]);
          });

          it(`may be a stage that ends by itself, and rejects nothing: ${label}`, async () => {
            const buffer = bufferedPipeline();
            const stage = buffer(asking(ahead, make(buffer, source, bufferSize), 3), { bufferSize });
            expect(await orWaits(collect(stage))).to.deep.equal(range(3));
            await settle();
            expect(await collect(buffer(range(3)))).to.deep.equal(range(3));
            expect(unhandled).to.deep.equal([]);
          });
        }
      }

      it(`closes its stage at once, and gets what the step yields: ${form}, size ${bufferSize}`, async () => {
        const gate = deferred();
        let signal: AbortSignal | undefined;
        const source: Given = async function* (context) {
          ({ signal } = context);
          yield 1;
          await gate.promise;
          yield* [2, 3, 4];
        };
        const stage = make(bufferedPipeline(), source, bufferSize);
        const iterator = stage[Symbol.asyncIterator]();
        await iterator.next();
        const reads = [iterator.next(), iterator.next()];
        await settle();
        const left = iterator.return!();
        if (form !== 'a generator') expect(signal!.aborted).to.equal(true);
        expect(stage).to.have.property('destroyed', true);
        expect(await orWaits(left)).to.deep.equal(end);
        gate.resolve();
        const [first, second] = await Promise.all(reads);
        const two = { done: false, value: 2 };
        // A generator that waits for another stage is let go, so its step may yield nothing.
        if (form === 'another stage') expect([two, end]).to.deep.include(first);
        else expect(first).to.deep.equal(two);
        expect(second).to.deep.equal(end);
        expect(await iterator.next()).to.deep.equal(end);
        expect(unhandled).to.deep.equal([]);
      });

      it(`answers all of its reads with the end where the step fails: ${form}, size ${bufferSize}`, async () => {
        const gate = deferred();
        const buffer = bufferedPipeline();
        const source: Given = async function* () {
          yield 1;
          await gate.promise;
          throw BOOM;
        };
        const sibling = await halfRead(buffer);
        const iterator = make(buffer, source, bufferSize)[Symbol.asyncIterator]();
        await iterator.next();
        const reads = [iterator.next(), iterator.next()];
        await settle();
        expect(await orWaits(iterator.return!())).to.deep.equal(end);
        gate.resolve();
        expect(await orWaits(Promise.all(reads))).to.deep.equal([end, end]);
        expect(await collect(sibling)).to.deep.equal([2, 3]);
        expect(unhandled).to.deep.equal([]);
      });
    }
  }
});

describe('Two return()s at once', function () {
  this.timeout(2000);
  const unhandled = unhandledInEach();

  async function* failingToClose(wait: () => Promise<unknown>): AsyncGenerator<number> {
    try {
      yield* range(99);
    } finally {
      await wait();
      // oxlint-disable-next-line no-unsafe-finally -- what the test is about
      throw BOOM;
    }
  }

  const waits: Record<string, () => Promise<unknown>> = {
    'at once': async () => {},
    'after a turn': () => turn(),
    'after some turns': () => turn(5),
  };

  for (const [when, wait] of Object.entries(waits)) {
    for (const bufferSize of SIZES) {
      it(`are told once what the clean-up throws ${when}, as over a generator, size ${bufferSize}`, async () => {
        const leaveTwice = async (source: AsyncIterable<number>, iterators: 1 | 2): Promise<unknown> => {
          const first = source[Symbol.asyncIterator]();
          const second = iterators === 1 ? first : source[Symbol.asyncIterator]();
          await first.next();
          await settle();
          return Promise.allSettled([first.return!(), second.return!()]);
        };
        const expected = await leaveTwice(failingToClose(wait), 1);
        for (const iterators of [1, 2] as const) {
          const plain = bufferedPipeline()(failingToClose(wait), { bufferSize });
          expect(await leaveTwice(plain, iterators)).to.deep.equal(expected);
          const buffer = bufferedPipeline();
          const chain = buffer(pass(buffer(failingToClose(wait), { bufferSize })), { bufferSize });
          expect(await leaveTwice(chain, iterators)).to.deep.equal(expected);
          await buffer[Symbol.asyncDispose]();
        }
        expect(unhandled).to.deep.equal([]);
      });
    }
  }
});

describe('A stream over a stage', function () {
  this.timeout(2000);
  const unhandled = unhandledInEach();

  /** Takes one value, then lets go while the next is under way. */
  const ways: Record<string, (stage: Stage<number>) => Promise<unknown>> = {
    'Readable.from, destroyed': async (stage) => {
      const stream = Readable.from(stage);
      for await (const _ of stream.iterator({ destroyOnReturn: false })) break;
      await settle();
      stream.destroy();
    },
    'Readable.from, destroyed at once': async (stage) => {
      const stream = Readable.from(stage);
      stream.on('data', () => stream.destroy());
      await settle();
    },
    'Readable.from, destroyed before it has a value': async (stage) => {
      const stream = Readable.from(stage);
      stream.read();
      stream.destroy();
    },
    'ReadableStream.from, cancelled': async (stage) => {
      const reader = ReadableStream.from(stage).getReader();
      await reader.read();
      const read = reader.read();
      await settle();
      await Promise.all([reader.cancel(), read]);
    },
    'ReadableStream.from, left by a loop': async (stage) => {
      for await (const _ of ReadableStream.from(stage)) break;
    },
    'Readable.toWeb, cancelled': async (stage) => {
      const reader = Readable.toWeb(stage).getReader();
      await reader.read();
      await settle();
      await reader.cancel();
    },
    'an operator, left by a loop': async (stage) => {
      for await (const _ of stage.map(async (n) => n, { concurrency: 4 })) break;
    },
    'an operator that takes one value': (stage) => stage.take(1).toArray(),
    'an operator, destroyed': async (stage) => {
      const operator = stage.map(async (n) => n, { concurrency: 4 });
      await operator[Symbol.asyncIterator]().next();
      operator.destroy();
    },
  };

  const sources: Record<string, () => AsyncIterable<number>> = {
    'quick one': () => pass(range(50)),
    'slow one': () => paced(50),
  };

  for (const [way, leave] of Object.entries(ways)) {
    for (const [speed, source] of Object.entries(sources)) {
      for (const bufferSize of SIZES) {
        it(`(${way}) leaves the others of the pipeline alone: a ${speed}, size ${bufferSize}`, async () => {
          const buffer = bufferedPipeline();
          const sibling = await halfRead(buffer);
          await leave(buffer(pass(buffer(source(), { bufferSize })), { bufferSize }));
          await settle();
          expect(await collect(sibling)).to.deep.equal([2, 3]);
          expect(await collect(buffer(pass(buffer(range(3)))))).to.deep.equal(range(3));
          expect(await stateOf(buffer[Symbol.asyncDispose]())).to.equal('fulfilled');
          expect(unhandled).to.deep.equal([]);
        });

        it(`(${way}) may be left by a generator that goes on: a ${speed}, size ${bufferSize}`, async () => {
          const buffer = bufferedPipeline();
          const stage = buffer(
            (async function* () {
              yield 1;
              await leave(buffer(pass(buffer(source(), { bufferSize })), { bufferSize }));
              yield 2;
              yield* buffer(pass(buffer(paced(3), { bufferSize })), { bufferSize });
            })(),
            { bufferSize },
          );
          expect(await orWaits(collect(stage))).to.deep.equal([1, 2, 1, 2, 3]);
          expect(unhandled).to.deep.equal([]);
        });
      }
    }
  }

  for (const bufferSize of SIZES) {
    it(`may give a generator its first three values, which then goes on with another, size ${bufferSize}`, async () => {
      const buffer = bufferedPipeline();
      const head = async function* (source: Stage<number>): AsyncGenerator<number> {
        let taken = 0;
        for await (const value of ReadableStream.from(source)) {
          yield value;
          if (++taken === 3) break;
        }
        yield* buffer(paced(2), { bufferSize });
      };
      const stage = buffer(head(buffer(paced(9), { bufferSize })), { bufferSize });
      expect(await orWaits(collect(stage))).to.deep.equal([1, 2, 3, 1, 2]);
      expect(unhandled).to.deep.equal([]);
    });
  }
});

describe('A subscription that a server lets go', function () {
  this.timeout(2000);
  const unhandled = unhandledInEach();

  /** Sends what it reads until the client is gone, as a handler of a socket does: it waits for a value at that moment. */
  async function serve(messages: AsyncIterable<number>, client: EventEmitter): Promise<number[]> {
    const iterator = messages[Symbol.asyncIterator]();
    const sent: number[] = [];
    client.once('close', () => void iterator.return?.());
    for (let answer = await iterator.next(); !answer.done; answer = await iterator.next()) sent.push(answer.value);
    return sent;
  }

  const sources: Record<string, Given> = {
    'waits for events with its signal': async function* ({ signal }) {
      yield* range(2);
      for await (const [value] of on(new EventEmitter(), 'message', { signal })) yield value as number;
    },
    'ends when its signal aborts': async function* ({ signal }) {
      yield* range(2);
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
    },
    'throws an error of its own when its signal aborts': async function* ({ signal }) {
      yield* range(2);
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(BOOM)));
    },
  };

  for (const [what, source] of Object.entries(sources)) {
    for (const bufferSize of SIZES) {
      for (const stages of [1, 2, 3]) {
        it(`ends without an error: its source ${what}, ${stages} stages of size ${bufferSize}`, async () => {
          const buffer = bufferedPipeline();
          const sibling = await halfRead(buffer);
          let chain = buffer(source, { bufferSize });
          for (let made = 1; made < stages; made++) chain = buffer(pass(chain), { bufferSize });
          const client = new EventEmitter();
          const served = serve(chain, client);
          await settle();
          client.emit('close');
          expect(await orWaits(served)).to.deep.equal([1, 2]);
          await settle();
          expect(await collect(sibling)).to.deep.equal([2, 3]);
          expect(await stateOf(buffer[Symbol.asyncDispose]())).to.equal('fulfilled');
          expect(unhandled).to.deep.equal([]);
        });
      }
    }
  }
});

describe('A body of a Response', function () {
  this.timeout(HANGS_AFTER + 1000);

  const bodies: Record<string, string> = {
    'the stage itself': 'stage',
    'ReadableStream.from(stage)': 'ReadableStream.from(stage)',
    'Readable.toWeb(stage)': 'Readable.toWeb(stage)',
  };

  // Not the last of two: undici's Response cannot bear an end behind its cancel, also of a generator (docs/readable.md).
  const cases = Object.entries(bodies).flatMap(([name, body]) =>
    (name === 'the stage itself' ? [1] : [1, 2]).map((stages) => ({ name, body, stages })),
  );

  for (const { name, body, stages } of cases) {
    it(`made of ${name}, the last of ${stages}, is cancelled with a read under way, and the process goes on`, async () => {
      const { code, stdout, stderr } = await runProgram(`
        import { Readable } from 'node:stream';
        import { setImmediate as turn } from 'node:timers/promises';
        const settle = async () => { for (let passed = 0; passed < 20; passed++) await turn(); };
        async function* chunks(step) {
          yield new TextEncoder().encode('one');
          await step();
          yield new TextEncoder().encode('two');
        }
        async function* pass(source) { yield* source; }
        const steps = { quick: async () => {}, slow: () => settle(), endless: () => new Promise(() => {}) };
        for (const [what, step] of Object.entries(steps)) {
          for (const bufferSize of [1, 16]) {
            const buffer = bufferedPipeline();
            const sibling = buffer([1, 2, 3]);
            await sibling[Symbol.asyncIterator]().next();
            let stage = buffer(chunks(step), { bufferSize });
            if (${stages} === 2) stage = buffer(pass(stage), { bufferSize });
            const reader = new Response(${body}).body.getReader();
            await reader.read();
            const read = reader.read().catch(() => {});
            await turn();
            await Promise.race([reader.cancel(), settle()]);
            await Promise.race([read, settle()]);
            await settle();
            console.log(what, (await sibling.toArray()).join());
          }
        }
      `);
      expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
      expect(stdout.split('\n').filter(Boolean)).to.deep.equal(
        ['quick', 'slow', 'endless'].flatMap((what) => [`${what} 2,3`, `${what} 2,3`]),
      );
    });
  }
});
