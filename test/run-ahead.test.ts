/** How far stages work ahead of their reader: exactly `bufferSize` values each, with one call of the source at a time. */
import { expect } from 'chai';

import { bufferedPipeline, type Stage } from '../lib/index.ts';
import { type AnyIterable, collect, range, settle, turn } from './helpers.ts';

const VALUES = 10;

/** Three stages of ten values: the last, and how many values each has produced. */
function threeStages(bufferSizes: [number, number, number]): { last: Stage<number>; produced: number[] } {
  const buffer = bufferedPipeline();
  const produced: number[] = [0, 0, 0];
  const counted = async function* (source: AnyIterable<number>, index: number) {
    for await (const value of source) {
      produced[index]!++;
      yield value;
    }
  };
  const [first, second, third] = bufferSizes;
  const pages = buffer(counted(range(VALUES), 0), { bufferSize: first });
  const rows = buffer(counted(pages, 1), { bufferSize: second });
  return { last: buffer(counted(rows, 2), { bufferSize: third }), produced };
}

/** What three stages have produced when the consumer has `taken` values and all buffers are full. */
function ahead(taken: number, [first, second, third]: [number, number, number]): number[] {
  const counts = [taken + third + second + first, taken + third + second, taken + third];
  return counts.map((count) => Math.min(count, VALUES));
}

/** Takes the next value of a stage that is read as a stream. */
async function readOne(stage: Stage<number>): Promise<number | null> {
  for (let attempt = 0; attempt < 2; attempt++) {
    const value = stage.read();
    if (value !== null) return value;
    await settle();
  }
  return null;
}

describe('three stages of ten values', function () {
  this.timeout(2000);

  it('have produced 4, 3, 2 values, then 5, 4, 3, up to 10, 10, 10, at size 1', async () => {
    const { last, produced } = threeStages([1, 1, 1]);
    const seen: number[][] = [];
    for await (const _ of last) {
      await settle();
      seen.push([...produced]);
    }
    expect(seen).to.deep.equal([
      [4, 3, 2],
      [5, 4, 3],
      [6, 5, 4],
      [7, 6, 5],
      [8, 7, 6],
      [9, 8, 7],
      [10, 9, 8],
      [10, 10, 9],
      [10, 10, 10],
      [10, 10, 10],
    ]);
  });

  for (const bufferSizes of [
    [1, 1, 1],
    [2, 2, 2],
    [1, 2, 3],
    [3, 1, 2],
    [16, 1, 1],
    [1, 1, 16],
    [16, 16, 16],
  ] satisfies [number, number, number][]) {
    it(`run ahead of a loop by exactly their sizes ${bufferSizes.join(', ')}`, async () => {
      const { last, produced } = threeStages(bufferSizes);
      let taken = 0;
      for await (const _ of last) {
        taken++;
        await settle();
        expect(produced, `${taken} taken`).to.deep.equal(ahead(taken, bufferSizes));
        expect(last.readableLength, `held with ${taken} taken`).to.equal(Math.min(bufferSizes[2], VALUES - taken));
      }
      expect(taken).to.equal(VALUES);
    });

    it(`run ahead of a stream's reader by exactly their sizes ${bufferSizes.join(', ')}`, async () => {
      const { last, produced } = threeStages(bufferSizes);
      for (const taken of range(VALUES)) {
        expect(await readOne(last)).to.equal(taken);
        await settle();
        expect(produced, `${taken} taken`).to.deep.equal(ahead(taken, bufferSizes));
        expect(last.readableLength, `held with ${taken} taken`).to.equal(Math.min(bufferSizes[2], VALUES - taken));
      }
    });
  }
});

/** An iterator of ten values that counts its calls, each of which takes some turns of the event loop. */
class CountedSource {
  calls = 0;
  underWay = 0;
  mostUnderWay = 0;
  onCall: () => void = () => {};

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<number, undefined>> {
    const call = ++this.calls;
    this.mostUnderWay = Math.max(this.mostUnderWay, ++this.underWay);
    this.onCall();
    await turn((call * 7) % 4);
    this.underWay--;
    return call > VALUES ? { done: true, value: undefined } : { done: false, value: call };
  }
}

describe('the source of a stage', function () {
  this.timeout(2000);

  for (const bufferSize of [1, 2, 5]) {
    it(`is asked for no value that has no room at size ${bufferSize}`, async () => {
      const source = new CountedSource();
      const iterator = bufferedPipeline()(source, { bufferSize })[Symbol.asyncIterator]();
      let requests = 0;
      let farthest = 0;
      source.onCall = () => (farthest = Math.max(farthest, source.calls - requests));

      for (const value of range(VALUES)) {
        requests++;
        expect((await iterator.next()).value).to.equal(value);
        await turn((value * 5) % 7);
      }

      expect(farthest).to.equal(bufferSize);
    });

    it(`is asked for one value at a time by a loop at size ${bufferSize}`, async () => {
      const source = new CountedSource();
      expect(await collect(bufferedPipeline()(source, { bufferSize }))).to.deep.equal(range(VALUES));
      expect(source).to.include({ mostUnderWay: 1, calls: VALUES + 1 });
    });

    it(`is asked for one value at a time by parallel calls at size ${bufferSize}`, async () => {
      const source = new CountedSource();
      const iterator = bufferedPipeline()(source, { bufferSize })[Symbol.asyncIterator]();
      const answers = await Promise.all(range(VALUES).map(() => iterator.next()));
      expect(answers.map(({ value }) => value)).to.deep.equal(range(VALUES));
      await settle();
      expect(source).to.include({ mostUnderWay: 1, calls: VALUES + 1 });
    });

    it(`is asked for one value at a time by a stream, which never holds more than its size ${bufferSize}`, async () => {
      const source = new CountedSource();
      const stage = bufferedPipeline()(source, { bufferSize });
      const held: number[] = [];
      source.onCall = () => held.push(stage.readableLength);
      const values: number[] = [];
      stage.on('data', (value) => {
        values.push(value);
        stage.pause();
        void settle().then(() => {
          held.push(stage.readableLength);
          return stage.resume();
        });
      });
      await new Promise((resolve) => stage.once('end', resolve));
      expect(values).to.deep.equal(range(VALUES));
      expect(Math.max(...held)).to.equal(bufferSize);
      expect(source).to.include({ mostUnderWay: 1, calls: VALUES + 1 });
    });
  }

  it('is not asked again while its only value waits at size 1', async () => {
    const source = new CountedSource();
    const stage = bufferedPipeline()(source);
    await stage[Symbol.asyncIterator]().next();
    await settle();
    expect(source.calls).to.equal(2);
    expect(stage).to.include({ readableLength: 1, readableHighWaterMark: 1 });
  });

  it('is asked for the next value as soon as one is taken, in the same turn', async () => {
    const source = new CountedSource();
    const iterator = bufferedPipeline()(source)[Symbol.asyncIterator]();
    await iterator.next();
    await settle();
    void iterator.next();
    expect(source.calls).to.equal(3);
  });
});
