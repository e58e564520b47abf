/**
 * Errors keep their place in line: every value yielded before an error arrives first, then what was thrown, by identity.
 * An error that leaves the pipeline is the fate of all its stages; one that a generator catches is not.
 */
import { once } from 'node:events';
import { inspect } from 'node:util';

import { expect } from 'chai';

import { bufferedPipeline, type BufferedPipeline, type Stage } from '../lib/index.ts';
import {
  type AnyIterable,
  closed,
  collect,
  outcomeOf,
  consumers,
  deferred,
  failingAfter,
  type Outcome,
  pass,
  range,
  recorded,
  rejection,
  settle,
  stateOf,
} from './helpers.ts';

const BUFFER_SIZES = [1, 2, 16];

const boom = new Error('boom');
const other = new Error('other');

/** Holds an outcome against the values and, by identity, the error that it must consist of. */
function expectFailure<T>(outcome: Outcome<T>, values: T[], error: unknown, message?: string): void {
  expect(outcome.values, message).to.deep.equal(values);
  expect(outcome.failed, message).to.equal(true);
  expect(Object.is(outcome.error, error), `${message ?? 'error'}: ${String(outcome.error)}`).to.equal(true);
}

/** Throws instead of handing on the value `at`. */
async function* failingAt(source: AnyIterable<number>, at: number, error: unknown): AsyncGenerator<number> {
  for await (const value of source) {
    if (value === at) throw error;
    yield value;
  }
}

/** Yields 0 in the place of an error. */
async function* rescued(source: AnyIterable<number>): AsyncGenerator<number> {
  try {
    yield* pass(source);
  } catch {
    yield 0;
  }
}

/** Yields the sums of what two sources yield, as long as both do. */
async function* sums(one: AsyncIterable<number>, two: AsyncIterable<number>): AsyncGenerator<number> {
  const addends = two[Symbol.asyncIterator]();
  for await (const value of one) {
    const { done, value: addend } = await addends.next();
    if (done) return;
    yield value + addend;
  }
}

/** The ways from a source that fails to its consumer. */
const chains: Record<string, (buffer: BufferedPipeline, source: AsyncIterable<number>, size: number) => Stage<number>> =
  {
    'one stage': (buffer, source, bufferSize) => buffer(source, { bufferSize }),
    'three stages': (buffer, source, bufferSize) =>
      buffer(pass(buffer(pass(buffer(source, { bufferSize })), { bufferSize })), { bufferSize }),
    'a large first stage': (buffer, source, bufferSize) =>
      buffer(pass(buffer(source, { bufferSize: 64 })), { bufferSize }),
    'unbuffered steps between': (buffer, source, bufferSize) =>
      buffer(pass(pass(buffer(source, { bufferSize }))), { bufferSize }),
    'an unbuffered start': (buffer, source, bufferSize) => buffer(pass(source), { bufferSize }),
  };

describe('an error behind values', function () {
  this.timeout(2000);

  for (const [consumer, consume] of consumers) {
    for (const bufferSize of BUFFER_SIZES) {
      it(`reaches "${consumer}" after all of them at size ${bufferSize}`, async () => {
        for (const [chain, build] of Object.entries(chains)) {
          for (const count of [0, 1, 2, 3, 20]) {
            const stage = build(bufferedPipeline(), failingAfter(count, boom), bufferSize);
            expectFailure(await consume(stage), range(count), boom, `${chain}, ${count} values`);
          }
        }
      });
    }
  }

  for (const bufferSize of BUFFER_SIZES) {
    it(`waits for a loop that is away at size ${bufferSize}`, async () => {
      const stage = bufferedPipeline()(failingAfter(3, boom), { bufferSize });
      const iterator = stage[Symbol.asyncIterator]();
      for (const value of range(3)) {
        expect(await iterator.next()).to.deep.equal({ done: false, value });
        await settle();
        expect(stage).to.include({ destroyed: false, errored: null });
      }
      expect(await rejection(iterator.next())).to.equal(boom);
      expect(stage).to.include({ destroyed: true, errored: boom });
    });

    it(`waits for a stream's reader that is away at size ${bufferSize}`, async () => {
      const stage = bufferedPipeline()(failingAfter(2, boom), { bufferSize });
      const failure = once(stage, 'error');
      expect(stage.read()).to.equal(null);
      for (const value of range(2)) {
        await settle();
        expect(stage).to.include({ destroyed: false, errored: null });
        expect(stage.read()).to.equal(value);
      }
      expect(await failure).to.deep.equal([boom]);
    });

    it(`leaves nothing to read at size ${bufferSize}`, async () => {
      const stage = bufferedPipeline()(failingAfter(1, boom), { bufferSize });
      await outcomeOf(stage);
      const end = { done: true, value: undefined };
      const iterator = stage[Symbol.asyncIterator]();
      expect([await iterator.next(), await iterator.next()]).to.deep.equal([end, end]);
      expect(stage.read()).to.equal(null);
    });
  }
});

