import { assert } from 'chai';

import { HANGS_AFTER, linesOf } from '../../test/example.ts';

const WAYS = ['one thread', 'one account at a time', 'Readable.from().map()', 'pMapIterable()', 'buffer.map()'];

describe('08-worker-threads', function () {
  this.timeout(HANGS_AFTER + 5_000);

  let lines: string[];
  before('run the example', async () => {
    lines = await linesOf('08-worker-threads.ts');
  });

  const figure = (line: number, pattern: RegExp) => Number(pattern.exec(lines[line]!)?.[1]);
  const pauseOf = (line: number) => figure(line, /, longest pause of the main thread (\d+) ms, /);

  it('writes all lines in order, in each way', () => {
    assert.lengthOf(lines, WAYS.length);
    for (const [index, way] of WAYS.entries()) {
      assert.isTrue(lines[index]!.startsWith(`${way}: `));
      assert.match(lines[index]!, /: \d+\.\d\d s, .*16 lines in order, /);
    }
  });

  it('leaves the main thread free', () => {
    assert.isBelow(pauseOf(4), pauseOf(0) / 2);
  });

  // On a machine that others use as well, the time it takes says less than how many threads had work.
  it('keeps all threads at work', () => {
    const [, average, threads] = /, (\d\.\d\d) of (\d) threads at work$/.exec(lines[4]!)!;
    assert.isAbove(Number(average), Number(threads) * 0.6);
    assert.isBelow(figure(1, /, (\d\.\d\d) of \d threads at work$/), 1.01);
  });

  it('prints what each way gains', () => {
    for (const line of lines.slice(1)) assert.match(line, /s, \d+\.\d times as fast, /);
  });
});
