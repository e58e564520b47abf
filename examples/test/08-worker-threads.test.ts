import { assert } from 'chai';

import { figuresIn, HANGS_AFTER, linesOf } from '../../test/example.ts';

describe('08-worker-threads', function () {
  this.timeout(HANGS_AFTER + 5_000);

  let lines: string[];
  before('run the example', async () => {
    lines = await linesOf('08-worker-threads.ts');
  });

  it('writes the same lines in the same order with worker threads as without', () => {
    assert.lengthOf(lines, 7);
    assert.match(lines[0]!, /^one thread: \d+\.\d\d s, \d+\.\d cores busy$/);
    assert.match(lines[2]!, /^worker threads: \d+\.\d\d s, \d+\.\d cores busy$/);
    assert.equal(lines[4], '16 lines in order, the same from worker threads as from one thread');
  });

  it('leaves the main thread free', () => {
    const [alone, together] = [lines[1]!, lines[3]!];
    assert.match(alone, /^ {2}its longest pause on the main thread: \d+ ms$/);
    assert.match(together, /^ {2}its longest pause on the main thread: \d+ ms$/);
    assert.isBelow(figuresIn(together)[0]!, figuresIn(alone)[0]! / 2);
  });

  // On a machine that others use as well, the time it takes says less than how many threads had work.
  it('keeps all threads at work', () => {
    const [average, threads] = figuresIn(lines[5]) as [number, number];
    assert.match(lines[5]!, /^threads at work, on average: \d\.\d\d of \d$/);
    assert.isAbove(average, threads * 0.6);
  });

  it('prints what that gains', () => {
    assert.match(lines[6]!, /^worker threads \/ one thread: \d\.\d\d$/);
  });
});
