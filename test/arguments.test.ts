/** What is taken as an argument, and how everything else is refused: at once, by name, with what came. */
import { expect } from 'chai';
import { PassThrough, Readable } from 'node:stream';
import { ReadableStream } from 'node:stream/web';
import { inspect } from 'node:util';

import { bufferedPipeline, type Source, type StageOptions } from '../lib/index.ts';
import { collect, rejection } from './helpers.ts';

type Refusal = [value: unknown, kind: typeof TypeError | typeof RangeError, received: string];

const CODES = new Map<unknown, string>([
  [TypeError, 'ERR_INVALID_ARG_TYPE'],
  [RangeError, 'ERR_OUT_OF_RANGE'],
]);

async function* numbers(): AsyncGenerator<number> {
  yield* [1, 2, 3];
}

/** Calls with each of the values, and expects a refusal that names the argument, the rule and the value. */
function refuses(name: string, rule: RegExp, call: (value: never) => unknown, refusals: Refusal[]): void {
  for (const [value, kind, received] of refusals) {
    it(`refuses ${received} as ${name}`, () => {
      let refusal: unknown;
      try {
        call(value as never);
      } catch (error) {
        refusal = error;
      }
      expect(refusal).to.be.an.instanceof(kind);
      expect(refusal).to.include({ name: kind.name, code: CODES.get(kind) });
      const { message } = refusal as Error;
      expect(message.startsWith(`"${name}" must be `), message).to.equal(true);
      expect(message).to.match(rule);
      expect(message.endsWith(`, got ${received}`), message).to.equal(true);
    });
  }
}

const notObjects: Refusal[] = [
  [null, TypeError, 'null'],
  [1, TypeError, '1'],
  ['signal', TypeError, "'signal'"],
  [true, TypeError, 'true'],
];

describe('bufferedPipeline(options)', () => {
  refuses('options', /an object/, bufferedPipeline, notObjects);

  refuses('signal', /an AbortSignal/, (signal) => bufferedPipeline({ signal }), [
    [null, TypeError, 'null'],
    [true, TypeError, 'true'],
    ['abort', TypeError, "'abort'"],
    [{ aborted: false }, TypeError, '{ aborted: false }'],
    [() => {}, TypeError, '[Function (anonymous)]'],
  ]);

  refuses('statistics', /a boolean/, (statistics) => bufferedPipeline({ statistics }), [
    [null, TypeError, 'null'],
    [1, TypeError, '1'],
    ['true', TypeError, "'true'"],
    [{}, TypeError, '{}'],
  ]);

  it('takes no options, empty ones, and undefined ones', async () => {
    for (const options of [undefined, {}, { signal: undefined, statistics: undefined }]) {
      const buffer = bufferedPipeline(options);
      expect(await collect(buffer([1]))).to.deep.equal([1]);
    }
  });
});

describe('buffer(source, options)', function () {
  this.timeout(2000);
  const buffer = bufferedPipeline();

  refuses('source', /iterable.+function/, (source) => buffer(source), [
    [undefined, TypeError, 'undefined'],
    [null, TypeError, 'null'],
    [3, TypeError, '3'],
    [true, TypeError, 'true'],
    [Symbol('source'), TypeError, 'Symbol(source)'],
    [{}, TypeError, '{}'],
    [{ length: 1 }, TypeError, '{ length: 1 }'],
    [{ next: 1 }, TypeError, '{ next: 1 }'],
    [{ [Symbol.asyncIterator]: 1 }, TypeError, inspect({ [Symbol.asyncIterator]: 1 })],
    [Promise.resolve([]), TypeError, 'Promise { [] }'],
  ]);

  refuses('options', /an object/, (options) => buffer(numbers(), options), notObjects);

  refuses('bufferSize', /an integer >= 1/, (bufferSize) => buffer(numbers(), { bufferSize }), [
    [0, RangeError, '0'],
    [-1, RangeError, '-1'],
    [1.5, RangeError, '1.5'],
    [NaN, RangeError, 'NaN'],
    [Infinity, RangeError, 'Infinity'],
    [2 ** 53, RangeError, '9007199254740992'],
    ['3', TypeError, "'3'"],
    [null, TypeError, 'null'],
    [2n, TypeError, '2n'],
    [{}, TypeError, '{}'],
  ]);

  refuses('name', /a string/, (name) => buffer(numbers(), { name }), [
    [null, TypeError, 'null'],
    [5, TypeError, '5'],
    [Symbol('name'), TypeError, 'Symbol(name)'],
    [['name'], TypeError, "[ 'name' ]"],
  ]);

  it('leaves a refused source alone', async () => {
    const source = numbers();
    expect(() => buffer(source, { bufferSize: 0 })).to.throw(RangeError);
    expect(await collect(source)).to.deep.equal([1, 2, 3]);
  });

  it('shortens what it quotes of a long value', () => {
    const call = (): unknown => buffer({ text: 'x'.repeat(10_000), nested: { deep: { deeper: {} } } } as never);
    expect(call).to.throw(TypeError).with.property('message').with.a.property('length').below(300);
  });

  const sizes: [given: StageOptions | undefined, bufferSize: number][] = [
    [undefined, 1],
    [{}, 1],
    [{ bufferSize: undefined }, 1],
    [{ bufferSize: 1 }, 1],
    [{ bufferSize: 7 }, 7],
    [{ bufferSize: Number.MAX_SAFE_INTEGER }, Number.MAX_SAFE_INTEGER],
  ];
  for (const [given, bufferSize] of sizes) {
    it(`takes a bufferSize of ${given?.bufferSize} ${given ? 'in options' : 'where there are none'}`, async () => {
      const stage = buffer(numbers(), given);
      expect(stage.readableHighWaterMark).to.equal(bufferSize);
      expect(await collect(stage)).to.deep.equal([1, 2, 3]);
    });
  }
});