describe('an error in a chain of stages', function () {
  this.timeout(2000);

  const LENGTH = 6;

  for (const bufferSize of BUFFER_SIZES) {
    for (const failing of range(LENGTH)) {
      it(`of stage ${failing} of ${LENGTH} is the end of all at size ${bufferSize}`, async () => {
        const buffer = bufferedPipeline();
        const log: string[] = [];
        const stages: Stage<number>[] = [];
        let source: AnyIterable<number> = range(20);
        for (const index of range(LENGTH)) {
          const step: AnyIterable<number> = index === failing ? failingAt(source, 5, boom) : source;
          stages.push((source = buffer(recorded(log, `${index}`, step), { bufferSize })));
        }

        expectFailure(await outcomeOf(source), range(4), boom);

        await Promise.all(stages.map(closed));
        for (const [index, stage] of stages.entries()) {
          // The generator that throws has left its own input before, as by `break`.
          const errored = index + 1 < failing ? null : boom;
          expect(stage, `stage ${index + 1}`).to.include({ destroyed: true, errored, readableEnded: false });
          expect(log.filter((entry) => entry === `${index + 1} closes`)).to.have.lengthOf(1);
        }
      });
    }
  }

  it('reaches an unbuffered last step', async () => {
    const chain = pass(bufferedPipeline()(failingAfter(2, boom)));
    expectFailure(await outcomeOf(chain), range(2), boom);
  });
});

describe('several errors', function () {
  this.timeout(2000);

  for (const bufferSize of BUFFER_SIZES) {
    const buildBoth = (downstreamAt: number) => {
      const buffer = bufferedPipeline();
      const input = buffer(failingAfter(3, boom), { bufferSize });
      return buffer(failingAt(input, downstreamAt, other), { bufferSize });
    };

    it(`end with that of the first value in line at size ${bufferSize}`, async () => {
      expectFailure(await outcomeOf(buildBoth(2)), [1], other);
    });

    it(`end with that of the input if the other is never reached at size ${bufferSize}`, async () => {
      expectFailure(await outcomeOf(buildBoth(4)), range(3), boom);
    });

    it(`end with what a generator throws in the place of its input's error at size ${bufferSize}`, async () => {
      const buffer = bufferedPipeline();
      const translated = async function* (source: AsyncIterable<number>) {
        try {
          yield* pass(source);
        } catch (cause) {
          throw new Error('translated', { cause });
        }
      };
      const input = buffer(failingAfter(2, boom), { bufferSize });
      const { values, error } = await outcomeOf(buffer(translated(input), { bufferSize }));
      expect(values).to.deep.equal(range(2));
      expect(error).to.include({ message: 'translated', cause: boom });
    });
  }

  it('of unrelated stages end with the one that leaves first', async () => {
    const buffer = bufferedPipeline();
    const [one, two] = [buffer(failingAfter(1, boom)), buffer(failingAfter(1, other))];
    const second = two[Symbol.asyncIterator]();
    await second.next();
    await settle();
    expectFailure(await outcomeOf(one), [1], boom);
    expect(await rejection(second.next())).to.equal(boom);
  });
});

