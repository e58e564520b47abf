import { readdirSync } from 'node:fs';

import { assert } from 'chai';

import { figuresIn, HANGS_AFTER, linesOf } from './example.ts';

const root = new URL('..', import.meta.url);

describe('examples', function () {
  this.timeout(HANGS_AFTER + 5_000);

  it('are all run by these tests, or by the integration test of the same name', () => {
    const examples = readdirSync(new URL('examples', root)).filter((file) => /^\d\d-/.test(file));
    const integrationTests = readdirSync(new URL('examples/test', root)).filter((file) => /^\d\d-/.test(file));
    const tested = integrationTests.map((file) => file.replace('.test.ts', '.ts'));
    assert.sameMembers(examples, ['01-quickstart.ts', '02-pages-to-gzip.ts', '03-when-things-end.ts', ...tested]);
  });

  describe('01-quickstart', () => {
    let lines: string[];
    before(async () => {
      lines = await linesOf('01-quickstart.ts');
    });

    it('prints the same ten values in the same order, unbuffered and buffered', () => {
      const values = ['3', '5', '7', '9', '11', '13', '15', '17', '19', '21'];
      assert.deepEqual(lines.slice(0, 10), values);
      assert.deepEqual(lines.slice(11, 21), values);
      assert.match(lines[10]!, /^unbuffered: \d\.\d\d s$/);
      assert.match(lines[21]!, /^buffered: \d\.\d\d s$/);
      assert.lengthOf(lines, 23);
    });

    it('says in one line how much faster 12 steps are than 30', () => {
      const [unbuffered, buffered, gain] = figuresIn(lines[22]) as [number, number, number];
      assert.match(lines[22]!, /^\d\.\d\d s → \d\.\d\d s, \d\.\d times faster$/);
      assert.isAtLeast(unbuffered, 2.9);
      assert.isAtLeast(buffered, 1.1);
      assert.closeTo(gain, unbuffered / buffered, 0.1);
      assert.isAbove(gain, 1.4);
    });
  });

  describe('02-pages-to-gzip', () => {
    let lines: string[];
    before(async () => {
      lines = await linesOf('02-pages-to-gzip.ts');
    });

    it('reads back all rows from the file, in each way', () => {
      assert.lengthOf(lines, 4);
      for (const [index, way] of ['unbuffered', 'Readable.from()', 'buffered'].entries()) {
        assert.isTrue(lines[index]!.startsWith(`${way}: `));
        assert.match(lines[index]!, /: \d+\.\d\d s, 1000 rows read back, all as expected$/);
      }
    });

    it('prints that buffering saves time', () => {
      assert.match(lines[3]!, /^to unbuffered: buffered \d\.\d\d, Readable\.from\(\) \d\.\d\d$/);
      assert.isBelow(figuresIn(lines[3])[0]!, 0.9);
    });
  });

  describe('03-when-things-end', () => {
    it('tells how an error, a break, an abort and a disposal go', async () => {
      assert.deepEqual(await linesOf('03-when-things-end.ts'), [
        'error: the values before it arrive first, even with a reader this slow',
        '  numbers: cleaned up',
        '  reader: 1',
        '  reader: 4',
        '  reader: 9',
        '  squares: cleaned up, which took a while',
        '  reader: there is no 4',
        'break: the loop is left when the generators that wait at a yield have cleaned up',
        '  reader: 1',
        '  numbers: cleaned up',
        '  squares: cleaned up, which took a while',
        '  reader: left the loop',
        'abort: the reader is let go at once, also from a step that never settles',
        '  stuck: in a step that never settles',
        '  reader: 1',
        '  stuck: told by its signal',
        '  reader: AbortError, because: closing time',
        'await using: leaving the block cleans up what was left half read',
        '  reader: 1, and leaves without another word',
        '  numbers: cleaned up',
        '  squares: cleaned up, which took a while',
        '  reader: out of the block',
      ]);
    });
  });
});