describe('A source', function () {
  this.timeout(2000);
  const buffer = bufferedPipeline();

  /** The least that `for await` takes: no `return()`, and results that are no promises. */
  function handmade(key: typeof Symbol.iterator | typeof Symbol.asyncIterator): Iterable<number> {
    let n = 0;
    return { [key]: () => ({ next: () => ({ done: n === 3, value: ++n }) }) } as unknown as Iterable<number>;
  }

  function* generated(): Generator<number> {
    yield* [1, 2, 3];
  }

  const passedThrough = (): PassThrough => {
    const stream = new PassThrough({ objectMode: true });
    for (const n of generated()) stream.write(n);
    return stream.end();
  };

  const sources: Record<string, () => Iterable<number | Promise<number>> | AsyncIterable<number>> = {
    'an array': () => [1, 2, 3],
    'a frozen array': () => Object.freeze([1, 2, 3]),
    'a typed array': () => Uint8Array.of(1, 2, 3),
    'a set': () => new Set([1, 2, 3]),
    'the values of a map': () => new Map(Object.entries({ a: 1, b: 2, c: 3 })).values(),
    'a generator': generated,
    'an async generator': numbers,
    'an array of promises': () => [1, 2, 3].map((n) => Promise.resolve(n)),
    'an array of values and promises': () => [1, Promise.resolve(2), 3],
    'a hand-made iterable': () => handmade(Symbol.iterator),
    'a hand-made async iterable': () => handmade(Symbol.asyncIterator),
    'a Node Readable': () => Readable.from([1, 2, 3]),
    'a Node Duplex': passedThrough,
    'a web ReadableStream': () => ReadableStream.from([1, 2, 3]),
    'a stage': () => buffer([1, 2, 3]),
    'an operator on a stage': () => buffer([0, 1, 2]).map((n) => n + 1),
    'a stage of another pipeline': () => bufferedPipeline()(numbers()),
  };

  for (const [kind, make] of Object.entries(sources)) {
    it(`can be ${kind}`, async () => {
      expect(await collect(buffer(make()))).to.deep.equal([1, 2, 3]);
    });

    it(`can be a function that returns ${kind}`, async () => {
      expect(await collect(buffer(() => make()))).to.deep.equal([1, 2, 3]);
    });
  }

  it('can be a string', async () => {
    expect(await collect(buffer('añ🎈'))).to.deep.equal(['a', 'ñ', '🎈']);
  });

  it('can be empty', async () => {
    expect(await collect(buffer([]))).to.deep.equal([]);
  });

  it('is called as a function without a receiver, once, with nothing but its signal', async () => {
    const calls: unknown[] = [];
    const stage = buffer(function (this: unknown, ...parameters: unknown[]) {
      calls.push(this, ...parameters);
      return [1];
    });
    expect(calls).to.deep.equal([]);
    await collect(stage);
    expect(calls).to.have.lengthOf(2);
    expect(calls[0]).to.equal(undefined);
    expect(calls[1]).to.have.all.keys('signal');
    expect((calls[1] as { signal: unknown }).signal).to.be.an.instanceof(AbortSignal);
  });

  for (const returned of [undefined, null, 1, {}, Promise.resolve([1]), numbers]) {
    it(`fails when read if it is a function that returns ${inspect(returned)}`, async () => {
      const error = await rejection(collect(bufferedPipeline()((() => returned) as unknown as Source<number>)));
      expect(error).to.be.an.instanceof(TypeError);
      expect(error).to.include({ code: 'ERR_INVALID_ARG_TYPE' });
    });
  }

  it('fails with what it throws if it is a function', async () => {
    const thrown = new Error('no source');
    const stage = bufferedPipeline()((): number[] => {
      throw thrown;
    });
    expect(await rejection(collect(stage))).to.equal(thrown);
  });
});
