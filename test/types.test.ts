/**
 * The types of the items, from the source to the consumer. The compiler checks most of it: `typed<T>()(value)` compiles
 * only if the value is exactly of type T. What runs checks that the values are what their types say.
 */
import { expect } from 'chai';
import { createInterface } from 'node:readline';
import { compose, PassThrough, Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { finished, pipeline } from 'node:stream/promises';

import { bufferedPipeline, type BufferedPipeline, type SourceContext, type Stage } from '../lib/index.ts';
import { collect } from './helpers.ts';

/** Whether two types are the very same: the compiler takes two such functions for alike only if it cannot tell A from B. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- they keep the conditions unresolved
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

type Mismatch = 'the value is not of exactly this type';

type Check<A, B> = Equal<A, B> extends true ? [] : [Mismatch];

/** Hands the value on. */
function typed<Expected>() {
  return <Actual>(...[value]: [value: Actual, ...check: Check<Actual, Expected>]): Actual => value;
}

interface Row {
  id: number;
}

async function* rows(): AsyncGenerator<Row> {
  yield { id: 1 };
  yield { id: 2 };
}

function* words(): Generator<string, number, undefined> {
  yield 'a';
  return 1;
}

class Fetcher {
  async *[Symbol.asyncIterator](): AsyncIterator<boolean> {
    yield true;
  }
}

const buffer: BufferedPipeline = bufferedPipeline();

describe('The type of a stage', function () {
  this.timeout(2000);

  it('is that of what its source yields', async () => {
    const readonlyNumbers: readonly number[] = [1];
    const union = [1, 'a'] as (number | string)[];
    const promised = [Promise.resolve(1), 2];
    const nothing = [null, undefined, 1];

    expect(await collect(typed<Stage<Row>>()(buffer(rows())))).to.deep.equal([{ id: 1 }, { id: 2 }]);
    expect(await collect(typed<Stage<string>>()(buffer(words())))).to.deep.equal(['a']);
    expect(await collect(typed<Stage<boolean>>()(buffer(new Fetcher())))).to.deep.equal([true]);
    expect(await collect(typed<Stage<number>>()(buffer(readonlyNumbers)))).to.deep.equal([1]);
    expect(await collect(typed<Stage<number | string>>()(buffer(union)))).to.deep.equal([1, 'a']);
    expect(await collect(typed<Stage<number>>()(buffer(promised)))).to.deep.equal([1, 2]);
    expect(await collect(typed<Stage<number | null | undefined>>()(buffer(nothing)))).to.deep.equal(nothing);
    expect(await collect(typed<Stage<string>>()(buffer('ab')))).to.deep.equal(['a', 'b']);
    expect(await collect(typed<Stage<number>>()(buffer(new Set([1]))))).to.deep.equal([1]);
    expect(await collect(typed<Stage<[string, Row]>>()(buffer(new Map([['a', { id: 1 }]]))))).to.have.lengthOf(1);
    expect(await collect(typed<Stage<Row>>()(buffer(buffer(rows()))))).to.have.lengthOf(2);
  });

  it('is that of what its source function returns', async () => {
    expect(await collect(typed<Stage<Row>>()(buffer(rows)))).to.have.lengthOf(2);
    expect(await collect(typed<Stage<number>>()(buffer(() => [1])))).to.deep.equal([1]);
    expect(await collect(typed<Stage<number>>()(buffer(() => [Promise.resolve(1)])))).to.deep.equal([1]);
    const aware = buffer((context) => {
      typed<SourceContext>()(context);
      return [typed<boolean>()(context.signal.aborted)];
    });
    expect(await collect(typed<Stage<boolean>>()(aware))).to.deep.equal([false]);
    const awareGenerator = async function* ({ signal }: { signal: AbortSignal }): AsyncGenerator<AbortSignal> {
      yield signal;
    };
    const [signal] = await collect(typed<Stage<AbortSignal>>()(buffer(awareGenerator)));
    expect(signal).to.be.an.instanceof(AbortSignal);
  });

  it('can be given, and is then asked of the source', () => {
    typed<Stage<number | string>>()(buffer<number | string>([1]));
    // @ts-expect-error -- the source yields numbers
    const stage = buffer<string>([1]);
    expect(stage).to.be.an.instanceof(Readable);
  });

  it('flows through a chain of generic generators', async () => {
    async function* batch<T>(source: AsyncIterable<T>): AsyncGenerator<T[]> {
      for await (const item of source) yield [item];
    }
    const batches = typed<Stage<Row[]>>()(buffer(batch(buffer(rows())), { bufferSize: 2 }));
    expect(await collect(batches)).to.deep.equal([[{ id: 1 }], [{ id: 2 }]]);
  });

  it('is kept inside a generic function', async () => {
    const through = <T>(source: AsyncIterable<T>): Stage<T> => buffer(source);
    expect(await collect(typed<Stage<Row>>()(through(rows())))).to.have.lengthOf(2);
  });
});

describe('The type of an item', function () {
  this.timeout(2000);
  const make = (): Stage<Row> => buffer(rows());
  const isFirst = (row: Row): row is Row & { id: 1 } => row.id === 1;

  it('is known to loops and iterators', async () => {
    for await (const row of buffer(rows())) expect(typed<Row>()(row).id).to.be.a('number');
    for await (const row of buffer(rows()).iterator({ destroyOnReturn: true })) typed<Row>()(row);
    const answer = await buffer(rows())[Symbol.asyncIterator]().next();
    if (!answer.done) expect(typed<Row>()(answer.value)).to.deep.equal({ id: 1 });
    expect(answer.done).to.equal(false);
  });

  it('is known to read() and to listeners', async () => {
    const taken: Row[] = [];
    const stage = buffer(rows());
    typed<Row | null>()(stage.read());
    stage.once('data', (row) => typed<Row>()(row));
    stage.addListener('data', (row) => typed<Row>()(row));
    stage.on('data', (row) => taken.push(typed<Row>()(row)));
    stage.on('error', (error) => typed<any>()(error)).on('end', () => {});
    // @ts-expect-error -- the items are rows
    stage.on('data', (word: string) => word);
    await new Promise((resolve) => stage.once('close', resolve));
    expect(taken).to.deep.equal([{ id: 1 }, { id: 2 }]);
  });

  it('is known to operators that make streams', async () => {
    expect(await typed<Stage<string>>()(make().map((row) => `#${row.id}`)).toArray()).to.deep.equal(['#1', '#2']);
    expect(
      await typed<Stage<number>>()(make().map(async ({ id }, { signal }) => (signal.aborted ? 0 : id))).toArray(),
    ).to.deep.equal([1, 2]);
    expect(await typed<Stage<Row>>()(make().filter(({ id }) => id > 1)).toArray()).to.deep.equal([{ id: 2 }]);
    expect(await typed<Stage<Row & { id: 1 }>>()(make().filter(isFirst)).toArray()).to.deep.equal([{ id: 1 }]);
    expect(await typed<Stage<number>>()(make().flatMap(({ id }) => [id, id])).toArray()).to.deep.equal([1, 1, 2, 2]);
    expect(await typed<Stage<Row>>()(make().take(1)).toArray()).to.deep.equal([{ id: 1 }]);
    expect(await typed<Stage<Row>>()(make().drop(1)).toArray()).to.deep.equal([{ id: 2 }]);
  });

  it('is known to operators that make promises', async () => {
    expect(await typed<Promise<Row[]>>()(make().toArray())).to.deep.equal([{ id: 1 }, { id: 2 }]);
    expect(await typed<Promise<Row | undefined>>()(make().find(({ id }) => id > 1))).to.deep.equal({ id: 2 });
    expect(await typed<Promise<(Row & { id: 1 }) | undefined>>()(make().find(isFirst))).to.deep.equal({ id: 1 });
    expect(await typed<Promise<boolean>>()(make().some(({ id }) => id > 1))).to.equal(true);
    expect(await typed<Promise<boolean>>()(make().every(async ({ id }) => id > 1))).to.equal(false);
    expect(await typed<Promise<Row>>()(make().reduce((a, b) => ({ id: a.id + b.id })))).to.deep.equal({ id: 3 });
    expect(await typed<Promise<string>>()(make().reduce((all, { id }) => all + id, ''))).to.equal('12');
    const ids: number[] = [];
    expect(await typed<Promise<void>>()(make().forEach(({ id }) => void ids.push(id)))).to.equal(undefined);
    expect(ids).to.deep.equal([1, 2]);
  });

  it('lets no wrong use pass', async () => {
    const isEmpty = (word: string): boolean => word === '';
    // @ts-expect-error -- a row has no name
    expect(await make().some((row) => row.name)).to.equal(false);
    // @ts-expect-error -- a row is no string
    expect(await make().every(isEmpty)).to.equal(false);
    // @ts-expect-error -- the items are rows
    const items: string[] = await make().toArray();
    expect(items).to.have.lengthOf(2);
  });
});

describe('The type of a stage of calls', function () {
  this.timeout(2000);
  const idOf = async ({ id }: Row): Promise<number> => id;

  it('is that of what the calls return, at once or by a promise', async () => {
    expect(await collect(typed<Stage<string>>()(buffer.map(rows(), ({ id }) => `#${id}`)))).to.deep.equal(['#1', '#2']);
    expect(await collect(typed<Stage<number>>()(buffer.map(rows(), idOf)))).to.deep.equal([1, 2]);
    const first = async (row: Row) => [row] as const;
    expect(await collect(typed<Stage<readonly [Row]>>()(buffer.map(rows(), first)))).to.deep.equal([
      [{ id: 1 }],
      [{ id: 2 }],
    ]);
    const cached = (row: Row): number | Promise<number> => (row.id === 1 ? row.id : idOf(row));
    expect(await collect(typed<Stage<number>>()(buffer.map(rows(), cached)))).to.deep.equal([1, 2]);
    const thenable = ({ id }: Row): PromiseLike<number> => Promise.resolve(id);
    expect(await collect(typed<Stage<number>>()(buffer.map(rows(), thenable)))).to.deep.equal([1, 2]);
    const nothing = async (): Promise<void> => {};
    expect(await collect(typed<Stage<void>>()(buffer.map(rows(), nothing)))).to.deep.equal([undefined, undefined]);
  });

  it('is the same with options, from any source, and behind other stages', async () => {
    const options = { concurrency: 2, bufferSize: 4, name: 'ids' };
    const signalled = (word: string, { signal }: SourceContext): string => word + typed<AbortSignal>()(signal).aborted;
    expect(await collect(typed<Stage<number>>()(buffer.map(rows(), idOf, options)))).to.deep.equal([1, 2]);
    expect(await collect(typed<Stage<string>>()(buffer.map(words(), signalled)))).to.deep.equal(['afalse']);
    const sources = [
      typed<Stage<Row>>()(buffer.map(buffer(rows()), (row) => typed<Row>()(row))),
      typed<Stage<Row>>()(
        buffer.map(
          () => rows(),
          (row) => typed<Row>()(row),
        ),
      ),
      typed<Stage<Row>>()(
        buffer.map(
          async ({ signal }) => [{ id: Number(signal.aborted) }],
          (row) => typed<Row>()(row),
        ),
      ),
      typed<Stage<Row>>()(buffer.map(ReadableStream.from(rows()), (row) => typed<Row>()(row))),
      typed<Stage<Row>>()(buffer.map([Promise.resolve({ id: 1 })], (row) => typed<Row>()(row))),
    ];
    expect((await Promise.all(sources.map((stage) => collect(stage)))).flat()).to.have.lengthOf(8);
    const doubled = buffer.map(buffer.map(rows(), idOf), (id) => typed<number>()(id) * 2);
    expect(await collect(typed<Stage<number>>()(doubled))).to.deep.equal([2, 4]);
  });

  it('is kept inside a generic function', async () => {
    const mapped = <T, U>(source: AsyncIterable<T>, fn: (item: T) => Promise<U>): Stage<U> => buffer.map(source, fn);
    expect(await collect(typed<Stage<number>>()(mapped(rows(), idOf)))).to.deep.equal([1, 2]);
  });

  it('lets no wrong call pass', async () => {
    const shout = (word: string): string => `${word}!`;
    const withLimit = (row: Row, limit: number): boolean => row.id < limit;
    const refused = [
      // @ts-expect-error -- the items are rows
      buffer.map(rows(), shout),
      // @ts-expect-error -- a row has no name
      buffer.map(rows(), (row) => row.name),
      // @ts-expect-error -- what comes second is { signal }
      buffer.map(rows(), withLimit),
      // @ts-expect-error -- the results are numbers
      buffer.map<Row, string>(rows(), idOf),
    ];
    expect(refused).to.have.lengthOf(4);
    // @ts-expect-error -- the results are numbers
    const strings: AsyncIterable<string> = buffer.map(rows(), idOf);
    expect(await collect(strings)).to.deep.equal([1, 2]);
  });
});

describe('A stage, for the compiler,', function () {
  this.timeout(2000);

  it('is a Readable, wherever one is asked for', async () => {
    const readable: Readable = buffer(['a']);
    const nodeStream: NodeJS.ReadableStream = buffer(['a']);
    const iterable: AsyncIterable<string> = buffer(['a']);
    for (const stage of [readable, nodeStream, iterable]) expect(stage).to.be.an.instanceof(Readable);
    const numbers: NodeJS.ReadableStream = buffer([1]);
    expect(Readable.toWeb(numbers)).to.be.an.instanceof(ReadableStream);
    expect(await collect(Readable.from(buffer([1])))).to.deep.equal([1]);
    expect(await text(buffer(['a', 'b']))).to.equal('ab');
    expect(await collect(createInterface({ input: buffer(['a\nb']) }))).to.deep.equal(['a', 'b']);
    expect(await collect(compose(buffer([1]), new PassThrough({ objectMode: true })))).to.deep.equal([1]);

    await finished(buffer(['a']).resume());
    const taken: string[] = [];
    const write = (word: string, _: unknown, done: () => void): void => {
      taken.push(word);
      done();
    };
    await pipeline(buffer(['a']), new Writable({ objectMode: true, write }));
    await finished(buffer(['b']).pipe(new Writable({ objectMode: true, write })));
    await pipeline(buffer(['c']), async (source: AsyncIterable<string>) => taken.push(...(await collect(source))));
    expect(taken).to.deep.equal(['a', 'b', 'c']);
  });
});

describe('A stage as an argument', function () {
  this.timeout(2000);

  async function* upper(source: AsyncIterable<string>): AsyncGenerator<string> {
    for await (const word of source) yield word.toUpperCase();
  }

  async function* gzip(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    yield* chunks;
  }

  /** As p-map and pMapIterable have it. */
  async function mapAll<T, U>(
    items: AsyncIterable<T | Promise<T>> | Iterable<T | Promise<T>>,
    fn: (item: T) => U | Promise<U>,
  ): Promise<U[]> {
    const results: U[] = [];
    for await (const item of items) results.push(await fn(item));
    return results;
  }

  const take = (...values: unknown[]): unknown[] => values;

  it('is refused by generators that read other items', () => {
    const numbers = buffer([1]);
    const wrong = take(
      // @ts-expect-error -- the items are numbers
      upper(numbers),
      // @ts-expect-error -- the items are numbers
      upper(buffer(numbers)),
      // @ts-expect-error -- the items are rows
      upper(buffer(rows())),
      // @ts-expect-error -- an item may be undefined
      upper(buffer(['a', undefined])),
      // @ts-expect-error -- the items may be anything
      upper(buffer<unknown>(['a'])),
      // @ts-expect-error -- the items are strings
      gzip(buffer(['a'])),
      // @ts-expect-error -- the items are numbers
      gzip(numbers),
      // @ts-expect-error -- the items are what map() makes of them
      upper(buffer(['a']).map((word) => word.length)),
    );
    expect(wrong).to.have.lengthOf(8);
  });

  it('is refused where other items are declared', () => {
    const numbers = buffer([1]);
    // @ts-expect-error -- the items are numbers
    const strings: Stage<string> = numbers;
    // @ts-expect-error -- the items are numbers
    const iterable: AsyncIterable<string> | Iterable<string> = numbers;
    // @ts-expect-error -- an item may be null
    const noNull: AsyncIterable<Row> = buffer([{ id: 1 }, null]);
    // @ts-expect-error -- the items are numbers
    const reader: { read(): string | null } = numbers;
    expect(take(strings, iterable, noNull, reader)).to.have.lengthOf(4);
  });

  it('is refused by libraries that read other items', async () => {
    const length = (word: string): number => word.length;
    // @ts-expect-error -- the items are numbers
    expect(await mapAll(buffer([1]), length)).to.deep.equal([undefined]);
    // @ts-expect-error -- a body has bytes
    const response = new Response(buffer([1]));
    expect(response.body).to.not.equal(null);
  });

  it('is taken where its items will do', async () => {
    const wider: Stage<number | string> = buffer([1]);
    const anything: AsyncIterable<unknown> = buffer(rows());
    const chunks = buffer([Buffer.from('a')]);
    expect(await collect(wider)).to.deep.equal([1]);
    expect(await collect(anything)).to.have.lengthOf(2);
    expect(await collect(buffer(gzip(chunks)))).to.deep.equal([Buffer.from('a')]);
    expect(await collect(typed<Stage<string>>()(buffer(upper(buffer(['a'])))))).to.deep.equal(['A']);
    expect(await mapAll(buffer(rows()), (row) => typed<Row>()(row).id)).to.deep.equal([1, 2]);
    expect(await new Response(buffer([Buffer.from('a')])).text()).to.equal('a');
  });
});

describe('A wrong call', () => {
  it('is refused by the compiler as it is when it runs', () => {
    const calls = [
      // @ts-expect-error -- a number is not iterable
      () => buffer(1),
      // @ts-expect-error -- an object is not iterable
      () => buffer({}),
      // @ts-expect-error -- null is not iterable
      () => buffer(null),
      // @ts-expect-error -- a source is missing
      () => buffer(),
      // @ts-expect-error -- a promise is not iterable
      () => buffer(Promise.resolve([1])),
      // @ts-expect-error -- the options are an object
      () => buffer([1], 2),
      // @ts-expect-error -- the size is a number
      () => buffer([1], { bufferSize: '2' }),
      // @ts-expect-error -- the options are an object
      () => bufferedPipeline(1),
      // @ts-expect-error -- the signal is an AbortSignal
      () => bufferedPipeline({ signal: 'abort' }),
    ];
    for (const call of calls) expect(call).to.throw(TypeError).with.property('code', 'ERR_INVALID_ARG_TYPE');
  });

  it('is refused by the compiler where it would fail only when the stage is read', () => {
    // @ts-expect-error -- a function returns an iterable
    expect(buffer(() => 1)).to.be.an.instanceof(Readable);
    // @ts-expect-error -- a function returns an iterable, or a promise of one
    expect(buffer(async () => 1)).to.be.an.instanceof(Readable);
    // @ts-expect-error -- a function is called with a context only
    expect(buffer((context: SourceContext, size: number) => [context, size])).to.be.an.instanceof(Readable);
  });

  it('with an unknown option is refused by the compiler', () => {
    // @ts-expect-error -- there is no such option
    expect(() => buffer([1], { highWaterMark: 2 })).to.throw(TypeError);
    // @ts-expect-error -- there is no such option
    expect(() => bufferedPipeline({ bufferSize: 2 })).to.throw(TypeError);
  });
});
