/** The signal of a pipeline, which ends all of it, and the signal of a stage, which tells its source of the end. */
import { expect } from 'chai';
import { getEventListeners } from 'node:events';
import { Writable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';

import { bufferedPipeline, type BufferedPipeline, type Stage } from '../lib/index.ts';
import { collect, recorded, rejection, settle, turn } from './helpers.ts';

const REASON = new Error('enough');
const never = new Promise<never>(() => {});

function* naturals(): Generator<number> {
  for (let n = 1; ; n++) yield n;
}

async function* stuck(): AsyncGenerator<number> {
  yield await never;
}

async function* oneThenStuck(): AsyncGenerator<number> {
  yield 1;
  await never;
}

/** Fails in its clean-up. */
async function* failingLate(): AsyncGenerator<number> {
  try {
    yield* naturals();
  } finally {
    // oxlint-disable-next-line no-unsafe-finally -- what the test is about
    throw new Error('clean-up');
  }
}

function failing(): never {
  throw REASON;
}

async function* failingOn(source: AsyncIterable<number>): AsyncGenerator<number> {
  for await (const n of source) if (n > 0) throw REASON;
  yield 0;
}

/** Hands on what it reads, or never settles. */
async function* step(source: AsyncIterable<number>, isStuck: boolean): AsyncGenerator<number> {
  for await (const n of source) yield isStuck ? await never : n;
}

function sinkOf(take: (n: number) => void): Writable {
  return new Writable({
    objectMode: true,
    write(n: number, _, done) {
      take(n);
      done();
    },
  });
}

function expectAbortError(error: unknown, reason: unknown = REASON): void {
  expect(error).to.be.an.instanceof(Error);
  expect(error).to.include({ name: 'AbortError', code: 'ABORT_ERR', cause: reason });
}

const consumers: Record<string, (stage: Stage<number>, take: (n: number) => void) => Promise<unknown>> = {
  'a loop': async (stage, take) => {
    for await (const n of stage) take(n);
  },
  'data events': (stage, take) => finished(stage.on('data', take)),
  pipeline: (stage, take) => pipeline(stage, sinkOf(take)),
  'an operator': (stage, take) => stage.forEach(take),
};

for (const [consumer, consume] of Object.entries(consumers)) {
  describe(`An abort of a pipeline read by ${consumer}`, function () {
    this.timeout(2000);

    it('before the first read lets nothing start', async () => {
      const log: string[] = [];
      const buffer = bufferedPipeline({ signal: AbortSignal.abort(REASON) });
      const first = buffer(() => recorded(log, 'first', naturals()));
      const error = await rejection(consume(buffer(recorded(log, 'second', first)), () => log.push('value')));
      expectAbortError(error);
      expect(log).to.deep.equal([]);
    });

    it('between two values is what comes next', async () => {
      const log: string[] = [];
      const seen: number[] = [];
      const controller = new AbortController();
      const stage = bufferedPipeline(controller)(recorded(log, 'source', naturals()), { bufferSize: 4 });
      const error = await rejection(
        consume(stage, (n) => {
          seen.push(n);
          if (n === 2) controller.abort(REASON);
        }),
      );
      await turn();
      expectAbortError(error);
      expect(seen).to.deep.equal([1, 2]);
      expect(log).to.deep.equal(['source starts', 'source closes']);
    });

    it('lets go of a consumer that waits for a step which never settles', async () => {
      const seen: number[] = [];
      const controller = new AbortController();
      const error = rejection(consume(bufferedPipeline(controller)(oneThenStuck()), (n) => seen.push(n)));
      await turn();
      controller.abort(REASON);
      expectAbortError(await error);
      expect(seen).to.deep.equal([1]);
    });

    it('after the end changes nothing', async () => {
      const events: string[] = [];
      const controller = new AbortController();
      const stage = bufferedPipeline(controller)([1, 2]);
      stage.on('error', () => events.push('error'));
      await consume(stage, (n) => events.push(`value ${n}`));
      controller.abort(REASON);
      await turn();
      expect(events).to.deep.equal(['value 1', 'value 2']);
      expect(stage.errored).to.equal(null);
    });
  });
}

/** What ends a pipeline for good, and the code of what a consumer gets. */
const ends: Record<string, [end: (buffer: BufferedPipeline, controller: AbortController) => unknown, code: string]> = {
  'An abort': [(_, controller) => controller.abort(REASON), 'ABORT_ERR'],
  'A disposal': [(buffer) => buffer[Symbol.asyncDispose](), 'ERR_STREAM_PREMATURE_CLOSE'],
};

for (const [name, [end, code]] of Object.entries(ends)) {
  describe(`${name} while a loop is busy`, function () {
    this.timeout(2000);

    for (const isDirect of [true, false]) {
      it(`is an error for the loop, though a stage that ${isDirect ? 'is given' : 'reads'} the same has left`, async () => {
        const controller = new AbortController();
        const buffer = bufferedPipeline(controller);
        const shared = buffer(naturals());
        const other = buffer(isDirect ? shared : step(shared, false));
        await other[Symbol.asyncIterator]().next();
        const loop = shared[Symbol.asyncIterator]();
        await loop.next();
        await end(buffer, controller);
        await settle();
        expect(await rejection(loop.next())).to.have.property('code', code);
        expect(await loop.next()).to.deep.equal({ done: true, value: undefined });
      });
    }
  });
}

describe('An abort', function () {
  this.timeout(2000);

  it('destroys all stages at once, related or not, read or not', () => {
    const controller = new AbortController();
    const buffer = bufferedPipeline(controller);
    const first = buffer(naturals());
    const stages = [first, buffer(first), buffer(naturals())];
    void rejection(stages[1]!.toArray());
    controller.abort(REASON);
    for (const stage of stages) {
      expect(stage.destroyed).to.equal(true);
      expectAbortError(stage.errored);
    }
  });

  for (const taken of [0, 1]) {
    it(`destroys a stage that another was given as its source as it does any, ${taken} values taken`, async () => {
      const controller = new AbortController();
      const buffer = bufferedPipeline(controller);
      const first = buffer(naturals());
      const iterator = buffer(first)[Symbol.asyncIterator]();
      for (let n = 1; n <= taken; n++) await iterator.next();
      await turn();
      controller.abort(REASON);
      expectAbortError(first.errored);
      expectAbortError(await rejection(collect(first)));
    });
  }

  it('fails stages with one and the same error', async () => {
    const controller = new AbortController();
    const buffer = bufferedPipeline(controller);
    const errors = [buffer(naturals()), buffer(naturals())].map((stage) => rejection(collect(stage)));
    controller.abort(REASON);
    const [first, second] = await Promise.all(errors);
    expect(first).to.equal(second);
  });

  it('fails stages made afterwards, too', async () => {
    const controller = new AbortController();
    const buffer = bufferedPipeline(controller);
    controller.abort(REASON);
    expectAbortError(await rejection(collect(buffer([1]))));
  });

  it('fails stages made after all earlier ones have ended', async () => {
    const controller = new AbortController();
    const buffer = bufferedPipeline(controller);
    await collect(buffer([1]));
    await turn();
    const error = rejection(collect(buffer(oneThenStuck())));
    await turn();
    controller.abort(REASON);
    expectAbortError(await error);
  });

  it('fails a stage that is read only afterwards', async () => {
    const controller = new AbortController();
    const stage = bufferedPipeline(controller)([1]);
    controller.abort(REASON);
    await turn();
    expectAbortError(await rejection(collect(stage)));
  });

  it('says nothing to a stage that nobody reads', async () => {
    const log: string[] = [];
    const controller = new AbortController();
    bufferedPipeline(controller)(recorded(log, 'source', naturals()));
    controller.abort(REASON);
    await turn();
    expect(log).to.deep.equal([]);
  });

  it('answers the first of several waiting reads with the error, the others with the end', async () => {
    const controller = new AbortController();
    const iterator = bufferedPipeline(controller)(stuck())[Symbol.asyncIterator]();
    const reads = [iterator.next(), iterator.next(), iterator.next()];
    controller.abort(REASON);
    const [first, ...others] = await Promise.allSettled(reads);
    expectAbortError((first as PromiseRejectedResult).reason);
    const end = { status: 'fulfilled', value: { done: true, value: undefined } };
    expect(others).to.deep.equal([end, end]);
  });

  for (const reason of ['a word', 0, null]) {
    it(`carries any reason as its cause: ${JSON.stringify(reason)}`, async () => {
      const controller = new AbortController();
      const stage = bufferedPipeline(controller)(naturals());
      controller.abort(reason);
      expectAbortError(await rejection(collect(stage)), reason);
    });
  }

  it('carries the reason that the platform makes where none was given', async () => {
    const signal = AbortSignal.abort();
    expectAbortError(await rejection(collect(bufferedPipeline({ signal })([1]))), signal.reason);
  });

  it('wins over an error in the clean-up that follows it', async () => {
    const controller = new AbortController();
    const iterator = bufferedPipeline(controller)(failingLate())[Symbol.asyncIterator]();
    await iterator.next();
    controller.abort(REASON);
    expectAbortError(await rejection(iterator.next()));
  });

  for (const which of ['first', 'second', 'third']) {
    it(`closes the generators around the ${which} of three that never settles`, async () => {
      const log: string[] = [];
      const controller = new AbortController();
      const buffer = bufferedPipeline(controller);
      const first = buffer(recorded(log, 'first', step(buffer(naturals()), which === 'first')));
      const second = buffer(recorded(log, 'second', step(first, which === 'second')));
      const third = buffer(recorded(log, 'third', step(second, which === 'third')));
      const error = rejection(collect(third));
      await turn();
      controller.abort(REASON);
      expectAbortError(await error);
      await turn();
      const closed = ['first', 'second', 'third'].filter((name) => log.includes(`${name} closes`));
      expect(closed).to.deep.equal(['first', 'second', 'third'].filter((name) => name !== which));
    });
  }

  it('closes a generator that causes it once its step has settled, and only once', async () => {
    const log: string[] = [];
    const controller = new AbortController();
    const source = async function* (): AsyncGenerator<number> {
      controller.abort(REASON);
      log.push('step goes on');
      yield 1;
      log.push('next step');
    };
    const stage = bufferedPipeline(controller)(recorded(log, 'source', source()));
    expectAbortError(await rejection(collect(stage)));
    await turn();
    expect(log).to.deep.equal(['source starts', 'step goes on', 'source closes']);
  });

  it('by a source function leaves the generator that it returns unstarted', async () => {
    const log: string[] = [];
    const controller = new AbortController();
    const stage = bufferedPipeline(controller)(() => {
      controller.abort(REASON);
      return recorded(log, 'source', naturals());
    });
    expectAbortError(await rejection(collect(stage)));
    await turn();
    expect(log).to.deep.equal([]);
  });
});

/** Reads a stage up to a first value, and says what its signal does. */
async function started(): Promise<{
  buffer: BufferedPipeline;
  controller: AbortController;
  stage: Stage<number>;
  signal: AbortSignal;
}> {
  const controller = new AbortController();
  const buffer = bufferedPipeline(controller);
  let signal!: AbortSignal;
  const stage = buffer((context) => {
    ({ signal } = context);
    return naturals();
  });
  await stage[Symbol.asyncIterator]().next();
  return { buffer, controller, stage, signal };
}

type Started = Awaited<ReturnType<typeof started>>;

describe('An abort that comes before the first stage', function () {
  const untouched = (): never => {
    throw new Error('The source must not start');
  };

  it('has nothing start, also of a pipeline made before it', async () => {
    const controller = new AbortController();
    const buffer = bufferedPipeline({ signal: controller.signal });
    controller.abort();
    expect(await rejection(collect(buffer(untouched)))).to.have.property('code', 'ABORT_ERR');
  });

  it('has nothing start, also while the last stage of another pipeline of the signal closes', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    await collect(bufferedPipeline({ signal })([1]));
    const buffer = bufferedPipeline({ signal });
    controller.abort();
    expect(await rejection(collect(buffer(untouched)))).to.have.property('code', 'ABORT_ERR');
  });

  it('ends a stage that is made after all others of its pipeline were collected unread', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const buffer = bufferedPipeline({ signal });
    (() => void buffer([1]))();
    for (let round = 0; round < 3; round++) {
      await turn(2);
      globalThis.gc!();
    }
    const others = Array.from({ length: 100 }, () => bufferedPipeline({ signal })([1]));
    const iterator = buffer(oneThenStuck())[Symbol.asyncIterator]();
    await iterator.next();
    controller.abort();
    expect(await rejection(iterator.next())).to.have.property('code', 'ABORT_ERR');
    expect(others).to.have.length(100);
  });
});

