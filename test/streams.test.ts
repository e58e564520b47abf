/** A stage is a Readable: everything of Node's that takes one works with it, and what it says of itself is true. */
import { expect } from 'chai';
import { EventEmitter, once } from 'node:events';
import {
  compose,
  Duplex,
  PassThrough,
  pipeline as pipelineWithCallback,
  Readable,
  Transform,
  Writable,
} from 'node:stream';
import { json, text } from 'node:stream/consumers';
import { finished, pipeline } from 'node:stream/promises';

import { bufferedPipeline, type Stage } from '../lib/index.ts';
import { collect, consumers, failingAfter, microtasks, range, recorded, rejection, settle, turn } from './helpers.ts';
import { type Ended, HANGS_AFTER, runProgram } from './programs.ts';

const BOOM = new Error('boom');

/** The consumers that read a stage as a stream; the others read it by a loop. */
const streamConsumers = consumers.filter(([name]) =>
  ['data', 'readable', 'pipe', 'pipeline into a writable'].includes(name),
);

function failing(): AsyncGenerator<number> {
  return failingAfter(2, BOOM);
}

function recording(log: string[]): AsyncGenerator<number> {
  return recorded(log, 'source', range(5));
}

function stageOf<T>(values: Iterable<T> | AsyncIterable<T>, bufferSize = 2): Stage<T> {
  return bufferedPipeline()(values, { bufferSize });
}

/** Keeps what is written to it. */
function sink(taken: unknown[]): Writable {
  return new Writable({
    objectMode: true,
    highWaterMark: 1,
    write(value: unknown, _, done) {
      taken.push(value);
      setImmediate(done);
    },
  });
}

function doubling(): Transform {
  return new Transform({ objectMode: true, transform: (n: number, _, done) => done(null, n * 2) });
}

/** What a stream says of how it goes, in its order, up to 'close'. */
async function eventsOf(stage: Readable, names = ['end', 'error', 'close']): Promise<string[]> {
  const events: string[] = [];
  for (const name of names) stage.on(name, () => events.push(name));
  if (!stage.closed) await new Promise((resolve) => stage.once('close', resolve));
  return events;
}

for (const [name, consume] of consumers) {
  describe(`A stage read by ${name}`, function () {
    this.timeout(2000);

    it('hands over all values in their order', async () => {
      const { values, error } = await consume(stageOf(range(5)));
      await turn(5);
      expect({ values, error }).to.deep.equal({ values: [1, 2, 3, 4, 5], error: undefined });
    });

    it('ends, then closes', async () => {
      const stage = stageOf(range(5));
      const events = eventsOf(stage);
      await consume(stage);
      expect(await events).to.deep.equal(['end', 'close']);
    });

    it('does not end when it fails, and closes afterwards', async () => {
      const stage = stageOf(failing());
      const events = eventsOf(stage);
      expect((await consume(stage)).error).to.equal(BOOM);
      expect(await events).to.deep.equal(['error', 'close']);
    });

    it('does not end when it is destroyed', async () => {
      const stage = stageOf(range(5));
      const events = eventsOf(stage);
      const outcome = consume(stage);
      stage.destroy();
      expect((await outcome).error).to.include({ code: 'ERR_STREAM_PREMATURE_CLOSE' });
      expect(await events).to.not.include('end');
    });
  });
}

