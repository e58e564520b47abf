/** What stays in memory: nothing that a consumer has taken, dropped or finished. */
import { expect } from 'chai';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { getEventListeners } from 'node:events';
import { Writable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';

import { bufferedPipeline, type BufferedPipeline, type Stage } from '../lib/index.ts';
import { collectGarbage, expectCollected } from './garbage.ts';
import { collect, failingAfter, microtasks, range, rejection, turn, VALUES } from './helpers.ts';

const MEGABYTE = 2 ** 20;

interface Item {
  n: number;
}

/** Yields fresh objects, and keeps weak references to them. */
async function* items(references: WeakRef<Item>[], count = Infinity): AsyncGenerator<Item> {
  for (let n = 1; n <= count; n++) yield remember(references, { n });
}

function remember<T extends object>(references: WeakRef<T>[], value: T): T {
  references.push(new WeakRef(value));
  return value;
}

/** Hangs on a promise that nothing else refers to. */
async function* oneThenStuck(): AsyncGenerator<number> {
  yield 1;
  await new Promise(() => {});
}

async function* relay<T>(source: AsyncIterable<T>): AsyncGenerator<T> {
  yield* source;
}

/** The values among those referred to that are still there. */
function alive(references: WeakRef<Item>[]): number[] {
  return references.flatMap((reference) => reference.deref()?.n ?? []);
}

function sink(): Writable {
  return new Writable({ objectMode: true, write: (_, __, done) => done() });
}

describe('A value', function () {
  this.timeout(10_000);

  const takeThree: Record<string, (stage: Stage<Item>) => Promise<unknown>> = {
    'next()': async (stage) => {
      const iterator = stage[Symbol.asyncIterator]();
      for (let i = 0; i < 3; i++) await iterator.next();
    },
    'read()': async (stage) => {
      for (let taken = 0; taken < 3; await turn()) if (stage.read() !== null) taken++;
    },
    'a data listener': (stage) =>
      new Promise<void>((resolve) => {
        stage.on('data', ({ n }) => {
          if (n < 3) return;
          stage.pause();
          resolve();
        });
      }),
  };

  for (const [way, take] of Object.entries(takeThree)) {
    it(`is collectable once ${way} has taken it, while the buffers hold the next ones`, async () => {
      const references: WeakRef<Item>[] = [];
      const buffer = bufferedPipeline();
      const stage = buffer(relay(buffer(items(references), { bufferSize: 2 })), { bufferSize: 2 });
      await take(stage);
      await collectGarbage();
      await expectCollected(references.slice(0, 3), 0);
      expect(alive(references)).to.include.members([4, 5, 6, 7]);
      stage.destroy();
    });
  }

  const endings: Record<string, (stage: Stage<Item>) => unknown> = {
    'the end': async (stage) => {
      for await (const _ of stage);
    },
    'the end of a stream': (stage) => finished(stage.resume()),
    'a break': async (stage) => {
      for await (const _ of stage) {
        await turn();
        break;
      }
    },
    'destroy()': async (stage) => {
      await stage[Symbol.asyncIterator]().next();
      await turn();
      stage.destroy();
    },
  };

  for (const [ending, end] of Object.entries(endings)) {
    it(`is collectable after ${ending}, while the stage lives`, async () => {
      const references: WeakRef<Item>[] = [];
      const buffer = bufferedPipeline();
      const stage = buffer(relay(buffer(items(references, 9), { bufferSize: 4 })), { bufferSize: 4 });
      await end(stage);
      await collectGarbage();
      expect(references).to.have.length.above(4);
      await expectCollected(references, 0);
      expect(stage.destroyed).to.equal(true);
    });
  }
});

describe('A stage', function () {
  this.timeout(10_000);

  const uses: Record<string, (stage: Stage<number>) => Promise<unknown>> = {
    unread: async () => {},
    'half read by a loop': (stage) => stage[Symbol.asyncIterator]().next(),
    'half read as a stream': (stage) => new Promise((resolve) => stage.once('readable', () => resolve(stage.read()))),
  };

  /** Enough to tell a leak from what Bun's collector misses. */
  const CHAINS = 'bun' in process.versions ? 100 : 1;

  /** Makes chains of two, uses them, and lets them go. */
  async function drop(
    buffer: BufferedPipeline,
    source: () => AsyncIterable<number>,
    use: (stage: Stage<number>) => Promise<unknown>,
  ): Promise<WeakRef<Stage<number>>[]> {
    const references: WeakRef<Stage<number>>[] = [];
    for (let chain = 0; chain < CHAINS; chain++) {
      const first = remember(references, buffer(source()));
      await use(remember(references, buffer(relay(first))));
    }
    return references;
  }

  async function* numbers(): AsyncGenerator<number> {
    yield* range(100);
  }

  for (const [state, use] of Object.entries(uses)) {
    it(`that is dropped ${state} is collectable while its buffer function lives`, async () => {
      const buffer = bufferedPipeline();
      const references = await drop(buffer, numbers, use);
      await collectGarbage();
      await expectCollected(references, 0);
      expect(await collect(buffer([1]))).to.deep.equal([1]);
    });

    it(`that is dropped ${state} is collectable while its buffer function, which has statistics, lives`, async () => {
      const buffer = bufferedPipeline({ statistics: true });
      const references = await drop(buffer, numbers, use);
      await collectGarbage();
      await expectCollected(references, 0);
      expect(buffer.statistics()).to.have.lengthOf(references.length);
    });

    it(`that is dropped ${state} is collectable while its signal lives`, async () => {
      const controller = new AbortController();
      const references = await drop(bufferedPipeline(controller), numbers, use);
      await collectGarbage();
      await expectCollected(references, 0);
      controller.abort();
    });
  }
});

describe('A generator that reads a stage for each of its values', function () {
  this.timeout(10_000);

  it('keeps none of those that have ended', async () => {
    const references: WeakRef<Stage<number>>[] = [];
    const buffer = bufferedPipeline();
    async function* pages(): AsyncGenerator<number> {
      for (const page of range(50)) yield* remember(references, buffer([page]));
    }
    const iterator = buffer(pages())[Symbol.asyncIterator]();
    for (let taken = 0; taken < 40; taken++) await iterator.next();
    await collectGarbage();
    await expectCollected(references.slice(0, 30), 0);
  });
});

describe('A stage that is dropped half read as a stream', function () {
  this.timeout(10_000);

  for (const [fate, source] of Object.entries({
    ended: () => range(3),
    failed: () => failingAfter(3, new Error('boom')),
  })) {
    it(`is not kept by its pipeline once its source has ${fate}`, async () => {
      const references: WeakRef<Stage<number>>[] = [];
      const buffer = bufferedPipeline();
      const readOnce = async (): Promise<void> => {
        const stage = remember(references, buffer(source(), { bufferSize: 8 }));
        while (stage.read() === null) await turn();
        await turn(3);
      };
      for (let dropped = 0; dropped < 10; dropped++) await readOnce();
      await collectGarbage();
      await expectCollected(references, 0);
      expect(buffer).to.be.a('function');
    });
  }
});

describe('A stuck chain that nothing else refers to', function () {
  this.timeout(10_000);

  const waits: Record<string, (stage: Stage<number>) => Promise<unknown>> = {
    'a loop': collect,
    'an operator': (stage) => stage.map((n) => n).toArray(),
    'toArray()': (stage) => stage.toArray(),
    'pipeline into a Writable': (stage) => pipeline(stage, sink()),
    'pipeline into a function': (stage) => pipeline(stage, (source: AsyncIterable<number>) => collect(source)),
    'a data listener': (stage) => finished(stage.resume()),
  };

  const cases = Object.entries(waits).flatMap(([way, wait]) => [1, 2].map((stages) => ({ way, wait, stages })));

  for (const { way, wait, stages } of cases) {
    it(`of ${stages} is let go by an abort where ${way} waits for it`, async () => {
      const controller = new AbortController();
      const chain = (): Promise<unknown> => {
        const buffer = bufferedPipeline(controller);
        const first = buffer(oneThenStuck());
        return rejection(wait(stages === 1 ? first : buffer(relay(first))));
      };
      const error = chain();
      await collectGarbage();
      controller.abort();
      expect(await error).to.include({ name: 'AbortError', code: 'ABORT_ERR' });
    });
  }
});

describe('A finished pipeline', function () {
  this.timeout(10_000);

  const runs: Record<string, (buffer: BufferedPipeline) => unknown> = {
    'its end': (buffer) => collect(buffer(relay(buffer(range(3))))),
    'its end as a stream': (buffer) => pipeline(buffer(range(3)), sink()),
    'an error': (buffer) => rejection(collect(buffer(relay(buffer(failingAfter(1, new Error('boom'))))))),
    'a break': async (buffer) => {
      for await (const _ of buffer(relay(buffer(range(3))))) break;
    },
    disposal: async (buffer) => {
      await buffer(range(3))[Symbol.asyncIterator]().next();
      await buffer[Symbol.asyncDispose]();
    },
  };

  for (const [ending, run] of Object.entries(runs)) {
    it(`leaves nothing on a long-lived signal after ${ending}`, async () => {
      const { signal } = new AbortController();
      const references: WeakRef<BufferedPipeline>[] = [];
      for (let i = 0; i < 10; i++) await run(remember(references, bufferedPipeline({ signal })));
      await collectGarbage();
      expect(getEventListeners(signal, 'abort')).to.deep.equal([]);
      await expectCollected(references, 0);
    });
  }

  it('leaves no stage behind on its statistics, though somebody has listened to it', async () => {
    const ignore = (): void => {};
    subscribe('buffered-pipeline:stage:close', ignore);
    const references: WeakRef<Stage<number>>[] = [];
    const buffer = bufferedPipeline({ statistics: true });
    for (let i = 0; i < 10; i++) await collect(remember(references, buffer(range(3))));
    await collectGarbage();
    unsubscribe('buffered-pipeline:stage:close', ignore);
    expect(buffer.statistics()).to.have.lengthOf(10);
    await expectCollected(references, 0);
  });

  it('leaves nothing of many stages behind on the buffer function that made them', async () => {
    const buffer = bufferedPipeline();
    const makeMany = async (): Promise<void> => {
      for (let i = 0; i < 20_000; i++) await collect(buffer([i]));
      await collectGarbage();
    };
    await makeMany();
    const before = process.memoryUsage().heapUsed;
    await makeMany();
    expect((process.memoryUsage().heapUsed - before) / MEGABYTE).to.be.below(2);
  });
});

describe('Pipelines that are left one after another', function () {
  this.timeout(20_000);

  /** Is in a step when it is left, for some microtasks more. */
  async function* slow(): AsyncGenerator<number> {
    for (let n = 0; ; n++) {
      await microtasks(20);
      yield n;
    }
  }

  function large(): AsyncGenerator<number> {
    return Object.assign(slow(), { load: Array.from({ length: 2000 }, () => 0) });
  }

  const LEAVING: Record<string, (buffer: BufferedPipeline) => Promise<void>> = {
    'by break': async (buffer) => {
      for await (const _ of buffer(relay(buffer(large())))) break;
    },
    'by destroy()': async (buffer) => {
      const stage = buffer(relay(buffer(large())));
      await stage[Symbol.asyncIterator]().next();
      stage.destroy();
    },
    'that read a stage by buffer.map': async (buffer) => {
      for await (const _ of buffer.map(buffer(large()), (value) => value, { concurrency: 2 })) break;
    },
  };

  for (const [way, leave] of Object.entries(LEAVING)) {
    it(`${way} stay in memory no longer than that, though the event loop has no turn`, async () => {
      const leaveMany = async (): Promise<void> => {
        for (let i = 0; i < 1000; i++) await leave(bufferedPipeline());
        await microtasks(100);
        globalThis.gc!();
      };
      await leaveMany();
      await collectGarbage();
      const before = process.memoryUsage().heapUsed;
      await leaveMany();
      expect((process.memoryUsage().heapUsed - before) / MEGABYTE).to.be.below(3);
    });
  }
});

describe('The heap', function () {
  this.timeout(60_000);
  const SAMPLES = 10;

  /** Yields without ever waiting for anything, and measures what is alive every so often. */
  async function* unwaiting(sizes: number[]): AsyncGenerator<Item> {
    for (let n = 0; n < VALUES; n++) {
      if (n % (VALUES / SAMPLES) === 0) sizes.push(measure());
      yield { n };
    }
  }

  function measure(): number {
    globalThis.gc!();
    return process.memoryUsage().heapUsed / MEGABYTE;
  }

  const ways: Record<string, (stage: Stage<Item>) => Promise<unknown>> = {
    'a loop': async (stage) => {
      for await (const _ of stage);
    },
    'a stream': (stage) => pipeline(stage, sink()),
    'a data listener': (stage) => finished(stage.resume()),
  };

  for (const [way, read] of Object.entries(ways)) {
    for (const bufferSize of [1, 64]) {
      it(`stays flat over ${VALUES} values that ${way} reads at bufferSize ${bufferSize}`, async () => {
        const sizes: number[] = [];
        const buffer = bufferedPipeline();
        const source = buffer(unwaiting(sizes), { bufferSize });
        await read(buffer(relay(source), { bufferSize }));
        expect(sizes).to.have.lengthOf(SAMPLES);
        const [, second, ...later] = sizes;
        expect(Math.max(...later) - second!).to.be.below(2);
      });
    }
  }
});

describe('A rejection', function () {
  this.timeout(10_000);
  const unhandled: unknown[] = [];
  const record = (reason: unknown): unknown => unhandled.push(reason);
  const boom = new Error('boom');

  beforeEach(() => {
    unhandled.length = 0;
    process.prependListener('unhandledRejection', record);
  });
  afterEach(() => process.off('unhandledRejection', record));

  const failing = (): AsyncGenerator<number> => failingAfter(2, boom);

  async function* failingToClose(): AsyncGenerator<number> {
    try {
      yield* range(9);
    } finally {
      // oxlint-disable-next-line no-unsafe-finally -- what the test is about
      throw boom;
    }
  }

  const begin = (stage: Stage<number>): Promise<unknown> => stage[Symbol.asyncIterator]().next();

  const scenarios: Record<string, (buffer: BufferedPipeline, controller: AbortController) => unknown> = {
    'a source fails ahead of its reader': (buffer) => begin(buffer(failing(), { bufferSize: 4 })),
    'a source fails ahead of a reader that leaves': async (buffer) => {
      const stage = buffer(failing(), { bufferSize: 4 });
      for await (const _ of stage) {
        await turn();
        break;
      }
    },
    'a stage fails that a stage reads which nobody reads on': (buffer) =>
      begin(buffer(relay(buffer(failing())), { bufferSize: 1 })),
    'a half read stage is destroyed': async (buffer) => {
      const stage = buffer(relay(buffer(failing())));
      await begin(stage);
      stage.destroy();
    },
    'a half read stage is destroyed with an error': async (buffer) => {
      const stage = buffer(relay(buffer(range(5))));
      await begin(stage);
      stage.destroy(boom);
    },
    'the clean-up of a destroyed stage fails': async (buffer) => {
      const stage = buffer(relay(buffer(failingToClose())));
      await begin(stage);
      stage.destroy();
    },
    'a pipeline is aborted before it is read': (buffer, controller) => {
      buffer(relay(buffer(range(3))));
      controller.abort();
    },
    'a pipeline is aborted between two reads': async (buffer, controller) => {
      await begin(buffer(relay(buffer(failingToClose()))));
      controller.abort();
    },
    'a pipeline is aborted while a step is under way that fails': async (buffer, controller) => {
      const stage = buffer(({ signal }) => ({
        async *[Symbol.asyncIterator]() {
          yield 1;
          await new Promise((_, reject) => signal.addEventListener('abort', () => reject(boom)));
        },
      }));
      await begin(stage);
      await turn();
      controller.abort();
    },
    'one stage of several fails': async (buffer) => {
      await begin(buffer(relay(buffer(range(5)))));
      await rejection(collect(buffer(failing())));
    },
    'a pipeline is disposed of half read': async (buffer) => {
      await begin(buffer(relay(buffer(failing()))));
      await buffer[Symbol.asyncDispose]();
    },
    'a web stream cannot be cancelled': async (buffer) => {
      const source = new ReadableStream<number>({
        pull: (controller) => controller.enqueue(1),
        cancel: () => Promise.reject(boom),
      });
      const stage = buffer(source);
      await begin(stage);
      stage.destroy();
    },
  };

  for (const [what, act] of Object.entries(scenarios)) {
    it(`is not left unhandled when ${what}`, async () => {
      const controller = new AbortController();
      const buffer = bufferedPipeline(controller);
      await act(buffer, controller);
      await turn(5);
      await collectGarbage();
      expect(unhandled).to.deep.equal([]);
    });
  }
});
