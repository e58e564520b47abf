/**
 * Stages that a generator makes for each of its values are forgotten once it is done with them, however it is done: while
 * the generator lives, and the `buffer` function, and a signal.
 */
import { getEventListeners } from 'node:events';
import { Readable } from 'node:stream';

import { expect } from 'chai';

import { bufferedPipeline, type BufferedPipeline, type Stage } from '../lib/index.ts';
import { collectGarbage, expectCollected } from './garbage.ts';
import { collect, failingAfter, outcomeOf, pass, range, settle, turn } from './helpers.ts';
import { BOOM } from './subject.ts';

const MEGABYTE = 2 ** 20;
/** Enough that keeping 200 bytes of each would show. */
const MANY = Number(process.env['STAGES'] ?? 20_000);

/** What a generator reads for each value. */
interface Page {
  rows: number[];
}

type Rows = AsyncGenerator<number>;

async function* rowsOf(page: Page): Rows {
  yield* page.rows;
}

async function* failingRowsOf(page: Page): Rows {
  yield* page.rows.slice(0, 2);
  throw new Error(`page ${page.rows.length}`);
}

async function* stuckRowsOf(page: Page): Rows {
  yield page.rows[0]!;
  await new Promise(() => {});
}

/** Reads one value and forgets the iterator. */
function begin(stage: AsyncIterable<number>): Promise<unknown> {
  return stage[Symbol.asyncIterator]().next();
}

/** Reads one value, fails, and leaves what it reads open. */
async function* failingBehind(source: AsyncIterable<number>): Rows {
  await begin(source);
  throw BOOM;
}

/** Reads one value and leaves. */
async function first(source: AsyncIterable<number>): Promise<number | undefined> {
  for await (const value of source) return value;
  return undefined;
}

/** Makes a stage of a page and is done with it. `made` is told of every stage. */
type Use = (buffer: BufferedPipeline, page: Page, made: <T>(stage: Stage<T>) => Stage<T>) => Promise<unknown>;

const uses: Record<string, Use> = {
  'read to its end': (buffer, page, made) => collect(made(buffer(rowsOf(page)))),
  left: (buffer, page, made) => first(made(buffer(rowsOf(page)))),
  'left, size 16': (buffer, page, made) => first(made(buffer(rowsOf(page), { bufferSize: 16 }))),
  'left, given as a function': (buffer, page, made) =>
    first(made(buffer(({ signal }) => (signal.aborted ? [] : rowsOf(page))))),
  'left, an array': (buffer, page, made) => first(made(buffer(page.rows))),
  'left after a wait': async (buffer, page, made) => {
    const stage = made(buffer(rowsOf(page)));
    await turn();
    return first(stage);
  },
  'left, behind another': (buffer, page, made) => first(made(buffer(pass(made(buffer(rowsOf(page))))))),
  'left, behind another in a step': (buffer, page, made) =>
    first(made(buffer(pass(made(buffer(() => stuckRowsOf(page))))))),
  'left in a step': (buffer, page, made) => first(made(buffer(() => stuckRowsOf(page)))),
  'left with a read under way': async (buffer, page, made) => {
    const iterator = made(buffer(() => stuckRowsOf(page)))[Symbol.asyncIterator]();
    await iterator.next();
    iterator.next().catch(() => {});
    await iterator.return!();
  },
  failed: (buffer, page, made) => outcomeOf(made(buffer(failingRowsOf(page)))),
  'failed, size 16': (buffer, page, made) => outcomeOf(made(buffer(failingRowsOf(page), { bufferSize: 16 }))),
  'failed, given as a function': (buffer, page, made) => outcomeOf(made(buffer(() => failingRowsOf(page)))),
  'failed behind another': (buffer, page, made) => outcomeOf(made(buffer(pass(made(buffer(failingRowsOf(page))))))),
  'failed after a wait': async (buffer, page, made) => {
    const stage = made(buffer(failingRowsOf(page)));
    await turn();
    return outcomeOf(stage);
  },
  'failed, but left before': (buffer, page, made) => first(made(buffer(failingRowsOf(page), { bufferSize: 16 }))),
  destroyed: async (buffer, page, made) => {
    const stage = made(buffer(rowsOf(page)));
    await begin(stage);
    stage.destroy();
  },
  'destroyed with an error': async (buffer, page, made) => {
    const stage = made(buffer(rowsOf(page)));
    await begin(stage);
    stage.on('error', () => {}).destroy(BOOM);
  },
  'destroyed before it was read': async (buffer, page, made) => void made(buffer(rowsOf(page))).destroy(),
  'dropped half read': (buffer, page, made) => begin(made(buffer(rowsOf(page)))),
  'dropped unread': async (buffer, page, made) => void made(buffer(rowsOf(page))),
  'dropped behind another': (buffer, page, made) => begin(made(buffer(pass(made(buffer(rowsOf(page))))))),
  'dropped in a step': (buffer, page, made) => begin(made(buffer(() => stuckRowsOf(page)))),
  'dropped behind another in a step': (buffer, page, made) =>
    begin(made(buffer(pass(made(buffer(stuckRowsOf(page))))))),
  'left through an operator': (buffer, page, made) =>
    made(buffer(rowsOf(page)))
      .take(1)
      .toArray(),
  'read through an operator': (buffer, page, made) =>
    made(buffer(rowsOf(page)))
      .map(async (row) => row, { concurrency: 4 })
      .toArray(),
  'left through Readable.from': (buffer, page, made) => first(Readable.from(made(buffer(rowsOf(page))))),
  'left open by a generator that fails': async (buffer, page, made) => {
    const stage = made(buffer(rowsOf(page)));
    await outcomeOf(made(buffer(failingBehind(stage))));
  },
  'left by one of two loops': async (buffer, page, made) => {
    const stage = made(buffer(rowsOf(page)));
    await Promise.all([first(stage), outcomeOf(stage)]);
  },
};