describe('what was thrown', function () {
  this.timeout(2000);

  const falsy = [undefined, null, 0, -0, 0n, Number.NaN, '', false];
  const truthy = ['text', 7, true, Symbol.iterator, {}, Object.freeze({ code: 'FROZEN' }), () => {}, boom];
  const label = (thrown: unknown) => `${typeof thrown} ${inspect(thrown).split('\n', 1)[0]}`;
  const throwing = (thrown: unknown) =>
    chains['unbuffered steps between']!(bufferedPipeline(), failingAfter(2, thrown), 1);

  /** The consumers that need a real error. */
  const streamConsumers = consumers.filter(([name]) =>
    ['data', 'readable', 'pipe', 'pipeline into a writable'].includes(name),
  );

  for (const thrown of [...falsy, ...truthy]) {
    it(`reaches a loop by identity: ${label(thrown)}`, async () => {
      for (const [chain, build] of Object.entries(chains)) {
        for (const bufferSize of BUFFER_SIZES) {
          const stage = build(bufferedPipeline(), failingAfter(2, thrown), bufferSize);
          expectFailure(await outcomeOf(stage), [1, 2], thrown, `${chain}, size ${bufferSize}`);
        }
      }
    });
  }

  for (const [consumer, consume] of streamConsumers) {
    for (const thrown of truthy) {
      it(`reaches "${consumer}" by identity: ${label(thrown)}`, async () => {
        expectFailure(await consume(throwing(thrown)), [1, 2], thrown);
      });
    }

    for (const thrown of falsy) {
      it(`reaches "${consumer}" as the cause of an error: ${label(thrown)}`, async () => {
        const { values, error } = await consume(throwing(thrown));
        expect(values).to.deep.equal([1, 2]);
        expect(error).to.be.an.instanceOf(Error).with.ownProperty('cause');
        expect(Object.is((error as Error).cause, thrown)).to.equal(true);
      });
    }
  }
});

describe('one fate', function () {
  this.timeout(2000);

  /** A pipeline that ends with `boom` as soon as somebody outside, who has begun to read its failing stage, reads on. */
  function doomed(): { buffer: BufferedPipeline; fail: () => Promise<void> } {
    const buffer = bufferedPipeline();
    const iterator = buffer(failingAfter(1, boom))[Symbol.asyncIterator]();
    const first = iterator.next();
    const fail = async (): Promise<void> => {
      expect(await first).to.deep.equal({ done: false, value: 1 });
      expect(await rejection(iterator.next())).to.equal(boom);
    };
    return { buffer, fail };
  }

  it('fails a stage that is half read, whatever it holds, and closes its generator', async () => {
    const { buffer, fail } = doomed();
    const log: string[] = [];
    const sibling = buffer(recorded(log, 'sibling', range(9)), { bufferSize: 4 });
    const iterator = sibling[Symbol.asyncIterator]();
    await iterator.next();
    await settle();

    await fail();

    expect(await rejection(iterator.next())).to.equal(boom);
    expect(await iterator.next()).to.deep.equal({ done: true, value: undefined });
    await closed(sibling);
    expect(sibling).to.include({ errored: boom, readableEnded: false });
    expect(log).to.deep.equal(['sibling starts', 'sibling closes']);
  });

  it('lets go of a consumer that waits', async () => {
    const { buffer, fail } = doomed();
    const gate = deferred();
    const sibling = buffer(async function* () {
      await gate.promise;
      yield 1;
    });
    const waiting = rejection(collect(sibling));
    await settle();
    await fail();
    expect(await waiting).to.equal(boom);
    gate.resolve();
    await closed(sibling);
  });

  it("emits 'error' once on a stage that is read as a stream", async () => {
    const { buffer, fail } = doomed();
    const errors: unknown[] = [];
    const sibling = buffer(range(9)).on('error', (error) => errors.push(error));
    sibling.read();
    await settle();
    await fail();
    await closed(sibling);
    expect(errors).to.deep.equal([boom]);
  });

  it('fails a stage that was not read, which never starts', async () => {
    const { buffer, fail } = doomed();
    const log: string[] = [];
    const unread = [buffer(recorded(log, 'generator', [1])), buffer(() => recorded(log, 'function', [1]))];
    await fail();
    for (const stage of unread) expectFailure(await outcomeOf(stage), [], boom);
    expect(log).to.deep.equal([]);
  });

  it('does not concern a stage that is made later', async () => {
    const { buffer, fail } = doomed();
    await fail();
    expect(await collect(buffer(range(3)))).to.deep.equal([1, 2, 3]);
  });

  it('fails stages with a falsy error, too', async () => {
    const buffer = bufferedPipeline();
    const sibling = buffer(range(9));
    await sibling[Symbol.asyncIterator]().next();
    await settle();
    expectFailure(await outcomeOf(buffer(failingAfter(1, null))), [1], null);
    expectFailure(await outcomeOf(sibling), [], null);
  });

  it('begins when the error leaves the pipeline, not while it waits in line', async () => {
    const buffer = bufferedPipeline();
    const failing = buffer(failingAfter(1, boom))[Symbol.asyncIterator]();
    await failing.next();
    await settle();
    const sibling = buffer(range(3))[Symbol.asyncIterator]();
    expect((await sibling.next()).value).to.equal(1);
    expect(await rejection(failing.next())).to.equal(boom);
    expect(await rejection(sibling.next())).to.equal(boom);
  });

  it('begins when a loop gets the error of a stage that a generator has begun to read', async () => {
    const buffer = bufferedPipeline();
    const input = buffer(failingAfter(2, boom));
    const header = buffer(async function* () {
      yield (await input[Symbol.asyncIterator]().next()).value;
      yield* range(9);
    });
    const headers = header[Symbol.asyncIterator]();
    await headers.next();
    await settle();
    expectFailure(await outcomeOf(input), [2], boom);
    expect(await rejection(headers.next())).to.equal(boom);
  });

  it('does not change a stage that has ended', async () => {
    const { buffer, fail } = doomed();
    const ended = buffer(range(3));
    await outcomeOf(ended);
    await closed(ended);
    await fail();
    expect(ended).to.include({ errored: null, readableEnded: true });
    expect(await ended[Symbol.asyncIterator]().next()).to.deep.equal({ done: true, value: undefined });
  });

  it('is not shared with another pipeline', async () => {
    const bystander = bufferedPipeline()(range(3));
    const iterator = bystander[Symbol.asyncIterator]();
    await iterator.next();
    await doomed().fail();
    expect(bystander.destroyed).to.equal(false);
    expect(await collect(bystander)).to.deep.equal([2, 3]);
  });
});

