/**
 * What happens to sources when a stage comes to its end, whichever end that is: generators that have started run their
 * `finally` once, those that are idle are waited for, those that are stuck hold nobody up, and no end looks complete
 * that is not.
 */
import { Readable } from 'node:stream';
import { ReadableStream } from 'node:stream/web';

import { expect } from 'chai';

import { bufferedPipeline, type BufferedPipeline, type Source, type Stage } from '../lib/index.ts';
import {
  type AnyIterable,
  closed,
  collect,
  consumers,
  deferred,
  ended,
  failingAfter,
  outcomeOf,
  pass,
  range,
  recorded,
  rejection,
  settle,
  stateOf,
  takeFirst,
  turn,
} from './helpers.ts';

const boom = new Error('boom');
const other = new Error('other');
const never = new Promise<never>(() => {});
const end = { done: true, value: undefined };
const prematureClose = { code: 'ERR_STREAM_PREMATURE_CLOSE' };

async function breakAfter(stage: AsyncIterable<unknown>, count: number): Promise<void> {
  let taken = 0;
  for await (const _ of stage) if (++taken === count) break;
}

/** Yields `values`, then waits for `step` before it ends. */
async function* waitingAfter<T>(values: AnyIterable<T>, step: Promise<void>): AsyncGenerator<T> {
  yield* pass(values);
  await step;
}

/** Does `clean` in its `finally`. */
async function* cleaning<T>(source: AnyIterable<T>, clean: () => unknown): AsyncGenerator<T> {
  try {
    yield* pass(source);
  } finally {
    await clean();
  }
}

function throwing(error: unknown): () => never {
  return () => {
    throw error;
  };
}

interface Chain {
  stage: Stage<number>;
  buffer: BufferedPipeline;
  controller: AbortController;
}

/** Has a stage read by somebody outside the pipeline, who gets its error when asking again. */
function failingLater(buffer: BufferedPipeline): () => Promise<unknown> {
  const iterator = buffer(failingAfter(1, boom))[Symbol.asyncIterator]();
  const first = iterator.next();
  return async () => {
    await first;
    return rejection(iterator.next());
  };
}

/** The ways to come to an end. Each resolves when the consumer is through. */
const waysOut: Record<string, (chain: Chain) => Promise<unknown>> = {
  break: ({ stage }) => breakAfter(stage, 1),
  'throw in the loop body': ({ stage }) =>
    rejection(
      (async () => {
        for await (const _ of stage) throw boom;
      })(),
    ),
  'return() of the iterator': async ({ stage }) => {
    const iterator = stage[Symbol.asyncIterator]();
    await iterator.next();
    await iterator.return!();
  },
  'destroy() between two reads': async ({ stage }) => {
    await stage[Symbol.asyncIterator]().next();
    await turn(3);
    stage.destroy();
  },
  'destroy(error)': async ({ stage }) => {
    await stage[Symbol.asyncIterator]().next();
    stage.destroy(boom);
  },
  'destroy() as a stream': async ({ stage }) => {
    await new Promise((resolve) => stage.once('data', resolve));
    stage.destroy();
  },
  'an error of an unrelated stage': async ({ stage, buffer }) => {
    const fail = failingLater(buffer);
    await stage[Symbol.asyncIterator]().next();
    await fail();
  },
  'an error of a generator that reads it': ({ stage, buffer }) =>
    rejection(collect(buffer(cleaning(takeFirst(stage, 1), throwing(boom))))),
  'a generator that takes one value': ({ stage, buffer }) => collect(buffer(takeFirst(stage, 1))),
  'an operator that takes one value': ({ stage }) => stage.take(1).toArray(),
  abort: async ({ stage, controller }) => {
    await stage[Symbol.asyncIterator]().next();
    controller.abort();
  },
  disposal: async ({ stage, buffer }) => {
    await stage[Symbol.asyncIterator]().next();
    await buffer[Symbol.asyncDispose]();
  },
};

function newPipeline(): Omit<Chain, 'stage'> {
  const controller = new AbortController();
  return { buffer: bufferedPipeline({ signal: controller.signal }), controller };
}

/** An iterator of one to a thousand that records which of its methods are called. */
class RecordedIterator {
  readonly calls: string[] = [];
  #count = 0;
  readonly #failure: unknown;
  readonly #length: number;

