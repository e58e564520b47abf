/**
 * What does it cost to build a pipeline and to be rid of it, where it carries few values? After each there is a turn of the
 * event loop, as between the requests to a server: streams say there that they are closed, and weak references are let go.
 * And where thousands are at work at once?
 */
import { setImmediate as turn } from 'node:timers/promises';

import { contenders, UNBUFFERED } from './contenders.ts';
import { timed, within } from './timed.ts';
import { scaled, type Workloads } from './workload.ts';

/** Milliseconds. */
const CLOSING_LIMIT = 1000;
const BESIDE = { baseline: UNBUFFERED, contenders };

export const lifetime: Workloads = {
  d: timed({
    ...BESIDE,
    title: 'Build, 10 values, gone',
    sample:
      (build, { plain, read }, mode) =>
      async () => {
        for (let left = scaled(3000, mode); left > 0; left--) {
          await read(build(plain.source(10), plain.steps, 1), 10);
          await turn();
        }
      },
  }),
  e: timed({
    ...BESIDE,
    title: 'Build, take 3, break, until all is closed',
    unable: ['streaming-iterables', 'iter-tools', 'stream.compose'],
    sample: (build, { tracked, read, allClosed }, mode) => {
      const once = async (): Promise<void> => {
        await read(build(tracked.source(Infinity), tracked.steps, 1), Infinity, 3);
        await allClosed();
        await turn();
      };
      let isChecked = false;
      return async () => {
        if (!isChecked) await within(CLOSING_LIMIT, once(), 'does not close its sources');
        isChecked = true;
        for (let left = scaled(3000, mode); left > 0; left--) await once();
      };
    },
  }),
  many: timed({
    ...BESIDE,
    title: '5,000 pipelines at once, 20 values each',
    sample:
      (build, { plain, read }, mode) =>
      () =>
        Promise.all(
          Array.from({ length: scaled(5000, mode) }, () => read(build(plain.source(20), plain.steps, 1), 20)),
        ),
  }),
};
