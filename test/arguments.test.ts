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
  ['signal', TypeError, 'a string'],
  [true, TypeError, 'true'],
];

describe('bufferedPipeline(options)', () => {
  refuses('options', /an object/, bufferedPipeline, notObjects);

  refuses('signal', /an AbortSignal/, (signal) => bufferedPipeline({ signal }), [
    [null, TypeError, 'null'],
    [true, TypeError, 'true'],
    ['abort', TypeError, 'a string'],
    [{ aborted: false }, TypeError, 'an object'],
    [() => {}, TypeError, 'a function'],
  ]);

  refuses('statistics', /a boolean/, (statistics) => bufferedPipeline({ statistics }), [
    [null, TypeError, 'null'],
    [1, TypeError, '1'],
    ['true', TypeError, 'a string'],
    [{}, TypeError, 'an object'],
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
    [Symbol('source'), TypeError, 'a symbol'],
    [{}, TypeError, 'an object'],
    [{ length: 1 }, TypeError, 'an object'],
    [{ next: 1 }, TypeError, 'an object'],
    [{ [Symbol.asyncIterator]: 1 }, TypeError, 'an object'],
    [Promise.resolve([]), TypeError, 'a promise: await it'],
    [new Date(), TypeError, 'an instance of Date'],
  ]);

  refuses('options', /an object/, (options) => buffer(numbers(), options), notObjects);

  refuses('bufferSize', /an integer >= 1/, (bufferSize) => buffer(numbers(), { bufferSize }), [
    [0, RangeError, '0'],
    [-1, RangeError, '-1'],
    [1.5, RangeError, '1.5'],
    [NaN, RangeError, 'NaN'],
    [Infinity, RangeError, 'Infinity'],
    [2 ** 53, RangeError, '9007199254740992'],
    ['3', TypeError, 'a string'],
    [null, TypeError, 'null'],
    [2n, TypeError, '2n'],
    [{}, TypeError, 'an object'],
  ]);

  refuses('name', /a string/, (name) => buffer(numbers(), { name }), [
    [null, TypeError, 'null'],
    [5, TypeError, '5'],
    [Symbol('name'), TypeError, 'a symbol'],
    [['name'], TypeError, 'an array'],
  ]);

  it('leaves a refused source alone', async () => {
    const source = numbers();
    expect(() => buffer(source, { bufferSize: 0 })).to.throw(RangeError);
    expect(await collect(source)).to.deep.equal([1, 2, 3]);
  });

  it('says nothing of what is in a value', () => {
    for (const value of [{ password: 'secret' }, 'secret', ['secret'], new Error('secret')]) {
      const refusals = [
        () => buffer([1], { bufferSize: value } as never),
        () => buffer([1], { name: [value] } as never),
        () => bufferedPipeline({ signal: value } as never),
      ];
      for (const refusal of refusals)
        expect(refusal).to.throw(TypeError).with.property('message').not.include('secret');
    }
  });

  const unknown: [options: object, call: (options: never) => unknown, hint: string][] = [
    [{ highWaterMark: 1 }, (options) => buffer([1], options), 'did you mean "bufferSize"?'],
    [{ buffersize: 1 }, (options) => buffer([1], options), 'did you mean "bufferSize"?'],
    [{ bufferSzie: 1 }, (options) => buffer([1], options), 'did you mean "bufferSize"?'],
    [{ concurrency: 1 }, (options) => buffer([1], options), 'it is an option of buffer.map()'],
    [{ signal: AbortSignal.abort() }, (options) => buffer([1], options), 'it is an option of bufferedPipeline()'],
    [{ bufferSize: 1 }, bufferedPipeline, 'it is an option of buffer()'],
    [{ statistic: true }, bufferedPipeline, 'did you mean "statistics"?'],
    [{ other: 1 }, bufferedPipeline, 'its options are "signal", "statistics"'],
  ];
  for (const [options, call, hint] of unknown) {
    const [name] = Object.keys(options) as [string];
    it(`refuses the option ${name} with a hint: ${hint}`, () => {
      expect(() => call(options as never))
        .to.throw(TypeError, hint)
        .with.property('message')
        .that.includes(`"${name}" is no option of `);
    });
  }

  it('takes an unknown option that is undefined for one that was not given', async () => {
    expect(await collect(buffer([1], { other: undefined } as never))).to.deep.equal([1]);
  });

  for (const [kind, options] of Object.entries({
    'a signal': AbortSignal.abort(),
    'a generator': numbers(),
    'an array': [1],
  })) {
    it(`refuses ${kind} as options`, () => {
      expect(() => buffer([1], options as never)).to.throw(TypeError, '"options" must be an object');
      expect(() => bufferedPipeline(options as never)).to.throw(TypeError, '"options" must be an object');
    });
  }

  it('tells a generator function that expects its input to be called', async () => {
    async function* doubled(source: AsyncIterable<number>): AsyncGenerator<number> {
      for await (const n of source) yield n * 2;
    }
    const error = await rejection(collect(buffer(doubled as never)));
    expect(error).to.be.an.instanceof(TypeError).with.property('message').that.includes('buffer(step(source))');
  });

  it('tells an async function that returns nothing to return an iterable', async () => {
    const error = await rejection(collect(bufferedPipeline()((async () => {}) as never)));
    expect(error).to.be.an.instanceof(TypeError).with.property('message').that.includes('async function*');
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

    it(`can be a function that returns a promise of ${kind}`, async () => {
      expect(await collect(buffer(async () => make()))).to.deep.equal([1, 2, 3]);
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

  for (const returned of [undefined, null, 1, {}, Promise.resolve(1), numbers]) {
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