  constructor(length = 1000, failure?: unknown) {
    this.#length = length;
    this.#failure = failure;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<number, undefined>> {
    if (this.#count < this.#length) return { done: false, value: ++this.#count };
    if (this.#failure !== undefined) throw this.#failure;
    return { done: true, value: undefined };
  }

  async return(): Promise<IteratorResult<number, undefined>> {
    this.calls.push('return');
    return { done: true, value: undefined };
  }

  async throw(): Promise<never> {
    this.calls.push('throw');
    return never;
  }
}

describe('on every way out', function () {
  this.timeout(2000);

  const everyWay: typeof waysOut = {
    ...waysOut,
    'the end': ({ stage }) => collect(stage),
    'the end as a stream': ({ stage }) => ended(stage.resume()),
  };

  for (const [way, leave] of Object.entries(everyWay)) {
    for (const bufferSize of [1, 4]) {
      it(`every generator runs its finally once, then its stage closes: ${way}, size ${bufferSize}`, async () => {
        const { buffer, controller } = newPipeline();
        const log: string[] = [];
        const first = buffer(recorded(log, 'first', range(50)), { bufferSize });
        const second = buffer(recorded(log, 'second', recorded(log, 'unbuffered', first)), { bufferSize });
        const third = buffer(recorded(log, 'third', second), { bufferSize });

        await leave({ stage: third, buffer, controller });
        await Promise.all([first, second, third].map(closed));

        expect(log).to.have.lengthOf(8);
        expect(log.slice(4)).to.have.members(
          ['first', 'unbuffered', 'second', 'third'].map((name) => `${name} closes`),
        );
      });
    }
  }

  for (const [way, leave] of Object.entries(waysOut)) {
    it(`a source sees return() once and throw() never: ${way}`, async () => {
      const { buffer, controller } = newPipeline();
      const source = new RecordedIterator();
      const input = buffer(source);
      await leave({ stage: buffer(pass(input)), buffer, controller });
      await closed(input);
      expect(source.calls).to.deep.equal(['return']);
    });

    it(`nothing that has ended is closed again: ${way}`, async () => {
      const { buffer, controller } = newPipeline();
      const source = new RecordedIterator(1);
      const input = buffer(source);
      await leave({ stage: buffer(waitingAfter(input, settle())), buffer, controller });
      await closed(input);
      expect(source.calls).to.deep.equal([]);
    });
  }

  for (const [fate, failure] of [
    ['ended', undefined],
    ['thrown', boom],
  ] as const) {
    for (const [consumer, consume] of consumers) {
      it(`a source that has ${fate} is not closed again: ${consumer}`, async () => {
        const source = new RecordedIterator(3, failure);
        const stage = bufferedPipeline()(source);
        expect((await consume(stage)).values).to.deep.equal([1, 2, 3]);
        stage.destroy();
        await closed(stage);
        expect(source.calls).to.deep.equal([]);
      });
    }
  }
});

describe('break', function () {
  this.timeout(2000);

  it('before the first read starts nothing and leaves nothing to read', async () => {
    const log: string[] = [];
    const stage = bufferedPipeline()(() => recorded(log, 'generator', range(3)));
    const iterator = stage[Symbol.asyncIterator]();
    expect(await iterator.return!()).to.deep.equal(end);
    expect(await iterator.next()).to.deep.equal(end);
    expect(stage.destroyed).to.equal(true);
    expect(log).to.deep.equal([]);
  });

  it('between two steps waits for the clean-up of all generators', async () => {
    const buffer = bufferedPipeline();
    const gate = deferred();
    const log: string[] = [];
    const clean = (name: string) => async () => {
      await gate.promise;
      log.push(name);
    };
    const first = buffer(cleaning(range(9), clean('first')));
    const second = buffer(cleaning(first, clean('second')));
    const iterator = second[Symbol.asyncIterator]();
    await iterator.next();
    await settle();

    const left = iterator.return!();
    expect(await stateOf(left)).to.equal('pending');
    gate.resolve();
    expect(await left).to.deep.equal(end);
    expect(log).to.have.members(['first', 'second']);
  });

  it('during a step ends at once, and the clean-up follows the step', async () => {
    const gate = deferred();
    const log: string[] = [];
    const stage = bufferedPipeline()(recorded(log, 'generator', waitingAfter([1], gate.promise)));
    await breakAfter(stage, 1);
    await settle();
    expect(log).to.deep.equal(['generator starts']);
    expect(stage).to.include({ destroyed: true, closed: false });

    gate.resolve();
    await closed(stage);
    expect(log).to.deep.equal(['generator starts', 'generator closes']);
  });

  it('during a step that settles within a turn waits for the clean-up, however long that takes', async () => {
    const cleaned = deferred();
    const buffer = bufferedPipeline();
    async function* quick(): AsyncGenerator<number> {
      try {
        for (const n of range(100)) {
          await Promise.resolve();
          yield n;
        }
      } finally {
        await cleaned.promise;
      }
    }
    const left = breakAfter(buffer(quick()), 1);
    expect(await stateOf(left)).to.equal('pending');
    cleaned.resolve();
    await left;
  });

  it('during a step that never settles waits for idle generators upstream only', async () => {
    const buffer = bufferedPipeline();
    const gate = deferred();
    const first = buffer(cleaning(range(9), () => gate.promise));
    const holding = buffer(async function* () {
      for await (const value of first) {
        yield value;
        await never;
      }
    });
    const iterator = holding[Symbol.asyncIterator]();
    await iterator.next();
    await settle();

    const left = iterator.return!();
    expect(await stateOf(left)).to.equal('pending');
    gate.resolve();
    expect(await left).to.deep.equal(end);
    expect(first.closed).to.equal(true);
    expect(holding).to.include({ destroyed: true, closed: false });
  });

  it('while a generator waits for its input lets the generator go at once', async () => {
    const buffer = bufferedPipeline();
    const log: string[] = [];
    const stuck = buffer(waitingAfter([1], never));
    const waiting = buffer(recorded(log, 'waiting', stuck));
    await breakAfter(waiting, 1);
    await closed(waiting);
    expect(log).to.deep.equal(['waiting starts', 'waiting closes']);
    expect(stuck).to.include({ destroyed: true, closed: false });
  });

  it('after the end changes nothing', async () => {
    const source = new RecordedIterator(2);
    const stage = bufferedPipeline()(source);
    await collect(stage);
    expect(await stage[Symbol.asyncIterator]().return!()).to.deep.equal(end);
    await closed(stage);
    expect(stage).to.include({ readableEnded: true, errored: null });
    expect(source.calls).to.deep.equal([]);
  });

  it('after an error changes nothing', async () => {
    const stage = bufferedPipeline()(failingAfter(0, boom));
    await rejection(collect(stage));
    expect(await stage[Symbol.asyncIterator]().return!()).to.deep.equal(end);
    expect(stage.errored).to.equal(boom);
  });

  it('while an error waits in line leaves the error behind', async () => {
    const buffer = bufferedPipeline();
    const stage = buffer(failingAfter(1, boom));
    const iterator = stage[Symbol.asyncIterator]();
    await iterator.next();
    await settle();
    expect(await iterator.return!()).to.deep.equal(end);
    expect(await iterator.next()).to.deep.equal(end);
    expect(await collect(buffer([1]))).to.deep.equal([1]);
  });

  it('aborts the signal of a source function at once', async () => {
    let signal: AbortSignal | undefined;
    const stage = bufferedPipeline()((context) => {
      ({ signal } = context);
      return waitingAfter([1], never);
    });
    const iterator = stage[Symbol.asyncIterator]();
    await iterator.next();
    expect(signal!.aborted).to.equal(false);
    const left = iterator.return!();
    expect(signal!.aborted).to.equal(true);
    expect(signal!.reason).to.include({ name: 'AbortError', code: 'ABORT_ERR' });
    expect(await stateOf(left)).to.equal('fulfilled');
  });

  it('does not end those of another pipeline that it does not read, though a generator waits for one of that', async () => {
    const buffer = bufferedPipeline();
    const unrelated = buffer(range(9))[Symbol.asyncIterator]();
    await unrelated.next();
    const source = buffer(waitingAfter([1, 2], never));
    await breakAfter(bufferedPipeline()(pass(source)), 2);
    await settle();
    expect(source.destroyed).to.equal(true);
    expect(await unrelated.next()).to.deep.equal({ done: false, value: 2 });
  });

  it('takes a rejection for a value of return(), and waits for the clean-up all the same', async () => {
    const cleaned = deferred();
    const iterator = bufferedPipeline()(cleaning(range(9), () => cleaned.promise))[Symbol.asyncIterator]();
    await iterator.next();
    await settle();
    const left = iterator.return!(Promise.reject(boom));
    expect(await stateOf(left)).to.equal('pending');
    cleaned.resolve();
    expect(await rejection(left)).to.equal(boom);
  });

  it('does not end stages that the left one does not read', async () => {
    const buffer = bufferedPipeline();
    const sibling = buffer(range(3));
    await sibling[Symbol.asyncIterator]().next();
    await breakAfter(buffer(range(3)), 1);
    await settle();
    expect(await collect(sibling)).to.deep.equal([2, 3]);
  });
});

describe('a generator that is stuck', function () {
  this.timeout(2000);

  const ways: Record<string, (chain: Chain & { fail: () => Promise<unknown> }) => unknown> = {
    'the destroying of its stage': ({ stage }) => stage.destroy(),
    'the destroying with an error': ({ stage }) => stage.destroy(boom),
    abort: ({ controller }) => controller.abort(),
    'an error of another stage': ({ fail }) => fail(),
  };

  for (const [way, run] of Object.entries(ways)) {
    it(`does not hold up a consumer that waits in next(): ${way}`, async () => {
      const { buffer, controller } = newPipeline();
      const stage = buffer(pass(buffer(waitingAfter([1], never))));
      const fail = failingLater(buffer);
      const waiting = collect(stage);
      void waiting.catch(() => {});
      await settle();
      void run({ stage, buffer, controller, fail });
      expect(await stateOf(waiting)).to.equal('rejected');
    });
  }

  it("does not hold up an 'error' event", async () => {
    const stage = bufferedPipeline()(waitingAfter([1], never));
    const errors: unknown[] = [];
    stage.on('error', (error) => errors.push(error)).resume();
    await settle();
    stage.destroy(boom);
    await settle();
    expect(errors).to.deep.equal([boom]);
  });

  it('does not hold up the error of a generator that reads it', async () => {
    const buffer = bufferedPipeline();
    const reader = async function* (source: AsyncIterable<number>) {
      const iterator = source[Symbol.asyncIterator]();
      yield await iterator.next();
      void iterator.next().catch(() => {});
      throw boom;
    };
    const outcome = outcomeOf(buffer(reader(buffer(waitingAfter([1], never)))));
    expect(await stateOf(outcome)).to.equal('fulfilled');
    expect((await outcome).error).to.equal(boom);
  });
});

describe('an error in a finally', function () {
  this.timeout(2000);

  const [input, last] = ['the input', 'the last generator'];

  for (const failing of [input, last]) {
    const build = (error: unknown) => {
      const buffer = bufferedPipeline();
      const clean = (name: string | undefined) => (name === failing ? throwing(error) : () => {});
      const stage = buffer(cleaning(buffer(cleaning(range(5), clean(input))), clean(last)));
      return { buffer, stage };
    };

    it(`of ${failing} reaches the loop that is left`, async () => {
      for (const error of [boom, undefined, null]) {
        const { stage } = build(error);
        const iterator = stage[Symbol.asyncIterator]();
        await iterator.next();
        await settle();
        expect(await rejection(iterator.return!())).to.equal(error);
      }
    });

    it(`of ${failing} reaches the loop at the end of the source, in line`, async () => {
      const { values, error } = await outcomeOf(build(boom).stage);
      expect(values).to.deep.equal(range(5));
      expect(error).to.equal(boom);
    });

    it(`of ${failing} gives way to an error of the loop body`, async () => {
      const leave = async () => {
        for await (const _ of build(boom).stage) throw other;
      };
      expect(await rejection(leave())).to.equal(other);
    });

    it(`of ${failing} gives way to the error that destroyed the stage`, async () => {
      const { stage } = build(boom);
      const iterator = stage[Symbol.asyncIterator]();
      await iterator.next();
      await settle();
      stage.destroy(other);
      expect(await rejection(iterator.next())).to.equal(other);
      await closed(stage);
      expect(stage.errored).to.equal(other);
    });

    it(`of ${failing} makes the disposal reject`, async () => {
      const { stage, buffer } = build(boom);
      await stage[Symbol.asyncIterator]().next();
      await settle();
      expect(await rejection(buffer[Symbol.asyncDispose]())).to.equal(boom);
    });

    /** Leaves a loop while the generator is in a step; it fails when that ends, which nobody has waited for. */
    const leftInAStep = async () => {
      const buffer = bufferedPipeline();
      const step = deferred();
      const waiting = async function* () {
        yield* waitingAfter([1], step.promise);
        yield 2;
      };
      const stage = buffer(cleaning(waiting(), throwing(boom)));
      const whole = failing === input ? buffer(pass(stage)) : stage;
      await breakAfter(whole, 1);
      return { buffer, stage, step, whole };
    };

    it(`of ${failing} is kept for the disposal where the loop has been left before, and told once`, async () => {
      const { buffer, step, whole } = await leftInAStep();
      step.resolve();
      await closed(whole);
      await settle();
      expect(await rejection(buffer[Symbol.asyncDispose]())).to.equal(boom);
      await buffer[Symbol.asyncDispose]();
    });

    it(`of ${failing} is not told to the disposal that a listener has, or the loop`, async () => {
      const { buffer, stage, step } = await leftInAStep();
      const errors: unknown[] = [];
      stage.on('error', (error) => errors.push(error));
      step.resolve();
      await buffer[Symbol.asyncDispose]();
      await settle();
      expect(errors).to.deep.equal([boom]);

      const told = build(boom);
      const iterator = told.stage[Symbol.asyncIterator]();
      await iterator.next();
      await settle();
      expect(await rejection(iterator.return!())).to.equal(boom);
      await told.buffer[Symbol.asyncDispose]();
    });
  }

  it('is kept for the disposal, though a generator has caught one before', async () => {
    const buffer = bufferedPipeline();
    async function* catching(source: AsyncIterable<number>): AsyncGenerator<unknown> {
      try {
        await breakAfter(source, 1);
      } catch (error) {
        yield error;
      }
    }
    expect(await collect(buffer(catching(buffer(cleaning(range(5), throwing(boom))))))).to.deep.equal([boom]);
    const stage = buffer(cleaning(range(5), throwing(other)));
    await stage[Symbol.asyncIterator]().next();
    await settle();
    stage.destroy();
    await closed(stage);
    expect(await rejection(buffer[Symbol.asyncDispose]())).to.equal(other);
  });

  it("is an 'error' event of a stage that was destroyed, before 'close'", async () => {
    const stage = bufferedPipeline()(cleaning(range(5), throwing(boom)));
    const events: unknown[] = [];
    stage.on('error', (error) => events.push(error)).on('close', () => events.push('close'));
    await stage[Symbol.asyncIterator]().next();
    await settle();
    stage.destroy();
    await closed(stage);
    expect(events).to.deep.equal([boom, 'close']);
  });

  it('is not told where a generator downstream has caught it', async () => {
    async function* catching(source: AnyIterable<number>): AsyncGenerator<number> {
      try {
        yield* pass(source);
      } catch (error) {
        expect(error).to.equal(other);
      }
    }
    const buffer = bufferedPipeline();
    const stage = buffer(catching(buffer(cleaning(range(9), throwing(other)))));
    const iterator = stage[Symbol.asyncIterator]();
    await iterator.next();
    await settle();
    expect(await iterator.return!()).to.deep.equal(end);
  });

  it('is not told by return() where the stage was destroyed with another before', async () => {
    const stage = bufferedPipeline()(cleaning(range(9), throwing(other)));
    const iterator = stage[Symbol.asyncIterator]();
    await iterator.next();
    await settle();
    stage.destroy(boom);
    expect(await iterator.return!()).to.deep.equal(end);
  });

  it('in place of an error of the same generator is the one that counts, as without buffers', async () => {
    const source = cleaning(failingAfter(1, other), throwing(boom));
    const { values, error } = await outcomeOf(bufferedPipeline()(source));
    expect(values).to.deep.equal([1]);
    expect(error).to.equal(boom);
  });
});

describe('destroy()', function () {
  this.timeout(2000);

  function threeStages(): { stages: [Stage<number>, Stage<number>, Stage<number>]; seen: unknown[] } {
    const buffer = bufferedPipeline();
    const seen: unknown[] = [];
    const watching = async function* (source: AnyIterable<number>) {
      try {
        yield* pass(source);
      } catch (error) {
        seen.push(error);
        throw error;
      }
    };
    const first = buffer(waitingAfter([1], never));
    const second = buffer(watching(first));
    return { stages: [first, second, buffer(watching(second))], seen };
  }

  it('of the last stage destroys all that it reads, in the same call', async () => {
    const { stages } = threeStages();
    const [, , last] = stages;
    await last[Symbol.asyncIterator]().next();
    await settle();
    last.destroy();
    expect(stages.map(({ destroyed }) => destroyed)).to.deep.equal([true, true, true]);
  });

  for (const [given, error, expected] of [
    ['no error', undefined, prematureClose],
    ['an error', boom, { message: 'boom' }],
  ] as const) {
    it(`with ${given} lets generators go that wait for their input, which get an error`, async () => {
      const { stages, seen } = threeStages();
      const [, second, last] = stages;
      await last[Symbol.asyncIterator]().next();
      await settle();
      last.on('error', () => {}).destroy(error);
      await Promise.all([closed(second), closed(last)]);
      expect(seen).to.have.lengthOf(2);
      for (const thrown of seen) expect(thrown).to.be.an.instanceOf(Error).and.include(expected);
    });

    for (const [place, index] of [
      ['first', 0],
      ['middle', 1],
      ['last', 2],
    ] as const) {
      it(`of the ${place} stage with ${given} fails a loop that waits for the last`, async () => {
        const { stages } = threeStages();
        const outcome = outcomeOf(stages[2]);
        await settle();
        stages[index].destroy(error);
        const { values, error: thrown } = await outcome;
        expect(values).to.deep.equal([1]);
        expect(thrown).to.be.an.instanceOf(Error).and.include(expected);
        if (error !== undefined) expect(thrown).to.equal(error);
      });
    }
  }

  it('fails the next read, then says done', async () => {
    const stage = bufferedPipeline()(range(5));
    const iterator = stage[Symbol.asyncIterator]();
    await iterator.next();
    stage.destroy();
    expect(await rejection(iterator.next())).to.include(prematureClose);
    expect(await iterator.next()).to.deep.equal(end);
  });

  it('answers parallel next() calls with the error, then done', async () => {
    const stage = bufferedPipeline()(waitingAfter([], never));
    const iterator = stage[Symbol.asyncIterator]();
    const answers = Promise.allSettled(range(3).map(() => iterator.next()));
    stage.destroy(boom);
    expect(await answers).to.deep.equal([
      { status: 'rejected', reason: boom },
      { status: 'fulfilled', value: end },
      { status: 'fulfilled', value: end },
    ]);
  });

  it('of a stage that was not read starts nothing and fails its reader', async () => {
    const log: string[] = [];
    const stage = bufferedPipeline()(recorded(log, 'generator', [1]));
    stage.destroy();
    expect(await rejection(collect(stage))).to.include(prematureClose);
    expect(log).to.deep.equal([]);
  });

  for (const [consumer, consume] of consumers) {
    it(`is never taken for the end of the source: ${consumer}`, async () => {
      for (const index of [0, 1]) {
        const buffer = bufferedPipeline();
        const first = buffer(waitingAfter(range(2), never));
        const stages = [first, buffer(pass(first))] as const;
        const outcome = consume(stages[1]);
        await settle();
        stages[index]!.destroy();
        const { values, failed, error } = await outcome;
        expect(values).to.deep.equal([1, 2]);
        expect(failed).to.equal(true);
        expect(error).to.be.an.instanceOf(Error);
        expect((await closed(stages[1]), stages[1].readableEnded)).to.equal(false);
      }
    });
  }
});

describe("'close'", function () {
  this.timeout(2000);

  for (const [way, leave] of Object.entries(waysOut)) {
    it(`comes after the clean-up: ${way}`, async () => {
      const { buffer, controller } = newPipeline();
      const gate = deferred();
      const events: string[] = [];
      const clean = async () => {
        await gate.promise;
        events.push('cleaned');
      };
      const stage = buffer(cleaning(range(50), clean)).on('close', () => events.push('close'));
      const left = leave({ stage, buffer, controller });
      await settle();
      expect(stage).to.include({ destroyed: true, closed: false });
      expect(events).to.deep.equal([]);

      gate.resolve();
      await left;
      await closed(stage);
      expect(events).to.deep.equal(['cleaned', 'close']);
    });
  }

  it("comes after 'end' where there was an end", async () => {
    const events: string[] = [];
    const stage = bufferedPipeline()(cleaning(range(2), () => events.push('cleaned')));
    for (const event of ['end', 'close']) stage.on(event, () => events.push(event));
    stage.on('data', () => events.push('data'));
    await closed(stage);
    expect(events).to.deep.equal(['data', 'data', 'cleaned', 'end', 'close']);
  });
});

describe('a generator that takes only some values', function () {
  this.timeout(2000);

  for (const bufferSize of [1, 2, 16]) {
    it(`closes its input and ends well at size ${bufferSize}`, async () => {
      const buffer = bufferedPipeline();
      const log: string[] = [];
      const input = buffer(recorded(log, 'input', range(50)), { bufferSize });
      const sibling = buffer(range(3), { bufferSize });
      await sibling[Symbol.asyncIterator]().next();

      const taken = buffer(takeFirst(input, 2), { bufferSize });
      expect(await collect(buffer(pass(taken), { bufferSize }))).to.deep.equal([1, 2]);

      await closed(input);
      expect(input).to.include({ destroyed: true, errored: null, readableEnded: false });
      expect(log).to.deep.equal(['input starts', 'input closes']);
      expect(await collect(sibling)).to.deep.equal([2, 3]);
    });
  }

  it('is not failed by an error that waits behind what it takes', async () => {
    const buffer = bufferedPipeline();
    const input = buffer(failingAfter(3, boom), { bufferSize: 16 });
    expect(await collect(buffer(takeFirst(input, 2)))).to.deep.equal([1, 2]);
    expect(await collect(buffer([3]))).to.deep.equal([3]);
  });

  it('gets the error that its input throws in its clean-up', async () => {
    const buffer = bufferedPipeline();
    const input = buffer(cleaning(range(9), throwing(boom)));
    const { values, error } = await outcomeOf(buffer(takeFirst(input, 2, settle)));
    expect(values).to.deep.equal([1, 2]);
    expect(error).to.equal(boom);
  });
});

describe('a stream as a source', function () {
  this.timeout(2000);

  /** Makes a stream of one value that then never answers, and says whether it was ended. */
  const streams: Record<string, () => { source: Source<number>; isEnded: () => boolean }> = {
    'a Node stream': () => {
      const source = new Readable({ objectMode: true, read() {} });
      source.push(1);
      return { source, isEnded: () => source.destroyed };
    },
    'a web stream': () => {
      let cancelled = false;
      const source = new ReadableStream<number>(
        { pull: () => never, start: (controller) => controller.enqueue(1), cancel: () => void (cancelled = true) },
        { highWaterMark: 0 },
      );
      return { source, isEnded: () => cancelled };
    },
  };

  for (const [kind, open] of Object.entries(streams)) {
    for (const [given, sourceOf] of [
      ['as it is', (source) => source],
      ['by a function', (source) => () => source as Readable],
    ] satisfies [string, (source: Source<number>) => Source<number>][]) {
      for (const [way, leave] of Object.entries(waysOut)) {
        it(`that is ${kind}, given ${given}, is ended with a read under way: ${way}`, async () => {
          const { buffer, controller } = newPipeline();
          const { source, isEnded } = open();
          await leave({ stage: buffer(sourceOf(source)), buffer, controller });
          await settle();
          expect(isEnded()).to.equal(true);
        });
      }

      it(`that is ${kind}, given ${given}, is ended where a loop waits for it`, async () => {
        const { source, isEnded } = open();
        const stage = bufferedPipeline()(sourceOf(source));
        const outcome = outcomeOf(stage);
        await settle();
        expect(isEnded()).to.equal(false);
        stage.destroy();
        await settle();
        expect(isEnded()).to.equal(true);
        expect(await outcome)
          .to.deep.include({ values: [1] })
          .and.have.property('error')
          .that.includes(prematureClose);
      });
    }

    it(`that is ${kind} is ended though it was not read`, async () => {
      const { source, isEnded } = open();
      const stage = bufferedPipeline()(source);
      stage.destroy();
      await closed(stage);
      expect(isEnded()).to.equal(true);
    });
  }

  it('that is destroyed by others fails in line', async () => {
    const source = new Readable({ objectMode: true, read() {} });
    source.push(1);
    const outcome = outcomeOf(bufferedPipeline()(source));
    await settle();
    source.destroy();
    expect(await outcome)
      .to.deep.include({ values: [1] })
      .and.have.property('error')
      .that.includes(prematureClose);
  });

  it('is ended where the function that returns it has destroyed its own stage', async () => {
    const node = new Readable({ read() {} });
    const cancelled = deferred();
    const web = new ReadableStream({ cancel: () => cancelled.resolve() });
    for (const source of [node, web]) {
      const stage: Stage<unknown> = bufferedPipeline()(() => {
        stage.destroy();
        return source as AsyncIterable<unknown>;
      });
      expect(await rejection(collect(stage))).to.include(prematureClose);
    }
    await cancelled.promise;
    expect(node.destroyed).to.equal(true);
  });

  it('that ends is not held on to', async () => {
    const source = new ReadableStream<number>({
      start(controller) {
        controller.enqueue(1);
        controller.close();
      },
    });
    expect(await collect(bufferedPipeline()(source))).to.deep.equal([1]);
    expect(source.locked).to.equal(false);
  });
});

describe('an iterator that is not a generator', function () {
  this.timeout(2000);

  /** An iterable whose iterator has these methods. */
  const iterable = (iterator: object): AsyncIterable<number> => ({
    [Symbol.asyncIterator]: () => iterator as AsyncIterator<number>,
  });
  const endless = async () => ({ done: false, value: 1 });

  for (const [way, leave] of Object.entries(waysOut)) {
    it(`needs no return(): ${way}`, async () => {
      const { buffer, controller } = newPipeline();
      const stage = buffer(iterable({ next: endless }));
      await leave({ stage, buffer, controller });
      await closed(stage);
      expect(stage.destroyed).to.equal(true);
    });
  }

  it('may throw from next() at once, which is an error in line and closes nothing', async () => {
    let calls = 0;
    let returns = 0;
    const next = () => (calls++ < 2 ? { done: false, value: calls } : throwing(boom)());
    const stage = bufferedPipeline()(iterable({ next, return: () => returns++ }));
    const { values, error } = await outcomeOf(stage);
    expect(values).to.deep.equal([1, 2]);
    expect(error).to.equal(boom);
    expect(returns).to.equal(0);
  });

  for (const answer of [undefined, null, 7, 'text']) {
    it(`fails with a TypeError where next() answers ${answer}, and is not closed`, async () => {
      let returns = 0;
      const next = async () => answer;
      const stage = bufferedPipeline()(iterable({ next, return: () => returns++ }));
      const { values, error } = await outcomeOf(stage);
      expect(values).to.deep.equal([]);
      expect(error).to.be.an.instanceOf(TypeError);
      expect(returns).to.equal(0);
    });

    it(`fails the loop that is left with a TypeError where return() answers ${answer}`, async () => {
      const stage = bufferedPipeline()(iterable({ next: endless, return: async () => answer }));
      const iterator = stage[Symbol.asyncIterator]();
      await iterator.next();
      await settle();
      expect(await rejection(iterator.return!())).to.be.an.instanceOf(TypeError);
    });
  }

  it('may throw from return() at once, which reaches the loop that is left', async () => {
    const stage = bufferedPipeline()(iterable({ next: endless, return: throwing(boom) }));
    const iterator = stage[Symbol.asyncIterator]();
    await iterator.next();
    await settle();
    expect(await rejection(iterator.return!())).to.equal(boom);
  });

  it('may throw where it is made, which is an error in line', async () => {
    const source: AsyncIterable<number> = { [Symbol.asyncIterator]: throwing(boom) };
    expect(await rejection(collect(bufferedPipeline()(source)))).to.equal(boom);
  });

  it('may be that of a sync generator, which is closed, too', async () => {
    const log: string[] = [];
    const source = function* () {
      try {
        yield* range(9);
      } finally {
        log.push('closes');
      }
    };
    await breakAfter(bufferedPipeline()(source()), 2);
    expect(log).to.deep.equal(['closes']);
  });
});

describe('await using', function () {
  this.timeout(2000);

  it('waits for the clean-up of all generators, those in the middle of a step included', async () => {
    const step = deferred();
    const log: string[] = [];
    let idle: Stage<number> | undefined;
    let busy: Stage<number> | undefined;
    const leave = async () => {
      await using buffer = bufferedPipeline();
      idle = buffer(recorded(log, 'idle', range(9)));
      busy = buffer(recorded(log, 'busy', waitingAfter([1], step.promise)));
      for (const stage of [idle, busy]) await stage[Symbol.asyncIterator]().next();
      await settle();
    };

    const left = leave();
    await settle();
    expect(await stateOf(left)).to.equal('pending');
    expect(log).to.deep.equal(['idle starts', 'busy starts', 'idle closes']);

    step.resolve();
    await left;
    expect(log.at(-1)).to.equal('busy closes');
    expect([idle!.destroyed, busy!.destroyed]).to.deep.equal([true, true]);
  });

  it('starts nothing that was not read, and fails it', async () => {
    const log: string[] = [];
    let unread: Stage<number> | undefined;
    {
      await using buffer = bufferedPipeline();
      unread = buffer(recorded(log, 'unread', range(9)));
    }
    expect(await rejection(collect(unread))).to.include(prematureClose);
    expect(log).to.deep.equal([]);
  });

  it('does not change stages that have ended', async () => {
    let finished: Stage<number> | undefined;
    {
      await using buffer = bufferedPipeline();
      finished = buffer(range(2));
      await collect(finished);
    }
    await closed(finished);
    expect(finished).to.include({ readableEnded: true, errored: null });
  });

  it('fails a consumer that waits, and stages that are made later', async () => {
    const buffer = bufferedPipeline();
    const outcome = outcomeOf(buffer(waitingAfter([1], settle().then(settle))));
    await settle();
    await buffer[Symbol.asyncDispose]();
    expect((await outcome).error).to.include(prematureClose);
    expect(await rejection(collect(buffer([1])))).to.include(prematureClose);
  });

  it('waits for a generator whose signal it is called from', async () => {
    let isClean = false;
    let disposed: Promise<void> | undefined;
    const buffer = bufferedPipeline();
    async function* source(signal: AbortSignal): AsyncGenerator<number> {
      signal.addEventListener('abort', () => {
        disposed = buffer[Symbol.asyncDispose]();
      });
      try {
        yield 1;
      } finally {
        await turn(2);
        isClean = true;
      }
    }
    const stage = buffer(({ signal }) => source(signal));
    await stage[Symbol.asyncIterator]().next();
    await settle();
    stage.destroy();
    await disposed;
    expect(isClean).to.equal(true);
  });

  it('may happen twice', async () => {
    const log: string[] = [];
    const buffer = bufferedPipeline();
    const stage = buffer(recorded(log, 'generator', range(9)));
    await stage[Symbol.asyncIterator]().next();
    await buffer[Symbol.asyncDispose]();
    await buffer[Symbol.asyncDispose]();
    expect(log).to.deep.equal(['generator starts', 'generator closes']);
  });
});
