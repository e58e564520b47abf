/** What a user calls: makes a pipeline, and its stages. */
import {
  BUFFER,
  checkBoolean,
  checkFunction,
  checkInteger,
  checkName,
  checkOptions,
  checkSignal,
  MAP,
  PIPELINE,
} from './arguments.ts';
import type { Call } from './calls.ts';
import { statisticsOff } from './errors.ts';
import { Group } from './group.ts';
import { Meters } from './meter.ts';
import { checkSource } from './source.ts';
import { BufferedStage } from './stage.ts';
import type {
  BufferedPipeline,
  MapOptions,
  PipelineOptions,
  Source,
  Stage,
  StageOptions,
  StageStatistics,
} from './types.ts';

const PIPELINE_OPTIONS = ['signal', 'statistics'];
const STAGE_OPTIONS = ['bufferSize', 'name'];
const MAP_OPTIONS = ['concurrency', ...STAGE_OPTIONS];

const DEFAULT_BUFFER_SIZE = 1;
const DEFAULT_CONCURRENCY = 1;

/**
 * Starts a pipeline: a group of buffered stages that work at the same time and share one fate.
 *
 * The returned function wraps each step of a chain of async generators. Without it, all other steps stand still while one
 * awaits; with it, each works up to `bufferSize` values ahead of whoever reads it. The values, their order, and how the
 * chain ends stay those of the same chain without buffers. Nothing runs before the last stage is read.
 *
 * - An error takes its place in line: the consumer gets the values before it, then what was thrown, itself. An error that
 *   no later generator catches destroys all stages of the pipeline, and they fail with it.
 * - `break` closes the generators, as it would without buffers. It waits for the clean-up of those that are idle, or get
 *   there within a turn of the event loop, not for one that is in the middle of a longer step.
 * - `destroy()` on a stage destroys what it reads, too. An aborted signal destroys all stages; consumers get an
 *   `AbortError`.
 * - `await using buffer = bufferedPipeline()` destroys what still runs when the block is left, and waits for its clean-up.
 *
 * The idea is that of the Python package asyncio-buffered-pipeline.
 *
 * @param options - `signal`: destroys the pipeline when it aborts; default none. `statistics`: whether stages are measured
 *   for `buffer.statistics()`; default false.
 * @returns The function that makes stages.
 * @throws TypeError - at once, when an option is of the wrong type.
 * @example
 * const buffer = bufferedPipeline();
 * async function* numbers() { yield 1; yield 2; }
 * async function* doubled(source: AsyncIterable<number>) { for await (const n of source) yield n * 2; }
 *
 * for await (const n of buffer(doubled(buffer(numbers())))) console.log(n); // prints 2, then 4
 */
export function bufferedPipeline(options?: PipelineOptions): BufferedPipeline {
  const { signal, statistics: hasStatistics = false } = checkOptions(options, PIPELINE, PIPELINE_OPTIONS);
  const pipeline = new Pipeline(checkSignal(signal), checkBoolean('statistics', hasStatistics));
  const buffer = <T>(source: Source<T>, stageOptions?: StageOptions): Stage<T> => pipeline.stage(source, stageOptions);
  const map = <T, U>(source: Source<T>, fn: Call<T, U>, mapOptions?: MapOptions): Stage<U> =>
    pipeline.map(source, fn, mapOptions);
  const statistics = (): StageStatistics[] => pipeline.statistics();
  const dispose = (): Promise<void> => pipeline.group.dispose();
  // V8 has a function that is assigned where it is written in the old generation at once: dead, it would keep the whole
  // pipeline until the next full collection.
  buffer.map = map;
  buffer.statistics = statistics;
  // A vm context of an older Node.js may know no such symbol.
  if (Symbol.asyncDispose) (buffer as BufferedPipeline)[Symbol.asyncDispose] = dispose;
  return buffer as BufferedPipeline;
}

class Pipeline {
  readonly group: Group;
  /** Where statistics are wanted. */
  readonly #meters: Meters | undefined;
  #madeCount = 0;

  constructor(signal: AbortSignal | undefined, hasStatistics: boolean) {
    this.group = new Group(signal);
    if (hasStatistics) this.#meters = new Meters(this.group);
  }

  stage<T>(source: Source<T>, options?: StageOptions): Stage<T> {
    checkSource(source);
    const given = checkOptions(options, BUFFER, STAGE_OPTIONS);
    const { bufferSize = DEFAULT_BUFFER_SIZE, name = nameOf(source) } = given;
    checkInteger('bufferSize', bufferSize);
    const label = this.#label(name);
    const meter = this.#meters?.add(label, bufferSize);
    return typed(new BufferedStage<T>({ group: this.group, source, bufferSize, label, meter, map: undefined }));
  }

  map<T, U>(source: Source<T>, fn: Call<T, U>, options?: MapOptions): Stage<U> {
    checkSource(source);
    checkFunction('fn', fn);
    const given = checkOptions(options, MAP, MAP_OPTIONS);
    const { concurrency = DEFAULT_CONCURRENCY, bufferSize = concurrency, name = nameOf(fn) } = given;
    checkInteger('concurrency', concurrency);
    checkInteger('bufferSize', bufferSize, concurrency, '"concurrency"');
    const label = this.#label(name);
    const meter = this.#meters?.add(label, bufferSize, concurrency);
    const map = { fn, concurrency };
    return typed(new BufferedStage<U>({ group: this.group, source, bufferSize, label, meter, map }));
  }

  statistics(): StageStatistics[] {
    if (this.#meters === undefined) throw statisticsOff();
    return this.#meters.statistics();
  }

  /** Its name, or its number among the stages of the pipeline. */
  #label(name: unknown): string | number {
    this.#madeCount++;
    return checkName(name) ?? this.#madeCount;
  }
}

/** The same stage, for users: its class does not know the types of items where Node's has none. */
function typed<T>(stage: BufferedStage<T>): Stage<T> {
  return stage as unknown as Stage<T>;
}

/** Functions have names mostly, generators have none. */
function nameOf(source: unknown): string | undefined {
  return typeof source === 'function' && typeof source.name === 'string' && source.name !== ''
    ? source.name
    : undefined;
}
