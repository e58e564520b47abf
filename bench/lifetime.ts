/**
 * What does it cost to build a pipeline and to be rid of it, where it carries few values? After each there is a turn of the
 * event loop, as between the requests to a server: streams say there that they are closed, and weak references are let go.
 * And where thousands are at work at once?
 */
import { setImmediate as turn } from 'node:timers/promises';

import { type Contender, contenders, UNBUFFERED } from './contenders.ts';
import { type Measurements, type Mode, scaled } from './measurement.ts';
import { paired, type Sample, within } from './paired.ts';
import { fresh } from './work.ts';

const CLOSING_LIMIT = 1000;
const TAKEN = 3;
/** All pipelines at once take long with some contenders. */
const MOST_ROUNDS_AT_ONCE = 3;

const WORKLOADS = {
  d: { title: 'Build, 10 values, gone', pipelines: 3000, sample: readToTheEnd },
  e: { title: `Build, take ${TAKEN}, break, until all is closed`, pipelines: 3000, sample: leave },
  many: { title: '20 values each, at once', pipelines: 5000, sample: atOnce },
};

export async function measure(id: keyof typeof WORKLOADS, mode: Mode): Promise<Measurements> {
  const { title, pipelines, sample } = WORKLOADS[id];
  const count = scaled(pipelines, mode);
  const samples: Record<string, Sample> = {};
  for (const [name, build] of Object.entries(contenders)) samples[name] = await sample(name, build, count);
  const rounds = id === 'many' ? Math.min(MOST_ROUNDS_AT_ONCE, mode.rounds) : mode.rounds;
  return { [id]: await paired(`${title}; ${count} pipelines`, { ...mode, rounds }, UNBUFFERED, samples) };
}

async function readToTheEnd(name: string, build: Contender, count: number): Promise<Sample> {
  const { plain, read } = await fresh(name);
  return async () => {
    for (let i = 0; i < count; i++) {
      await read(build(plain.source(10), plain.steps, 1), 10);
      await turn();
    }
  };
}

async function leave(name: string, build: Contender, count: number): Promise<Sample> {
  const { tracked, read, allClosed } = await fresh(name);
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
}

async function atOnce(name: string, build: Contender, count: number): Promise<Sample> {
  const { plain, read } = await fresh(name);
  return () => Promise.all(Array.from({ length: count }, () => read(build(plain.source(20), plain.steps, 1), 20)));
}
