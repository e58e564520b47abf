/**
 * What a step merely starts, or reads beside others, is not its own: it lives on when the chain of the step is left, fails
 * or is aborted.
 */
import { expect } from 'chai';

import { bufferedPipeline, type BufferedPipeline, type Stage } from '../lib/index.ts';
import {
  collect,
  deferred,
  type Deferred,
  type Outcome,
  outcomeOf,
  pass,
  range,
  rejection,
  settle,
  stateOf,
  turn,
} from './helpers.ts';
import { BOOM, orWaits } from './subject.ts';
import { paced, rescuing, unhandledInEach } from './twins.ts';

const SIZES = [1, 16];
const never = new Promise<never>(() => {});

/** What a whole process shares: it is started by whoever needs it first, and a loop of its own reads it. */
class Feed {
  readonly seen: number[] = [];
  stages: Stage<number>[] = [];
  ended: Promise<unknown> | undefined;
  #news: Deferred<void> = deferred();
  #push: Deferred<void> = deferred();
  readonly #build: (poll: AsyncIterable<number>) => Stage<number>[];

  constructor(build: (poll: AsyncIterable<number>) => Stage<number>[]) {
    this.#build = build;
  }

  start(): void {
    if (this.ended !== undefined) return;
    this.ended = this.#run();
    this.ended.catch(() => {});
  }

  /** The next value, for whoever waits. */
  get news(): Promise<void> {
    return this.#news.promise;
  }

  /** Lets a value come, and waits until it could arrive. */
  async push(): Promise<void> {
    this.#push.resolve();
    await settle();
  }

  async #run(): Promise<void> {
    this.stages = this.#build(this.#poll());
    for await (const value of this.stages.at(-1)!) {
      this.seen.push(value);
      this.#news.resolve();
      this.#news = deferred();
    }
  }

  async *#poll(): AsyncGenerator<number> {
    for (let n = 1; ; n++) {
      await this.#push.promise;
      this.#push = deferred();
      yield n;
    }
  }
}

/** Ways to build the feed; all are pipelines of their own. */
const feeds: Record<string, () => Feed> = {
  'of one stage': () => new Feed((poll) => [bufferedPipeline()(poll)]),
  'of two stages': () =>
    new Feed((poll) => {
      const buffer = bufferedPipeline();
      const first = buffer(poll);
      return [first, buffer(pass(first))];
    }),
  'of two stages of size 16': () =>
    new Feed((poll) => {
      const buffer = bufferedPipeline();
      const first = buffer(() => poll, { bufferSize: 16 });
      return [first, buffer(() => pass(first), { bufferSize: 16 })];
    }),
};

/** When the step starts the feed. */
const starts: Record<string, (feed: Feed) => Promise<void>> = {
  'at once': async (feed) => feed.start(),
  'after a wait': async (feed) => {
    await turn();
    feed.start();
  },
  'in a job of its own': async (feed) => {
    queueMicrotask(() => feed.start());
    await turn(2);
  },
};

interface Chain {
  last: Stage<number>;
  iterator: AsyncIterator<number>;
  controller: AbortController;
  buffer: BufferedPipeline;
}

/** What happens to the chain whose step has started the feed. */
const fates: Record<string, (chain: Chain) => unknown> = {
  'left by its loop': ({ iterator }) => iterator.return!(),
  destroyed: ({ last }) => last.destroy(),
  'destroyed with an error': ({ last }) => last.on('error', () => {}).destroy(BOOM),
  aborted: ({ controller }) => controller.abort(),
  'disposed of': ({ buffer }) => void buffer[Symbol.asyncDispose]().catch(() => {}),
  'ended by the error of a sibling': ({ buffer }) =>
    rejection(
      collect(
        buffer<never>(() => {
          throw BOOM;
        }),
      ),
    ),
};

/** What the step that comes after the one that has started the feed waits for. */
const waits: Record<string, (feed: Feed) => Promise<unknown>> = {
  'nothing, as it is idle': () => Promise.resolve(),
  'what never comes': () => never,
  'a value of the feed': (feed) => feed.news,
};

