/**
 * Readers that go on reading in the background, as Node's operators with `concurrency`, web streams and many libraries
 * do. Their reads come while no generator runs. What the consumer gets must not depend on that.
 */
import { on } from 'node:events';
import { Readable } from 'node:stream';
import { ReadableStream } from 'node:stream/web';

import { expect } from 'chai';

import { bufferedPipeline, type Stage } from '../lib/index.ts';
import {
  collect,
  type Deferred,
  deferred,
  pass,
  range,
  recorded,
  settle,
  stateOf,
  takeFirst,
  turn,
} from './helpers.ts';
import { BOOM } from './subject.ts';
import { buffered, bufferedFunctions, expectAsPlain, halfRead, paced, type Program, rescuing } from './twins.ts';

const SIZES = [1, 16];

/** A loop of its own fills a queue, as fast as it can. */
async function* channelled<T>(source: AsyncIterable<T>): AsyncGenerator<T> {
  const queue: T[] = [];
  let news: Deferred<void> = deferred();
  let isOver = false;
  const filled = (async () => {
    try {
      for await (const value of source) {
        queue.push(value);
        news.resolve();
      }
    } finally {
      isOver = true;
      news.resolve();
    }
  })();
  filled.catch(() => {});
  for (;;) {
    await news.promise;
    news = deferred();
    while (queue.length > 0) yield queue.shift()!;
    if (isOver) break;
  }
  await filled;
}

/** Asks for a value before the one in hand is taken. */
async function* oneAhead<T>(source: AsyncIterable<T>): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]();
  const ask = (): Promise<IteratorResult<T>> => {
    const answer = iterator.next();
    answer.catch(() => {});
    return answer;
  };
  try {
    for (let asked = ask(); ;) {
      const answer = await asked;
      if (answer.done) return;
      asked = ask();
      yield answer.value;
    }
  } finally {
    await iterator.return?.();
  }
}

/** Has three requests under way, and hands on their answers in order. */
async function* threeAhead<T>(source: AsyncIterable<T>): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]();
  const asked: Promise<IteratorResult<T>>[] = [];
  for (;;) {
    while (asked.length < 3) {
      const answer = iterator.next();
      answer.catch(() => {});
      asked.push(answer);
    }
    const answer = await asked.shift()!;
    if (answer.done) return;
    yield answer.value;
  }
}

