/** What a consumer sees without errors: the values and their order are those of the chain unbuffered, whatever is buffered. */
import { expect } from 'chai';

import { bufferedPipeline } from '../lib/index.ts';
import { type AnyIterable, collect, outcomeOf, consumers, pass, range, recorded, settle } from './helpers.ts';

const BUFFER_SIZES = [1, 2, 16];

async function* doubled(source: AnyIterable<number>): AsyncGenerator<number> {
  for await (const value of source) yield value * 2;
}

async function* described(source: AnyIterable<number>): AsyncGenerator<string> {
  for await (const value of source) yield `no. ${value}`;
}

async function* returning(): AsyncGenerator<number, string> {
  yield 1;
  yield 2;
  return 'result';
}

describe('the values of a chain', function () {
  this.timeout(2000);

  const expected = range(10).map((value) => `no. ${value * 2}`);

  for (const bufferSize of BUFFER_SIZES) {
    for (const buffered of ['none', '1', '2', '3', '1 and 2', '1 and 3', '2 and 3', '1, 2 and 3']) {
      it(`keep their order with ${buffered} of three stages buffered at size ${bufferSize}`, async () => {
        const buffer = bufferedPipeline();
        const at = <T>(stage: string, source: AsyncGenerator<T>): AnyIterable<T> =>
          buffered.includes(stage) ? buffer(source, { bufferSize }) : source;

        const chain = at('3', described(at('2', doubled(at('1', pass(range(10)))))));

        expect(await collect(chain)).to.deep.equal(expected);
      });
    }

    for (const [name, consume] of consumers) {
      it(`reach "${name}" in order at size ${bufferSize}`, async () => {
        const buffer = bufferedPipeline();
        const stage = buffer(described(buffer(doubled(range(10)), { bufferSize })), { bufferSize });
        expect(await consume(stage)).to.deep.equal({ values: expected, failed: false, error: undefined });
      });
    }
  }

  it('end at once where there are none', async () => {
    expect(await collect(bufferedPipeline()(pass([])))).to.deep.equal([]);
  });

  it('do not include what a generator returns', async () => {
    expect(await collect(bufferedPipeline()(returning()))).to.deep.equal([1, 2]);
  });
});

describe('a stage that is not read', function () {
  this.timeout(2000);

  it('does not call its source function, open its source or run its generator', async () => {
    const buffer = bufferedPipeline();
    const log: string[] = [];
    const opened = {
      [Symbol.asyncIterator]() {
        log.push('opened');
        return pass([1]);
      },
    };
    const called = () => {
      log.push('called');
      return [1];
    };

    const stages = [buffer(opened), buffer(called), buffer(recorded(log, 'generator', [1]))];
    for (const stage of stages) stage[Symbol.asyncIterator]();
    await settle();

    expect(log).to.deep.equal([]);
  });

  it('stays as it is when the stage that would read it is not read', async () => {
    const buffer = bufferedPipeline();
    const log: string[] = [];
    const input = buffer(recorded(log, 'input', [1]));
    buffer(recorded(log, 'reader', input));
    await settle();
    expect(log).to.deep.equal([]);
    expect(input).to.include({ readableDidRead: false, readableLength: 0, destroyed: false });
  });

  it('starts with the first read, and calls its source function once', async () => {
    const log: string[] = [];
    const stage = bufferedPipeline()(() => {
      log.push('called');
      return recorded(log, 'generator', range(3));
    });
    const iterator = stage[Symbol.asyncIterator]();
    expect(log).to.deep.equal([]);

    await iterator.next();
    expect(log).to.deep.equal(['called', 'generator starts']);

    await outcomeOf(stage);
    expect(log).to.deep.equal(['called', 'generator starts', 'generator closes']);
  });
});

describe('two readers of one stage', function () {
  this.timeout(2000);

  for (const bufferSize of BUFFER_SIZES) {
    it(`share its values in the order of their calls at size ${bufferSize}`, async () => {
      const stage = bufferedPipeline()(pass(range(4)), { bufferSize });
      const [first, second] = [stage[Symbol.asyncIterator](), stage[Symbol.asyncIterator]()];
      const taken = [await first.next(), await second.next(), await second.next(), await first.next()];
      expect(taken.map(({ value }) => value)).to.deep.equal([1, 2, 3, 4]);
      expect([await first.next(), await second.next()].map(({ done }) => done)).to.deep.equal([true, true]);
    });

    it(`get each value once, as loops, at size ${bufferSize}`, async () => {
      const stage = bufferedPipeline()(pass(range(20)), { bufferSize });
      const outcomes = await Promise.all([outcomeOf(stage), outcomeOf(stage)]);
      const values = outcomes.flatMap((outcome) => outcome.values);
      expect(values.toSorted((one, other) => one - other)).to.deep.equal(range(20));
      for (const outcome of outcomes) {
        expect(outcome.failed).to.equal(false);
        expect(outcome.values).to.deep.equal(outcome.values.toSorted((one, other) => one - other));
      }
    });

    it(`get each value once, as two stages, at size ${bufferSize}`, async () => {
      const buffer = bufferedPipeline();
      const shared = buffer(pass(range(20)), { bufferSize });
      const branches = [buffer(pass(shared), { bufferSize }), buffer(pass(shared), { bufferSize })];
      const outcomes = await Promise.all(branches.map(outcomeOf));
      const values = outcomes.flatMap((outcome) => outcome.values);
      expect(values.toSorted((one, other) => one - other)).to.deep.equal(range(20));
      expect(outcomes.map(({ failed }) => failed)).to.deep.equal([false, false]);
    });
  }
});

