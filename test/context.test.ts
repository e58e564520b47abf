/** Which AsyncLocalStorage context generators see: one for their whole life, that of the first read of their pipeline. */
import { AsyncLocalStorage } from 'node:async_hooks';

import { expect } from 'chai';

import { bufferedPipeline, type Stage } from '../lib/index.ts';
import { turn } from './helpers.ts';

const storage = new AsyncLocalStorage<string>();

describe('the async context of a generator', function () {
  this.timeout(2000);

  /** Two stages whose generators note the context of each step and of their clean-up. */
  function notingStages(seen: (string | undefined)[]): Stage<number> {
    const note = (): void => void seen.push(storage.getStore());
    async function* first(): AsyncGenerator<number> {
      try {
        for (let value = 0; ; value++) {
          note();
          yield value;
          note();
        }
      } finally {
        note();
      }
    }
    async function* second(source: AsyncIterable<number>): AsyncGenerator<number> {
      try {
        for await (const value of source) {
          note();
          yield value;
          await turn();
          note();
        }
      } finally {
        note();
      }
    }
    const buffer = bufferedPipeline();
    return storage.run('where it was made', () => buffer(second(buffer(first()))));
  }

  it('is that of the first read, whoever reads and leaves later', async () => {
    const seen: (string | undefined)[] = [];
    const iterator = notingStages(seen)[Symbol.asyncIterator]();
    await storage.run('first reader', () => iterator.next());
    await turn(3);
    for (const reader of ['second reader', 'third reader']) {
      await storage.run(reader, () => iterator.next());
      await turn(3);
    }
    await storage.run('who leaves', () => iterator.return?.());
    await turn(3);
    expect(seen.length).to.be.above(12);
    expect(new Set(seen)).to.deep.equal(new Set(['first reader']));
  });

  it('is that of the first read, also if a stream reads on', async () => {
    const seen: (string | undefined)[] = [];
    const stage = notingStages(seen);
    await storage.run('first reader', () => stage[Symbol.asyncIterator]().next());
    await storage.run('stream', async () => {
      for (let taken = 0; taken < 3; await turn()) if (stage.read() !== null) taken++;
      stage.destroy();
    });
    await turn(3);
    expect(new Set(seen)).to.deep.equal(new Set(['first reader']));
  });

  it('is that of the first read, also if a generator with another one reads on', async () => {
    const seen: (string | undefined)[] = [];
    const stage = notingStages(seen);
    await storage.run('first reader', () => stage[Symbol.asyncIterator]().next());
    await turn(3);
    async function* second(): AsyncGenerator<number> {
      const iterator = stage[Symbol.asyncIterator]();
      for (let taken = 0; taken < 3; taken++) yield (await iterator.next()).value as number;
    }
    await storage.run('generator', () => bufferedPipeline()(second()).toArray());
    expect(seen.length).to.be.above(6);
    expect(new Set(seen)).to.deep.equal(new Set(['first reader']));
  });

  it('leaves that of the reader alone', async () => {
    const stage = notingStages([]);
    await storage.run('reader', async () => {
      for await (const value of stage) {
        expect(storage.getStore()).to.equal('reader');
        if (value === 3) break;
      }
      expect(storage.getStore()).to.equal('reader');
    });
  });
});