describe('stream.pipeline', function () {
  this.timeout(2000);

  it('takes a stage and a callback', async () => {
    const taken: number[] = [];
    const outcomes = [range(5), failing()].map(
      (source) => new Promise((resolve) => pipelineWithCallback(stageOf(source), sink(taken), resolve)),
    );
    expect(await Promise.all(outcomes)).to.deep.equal([undefined, BOOM]);
  });

  it('takes a stage before a generator function', async () => {
    const taken: number[] = [];
    const double = async function* (source: AsyncIterable<number>): AsyncGenerator<number> {
      for await (const n of source) yield n * 2;
    };
    await pipeline(stageOf(range(5)), double, sink(taken));
    expect(taken).to.deep.equal([2, 4, 6, 8, 10]);
  });

  it('takes a stage before a Transform', async () => {
    const taken: number[] = [];
    await pipeline(stageOf(range(5)), doubling(), sink(taken));
    expect(taken).to.deep.equal([2, 4, 6, 8, 10]);
  });

  it('takes a stage that reads another pipeline of streams', async () => {
    const taken: number[] = [];
    const source = Readable.from(range(5));
    await pipeline(bufferedPipeline()(source.pipe(doubling())), sink(taken));
    expect(taken).to.deep.equal([2, 4, 6, 8, 10]);
  });

  it('destroys the stage, and closes its generator, when the Writable fails', async () => {
    const log: string[] = [];
    const stage = stageOf(recording(log));
    const writable = new Writable({ objectMode: true, write: (_, __, done) => done(BOOM) });
    expect(await rejection(pipeline(stage, writable))).to.equal(BOOM);
    await turn();
    expect(stage.destroyed).to.equal(true);
    expect(log).to.deep.equal(['source starts', 'source closes']);
  });

  it('closes the generators of a whole chain when a function leaves early', async () => {
    const log: string[] = [];
    const buffer = bufferedPipeline();
    const first = buffer(recording(log));
    await pipeline(buffer(recorded(log, 'relay', first)), async (source: AsyncIterable<number>) => {
      for await (const _ of source) break;
    });
    await turn();
    expect(log).to.have.members(['source starts', 'relay starts', 'relay closes', 'source closes']);
  });

  it('stops a stage by its own signal', async () => {
    const log: string[] = [];
    const controller = new AbortController();
    const writable = new Writable({ objectMode: true, write: () => controller.abort() });
    const error = await rejection(pipeline(stageOf(recording(log)), writable, { signal: controller.signal }));
    await turn();
    expect(error).to.include({ name: 'AbortError', code: 'ABORT_ERR' });
    expect(log).to.deep.equal(['source starts', 'source closes']);
  });

  it('pulls no further ahead of a slow Writable than the buffers allow', async () => {
    let produced = 0;
    const counting = async function* (): AsyncGenerator<number> {
      while (produced < 100) yield ++produced;
    };
    const writable = new Writable({ objectMode: true, highWaterMark: 1, write: () => {} });
    const end = rejection(pipeline(stageOf(counting(), 3), writable));
    for (let i = 0; i < 20; i++) await turn();
    expect(produced).to.equal(4);
    writable.destroy(BOOM);
    expect(await end).to.equal(BOOM);
  });
});

