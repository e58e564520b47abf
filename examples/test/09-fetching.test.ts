import { assert } from 'chai';

import { figuresIn, HANGS_AFTER, linesOf } from '../../test/example.ts';

describe('09-fetching', function () {
  this.timeout(HANGS_AFTER + 5_000);

  let lines: string[];
  let log: string[];
  before('run the example', async () => {
    lines = await linesOf('09-fetching.ts');
    log = lines.splice(5);
  });

  it('gets all items in order, those that were refused at first too', () => {
    assert.match(lines[0]!, /^unbuffered: \d+\.\d\d s, 24 items in order, 4 requests made again$/);
    assert.match(lines[1]!, /^buffered: \d+\.\d\d s, 24 items in order, 4 requests made again$/);
    assert.match(lines[2]!, /^four at a time: \d+\.\d\d s, 24 items in order, 4 requests made again$/);
  });

  it('prints that buffering saves time, and more requests at a time save more', () => {
    assert.match(lines[3]!, /^to unbuffered: \d\.\d\d, \d\.\d\d$/);
    const [buffered, fourAtATime] = figuresIn(lines[3]) as [number, number];
    assert.isBelow(buffered, 0.85);
    assert.isBelow(fourAtATime, buffered * 0.8);
  });

  it('aborts the requests under way when a later step fails, and makes no other', () => {
    const failure = log.indexOf('failed to save');
    const underWay = ['/prices/4', '/items/5', '/items/6', '/items/7', '/items/8'];
    assert.includeMembers(
      log.slice(0, failure),
      underWay.map((path) => `asked ${path}`),
    );
    assert.sameMembers(
      log.slice(failure + 1),
      underWay.map((path) => `aborted ${path}`),
    );
  });

  it('has the requests end long before their answers would come', () => {
    assert.match(lines[4]!, /^a later step fails: all requests have ended after \d+ ms$/);
    assert.isBelow(figuresIn(lines[4])[0]!, 2500);
  });
});