/** A web stream that a library makes by hand; it holds nothing itself. */
function pulled<T>(source: AsyncIterable<T>): ReadableStream<T> {
  const iterator = source[Symbol.asyncIterator]();
  return new ReadableStream<T>(
    {
      async pull(controller) {
        const answer = await iterator.next();
        if (answer.done) controller.close();
        else controller.enqueue(answer.value);
      },
      async cancel() {
        await iterator.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}

/** Reads as events. */
async function* heard<T>(stage: Stage<T>): AsyncGenerator<T> {
  for await (const [value] of on(stage, 'data', { close: ['end'] })) yield value as T;
}

const later = async <T>(value: T): Promise<T> => {
  await turn(2);
  return value;
};

interface Way {
  read: <T>(stage: Stage<T>) => AsyncIterable<T>;
  /** Set where what the reader read stays open when the reader is left, with any stream. */
  leavesOpen?: true;
}

const ways: Record<string, Way> = {
  'map with concurrency 4': { read: (stage) => stage.map(async (value) => value, { concurrency: 4 }) },
  'map with concurrency 16': { read: (stage) => stage.map(later, { concurrency: 16 }) },
  'map one at a time': { read: (stage) => stage.map(later) },
  'filter with concurrency': { read: (stage) => stage.filter(async () => later(true), { concurrency: 4 }) },
  'flatMap with concurrency': { read: (stage) => stage.flatMap(async (value) => [value], { concurrency: 3 }) },
  take: { read: (stage) => stage.take(1000) },
  drop: { read: (stage) => stage.drop(0) },
  'two operators': { read: (stage) => stage.map(later, { concurrency: 3 }).filter(() => true, { concurrency: 2 }) },
  'Readable.from': { read: (stage) => Readable.from(stage) },
  'an operator of Readable.from': {
    read: <T>(stage: Stage<T>) => Readable.from(stage).map(later<T>, { concurrency: 4 }) as AsyncIterable<T>,
  },
  'ReadableStream.from': { read: (stage) => ReadableStream.from(stage) },
  'a web stream made by hand': { read: pulled },
  'a generator with a background loop': { read: channelled, leavesOpen: true },
  'a generator that asks one ahead': { read: oneAhead },
  'a generator that asks three ahead': { read: threeAhead, leavesOpen: true },
  'a generator that listens for events': { read: heard, leavesOpen: true },
};

const failing = (): AsyncGenerator<number> => paced(5, BOOM);

async function* endingWith<T>(source: AsyncIterable<T>, last: T): AsyncGenerator<T> {
  yield* source;
  yield last;
}

/** What a chain with such a reader may look like. Only the chain's shape matters, so all hand on numbers. */
const programs: Record<string, Program> = {
  'that ends': ({ wrap, read }) => wrap(pass(read(wrap(paced(5))))),
  'that fails at its source': ({ wrap, read }) => wrap(pass(read(wrap(failing())))),
  'that fails at its first value': ({ wrap, read }) => wrap(pass(read(wrap(paced(0, BOOM))))),
  'that fails at its source, read by the loop': ({ wrap, read }) => read(wrap(pass(wrap(failing())))),
  'that fails at its source, read by a stage itself': ({ wrap, read }) => wrap(read(wrap(failing()))),
  'that fails with two such readers': ({ wrap, read }) => wrap(read(wrap(pass(read(wrap(failing())))))),
  'that fails two stages further up': ({ wrap, read }) => wrap(pass(read(wrap(pass(wrap(failing())))))),
  'that fails where a reader was made in a step': ({ wrap, read }) =>
    wrap(async function* () {
      yield 0;
      yield* read(wrap(failing()));
    }),
  'that fails where a reader was made after a wait': ({ wrap, read }) =>
    wrap(async function* () {
      const input = wrap(failing());
      await turn(2);
      yield* read(input);
    }),
  'whose error is caught next': ({ wrap, read }) => wrap(rescuing(read(wrap(failing())), () => [0])),
  'whose error is caught further down': ({ wrap, read }) =>
    wrap(pass(wrap(rescuing(wrap(pass(read(wrap(failing())))), () => [0])))),
  'whose error is caught behind two such readers': ({ wrap, read }) =>
    read(wrap(rescuing(read(wrap(pass(read(wrap(failing()))))), () => [0]))),
  'whose error is caught for a new stage': ({ wrap, read }) =>
    wrap(rescuing(wrap(pass(read(wrap(failing())))), () => read(wrap(paced(3))))),
  'that is tried again after a pause': ({ wrap, read }) =>
    wrap(async function* () {
      for (let attempt = 1; ; attempt++) {
        try {
          yield* read(wrap(paced(attempt, attempt < 4 ? BOOM : undefined)));
          return;
        } catch (error) {
          if (attempt === 6) throw error;
          await turn(3);
        }
      }
    }),
  'that reads a new stage for each value': ({ wrap, read }) =>
    wrap(async function* () {
      for await (const n of read(wrap(paced(5)))) yield* read(wrap(paced(n, n === 4 ? BOOM : undefined)));
    }),
  'that reads a new stage for each value and catches': ({ wrap, read }) =>
    wrap(async function* () {
      for await (const n of read(wrap(paced(5))))
        yield* rescuing(read(wrap(paced(n, n % 2 ? BOOM : undefined))), () => [-n]);
    }),
  'that reads two in turn': ({ wrap, read }) =>
    wrap(async function* () {
      const [left, right] = [failing(), paced(9)].map((source) =>
        read(wrap(pass(wrap(source))))[Symbol.asyncIterator](),
      );
      for (;;) {
        for (const side of [left!, right!]) {
          const { done, value } = await side.next();
          if (done) return;
          yield value;
        }
      }
    }),
  'that reads one after the other': ({ wrap, read }) => {
    const [first, second] = [wrap(paced(3)), wrap(pass(wrap(failing())))];
    return wrap(async function* () {
      yield* read(first);
      yield* read(second);
    });
  },
  'that runs a pipeline in a step': ({ wrap, read, another }) =>
    wrap(async function* () {
      for await (const n of read(wrap(paced(3)))) {
        const inner = another();
        const chain = inner.wrap(pass(inner.read(inner.wrap(paced(n, n === 2 ? BOOM : undefined)))));
        yield* rescuing(inner.read(chain), () => [-n]);
      }
      yield* read(wrap(failing()));
    }),
  'that reads a stage of another pipeline': ({ wrap, read, another }) => {
    const outer = another();
    return outer.wrap(endingWith(outer.read(wrap(pass(read(wrap(failing()))))), 0));
  },
};

for (const [way, { read, leavesOpen }] of Object.entries(ways)) {
  describe(`A chain with ${way} between its stages`, function () {
    this.timeout(2000);

    for (const bufferSize of SIZES) {
      for (const [what, program] of Object.entries(programs)) {
        it(`${what} gives what it gives unbuffered at size ${bufferSize}`, async () => {
          await expectAsPlain(program, () => buffered(bufferSize, read));
          await expectAsPlain(program, () => bufferedFunctions(bufferSize, read));
        });
      }

      it(`leaves a sibling alone as long as the error is caught at size ${bufferSize}`, async () => {
        const buffer = bufferedPipeline();
        const { wrap } = buffered(bufferSize, read, buffer);
        const sibling = await halfRead(buffer);
        const input = buffer(failing(), { bufferSize });
        expect(await collect(wrap(rescuing(wrap(pass(read(input))), () => [0])))).to.deep.equal([...range(5), 0]);
        await settle();
        expect(await collect(sibling)).to.deep.equal([2, 3]);
      });

      if (!leavesOpen) {
        it(`closes every generator when the consumer breaks at size ${bufferSize}`, async () => {
          const log: string[] = [];
          const signals: AbortSignal[] = [];
          const buffer = bufferedPipeline();
          const stage = <T>(name: string, source: AsyncIterable<T>): Stage<T> =>
            buffer(
              ({ signal }) => {
                signals.push(signal);
                return recorded(log, name, source);
              },
              { bufferSize },
            );
          const first = stage('first', paced(200));
          const second = stage('second', read(first));
          let taken = 0;
          for await (const _ of second) if (++taken === 3) break;
          await settle();
          expect(log.toSorted()).to.deep.equal(['first closes', 'first starts', 'second closes', 'second starts']);
          expect([first, second].map(({ closed }) => closed)).to.deep.equal([true, true]);
          expect(signals.map(({ aborted }) => aborted)).to.deep.equal([true, true]);
          expect(await stateOf(buffer[Symbol.asyncDispose]())).to.equal('fulfilled');
        });

        for (const most of range(3)) {
          it(`closes the source of a reader that one generator makes and another leaves after ${most} at size ${bufferSize}`, async () => {
            const log: string[] = [];
            const buffer = bufferedPipeline();
            const stage = <T>(name: string, source: AsyncIterable<T>): Stage<T> =>
              buffer(recorded(log, name, source), { bufferSize });
            const maker = buffer(async function* () {
              const made = read(stage('first', paced(200)));
              yield* takeFirst(stage('second', pass(made)), most);
            });
            expect(await collect(maker)).to.deep.equal(range(most));
            await settle();
            expect(log.toSorted()).to.deep.equal(['first closes', 'first starts', 'second closes', 'second starts']);
          });
        }
      }
    }
  });
}