describe('An operator of Node on a stage', function () {
  this.timeout(2000);
  const even = (n: number): boolean => n % 2 === 0;

  const results: Record<string, [(stage: Stage<number>) => Promise<unknown>, unknown]> = {
    map: [(stage) => stage.map((n) => n * 10).toArray(), [10, 20, 30, 40, 50]],
    filter: [(stage) => stage.filter(even).toArray(), [2, 4]],
    flatMap: [
      (stage) =>
        stage
          .flatMap((n) => Array<number>(n).fill(n))
          .take(6)
          .toArray(),
      [1, 2, 2, 3, 3, 3],
    ],
    take: [(stage) => stage.take(2).toArray(), [1, 2]],
    drop: [(stage) => stage.drop(3).toArray(), [4, 5]],
    toArray: [(stage) => stage.toArray(), [1, 2, 3, 4, 5]],
    reduce: [(stage) => stage.reduce((sum, n) => sum + n), 15],
    'reduce with an initial value': [(stage) => stage.reduce((word, n) => word + n, ''), '12345'],
    some: [(stage) => stage.some((n) => n > 4), true],
    every: [(stage) => stage.every((n) => n > 4), false],
    find: [(stage) => stage.find(even), 2],
    forEach: [(stage) => stage.forEach(() => {}), undefined],
    'a chain of them': [(stage) => stage.drop(1).filter(even).map(String).toArray(), ['2', '4']],
  };

  for (const [name, [apply, expected]] of Object.entries(results)) {
    it(`${name} gives what it gives on any Readable`, async () => {
      expect(await apply(stageOf(range(5)))).to.deep.equal(expected);
      expect(await apply(Readable.from(range(5)) as Stage<number>)).to.deep.equal(expected);
    });

    it(`${name} closes the generator`, async () => {
      const log: string[] = [];
      await apply(stageOf(recording(log)));
      await turn();
      expect(log).to.deep.equal(['source starts', 'source closes']);
    });
  }

  it('map works on as many values at once as its concurrency says, and keeps their order', async () => {
    const calls: (() => void)[] = [];
    let mostAtOnce = 0;
    let atOnce = 0;
    const work = async (n: number): Promise<number> => {
      mostAtOnce = Math.max(mostAtOnce, ++atOnce);
      await new Promise<void>((resolve) => calls.push(resolve));
      atOnce--;
      return n;
    };
    const result = stageOf(range(6)).map(work, { concurrency: 3 }).toArray();
    while (calls.length < 3) await turn();
    for (let done = 0; done < 6; done++) {
      // The last of those under way is the first to be done.
      while (calls.length === 0) await turn();
      calls.pop()!();
      await turn();
    }
    expect(await result).to.deep.equal([1, 2, 3, 4, 5, 6]);
    expect(mostAtOnce).to.equal(3);
  });

  it('fails with the error of the source, itself, after the values before it', async () => {
    const seen: number[] = [];
    expect(
      await rejection(
        stageOf(failing())
          .map((n) => seen.push(n))
          .toArray(),
      ),
    ).to.equal(BOOM);
    expect(seen).to.deep.equal([1, 2]);
  });

  it('hands on null and undefined where it reads by a loop', async () => {
    expect(await stageOf([null, undefined, 0]).toArray()).to.deep.equal([null, undefined, 0]);
  });
});

describe('An adapter of Node', function () {
  this.timeout(2000);

  const adapters: Record<string, (stage: Stage<number>) => AsyncIterable<unknown>> = {
    'Readable.from': (stage) => Readable.from(stage),
    'Duplex.from': (stage) => Duplex.from(stage),
    'Readable.toWeb': (stage) => Readable.toWeb(stage),
    'stage.compose': (stage) => stage.compose(new PassThrough({ objectMode: true })),
    compose: (stage) => compose(stage, new PassThrough({ objectMode: true })),
    'stage.iterator()': (stage) => stage.iterator(),
  };

  for (const [name, adapt] of Object.entries(adapters)) {
    it(`${name} takes a stage and gives all of its values`, async () => {
      expect(await collect(adapt(stageOf(range(5))))).to.deep.equal([1, 2, 3, 4, 5]);
    });

    it(`${name} closes the generator when its reader leaves`, async () => {
      const log: string[] = [];
      for await (const _ of adapt(stageOf(recording(log)))) break;
      await turn();
      await turn();
      expect(log).to.deep.equal(['source starts', 'source closes']);
    });

    it(`${name} fails with the error of the source, itself`, async () => {
      expect(await rejection(collect(adapt(stageOf(failing()))))).to.equal(BOOM);
    });
  }

  it('Readable.toWeb destroys the stage when it is cancelled', async () => {
    const log: string[] = [];
    const stage = stageOf(recording(log));
    const reader = Readable.toWeb(stage).getReader();
    expect(await reader.read()).to.deep.equal({ done: false, value: 1 });
    await reader.cancel();
    await turn();
    expect(stage.destroyed).to.equal(true);
    expect(log).to.deep.equal(['source starts', 'source closes']);
  });

  it('stream/consumers read a stage', async () => {
    expect(await text(stageOf(['a', 'b', 'c']))).to.equal('abc');
    expect(await json(stageOf(['[1,', '2]']))).to.deep.equal([1, 2]);
  });

  it('events.once and events.on read a stage', async () => {
    const stage = stageOf(range(5));
    expect(await once(stage, 'data')).to.deep.equal([1]);
    const values: unknown[] = [];
    for await (const [n] of EventEmitter.on(stage, 'data', { close: ['end'] })) values.push(n);
    expect(values).to.deep.equal([2, 3, 4, 5]);
  });

  it('finished says how a stage went', async () => {
    const [ended, failed, destroyed] = [stageOf(range(5)), stageOf(failing()), stageOf(range(5))];
    const outcomes = Promise.allSettled([ended, failed, destroyed].map((stage) => finished(stage.resume())));
    destroyed.destroy();
    const [first, second, third] = await outcomes;
    expect(first!.status).to.equal('fulfilled');
    expect(second).to.include({ status: 'rejected', reason: BOOM });
    expect((third as PromiseRejectedResult).reason).to.include({ code: 'ERR_STREAM_PREMATURE_CLOSE' });
  });
});

