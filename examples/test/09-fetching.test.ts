import { assert } from 'chai';

import { figuresIn, HANGS_AFTER, linesOf } from '../../test/example.ts';

const WAYS = ['one at a time', 'Readable.from().map()', 'pMapIterable()', 'buffer.map()'];

describe('09-fetching', function () {
  this.timeout(HANGS_AFTER + 5_000);

  let times: string[];
  let failures: string[];
  before('run the example', async () => {
    const lines = await linesOf('09-fetching.ts');
    assert.lengthOf(lines, 9);
    assert.equal(lines[4], 'A later step fails:');
    [times, failures] = [lines.slice(0, 4), lines.slice(5)];
  });

  it('gets all items in order in each way, those that were refused at first too', () => {
    for (const [index, way] of WAYS.entries()) {
      assert.isTrue(times[index]!.startsWith(`${way}: `));
      assert.match(times[index]!, / \d+\.\d\d s, .*24 items in order, 4 requests made again$/);
    }
  });

  it('prints how many times as fast as one at a time buffer.map() is', () => {
    const [, gain] = figuresIn(times[3]) as [number, number];
    assert.match(times[3]!, /, \d+\.\d times as fast, /);
    assert.isAbove(gain, 1.5);
  });

  it('aborts the requests under way of buffer.map() when a later step fails, and makes no other', () => {
    assert.match(
      failures[3]!,
      /^buffer\.map\(\): \d requests aborted, 0 answered in vain, 0 made after it, all over after \d+ ms$/,
    );
    const [aborted, , , time] = figuresIn(failures[3]) as [number, number, number, number];
    assert.isAtLeast(aborted, 4);
    assert.isBelow(time, 1000);
  });

  it('says what becomes of them in the other ways', () => {
    for (const [index, way] of WAYS.slice(0, 3).entries()) {
      assert.isTrue(failures[index]!.startsWith(`${way}: 0 requests aborted, `));
    }
  });
});