describe('what is upstream of a failing stage', function () {
  this.timeout(2000);

  it('is destroyed at once, while the error waits in line', async () => {
    const buffer = bufferedPipeline();
    const log: string[] = [];
    const source = buffer(recorded(log, 'source', range(20)));
    const middle = buffer(recorded(log, 'middle', source));
    const failing = buffer(failingAt(middle, 3, boom), { bufferSize: 4 });
    const iterator = failing[Symbol.asyncIterator]();

    expect((await iterator.next()).value).to.equal(1);
    await settle();

    expect(log).to.have.members(['middle starts', 'source starts', 'middle closes', 'source closes']);
    expect([source.destroyed, middle.destroyed, failing.destroyed]).to.deep.equal([true, true, false]);
    expect((await iterator.next()).value).to.equal(2);
    expect(await rejection(iterator.next())).to.equal(boom);
  });

  it('is destroyed at once also if the failing generator holds on to its iterator', async () => {
    const buffer = bufferedPipeline();
    const log: string[] = [];
    const source = buffer(recorded(log, 'source', range(20)));
    const failing = buffer(async function* () {
      yield await source[Symbol.asyncIterator]().next();
      throw boom;
    });
    await failing[Symbol.asyncIterator]().next();
    await settle();
    expect(source.destroyed).to.equal(true);
    expect(log).to.deep.equal(['source starts', 'source closes']);
  });
});

describe('a generator that catches the error of its input', function () {
  this.timeout(2000);

  for (const bufferSize of BUFFER_SIZES) {
    it(`goes on, and so does its pipeline, at size ${bufferSize}`, async () => {
      const buffer = bufferedPipeline();
      const sibling = buffer(range(3), { bufferSize });
      const iterator = sibling[Symbol.asyncIterator]();
      await iterator.next();

      const failing = buffer(failingAfter(2, boom), { bufferSize });
      expect(await collect(buffer(rescued(failing), { bufferSize }))).to.deep.equal([1, 2, 0]);

      expect(failing.errored).to.equal(boom);
      expect(sibling).to.include({ destroyed: false, errored: null });
      expect(await collect(sibling)).to.deep.equal([2, 3]);
      expect(await collect(buffer(range(2)))).to.deep.equal([1, 2]);
    });

    it(`may be further down, behind buffered and unbuffered steps, at size ${bufferSize}`, async () => {
      const buffer = bufferedPipeline();
      const failing = buffer(failingAfter(2, boom), { bufferSize });
      const between = buffer(pass(pass(buffer(pass(failing), { bufferSize }))), { bufferSize });
      const last = buffer(pass(buffer(rescued(between), { bufferSize })), { bufferSize });
      expect(await collect(last)).to.deep.equal([1, 2, 0]);
    });

    it(`may go on with a stage that it makes then, at size ${bufferSize}`, async () => {
      const buffer = bufferedPipeline();
      const attempts = [failingAfter(1, boom), failingAfter(2, other), pass([3, 4])];
      const retried = async function* () {
        for (const attempt of attempts) {
          try {
            yield* buffer(attempt, { bufferSize });
            return;
          } catch {
            yield 0;
          }
        }
      };
      expect(await collect(buffer(retried, { bufferSize }))).to.deep.equal([1, 0, 1, 2, 0, 3, 4]);
    });

    it(`is known from its second read if it waited before its first, at size ${bufferSize}`, async () => {
      const buffer = bufferedPipeline();
      const late = async function* (source: AsyncIterable<number>) {
        await settle();
        yield* rescued(source);
      };
      const failing = buffer(pass(buffer(failingAfter(2, boom), { bufferSize })), { bufferSize });
      const last = buffer(late(failing), { bufferSize });
      expect(await collect(last)).to.deep.equal([1, 2, 0]);
    });
  }

  it('may be unbuffered inside of a stage', async () => {
    const buffer = bufferedPipeline();
    const last = buffer(pass(rescued(buffer(failingAfter(2, boom)))));
    expect(await collect(last)).to.deep.equal([1, 2, 0]);
    expect((await outcomeOf(buffer(range(2)))).failed).to.equal(false);
  });

  it('may catch what is falsy', async () => {
    const buffer = bufferedPipeline();
    expect(await collect(buffer(rescued(buffer(failingAfter(1, undefined)))))).to.deep.equal([1, 0]);
  });
});