describe('The signal that a source function is given', function () {
  this.timeout(2000);

  const endings: Record<string, (pipeline: Started) => unknown> = {
    'a break': async ({ stage }) => {
      for await (const _ of stage) break;
    },
    'an error in the loop body': ({ stage }) => rejection(collect(failingOn(stage))),
    'an error of a generator that reads the stage': ({ buffer, stage }) => rejection(collect(buffer(failingOn(stage)))),
    'an error of an unrelated stage': ({ buffer }) => rejection(collect(buffer(failing))),
    'destroy()': ({ stage }) => void stage.destroy(),
    'destroy(error)': ({ stage }) => void stage.destroy(REASON),
    'an abort of the pipeline': ({ controller }) => controller.abort(REASON),
    disposal: ({ buffer }) => buffer[Symbol.asyncDispose](),
  };

  for (const [ending, end] of Object.entries(endings)) {
    it(`aborts on ${ending}`, async () => {
      const pipe = await started();
      expect(pipe.signal.aborted).to.equal(false);
      const ended = end(pipe);
      if (!(ended instanceof Promise)) expect(pipe.signal.aborted).to.equal(true);
      await ended;
      expect(pipe.signal.aborted).to.equal(true);
      expect(pipe.signal.reason).to.include({ name: 'AbortError', code: 'ABORT_ERR' });
    });
  }

  it('aborts with a reason whose cause is that of the pipeline', async () => {
    const { controller, signal } = await started();
    controller.abort(REASON);
    expectAbortError(signal.reason);
  });

  it('does not abort on the end, nor after it', async () => {
    const controller = new AbortController();
    const buffer = bufferedPipeline(controller);
    let signal!: AbortSignal;
    await collect(
      buffer((context) => {
        ({ signal } = context);
        return [1, 2];
      }),
    );
    await turn();
    expect(signal.aborted).to.equal(false);
    controller.abort(REASON);
    await buffer[Symbol.asyncDispose]();
    expect(signal.aborted).to.equal(false);
  });

  it('lets a step under way stop, and the clean-up follow', async () => {
    const log: string[] = [];
    const controller = new AbortController();
    const waiting = async function* (signal: AbortSignal): AsyncGenerator<number> {
      yield await new Promise<number>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    };
    const stage = bufferedPipeline(controller)(({ signal }) => recorded(log, 'source', waiting(signal)));
    const error = rejection(collect(stage));
    await turn();
    controller.abort(REASON);
    expectAbortError(await error);
    await turn();
    expect(log).to.deep.equal(['source starts', 'source closes']);
  });
});

