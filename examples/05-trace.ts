/**
 * Writes what a pipeline does into a file that https://ui.perfetto.dev and chrome://tracing open: a lane for each stage that
 * shows when it works, starves or is blocked, a graph of what it holds, and a mark where an error happens or ends it.
 *
 * Run after npm run build: node --import tsx examples/05-trace.ts [file], which is trace.json by default
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { bufferedPipeline, type StageMessage } from 'buffered-pipeline';

import { interruption } from './ending.ts';

/** The fields of the Trace Event Format; times are whole microseconds. */
interface TraceEvent {
  name: string;
  /** M: names a lane. X: a slice of it. C: a point of a graph. i: a mark. */
  ph: 'M' | 'X' | 'C' | 'i';
  ts: number;
  pid: number;
  tid: number;
  dur?: number;
  s?: 't';
  args?: Record<string, unknown>;
}

/** Collects the events of all stages that are first read from now on; returns what ends that and tells them. */
function trace(): () => TraceEvent[] {
  const events: TraceEvent[] = [];
  /** By stage: its lane, and the slice that is open. */
  const lanes = new Map<unknown, { tid: number; state: string; since: number }>();
  const now = () => Math.round(performance.now() * 1000);
  const add = (ph: TraceEvent['ph'], tid: number, name: string, more: Partial<TraceEvent> = {}) =>
    events.push({ name, ph, ts: now(), pid: process.pid, tid, ...more });

  const listeners: Record<string, (message: StageMessage) => void> = {
    start({ stage, statistics: { name } }) {
      const tid = lanes.size + 1;
      lanes.set(stage, { tid, state: 'unread', since: now() });
      add('M', tid, 'thread_name', { args: { name } });
    },
    state({ stage, statistics }) {
      const lane = lanes.get(stage);
      if (lane === undefined) return;
      const ts = now();
      if (lane.state !== 'unread') add('X', lane.tid, lane.state, { ts: lane.since, dur: ts - lane.since });
      Object.assign(lane, { state: statistics.state, since: ts });
    },
    yield: count,
    handover: count,
    error({ stage, statistics, error }) {
      const tid = lanes.get(stage)?.tid;
      const name = statistics.state === 'failed' ? 'failed' : 'ended by the error of another stage';
      if (tid !== undefined) add('i', tid, name, { s: 't', args: { error: String(error) } });
    },
  };
  function count({ stage, statistics: { name, held } }: StageMessage) {
    const tid = lanes.get(stage)?.tid;
    if (tid !== undefined) add('C', tid, `held by ${name}`, { args: { held } });
  }

  const subscriptions = Object.entries(listeners).map(([event, listener]) => {
    const channel = `buffered-pipeline:stage:${event}`;
    const onMessage = (message: unknown) => listener(message as StageMessage);
    subscribe(channel, onMessage);
    return () => unsubscribe(channel, onMessage);
  });
  return () => {
    for (const end of subscriptions) end();
    return events;
  };
}

async function* pages() {
  for (let page = 1; page <= 20; page++) {
    await sleep(page % 5 === 0 ? 40 : 4); // one in five is slow
    yield page;
  }
}

async function* lookups(source: AsyncIterable<number>) {
  for await (const page of source) {
    await sleep(15);
    if (page === 20) throw new Error('there is no page 20');
    yield page * 100;
  }
}

async function* saved(source: AsyncIterable<number>) {
  for await (const row of source) {
    await sleep(10);
    yield row;
  }
}

const [file = 'trace.json'] = process.argv.slice(2);
const end = trace();
const buffer = bufferedPipeline({ signal: interruption });
try {
  const looked = buffer(lookups(buffer(pages(), { name: 'pages', bufferSize: 2 })), { name: 'lookups' });
  for await (const _ of buffer(saved(looked), { name: 'saved' }));
} catch (error) {
  if (interruption.aborted) throw error; // No file has been written.
  console.log(`It fails on purpose, so that there is something to see: ${(error as Error).message}`);
}
const traceEvents = end();
await writeFile(file, JSON.stringify({ traceEvents }));
console.log(`${traceEvents.length} events in ${resolve(file)}: open it in https://ui.perfetto.dev`);
