/**
 * What does it cost to build a pipeline and to be rid of it, where it carries few values? After each there is a turn of the
 * event loop, as between the requests to a server: streams say there that they are closed, and weak references are let go.
 */
import { setImmediate as turn } from 'node:timers/promises';

import { type Contender, contenders, UNBUFFERED } from './contenders.ts';
import { type Measurements, type Mode, scaled } from './measurement.ts';
import { paired, type Sample, timed, within } from './paired.ts';
import { fresh } from './steps.ts';

const PIPELINES = 5000;
const VALUES = 10;
const TAKEN = 3;
const CLOSING_LIMIT = 1000;

export async function measure(id: 'd' | 'e', mode: Mode): Promise<Measurements> {
  const count = scaled(PIPELINES, mode);
  const samples: Record<string, Sample> = {};
  for (const [name, build] of Object.entries(contenders)) {
    samples[name] = id === 'd' ? await readToTheEnd(name, build, count) : await leave(name, build, count);
  }
  const title = id === 'd' ? `Build, ${VALUES} values, gone` : `Build, take ${TAKEN}, break, until all is closed`;
  return { [id]: await paired(`${title}; ${count} pipelines`, mode, UNBUFFERED, samples) };
}

async function readToTheEnd(name: string, build: Contender, count: number): Promise<Sample> {
  const { source, steps } = await fresh('plain', name);
  const { readAll } = await fresh('reader', name);
  return () =>
    timed(async () => {
      for (let i = 0; i < count; i++) {
        await readAll(build(source(VALUES), steps, 1), VALUES);
        await turn();
      }
    });
}

async function leave(name: string, build: Contender, count: number): Promise<Sample> {
  const { source, steps, allClosed } = await fresh('tracked', name);
  const { readSome } = await fresh('reader', name);
  const once = async (): Promise<void> => {
    await readSome(build(source(Infinity), steps, 1), TAKEN);
    await allClosed();
    await turn();
  };
  let isChecked = false;
  return async () => {
    if (!isChecked) {
      await within(CLOSING_LIMIT, once(), 'does not close its sources');
      isChecked = true;
    }
    return timed(async () => {
      for (let i = 0; i < count; i++) await once();
    });
  };
}