describe('a source function', function () {
  this.timeout(2000);

  const throwing = () => {
    throw boom;
  };

  for (const [consumer, consume] of consumers) {
    it(`that throws fails "${consumer}" with what it threw`, async () => {
      expectFailure(await consume(bufferedPipeline()<number>(throwing)), [], boom);
    });
  }

  it('that throws is an error in line for the stages behind it', async () => {
    const buffer = bufferedPipeline();
    const last = buffer(rescued(buffer(throwing)));
    expect(await collect(last)).to.deep.equal([0]);
  });

  for (const [returned, shown] of [
    [undefined, 'undefined'],
    [null, 'null'],
    [7, '7'],
    [{}, 'an object'],
    [Promise.resolve(7), '7'],
  ] as const) {
    it(`that returns ${shown} fails its stage with a TypeError that says so`, async () => {
      const stage = bufferedPipeline()((() => returned) as unknown as () => number[]);
      const { values, error } = await outcomeOf(stage);
      expect(values).to.deep.equal([]);
      expect(error).to.be.an.instanceOf(TypeError).and.include({ code: 'ERR_INVALID_ARG_TYPE' });
      expect(String(error)).to.include('source').and.include(shown);
    });
  }
});

describe('a generator that reads two stages', function () {
  this.timeout(2000);

  for (const bufferSize of BUFFER_SIZES) {
    for (const side of ['first', 'second']) {
      it(`fails in line with its ${side} at size ${bufferSize}, and the other is destroyed`, async () => {
        const buffer = bufferedPipeline();
        const log: string[] = [];
        const failing = buffer(failingAfter(2, boom), { bufferSize });
        const sound = buffer(recorded(log, 'sound', range(20)), { bufferSize });
        const [one, two] = side === 'first' ? [failing, sound] : [sound, failing];

        expectFailure(await outcomeOf(buffer(sums(one, two), { bufferSize })), [2, 4], boom);

        await closed(sound);
        expect(sound.destroyed).to.equal(true);
        expect(log).to.deep.equal(['sound starts', 'sound closes']);
      });
    }
  }

  it('may catch the error of one and go on with the other', async () => {
    const buffer = bufferedPipeline();
    const joined = async function* (one: AsyncIterable<number>, two: AsyncIterable<number>) {
      yield* rescued(one);
      yield* pass(two);
    };
    const last = buffer(joined(buffer(failingAfter(1, boom)), buffer(range(3))));
    expect(await collect(last)).to.deep.equal([1, 0, 1, 2, 3]);
  });

  it('gets the error of one while it waits for both', async () => {
    const buffer = bufferedPipeline();
    const gate = deferred();
    const stuck = buffer(async function* () {
      await gate.promise;
      yield 1;
    });
    const both = async function* (stages: AsyncIterable<number>[]) {
      yield await Promise.all(stages.map((stage) => stage[Symbol.asyncIterator]().next()));
    };
    const waiting = outcomeOf(buffer(both([buffer(failingAfter(0, boom)), stuck])));
    expect(await stateOf(waiting)).to.equal('fulfilled');
    expectFailure(await waiting, [], boom);
    expect(stuck.destroyed).to.equal(true);
    gate.resolve();
    await closed(stuck);
  });
});
