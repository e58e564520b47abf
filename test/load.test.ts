/** Long chains, many pipelines, many values: what works for three stages works for a thousand. */
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import { expect } from 'chai';

import { bufferedPipeline, type Stage } from '../lib/index.ts';
import { closed, rejection, turn, VALUES } from './helpers.ts';

const STAGES = 1000;
const PIPELINES = 10_000;
const MEGABYTE = 2 ** 20;

async function* numbers(count: number): AsyncGenerator<number> {
  for (let value = 0; value < count; value++) yield value;
}

async function* plusOne(source: AsyncIterable<number>): AsyncGenerator<number> {
  for await (const value of source) yield value + 1;
}

async function sum(source: AsyncIterable<number>): Promise<number> {
  let total = 0;
  for await (const value of source) total += value;
  return total;
}

/** How much the heap has grown at most, looked at now and then. */
async function heapGrowth(run: (look: () => void) => Promise<void>): Promise<number> {
  globalThis.gc!();
  const before = process.memoryUsage().heapUsed;
  let growth = 0;
  await run(() => {
    globalThis.gc!();
    growth = Math.max(growth, process.memoryUsage().heapUsed - before);
  });
  return growth;
}

describe(`a chain of ${STAGES} stages`, function () {
  this.timeout(20_000);

  function longChain(first: AsyncIterable<number>): Stage<number>[] {
    const buffer = bufferedPipeline();
    const stages = [buffer(first)];
    while (stages.length < STAGES) stages.push(buffer(plusOne(stages.at(-1)!)));
    return stages;
  }

  it('passes values on', async () => {
    expect(await longChain(numbers(3)).at(-1)!.toArray()).to.deep.equal([STAGES - 1, STAGES, STAGES + 1]);
  });

  it('passes an error on', async () => {
    const boom = new Error('boom');
    async function* failing(): AsyncGenerator<number> {
      yield 1;
      throw boom;
    }
    expect(await rejection(sum(longChain(failing()).at(-1)!))).to.equal(boom);
  });

  it('leaves the heap as it was', async () => {
    const run = async (): Promise<void> => void (await sum(longChain(numbers(3)).at(-1)!));
    await run();
    const growth = await heapGrowth(async (look) => {
      for (let chain = 0; chain < 20; chain++) await run();
      await turn(3);
      look();
    });
    // A chain holds some 2 MB. V8 keeps the last one for a few milliseconds if its compiler is at work in the background.
    expect(growth).to.be.below(6 * MEGABYTE);
  });

  it('is closed from its end to its start by a break', async () => {
    const stages = longChain(numbers(Infinity));
    for await (const _ of stages.at(-1)!) break;
    expect(stages.every((stage) => stage.destroyed)).to.equal(true);
    await closed(stages[0]!);
  });
});

describe('a stage that many leave', function () {
  this.timeout(5000);

  it('lets all of them go when it has cleaned up', async () => {
    let clean!: () => void;
    const cleaned = new Promise<void>((resolve) => (clean = resolve));
    async function* slow(): AsyncGenerator<number> {
      try {
        for (;;) yield 1;
      } finally {
        await cleaned;
      }
    }
    const iterator = bufferedPipeline()(slow())[Symbol.asyncIterator]();
    await iterator.next();
    await turn(3);
    const left = Array.from({ length: 40_000 }, () => iterator.return!());
    clean();
    await Promise.all(left);
  });
});

describe('a lattice of stages that each read two', function () {
  this.timeout(5000);

  it('is closed by a break, each stage once, though there are more ways through it than could be gone', async () => {
    const buffer = bufferedPipeline();
    async function* either(left: Stage<number>, right: Stage<number>): AsyncGenerator<number> {
      const inputs = [left[Symbol.asyncIterator](), right[Symbol.asyncIterator]()] as const;
      for (;;) for (const input of inputs) yield (await input.next()).value as number;
    }
    let [left, right] = [buffer(numbers(Infinity)), buffer(numbers(Infinity))];
    const first = left;
    for (let level = 0; level < 60; level++) [left, right] = [buffer(either(left, right)), buffer(either(left, right))];
    let taken = 0;
    for await (const _ of buffer(either(left, right))) if (++taken === 4) break;
    await closed(first);
  });
});

describe(`${PIPELINES} pipelines at once`, function () {
  this.timeout(20_000);

  async function sums(): Promise<Set<number>> {
    const all = Array.from({ length: PIPELINES }, () => {
      const buffer = bufferedPipeline();
      return sum(buffer(plusOne(buffer(numbers(10)))));
    });
    return new Set(await Promise.all(all));
  }

  it('run to their ends, and leave the heap as it was', async () => {
    expect(await sums()).to.deep.equal(new Set([55]));
    await turn(3);
    const growth = await heapGrowth(async (look) => {
      await sums();
      await turn(3);
      look();
    });
    expect(growth).to.be.below(2 * MEGABYTE);
  });

  it('are all ended by one signal', async () => {
    const controller = new AbortController();
    const ends = Array.from({ length: PIPELINES }, () => {
      const buffer = bufferedPipeline({ signal: controller.signal });
      return rejection(sum(buffer(plusOne(buffer(stuck())))));
    });
    await turn();
    controller.abort();
    const codes = (await Promise.all(ends)).map((error) => (error as NodeJS.ErrnoException).code);
    expect(new Set(codes)).to.deep.equal(new Set(['ABORT_ERR']));
  });

  async function* stuck(): AsyncGenerator<number> {
    yield 1;
    await new Promise(() => {});
  }
});

describe(`${VALUES} values`, function () {
  this.timeout(60_000);

  const readers: Record<string, (stage: Stage<number>, look: (value: number) => void) => Promise<void>> = {
    'a loop that does not wait': async (stage, look) => {
      for await (const value of stage) look(value);
    },
    'a loop that waits now and then': async (stage, look) => {
      for await (const value of stage) {
        look(value);
        if (value % 100 === 0) await turn();
      }
    },
    'a writable with a small buffer': (stage, look) =>
      pipeline(
        stage,
        new Writable({
          objectMode: true,
          highWaterMark: 2,
          write(value: number, _encoding, callback) {
            look(value);
            callback();
          },
        }),
      ),
  };

  for (const [reader, read] of Object.entries(readers)) {
    it(`leave the heap as it was, read by ${reader}`, async () => {
      const buffer = bufferedPipeline();
      const stage = buffer(plusOne(buffer(numbers(VALUES))), { bufferSize: 16 });
      let count = 0;
      const growth = await heapGrowth((look) =>
        read(stage, () => {
          if (++count % (VALUES / 5) === 0) look();
        }),
      );
      expect(count).to.equal(VALUES);
      expect(growth).to.be.below(2 * MEGABYTE);
    });
  }
});

describe('a source that never lets go of the event loop', () => {
  it('holds up timers as it does without a buffer', async () => {
    const fired = async (wrap: (source: AsyncIterable<number>) => AsyncIterable<number>): Promise<boolean> => {
      let isFired = false;
      const timer = setTimeout(() => (isFired = true), 0);
      const start = Date.now();
      for await (const _ of wrap(numbers(Infinity))) if (Date.now() - start > 20) break;
      const wasFired = isFired;
      clearTimeout(timer);
      return wasFired;
    };
    const buffer = bufferedPipeline();
    expect(await fired((source) => source)).to.equal(await fired((source) => buffer(source)));
  });
});