describe('What Node says of a stage', function () {
  this.timeout(2000);

  interface State {
    isReadable: boolean | null;
    isErrored: boolean;
    isDisturbed: boolean;
    readableDidRead: boolean;
    readableEnded: boolean;
    readableAborted: boolean;
    readableLength: number;
    destroyed: boolean;
    closed: boolean;
    errored: Error | null;
  }

  const fresh: State = {
    isReadable: true,
    isErrored: false,
    isDisturbed: false,
    readableDidRead: false,
    readableEnded: false,
    readableAborted: false,
    readableLength: 0,
    destroyed: false,
    closed: false,
    errored: null,
  };
  const begun: Partial<State> = { isDisturbed: true, readableDidRead: true };
  const gone: Partial<State> = { isReadable: false, readableLength: 0, destroyed: true, closed: true };

  function reported(stage: Readable): State {
    const { readableDidRead, readableEnded, readableAborted, readableLength, destroyed, closed, errored } = stage;
    return {
      isReadable: Readable.isReadable(stage),
      isErrored: Readable.isErrored(stage),
      isDisturbed: Readable.isDisturbed(stage),
      readableDidRead,
      readableEnded,
      readableAborted,
      readableLength,
      destroyed,
      closed,
      errored,
    };
  }

  /** Takes one value, and lets the buffers fill. */
  const takeOne: Record<string, (stage: Stage<number>) => Promise<unknown>> = {
    'a loop': (stage) => stage[Symbol.asyncIterator]().next(),
    'a stream': async (stage) => {
      await once(stage, 'readable');
      stage.read();
    },
  };
  const readAll: Record<string, (stage: Stage<number>) => Promise<unknown>> = {
    'a loop': collect,
    'a stream': (stage) => finished(stage.resume()),
  };

  for (const way of ['a loop', 'a stream']) {
    const take = async (stage: Stage<number>): Promise<void> => {
      await takeOne[way]!(stage);
      await turn();
      await turn();
    };

    it(`is true of one that ${way} has begun to read`, async () => {
      const stage = stageOf(range(5), 3);
      expect(reported(stage)).to.deep.equal(fresh);
      await take(stage);
      expect(reported(stage)).to.deep.equal({ ...fresh, ...begun, readableLength: 3 });
    });

    it(`is true of one that ${way} has begun to read and whose source has ended`, async () => {
      const stage = stageOf(range(3), 4);
      await take(stage);
      expect(reported(stage)).to.deep.equal({ ...fresh, ...begun, readableLength: 2 });
    });

    it(`is true of one that ${way} has begun to read and whose source has failed behind a value`, async () => {
      const stage = stageOf(failing(), 4);
      await take(stage);
      expect(reported(stage)).to.deep.equal({ ...fresh, ...begun, readableLength: 1 });
      stage.destroy();
    });

    it(`is true of one that ${way} has read to its end`, async () => {
      const stage = stageOf(range(5));
      await readAll[way]!(stage);
      await turn();
      expect(reported(stage)).to.deep.equal({ ...fresh, ...begun, ...gone, readableEnded: true });
    });

    it(`is true of one that ${way} has read to its error`, async () => {
      const stage = stageOf(failing());
      await rejection(readAll[way]!(stage));
      await turn();
      const failed = { isErrored: true, errored: BOOM, readableAborted: true };
      expect(reported(stage)).to.deep.equal({ ...fresh, ...begun, ...gone, ...failed });
    });

    it(`is true of one that is aborted while ${way} reads it`, async () => {
      const controller = new AbortController();
      const stage = bufferedPipeline(controller)(range(5), { bufferSize: 2 });
      await take(stage.on('error', () => {}));
      controller.abort();
      expect(stage.errored).to.include({ name: 'AbortError', code: 'ABORT_ERR' });
      await turn();
      expect(reported(stage)).to.deep.include({
        ...fresh,
        ...begun,
        ...gone,
        isErrored: true,
        errored: stage.errored,
        readableAborted: true,
        readableLength: stage.readableLength,
      });
    });

    it(`is true of one that is destroyed while ${way} reads it`, async () => {
      const stage = stageOf(range(5));
      await take(stage);
      stage.destroy();
      expect(reported(stage)).to.include({ destroyed: true, closed: false, readableAborted: true, isReadable: false });
      await turn();
      expect(reported(stage)).to.deep.include({
        ...fresh,
        ...begun,
        ...gone,
        readableAborted: true,
        readableLength: stage.readableLength,
      });
    });
  }

  it('names its buffer size, and that it carries objects', () => {
    const stage = stageOf(range(5), 7);
    expect(stage).to.include({ readableHighWaterMark: 7, readableObjectMode: true, readableEncoding: null });
    expect(stage).to.be.an.instanceof(Readable);
  });

  it('tells at least a tick before that it closes', async () => {
    const stage = stageOf(range(1));
    const log: string[] = [];
    stage.on('end', () => {
      log.push('end');
      process.nextTick(() => log.push('tick'));
    });
    stage.on('close', () => log.push('close'));
    await collect(stage);
    await turn();
    expect(log[0]).to.equal('end');
    expect(log).to.have.members(['end', 'tick', 'close']);
  });
});

