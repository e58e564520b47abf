/** Reads the trace file as Perfetto does, which shows no slices that overlap on one lane. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { expect } from 'chai';

const root = fileURLToPath(new URL('../..', import.meta.url));
const HANGS_AFTER = 60_000;

interface TraceEvent {
  name: string;
  ph: string;
  ts: number;
  pid: number;
  tid: number;
  dur: number;
  s?: string;
  args?: Record<string, unknown>;
}

describe('05-trace', function () {
  this.timeout(HANGS_AFTER + 5_000);
  let folder: string;
  let output: string;
  let events: TraceEvent[];
  const named = (name: string): TraceEvent[] => events.filter((event) => event.name === name);
  const slicesOf = (lane: TraceEvent): TraceEvent[] => events.filter(({ ph, tid }) => ph === 'X' && tid === lane.tid);

  before('run the example', async () => {
    folder = await mkdtemp(join(tmpdir(), 'trace-'));
    const file = join(folder, 'trace.json');
    const args = ['--import', 'tsx', 'examples/05-trace.ts', file];
    ({ stdout: output } = await promisify(execFile)(process.execPath, args, { cwd: root, timeout: HANGS_AFTER }));
    events = (JSON.parse(await readFile(file, 'utf8')) as { traceEvents: TraceEvent[] }).traceEvents;
  });
  after(() => rm(folder, { recursive: true }));

  it('says how the chain ended, and where the file is', () => {
    const [error, file] = output.trimEnd().split('\n');
    expect(error).to.equal('It fails on purpose, so that there is something to see: there is no page 20');
    expect(file).to.match(/^\d+ events in .+trace\.json: open it in https:\/\/ui\.perfetto\.dev$/);
  });

  it('gives each event the fields of its kind', () => {
    const kinds: Record<string, (event: TraceEvent) => unknown> = {
      M: ({ name, args }) => name === 'thread_name' && typeof args!['name'] === 'string',
      X: ({ dur }) => Number.isSafeInteger(dur) && dur >= 0,
      C: ({ args }) => Number.isSafeInteger(args!['held']),
      i: ({ s }) => s === 't',
    };
    for (const event of events) {
      expect(event).to.include.all.keys('name', 'ph', 'ts', 'pid', 'tid');
      expect([event.ts, event.pid, event.tid].every(Number.isSafeInteger)).to.equal(true);
      expect(kinds[event.ph]?.(event), JSON.stringify(event)).to.equal(true);
    }
    expect(new Set(events.map(({ ph }) => ph))).to.have.all.keys(Object.keys(kinds));
  });

  it('has a lane for each stage', () => {
    const lanes = named('thread_name');
    expect(lanes.map(({ args }) => args!['name'])).to.have.members(['pages', 'lookups', 'saved']);
    expect(new Set(lanes.map(({ tid }) => tid))).to.have.property('size', 3);
  });

  it('fills each lane from the first read to the end, without gaps and overlaps', () => {
    for (const lane of named('thread_name')) {
      const slices = slicesOf(lane);
      for (const [index, slice] of slices.entries()) {
        const before = slices[index - 1];
        if (before !== undefined) expect(slice.ts).to.equal(before.ts + before.dur);
      }
      const last = slices.at(-1)!;
      const total = slices.reduce((sum, { dur }) => sum + dur, 0);
      expect(total).to.equal(last.ts + last.dur - slices[0]!.ts);
      // 19 pages at 15 ms each; a timer may be a millisecond early.
      if (lane.args!['name'] !== 'pages') expect(total).to.be.above(19 * 14_000);
    }
  });

  it('shows who works, starves and is blocked', () => {
    const states = (name: string): string[] => {
      const lane = named('thread_name').find(({ args }) => args!['name'] === name)!;
      return [...new Set(slicesOf(lane).map((slice) => slice.name))].toSorted();
    };
    expect(states('pages')).to.deep.equal(['blocked', 'working']);
    expect(states('saved')).to.deep.equal(['starved', 'working']);
  });

  it('draws what each stage holds, never more than its size', () => {
    const held = (name: string): number[] => named(`held by ${name}`).map(({ args }) => Number(args!['held']));
    expect(Math.max(...held('pages'))).to.equal(2);
    expect(Math.max(...held('lookups'))).to.be.at.most(1);
  });

  it('marks the stage that fails, and the one that ends with it, with the error', () => {
    const marks = events.filter(({ ph }) => ph === 'i');
    const laneOf = ({ tid }: TraceEvent) => named('thread_name').find((lane) => lane.tid === tid)!.args!['name'];
    expect(marks.map((mark) => [laneOf(mark), mark.name])).to.deep.equal([
      ['lookups', 'failed'],
      ['saved', 'ended by the error of another stage'],
    ]);
    for (const { args } of marks) expect(args!['error']).to.equal('Error: there is no page 20');
  });
});
