/** Does memory stay flat over a million values from a source that never waits, and how much does a pipeline take? */
import { ok } from 'node:assert';
import { setImmediate as turn } from 'node:timers/promises';

import { contenders, UNBUFFERED } from './contenders.ts';
import { type Measurement, type Measurements, type Mode, scaled } from './measurement.ts';
import { fresh } from './work.ts';

const VALUES = 1_000_000;
const LOOKS = 20;
/** With fewer, what else is on the heap counts. */
const PIPELINES = 1000;
const TURNS_TO_REST = 20;

/** How far a pipeline has come when it is looked at. */
type State = 'idle' | 'running' | 'blocked';

const STATES: Record<State, string> = {
  idle: 'not read yet',
  running: 'whose source and reader wait',
  blocked: 'whose reader holds the first value',
};

/** Of the contender `name`, in a process of its own. */
export async function measure(name: string, mode: Mode): Promise<Measurements> {
  const of = (title: string, unit: string, value: number): Measurement => ({
    title,
    unit,
    outcomes: { [name]: { value } },
  });
  const count = scaled(VALUES, mode);
  const title = `Growth of the heap over ${count} values from a source that never waits`;
  const measurements: Measurements = { g: of(title, 'MB', (await growth(name, count)) / 1e6) };
  for (const [state, what] of Object.entries(STATES) as [State, string][]) {
    const value = (await bytes(name, state)) - (await bytes(UNBUFFERED, state));
    measurements[state] = of(`Memory of a pipeline of three stages ${what}, without its generators`, 'bytes', value);
  }
  return measurements;
}

/** From a first look, after which what is compiled and cached is there, to the highest. */
async function growth(name: string, count: number): Promise<number> {
  const { source, steps } = (await fresh(name)).plain;
  const every = Math.ceil(count / LOOKS);
  let first = 0;
  let highest = 0;
  let index = 0;
  for await (const value of contenders[name]!(source(count), steps, 1)) {
    ok(value === index * 2 + 3);
    if (++index % every !== 0) continue;
    const used = heap();
    first ||= used;
    highest = Math.max(highest, used);
  }
  ok(index === count);
  return highest - first;
}

/** Never let go: to be rid of one pipeline must not count for the next. */
const kept: unknown[] = [];

/** Of a pipeline. */
async function bytes(name: string, state: State): Promise<number> {
  const { steps } = (await fresh(name)).plain;
  const forever = new Promise<never>(() => {});
  async function* source(): AsyncGenerator<number> {
    if (state === 'running') await forever;
    for (let i = 0; ; i++) yield i;
  }
  const add = async (): Promise<void> => {
    const stage = contenders[name]!(source(), steps, 1);
    if (state === 'idle') return void kept.push(stage);
    const iterator = stage[Symbol.asyncIterator]();
    const first = iterator.next();
    // Kept by whoever reads it, as a loop keeps it.
    kept.push(stage, iterator, first);
    if (state === 'blocked') await first;
  };
  const atRest = async (): Promise<number> => {
    for (let i = 0; i < TURNS_TO_REST; i++) await turn();
    return heap();
  };
  // What is compiled and cached is there afterwards.
  for (let i = 0; i < 50; i++) await add();
  const before = await atRest();
  for (let i = 0; i < PIPELINES; i++) await add();
  const used = (await atRest()) - before;
  ok(kept.length > 0);
  return used / PIPELINES;
}

function heap(): number {
  globalThis.gc!();
  return process.memoryUsage().heapUsed;
}