/** What reads them lives all the time. */
const readers: Record<
  string,
  (buffer: BufferedPipeline, work: (n: number) => Promise<unknown>) => AsyncIterable<number>
> = {
  'a stage': (buffer, work) =>
    buffer(
      (async function* () {
        for (let n = 1; ; n++) {
          await work(n);
          yield n;
        }
      })(),
    ),
  'a stage that awaits before': (buffer, work) =>
    buffer(
      (async function* () {
        for (let n = 1; ; n++) {
          await turn();
          await work(n);
          yield n;
        }
      })(),
    ),
  'a stage of another pipeline': (_, work) =>
    bufferedPipeline()(
      (async function* () {
        for (let n = 1; ; n++) {
          await work(n);
          yield n;
        }
      })(),
    ),
  'a plain generator': async function* (_, work) {
    for (let n = 1; ; n++) {
      await work(n);
      yield n;
    }
  },
};

for (const [use, run] of Object.entries(uses)) {
  describe(`A stage that is made for a value and ${use}`, function () {
    this.timeout(10_000);

    for (const [reader, makeReader] of Object.entries(readers)) {
      it(`is not kept by ${reader}, nor what it was made of`, async () => {
        const controller = new AbortController();
        const buffer = bufferedPipeline(controller);
        const pages: WeakRef<Page>[] = [];
        const stages: WeakRef<Stage<any>>[] = [];
        const work = async (n: number): Promise<void> => {
          const page = { rows: range(20 + (n % 3)) };
          pages.push(new WeakRef(page));
          await run(buffer, page, (stage) => {
            stages.push(new WeakRef(stage));
            return stage;
          });
        };
        const iterator = makeReader(buffer, work)[Symbol.asyncIterator]();
        for (let taken = 0; taken < 30; taken++) expect(await iterator.next()).to.have.property('done', false);
        await settle();
        await collectGarbage();
        await expectCollected(stages.slice(0, stages.length * 0.6), 2);
        await expectCollected(pages.slice(0, 18), 2);
        expect((await iterator.next()).done).to.equal(false);
        // An error that it hands to a stage of another pipeline would take the next one along.
        await settle();
        expect(getEventListeners(controller.signal, 'abort')).to.have.length.below(3);
        expect(await collect(buffer(range(3)))).to.deep.equal(range(3));
        controller.abort();
      });
    }
  });
}

describe('The heap', function () {
  this.timeout(60_000);

  function measure(): number {
    globalThis.gc!();
    return process.memoryUsage().heapUsed / MEGABYTE;
  }

  const many: (keyof typeof uses)[] = [
    'left',
    'left, given as a function',
    'left after a wait',
    'left, behind another',
    'failed',
    'failed behind another',
    'failed after a wait',
    'destroyed',
    'dropped half read',
    'left open by a generator that fails',
  ];

  for (const use of many) {
    it(`stays flat over ${MANY} stages that are made for a value and ${use}`, async () => {
      const buffer = bufferedPipeline();
      const page = { rows: range(5) };
      const work = (): Promise<unknown> => uses[use]!(buffer, page, (stage) => stage);
      const iterator = readers['a stage']!(buffer, work)[Symbol.asyncIterator]();
      const sizes: number[] = [];
      for (let taken = 0; taken < MANY; taken++) {
        await iterator.next();
        if (taken % (MANY / 5) !== MANY / 10) continue;
        await collectGarbage();
        sizes.push(measure());
      }
      const [, second, ...later] = sizes;
      expect(Math.max(...later) - second!).to.be.below(2);
    });
  }

  it(`stays flat over ${MANY} errors that leave one buffer function`, async () => {
    const buffer = bufferedPipeline();
    const sizes: number[] = [];
    for (let failed = 0; failed < MANY; failed++) {
      await outcomeOf(buffer(pass(buffer(failingAfter(1, BOOM)))));
      if (failed % (MANY / 5) !== MANY / 10) continue;
      await collectGarbage();
      sizes.push(measure());
    }
    const [, second, ...later] = sizes;
    expect(Math.max(...later) - second!).to.be.below(2);
  });
});