describe('next()', function () {
  this.timeout(2000);

  const end = { done: true, value: undefined };

  for (const bufferSize of BUFFER_SIZES) {
    it(`answers parallel calls in order, the last with the end, at size ${bufferSize}`, async () => {
      const iterator = bufferedPipeline()(pass(range(3)), { bufferSize })[Symbol.asyncIterator]();
      const answered: unknown[] = [];
      await Promise.all(range(5).map(() => iterator.next().then((answer) => answered.push(answer))));
      const values = range(3).map((value) => ({ done: false, value }));
      expect(answered).to.deep.equal([...values, end, end]);
    });

    it(`answers parallel calls after an error with the end at size ${bufferSize}`, async () => {
      const error = new Error('boom');
      const source = async function* () {
        yield 1;
        throw error;
      };
      const iterator = bufferedPipeline()(source, { bufferSize })[Symbol.asyncIterator]();
      const answers = await Promise.allSettled(range(4).map(() => iterator.next()));
      expect(answers).to.deep.equal([
        { status: 'fulfilled', value: { done: false, value: 1 } },
        { status: 'rejected', reason: error },
        { status: 'fulfilled', value: end },
        { status: 'fulfilled', value: end },
      ]);
    });

    it(`says once what the generator returned, as the generator does, at size ${bufferSize}`, async () => {
      const iterator = bufferedPipeline()(returning(), { bufferSize })[Symbol.asyncIterator]();
      await iterator.next();
      await iterator.next();
      expect(await iterator.next()).to.deep.equal({ done: true, value: 'result' });
      expect(await iterator.next()).to.deep.equal(end);
    });
  }
});

describe('any value', function () {
  this.timeout(2000);

  const odd = [undefined, null, Number.NaN, 0, -0, '', false, Symbol.iterator, () => {}, {}, undefined];

  for (const bufferSize of BUFFER_SIZES) {
    it(`reaches a loop as it was yielded at size ${bufferSize}`, async () => {
      const buffer = bufferedPipeline();
      const { values } = await outcomeOf(buffer(pass(buffer(pass(odd), { bufferSize })), { bufferSize }));
      expect(values).to.have.lengthOf(odd.length);
      for (const [index, value] of values.entries())
        expect(Object.is(value, odd[index]), `no. ${index}`).to.equal(true);
    });

    it(`reaches a stream as it was yielded, but for null, at size ${bufferSize}`, async () => {
      const values: unknown[] = [];
      const streamable = odd.filter((value) => value !== null);
      const stage = bufferedPipeline()(pass(streamable), { bufferSize });
      await new Promise((resolve) => stage.on('data', (value) => values.push(value)).on('end', resolve));
      expect(values).to.have.lengthOf(streamable.length);
      for (const [index, value] of values.entries()) {
        expect(Object.is(value, streamable[index]), `no. ${index}`).to.equal(true);
      }
    });

    it(`fails a stream that meets null in the place of the null at size ${bufferSize}`, async () => {
      const values: unknown[] = [];
      const stage = bufferedPipeline()(pass([1, undefined, null, 2]), { bufferSize });
      stage.on('data', (value) => values.push(value));
      const error = await new Promise((resolve) => stage.on('error', resolve));
      expect(error).to.include({ code: 'ERR_STREAM_NULL_VALUES' });
      expect(values).to.deep.equal([1, undefined]);
    });

    it(`may be a promise of a sync iterable, which is awaited, at size ${bufferSize}`, async () => {
      const source = [Promise.resolve(1), 2, Promise.resolve(null), Promise.resolve(3)];
      expect(await collect(bufferedPipeline()(source, { bufferSize }))).to.deep.equal([1, 2, null, 3]);
    });
  }

  it('may be that of a sync iterable whose Symbol.asyncIterator is undefined', async () => {
    const source = {
      [Symbol.asyncIterator]: undefined,
      *[Symbol.iterator]() {
        yield* [1, 2];
      },
    };
    expect(await collect(bufferedPipeline()(source))).to.deep.equal([1, 2]);
  });

  it('that is a rejected promise of a sync iterable fails in its place', async () => {
    const error = new Error('boom');
    const source = function* () {
      yield Promise.resolve(1);
      yield Promise.reject(error);
      yield Promise.resolve(2);
    };
    const outcome = await outcomeOf(bufferedPipeline()(source));
    expect(outcome.values).to.deep.equal([1]);
    expect(outcome.error).to.equal(error);
  });

  it('that an async iterator gives as a promise is handed on as that promise, as by a loop', async () => {
    const promise = Promise.resolve(1);
    let asked = 0;
    const source: AsyncIterable<Promise<number>> = {
      [Symbol.asyncIterator]: () => ({
        next: async () => (asked++ === 0 ? { done: false, value: promise } : { done: true, value: undefined }),
      }),
    };
    const { values } = await outcomeOf(bufferedPipeline()(source));
    expect(values).to.have.lengthOf(1);
    expect(values[0]).to.equal(promise);
  });
});