describe('A feed that a step has started', function () {
  this.timeout(2000);
  const unhandled = unhandledInEach();

  for (const [kind, makeFeed] of Object.entries(feeds)) {
    for (const [when, start] of Object.entries(starts)) {
      for (const [waiting, wait] of Object.entries(waits)) {
        for (const [fate, apply] of Object.entries(fates)) {
          it(`lives on: ${kind}, started ${when}, its chain is ${fate} and waits for ${waiting}`, async () => {
            const feed = makeFeed();
            const controller = new AbortController();
            const buffer = bufferedPipeline(controller);
            const source = async function* (): AsyncGenerator<number> {
              await start(feed);
              yield 1;
              await wait(feed);
              yield 2;
              await wait(feed);
              yield 3;
            };
            const last = buffer(pass(buffer(source())));
            const iterator = last[Symbol.asyncIterator]();
            await iterator.next();
            await settle();
            await feed.push();
            expect(feed.seen).to.deep.equal([1]);

            expect(await orWaits(Promise.resolve(apply({ last, iterator, controller, buffer })))).to.not.equal('waits');
            await settle();
            await feed.push();
            await feed.push();

            expect(feed.seen).to.deep.equal(range(3));
            expect(feed.stages.map(({ destroyed }) => destroyed)).to.deep.equal(feed.stages.map(() => false));
            expect(await stateOf(feed.ended!)).to.equal('pending');
            expect(unhandled).to.deep.equal([]);
          });
        }
      }
    }

    it(`lives on when the step that started it fails: ${kind}`, async () => {
      const feed = makeFeed();
      const buffer = bufferedPipeline();
      const source = async function* (): AsyncGenerator<number> {
        feed.start();
        yield 1;
        throw BOOM;
      };
      expect(await rejection(collect(buffer(pass(buffer(source())))))).to.equal(BOOM);
      for (let pushed = 0; pushed < 3; pushed++) await feed.push();
      expect(feed.seen).to.deep.equal(range(3));
    });

    it(`lives on when the step that started it ends: ${kind}`, async () => {
      const feed = makeFeed();
      const buffer = bufferedPipeline();
      const source = async function* (): AsyncGenerator<number> {
        feed.start();
        yield 1;
      };
      expect(await collect(buffer(pass(buffer(source()))))).to.deep.equal([1]);
      for (let pushed = 0; pushed < 3; pushed++) await feed.push();
      expect(feed.seen).to.deep.equal(range(3));
    });
  }

  it('serves the next chain when the first, which started it, was left', async () => {
    const feed = feeds['of two stages']!();
    const following = async function* (): AsyncGenerator<number> {
      feed.start();
      yield 0;
      for (;;) {
        await feed.news;
        yield feed.seen.at(-1)!;
      }
    };
    for (const round of range(3)) {
      const iterator = bufferedPipeline()(following())[Symbol.asyncIterator]();
      await iterator.next();
      const next = iterator.next();
      await settle();
      await feed.push();
      expect(await next).to.deep.equal({ done: false, value: round });
      await settle();
      expect(await orWaits(iterator.return!())).to.deep.equal({ done: true, value: undefined });
    }
  });
});

