/** What a user writes, for `run.ts` to check with every compiler. It is never run. */
import { EventEmitter } from 'node:events';
import { createWriteStream } from 'node:fs';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { Duplex, finished, pipeline, Readable, Transform, Writable } from 'node:stream';
import { json, text } from 'node:stream/consumers';
import { finished as finishedPromise, pipeline as pipelinePromise } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';

import {
  bufferedPipeline,
  type BufferedPipeline,
  type OperatorOptions,
  type PipelineOptions,
  type Source,
  type SourceContext,
  type SourceIterable,
  type Stage,
  type StageOptions,
} from 'buffered-pipeline';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Compiles only if the value is exactly of the type. */
declare function typed<Expected>(): <Actual>(
  ...[value]: [value: Actual, ...check: Equal<Actual, Expected> extends true ? [] : ['of another type']]
) => Actual;

interface Row {
  id: number;
}

declare const rows: () => AsyncGenerator<Row, void, undefined>;
declare const signal: AbortSignal;
declare const writable: Writable;
declare function batch<T>(source: AsyncIterable<T>): AsyncGenerator<T[]>;
declare function upper(words: AsyncIterable<string>): AsyncGenerator<string>;
declare function gzip(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer>;
declare function firstOf<T>(source: AsyncIterable<T> | Iterable<T>): Promise<T>;

const buffer: BufferedPipeline = bufferedPipeline({ signal });
const stage: Stage<Row> = buffer(rows(), { bufferSize: 16 });

export async function loops(): Promise<void> {
  for await (const row of stage) typed<Row>()(row);
  for await (const row of stage.iterator({ destroyOnReturn: false })) typed<Row>()(row);
  const iterator = stage[Symbol.asyncIterator]();
  const answer = await iterator.next();
  if (!answer.done) typed<Row>()(answer.value);
  typed<Row | null>()(stage.read());
  await iterator.return?.();
}

export function sources(): void {
  const readonlyNumbers: readonly number[] = [1];
  typed<Stage<Row>>()(buffer(rows()));
  typed<Stage<Row>>()(buffer(rows));
  typed<Stage<Row>>()(buffer(stage));
  typed<Stage<Row>>()(buffer(() => stage));
  typed<Stage<number>>()(buffer(readonlyNumbers));
  typed<Stage<number>>()(buffer([Promise.resolve(1), 2]));
  typed<Stage<string>>()(buffer('text'));
  typed<Stage<number | string>>()(buffer([1, 'a']));
  typed<Stage<string>>()(buffer(new Set(['a'])));
  typed<Stage<number>>()(buffer({} as ReadableStream<number>));
  typed<Stage<any>>()(buffer(Readable.from([1])));
  typed<Stage<string>>()(buffer(createInterface({ input: process.stdin })));
  typed<Stage<AbortSignal>>()(buffer((context) => [context.signal]));
  typed<Stage<Row[]>>()(buffer(batch(buffer(rows()))));
  typed<Stage<Row[][]>>()(buffer(batch(buffer(batch(stage)))));
  // @ts-expect-error -- a number is not iterable
  buffer(1);
  // @ts-expect-error -- there is no such option
  buffer([1], { highWaterMark: 1 });
  // @ts-expect-error -- the items are numbers
  buffer<string>([1]);
}

export async function inference(): Promise<void> {
  typed<Row>()(await firstOf(stage));
  typed<AsyncGenerator<Row[]>>()(batch(stage));
  typed<Stage<Row>>()(((source: SourceIterable<Row>): Stage<Row> => buffer(source))(stage));
  const through = <T,>(source: Source<T>, options: StageOptions): Stage<T> => buffer(source, options);
  typed<Stage<Row>>()(through(rows, {}));
  type ItemOf<S> = S extends AsyncIterable<infer T> ? T : never;
  const row: ItemOf<typeof stage> = { id: 1 };
  typed<Row>()(row);
}

/** What takes a stage only if its items are of the right type. */
export function readers(): void {
  const numbers = buffer([1]);
  const rowsOrNothing = buffer([{ id: 1 }, null]);
  const chunks = buffer([Buffer.from('a')]);
  upper(buffer(['a']));
  gzip(chunks);
  typed<Stage<string>>()(buffer(upper(buffer(upper(buffer(['a']))))));
  const wider: Stage<number | string> = numbers;
  const unknowns: AsyncIterable<unknown> = numbers;
  void [wider, unknowns];
  // @ts-expect-error -- the items are numbers
  upper(numbers);
  // @ts-expect-error -- the items are rows
  upper(stage);
  // @ts-expect-error -- the items are buffers
  upper(chunks);
  // @ts-expect-error -- the items may be anything
  upper(buffer<unknown>([1]));
  // @ts-expect-error -- the items are numbers
  gzip(numbers);
  // @ts-expect-error -- the items are strings
  gzip(buffer(['a']));
  // @ts-expect-error -- the items are numbers
  buffer(upper(buffer(numbers)));
  // @ts-expect-error -- the items are numbers
  const words: AsyncIterable<string> | Iterable<string> = numbers;
  // @ts-expect-error -- an item may be null
  const rowsOnly: AsyncIterable<Row> = rowsOrNothing;
  // @ts-expect-error -- an item may be null
  const rowStage: Stage<Row> = rowsOrNothing;
  // @ts-expect-error -- the items are numbers
  const reader: { read(): string | null } = numbers;
  void [words, rowsOnly, rowStage, reader];
}

export function calls(): void {
  const idOf = async (row: Row, context: SourceContext): Promise<number> => (context.signal.aborted ? 0 : row.id);
  typed<Stage<number>>()(buffer.map(stage, idOf, { concurrency: 8, bufferSize: 16, name: 'ids' }));
  typed<Stage<string>>()(
    buffer.map(
      () => stage,
      ({ id }, { signal: own }) => `${id} ${typed<AbortSignal>()(own).aborted}`,
    ),
  );
  typed<Stage<number>>()(buffer.map(stage, (row): number | Promise<number> => row.id));
  // @ts-expect-error -- a row has no name
  buffer.map(stage, (row) => row.name);
  // @ts-expect-error -- the items are rows
  buffer.map(stage, (word: string) => word);
  // @ts-expect-error -- the results are numbers
  const words: AsyncIterable<string> = buffer.map(stage, idOf);
  void words;
}

export async function operators(): Promise<void> {
  const options: OperatorOptions = { concurrency: 2, signal };
  typed<Stage<string>>()(stage.map((row, context: SourceContext) => `${row.id} ${context.signal.aborted}`, options));
  typed<Stage<Row>>()(
    stage
      .map(async (row) => row)
      .filter((row) => row.id > 1)
      .take(2)
      .drop(1),
  );
  typed<Stage<Row & { id: 1 }>>()(stage.filter((row): row is Row & { id: 1 } => row.id === 1));
  typed<Stage<number>>()(stage.flatMap((row) => [row.id]));
  typed<Row[]>()(await stage.toArray({ signal }));
  typed<Row | undefined>()(await stage.find((row) => row.id > 1));
  typed<number>()(await stage.reduce((sum, { id }) => sum + id, 0));
  typed<boolean>()(await stage.every((row) => row.id > 0));
  await stage.forEach((row) => void typed<Row>()(row));
  // @ts-expect-error -- a row has no name
  stage.map((row) => row.name);
  // @ts-expect-error -- the items are rows
  const words: string[] = await stage.toArray();
  return void words;
}

export async function streams(): Promise<void> {
  const readable: Readable = stage;
  const nodeStream: NodeJS.ReadableStream = stage;
  const emitter: EventEmitter = stage;
  const iterable: AsyncIterable<Row> = stage;
  void [readable, nodeStream, emitter, iterable];

  stage.on('data', (row) => void typed<Row>()(row)).once('end', () => {});
  stage.on('error', (error: Error) => error.message).off('error', () => {});
  finished(stage, (error) => error?.message);
  await finishedPromise(stage);
  pipeline(stage, writable, (error) => error?.message);
  await pipelinePromise(stage, writable);
  await pipelinePromise(stage, new Transform({ objectMode: true }), createWriteStream('file'), { signal });
  await pipelinePromise(
    stage,
    async function* (source: AsyncIterable<Row>) {
      for await (const row of source) yield `${row.id}`;
    },
    writable,
  );
  await pipelinePromise(
    stage,
    async function* (source) {
      for await (const row of source) yield typed<Row>()(row).id;
    },
    writable,
  );
  await pipelinePromise(stage, async (source: AsyncIterable<Row>) => void (await firstOf(source)));
  stage.pipe(writable).on('finish', () => {});
  createServer((_, response) => void stage.pipe(response));
  stage.compose(new Transform({ objectMode: true })).resume();
  Readable.toWeb(stage).getReader().releaseLock();
  Readable.from(stage).resume();
  Duplex.from(stage).resume();
  createInterface({ input: stage }).close();
  typed<string>()(await text(stage));
  await json(stage);
  stage.destroy(new Error('enough'));
}

export async function disposal(): Promise<void> {
  await using scoped = bufferedPipeline({ signal: AbortSignal.timeout(1) });
  const options: PipelineOptions = { signal: undefined };
  await scoped([1]).toArray();
  await bufferedPipeline(options)[Symbol.asyncDispose]();
}
