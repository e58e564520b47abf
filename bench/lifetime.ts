/**
 * What does it cost to build a pipeline and to be rid of it, where it carries few values? After each there is a turn of the
 * event loop, as between the requests to a server: streams say there that they are closed, and weak references are let go.
 * And where thousands are at work at once?
 */
import { setImmediate as turn } from 'node:timers/promises';

import { type Contender, contenders, UNBUFFERED } from './contenders.ts';
import { type Measurements, type Mode, scaled } from './measurement.ts';
import { paired, type SampleOf, within } from './paired.ts';

const CLOSING_LIMIT = 1000;
const TAKEN = 3;
/** All pipelines at once take long with some contenders. */
const MOST_ROUNDS_AT_ONCE = 3;

/** By the number of pipelines. */
const WORKLOADS: Record<string, { title: string; all: number; sample: (count: number) => SampleOf<Contender> }> = {
  d: { title: 'Build, 10 values, gone', all: 3000, sample: readToTheEnd },
  e: { title: `Build, take ${TAKEN}, break, until all is closed`, all: 3000, sample: leave },
  many: { title: '20 values each, at once', all: 5000, sample: atOnce },
};

export async function measure(id: string, mode: Mode): Promise<Measurements> {
  const { title, all, sample } = WORKLOADS[id]!;
  const count = scaled(all, mode);
  const rounds = id === 'many' ? Math.min(MOST_ROUNDS_AT_ONCE, mode.rounds) : mode.rounds;
  const name = `${title}; ${count} pipelines`;
  return { [id]: await paired(name, { ...mode, rounds }, UNBUFFERED, contenders, sample(count)) };
}

function readToTheEnd(count: number): SampleOf<Contender> {
  return (build, { plain, read }) =>
    async () => {
      for (let i = 0; i < count; i++) {
        await read(build(plain.source(10), plain.steps, 1), 10);
        await turn();
      }
    };
}

function leave(count: number): SampleOf<Contender> {
  return (build, { tracked, read, allClosed }) => {
    const once = async (): Promise<void> => {
      await read(build(tracked.source(Infinity), tracked.steps, 1), Infinity, TAKEN);
      await allClosed();
      await turn();
    };
    let isChecked = false;
    return async () => {
      if (!isChecked) await within(CLOSING_LIMIT, once(), 'does not close its sources');
      isChecked = true;
      for (let i = 0; i < count; i++) await once();
    };
  };
}

function atOnce(count: number): SampleOf<Contender> {
  return (build, { plain, read }) =>
    () =>
      Promise.all(Array.from({ length: count }, () => read(build(plain.source(20), plain.steps, 1), 20)));
}