describe('A stage that two generators share', function () {
  this.timeout(2000);
  const unhandled = unhandledInEach();

  async function* late<T>(source: AsyncIterable<T>): AsyncGenerator<T> {
    await turn();
    for await (const value of source) {
      yield value;
      await turn();
    }
  }

  /** Of those that await before they read, nobody can say which of two reads is whose; the left one may take a value. */
  const generators: Record<
    string,
    { read: (source: AsyncIterable<number>) => AsyncGenerator<number>; isKnown: boolean }
  > = {
    'read at once': { read: pass, isKnown: true },
    'await before they read': { read: late, isKnown: false },
  };

  /** Yields 1 and 2, one for each, then waits for the gate, then yields the rest. */
  async function* gated(gate: Promise<void>): AsyncGenerator<number> {
    yield* [1, 2];
    await gate;
    yield* [3, 4, 5];
  }

  const leaving: Record<string, (first: Stage<number>, iterator: AsyncIterator<number>) => unknown> = {
    left: (_, iterator) => iterator.return!(),
    destroyed: (first) => first.destroy(),
  };

  for (const bufferSize of SIZES) {
    for (const [how, { read, isKnown }] of Object.entries(generators)) {
      for (const [way, leave] of Object.entries(leaving)) {
        for (const pipelines of ['one pipeline', 'a pipeline each'] as const) {
          it(`lives on when one is ${way} while both wait for it; they ${how}, ${pipelines}, size ${bufferSize}`, async () => {
            const gate = deferred();
            const buffer = bufferedPipeline();
            const wrap = (source: AsyncIterable<number>): Stage<number> =>
              (pipelines === 'one pipeline' ? buffer : bufferedPipeline())(source, { bufferSize });
            const shared = buffer(gated(gate.promise), { bufferSize });
            const [first, second] = [wrap(read(shared)), wrap(read(shared))];
            const iterators = [first, second].map((stage) => stage[Symbol.asyncIterator]());
            const taken = await Promise.all(iterators.map((iterator) => iterator.next()));
            expect(taken.map(({ value }) => value as number)).to.have.members([1, 2]);
            const rest = outcomeOf({ [Symbol.asyncIterator]: () => iterators[1]! });
            await settle();

            expect(await orWaits(Promise.resolve(leave(first, iterators[0]!)))).to.not.equal('waits');
            await settle();
            expect(shared).to.have.property('destroyed', false);

            gate.resolve();
            const { values, error } = (await orWaits(rest)) as Outcome<number>;
            expect(error).to.equal(undefined);
            if (isKnown) expect(values).to.deep.equal([3, 4, 5]);
            else expect([[3, 4, 5], [4, 5], [4]]).to.deep.include(values);
            expect(unhandled).to.deep.equal([]);
          });
        }
      }

      it(`lives on when one fails and is caught; they ${how}, size ${bufferSize}`, async () => {
        const gate = deferred();
        const buffer = bufferedPipeline();
        const shared = buffer(gated(gate.promise), { bufferSize });
        const failing = async function* (): AsyncGenerator<number> {
          const { value } = await shared[Symbol.asyncIterator]().next();
          yield value as number;
          // Until both have read.
          await turn(4);
          throw BOOM;
        };
        const rescue = buffer(
          rescuing(buffer(failing(), { bufferSize }), () => [0]),
          { bufferSize },
        );
        const other = collect(buffer(read(shared), { bufferSize }));
        const rescued = await collect(rescue);
        expect(rescued.at(-1)).to.equal(0);
        await settle();
        gate.resolve();
        expect([...rescued, ...(await other)]).to.have.members([...range(5), 0]);
        expect(unhandled).to.deep.equal([]);
      });
    }

    it(`ends for the other as a generator where an idle one leaves, size ${bufferSize}`, async () => {
      const buffer = bufferedPipeline();
      const shared = buffer(paced(20), { bufferSize });
      const [first, second] = [buffer(pass(shared)), buffer(pass(shared))];
      const other = outcomeOf(second);
      for await (const _ of first) break;
      const { values, error } = await other;
      expect(error).to.equal(undefined);
      expect(values).to.deep.equal(values.toSorted((a, b) => a - b));
      expect(unhandled).to.deep.equal([]);
    });

    it(`that a loop outside shares lives on when the chain is left, size ${bufferSize}`, async () => {
      const gate = deferred();
      const buffer = bufferedPipeline();
      const shared = buffer(gated(gate.promise), { bufferSize });
      const chain = buffer(pass(shared), { bufferSize })[Symbol.asyncIterator]();
      const outside = shared[Symbol.asyncIterator]();
      const taken = await Promise.all([outside.next(), chain.next()]);
      expect(taken.map(({ value }) => value as number)).to.have.members([1, 2]);
      const rest = collect({ [Symbol.asyncIterator]: () => outside });
      await settle();
      expect(await orWaits(chain.return!())).to.not.equal('waits');
      gate.resolve();
      expect(await orWaits(rest)).to.deep.equal([3, 4, 5]);
      expect(unhandled).to.deep.equal([]);
    });

    it(`is destroyed when both have left, size ${bufferSize}`, async () => {
      const buffer = bufferedPipeline();
      const shared = buffer(gated(never), { bufferSize });
      const iterators = [0, 1].map(() => buffer(pass(shared), { bufferSize })[Symbol.asyncIterator]());
      await Promise.all(iterators.map((iterator) => iterator.next()));
      await settle();
      for (const iterator of iterators) expect(await orWaits(iterator.return!())).to.not.equal('waits');
      await settle();
      expect(shared).to.have.property('destroyed', true);
      expect(unhandled).to.deep.equal([]);
    });
  }
});

describe('A stage that a loop outside makes and waits for', function () {
  this.timeout(2000);
  const unhandled = unhandledInEach();

  /** Yields 1, then is in a step for good. */
  async function* stuck(): AsyncGenerator<number> {
    yield 1;
    await never;
  }

  const leaving: Record<string, (stage: Stage<number>, iterator: AsyncIterator<number>) => unknown> = {
    left: (_, iterator) => iterator.return!(),
    destroyed: (stage) => stage.destroy(),
  };

  for (const bufferSize of SIZES) {
    for (const [way, leave] of Object.entries(leaving)) {
      for (const stages of [1, 2]) {
        it(`lives on when another chain is ${way} in a step: of ${stages} stages, size ${bufferSize}`, async () => {
          const buffer = bufferedPipeline();
          let chain = buffer(stuck(), { bufferSize });
          if (stages === 2) chain = buffer(pass(chain), { bufferSize });
          const iterator = chain[Symbol.asyncIterator]();
          await iterator.next();
          await settle();

          const other = outcomeOf(buffer(paced(5), { bufferSize }));
          expect(await orWaits(Promise.resolve(leave(chain, iterator)))).to.not.equal('waits');

          expect(await other).to.deep.equal({ values: range(5), failed: false, error: undefined });
          expect(unhandled).to.deep.equal([]);
        });
      }
    }
  }
});