describe('A signal that many pipelines share', function () {
  this.timeout(2000);
  const COUNT = 1000;
  const warnings: Error[] = [];
  const warn = (warning: Error): unknown => warnings.push(warning);

  beforeEach(() => {
    warnings.length = 0;
    process.on('warning', warn);
  });
  afterEach(() => process.off('warning', warn));

  const endings: Record<string, (stage: Stage<number>, buffer: BufferedPipeline) => unknown> = {
    'the end': (stage) => collect(stage),
    'a break': async (stage) => {
      for await (const _ of stage) break;
    },
    'an error': (_, buffer) => rejection(collect(buffer(failing))),
    'destroy()': (stage) => void stage.destroy(),
    disposal: (_, buffer) => buffer[Symbol.asyncDispose](),
    'the end as a stream': (stage) => finished(stage.resume()),
  };

  for (const [ending, end] of Object.entries(endings)) {
    it(`has no listener left after ${ending}, and causes no warning before`, async () => {
      const { signal } = new AbortController();
      const alive = await Promise.all(
        Array.from({ length: COUNT }, async () => {
          const buffer = bufferedPipeline({ signal });
          const stage = buffer([1, 2, 3]);
          await stage[Symbol.asyncIterator]().next();
          return { buffer, stage };
        }),
      );
      await turn();
      expect(warnings).to.deep.equal([]);
      await Promise.all(alive.map(({ stage, buffer }) => end(stage, buffer)));
      await turn();
      expect(getEventListeners(signal, 'abort')).to.deep.equal([]);
    });
  }

  it('has no listener left after its abort', async () => {
    const controller = new AbortController();
    const errors = Array.from({ length: COUNT }, () =>
      rejection(collect(bufferedPipeline(controller)(oneThenStuck()))),
    );
    await turn();
    controller.abort(REASON);
    for (const error of await Promise.all(errors)) expectAbortError(error);
    expect(warnings).to.deep.equal([]);
    expect(getEventListeners(controller.signal, 'abort')).to.deep.equal([]);
  });

  it('gets no listener from a pipeline that is made after its abort', () => {
    const signal = AbortSignal.abort(REASON);
    bufferedPipeline({ signal })([1]);
    expect(getEventListeners(signal, 'abort')).to.deep.equal([]);
  });
});
