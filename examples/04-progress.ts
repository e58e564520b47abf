/**
 * Long work with a live view of it: all files below a folder -> read -> compressed -> stored by the hash of what they hold.
 * A bar shows how full the buffer of a stage is; a table at the end says where the time went. Without a terminal, it prints
 * lines now and then.
 *
 * cli-progress draws several bars at once, knows when there is no terminal, and gives the cursor back after Ctrl-C.
 *
 * Run after npm run build: node --import tsx examples/04-progress.ts [folder], by default the node_modules of the clone
 */
import { createHash } from 'node:crypto';
import { opendir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

import { bufferedPipeline, type StageStatistics } from 'buffered-pipeline';
import { MultiBar } from 'cli-progress';

import { interruption, temporaryFolder } from './ending.ts';

const REFRESH = 100;
const REFRESH_WITHOUT_TERMINAL = 1000;
const MOST_FILES = 2000;

const [root = fileURLToPath(new URL('../node_modules', import.meta.url))] = process.argv.slice(2);
const compress = promisify(gzip);

async function* files(folder: string) {
  let count = 0;
  for await (const entry of await opendir(folder, { recursive: true })) {
    if (entry.isFile() && count++ < MOST_FILES) yield join(entry.parentPath, entry.name);
  }
}

async function* contents(paths: AsyncIterable<string>) {
  for await (const path of paths) yield await readFile(path);
}

async function* compressed(buffers: AsyncIterable<Buffer>) {
  for await (const content of buffers) yield await compress(content, { level: 9 });
}

async function* stored(buffers: AsyncIterable<Buffer>, folder: string) {
  for await (const content of buffers) {
    const name = createHash('sha256').update(content).digest('hex');
    await writeFile(join(folder, name), content);
    yield content.length;
  }
}

const life = ({ working, starved, blocked }: StageStatistics) => working + starved + blocked;
const share = (part: number, stage: StageStatistics) => `${Math.round((100 * part) / (life(stage) || 1))} %`;

/** What the bar of a stage shows beside the fill of its buffer. */
function payload(stage: StageStatistics) {
  const perSecond = Math.round((1000 * stage.produced) / (life(stage) || 1));
  return { name: stage.name.padEnd(10), produced: stage.produced, perSecond, state: stage.state };
}

function liveView(statistics: () => StageStatistics[]) {
  const view = new MultiBar({
    format: '{name} [{bar}] {value}/{total} held, {produced} values, {perSecond}/s, {state}',
    barsize: 16,
    hideCursor: true,
    stream: process.stdout,
    noTTYOutput: true,
    notTTYSchedule: REFRESH_WITHOUT_TERMINAL,
  });
  const bars = statistics().map((stage) => view.create(stage.bufferSize, 0, payload(stage)));
  const refresh = () => statistics().forEach((stage, index) => bars[index]!.update(stage.held, payload(stage)));
  const timer = setInterval(refresh, REFRESH);
  return () => {
    clearInterval(timer);
    refresh();
    view.stop();
  };
}

/** The stage that the others wait for works nearly all its life. */
function summary(stages: StageStatistics[]) {
  const rows = stages.map((stage) => ({
    stage: stage.name,
    values: stage.produced,
    'held at most': `${stage.maxHeld} of ${stage.bufferSize}`,
    working: share(stage.working, stage),
    starved: share(stage.starved, stage),
    blocked: share(stage.blocked, stage),
  }));
  console.table(rows);
  const [slowest] = stages.toSorted((a, b) => b.working / life(b) - a.working / life(a));
  console.log(`The bottleneck is "${slowest!.name}": it works ${share(slowest!.working, slowest!)} of its life.`);
}

await using store = await temporaryFolder('progress-');
// Disposed of before the folder is: by then, no file is being written.
await using buffer = bufferedPipeline({ statistics: true, signal: interruption });
const paths = buffer(files(root), { name: 'files', bufferSize: 64 });
const read = buffer(contents(paths), { name: 'contents', bufferSize: 8 });
const small = buffer(compressed(read), { name: 'compressed', bufferSize: 8 });
const done = buffer(stored(small, store.path), { name: 'stored' });

const endView = liveView(() => buffer.statistics());
let bytes = 0;
try {
  for await (const length of done) bytes += length;
} finally {
  endView();
}
summary(buffer.statistics());
console.log(`${bytes} bytes, compressed`);