describe('A stage that is read in more than one way', function () {
  this.timeout(2000);

  it('ends and closes when a loop reads to the end what a stream has begun', async () => {
    const stage = stageOf(range(2), 2);
    stage.read();
    await turn(5);
    const closed = once(stage, 'close');
    expect(await collect(stage)).to.deep.equal([1, 2]);
    await closed;
    expect(stage.readableEnded).to.equal(true);
  });

  /** Takes the first values by a loop that does not destroy the stage. */
  const beginnings: Record<string, (stage: Stage<number>) => Promise<unknown[]>> = {
    'next()': async (stage) => {
      const iterator = stage[Symbol.asyncIterator]();
      return [(await iterator.next()).value, (await iterator.next()).value];
    },
    'a loop that leaves the stage alone': async (stage) => {
      const values: number[] = [];
      for await (const n of stage.iterator({ destroyOnReturn: false })) if (values.push(n) === 2) break;
      return values;
    },
    'read()': async (stage) => {
      await once(stage, 'readable');
      const first = stage.read();
      await turn();
      return [first, stage.read()];
    },
    'a data listener': async (stage) => {
      const values: number[] = [];
      await new Promise<void>((resolve) => {
        stage.on('data', function take(n: number) {
          if (values.push(n) < 2) return;
          stage.off('data', take).pause();
          resolve();
        });
      });
      return values;
    },
  };

  for (const [beginning, begin] of Object.entries(beginnings)) {
    for (const [name, consume] of consumers) {
      for (const turns of [0, 2]) {
        it(`loses nothing between ${beginning} and, ${turns} turns later, ${name}`, async () => {
          const stage = stageOf(range(6), 3);
          const first = await begin(stage);
          await turn(turns);
          const outcome = consume(stage);
          if (name === 'data') stage.resume();
          const { values } = await outcome;
          await turn(5);
          expect([...first, ...values]).to.deep.equal([1, 2, 3, 4, 5, 6]);
        });
      }
    }
  }

  for (const [beginning, begin] of Object.entries(beginnings)) {
    for (const [name, consume] of consumers) {
      it(`ends and closes where ${name} reads to its end what ${beginning} has begun`, async () => {
        for (const bufferSize of [1, 3, 16]) {
          const stage = stageOf(range(6), bufferSize);
          await begin(stage);
          await turn(2);
          const outcome = consume(stage);
          if (name === 'data') stage.resume();
          await outcome;
          await turn(5);
          expect(stage).to.include({ readableEnded: true, closed: true });
        }
      });
    }
  }

  it('keeps the order between a loop and read(), where values waited for the loop', async () => {
    const stage = bufferedPipeline()(range(6), { bufferSize: 3 });
    const iterator = stage[Symbol.asyncIterator]();
    expect(await iterator.next()).to.deep.equal({ done: false, value: 1 });
    await settle();
    expect(stage.read()).to.equal(2);
    const answers = await Promise.all([iterator.next(), iterator.next(), iterator.next()]);
    expect(answers.map(({ value }) => value)).to.deep.equal([3, 4, 5]);
    expect(await collect(stage)).to.deep.equal([6]);
  });

  it('answers next() in order, however late it is called behind a read() that has taken a value', async () => {
    for (let ticks = 0; ticks < 12; ticks++) {
      const stage = bufferedPipeline()(range(6), { bufferSize: 3 });
      const iterator = stage[Symbol.asyncIterator]();
      await iterator.next();
      await settle();
      expect(stage.read()).to.equal(2);
      const answers = [iterator.next(), iterator.next()];
      await microtasks(ticks);
      answers.push(iterator.next());
      expect((await Promise.all(answers)).map(({ value }) => value)).to.deep.equal([3, 4, 5]);
    }
  });

  it('is failed once where a loop waits that has taken over from read()', async () => {
    const boom = new Error('boom');
    async function* oneThenStuck(): AsyncGenerator<number> {
      yield 1;
      await new Promise(() => {});
    }
    const stage = bufferedPipeline()(oneThenStuck());
    while (stage.read() === null) await settle();
    const answer = rejection(stage[Symbol.asyncIterator]().next());
    stage.destroy(boom);
    expect(await answer).to.equal(boom);
    await settle(); // An 'error' that nobody listens for would end the process.
  });

  it('shares its values between two loops', async () => {
    const stage = stageOf(range(6));
    const [some, others] = await Promise.all([collect(stage), collect(stage)]);
    expect([some, others]).to.deep.equal([
      [1, 3, 5],
      [2, 4, 6],
    ]);
  });

  it('answers parallel next() calls in order, then with the end', async () => {
    const iterator = stageOf(range(2))[Symbol.asyncIterator]();
    const answers = await Promise.all([iterator.next(), iterator.next(), iterator.next(), iterator.next()]);
    expect(answers.map(({ value }) => value)).to.deep.equal([1, 2, undefined, undefined]);
    expect(answers.map(({ done }) => done)).to.deep.equal([false, false, true, true]);
  });

  it('has no listener left after a loop, however it was left', async () => {
    const [ended, left, failed] = [stageOf(range(5)), stageOf(range(5)), stageOf(failing())];
    await collect(ended);
    for await (const _ of left) break;
    await rejection(collect(failed));
    await turn();
    for (const stage of [ended, left, failed]) expect(stage.eventNames()).to.deep.equal([]);
  });

  it('keeps the listeners of others', async () => {
    const stage = stageOf(range(5));
    stage.on('end', () => {});
    await collect(stage);
    expect(stage.eventNames()).to.deep.equal(['end']);
  });
});

describe('null', function () {
  this.timeout(2000);

  for (const [name, consume] of streamConsumers) {
    it(`fails in its place where a stage is read by ${name}`, async () => {
      const handedOver: unknown[] = [];
      const stage = stageOf([1, 2, null, 4], 4).on('data', (value) => handedOver.push(value));
      const { error } = await consume(stage);
      expect(error).to.be.an.instanceof(TypeError).with.property('code', 'ERR_STREAM_NULL_VALUES');
      expect(handedOver).to.deep.equal([1, 2]);
    });
  }

  it('reaches a loop as any other value', async () => {
    const values = [1, null, undefined, NaN, 0, '', false];
    expect(await collect(stageOf(values))).to.deep.equal(values);
  });

  it('closes the generator that yields it to a stream', async () => {
    const log: string[] = [];
    await rejection(finished(stageOf(recorded(log, 'source', [null])).resume()));
    await turn();
    expect(log).to.deep.equal(['source starts', 'source closes']);
  });

  it('undefined reaches a stream as any other value', async () => {
    const taken: unknown[] = [];
    await finished(stageOf([1, undefined, 3]).on('data', (value) => taken.push(value)));
    expect(taken).to.deep.equal([1, undefined, 3]);
  });
});

describe("An 'error' that nobody listens for", function () {
  this.timeout(HANGS_AFTER + 5_000);

  /** Runs a program with a stage that fails after two values. */
  function run(program: string): Promise<Ended> {
    const preamble = `
      import { Writable } from 'node:stream';
      import { pipeline } from 'node:stream/promises';
      const buffer = bufferedPipeline();
      async function* failing() { yield 1; yield 2; throw new Error('boom'); }
      const stage = buffer(failing());
      const sink = new Writable({ objectMode: true, write: (value, _, done) => done() });
      process.on('uncaughtExceptionMonitor', (error, origin) => console.log(origin, error.message));
      process.on('exit', (code) => console.log('exit', code));
    `;
    return runProgram(preamble + program);
  }

  const fatal: Record<string, string> = {
    'is read by data events': "stage.on('data', () => {});",
    'is read by readable events': "stage.on('readable', () => { while (stage.read() !== null); });",
    'is resumed': 'stage.resume();',
    'is piped': 'stage.pipe(sink);',
  };
  const harmless: Record<string, string> = {
    'is read by a loop': 'try { for await (const _ of stage); } catch {}',
    'is read by an operator': 'await stage.toArray().catch(() => {});',
    'is read by pipeline': 'await pipeline(stage, sink).catch(() => {});',
    'has a listener': "stage.on('error', () => {}).resume();",
    'is destroyed with an error before anybody reads it': "stage.destroy(new Error('boom'));",
    'is destroyed because another one fails': `
      const idle = buffer([1, 2, 3]);
      const begun = buffer([1, 2, 3]);
      await begun[Symbol.asyncIterator]().next();
      try { for await (const _ of stage); } catch {}
    `,
    'is read by a stage that fails with it': `
      const reader = buffer((async function* () { yield* stage; })());
      try { for await (const _ of reader); } catch {}
    `,
    'is destroyed with an error in the loop that reads it': `
      try { for await (const _ of stage) stage.destroy(new Error('boom')); } catch {}
    `,
  };

  const outcomes = new Map<string, Ended>();

  before(async () => {
    const runs = Object.entries({ ...fatal, ...harmless }).map(async ([what, program]) =>
      outcomes.set(what, await run(program)),
    );
    await Promise.all(runs);
  });

  for (const what of Object.keys(fatal)) {
    it(`ends the process if the stage ${what}`, () => {
      const { code, stdout } = outcomes.get(what)!;
      expect(code).to.equal(1);
      expect(stdout).to.include('uncaughtException boom');
    });
  }

  for (const what of Object.keys(harmless)) {
    it(`is harmless if the stage ${what}`, () => {
      expect(outcomes.get(what)).to.deep.equal({ code: 0, stdout: 'exit 0\n', stderr: '' });
    });
  }
});
