/** A pipeline: the stages that share one fate, and the signal that can seal it. */
import { abortError, Failure, outOfRange, statisticsOff, wrongType } from './errors.ts';
import { type Handle, type Member, Members } from './members.ts';
import { Meter } from './meter.ts';
import { type Watch, watchOver } from './signal.ts';
import { checkSource } from './source.ts';
import { BufferedStage, pumpOf } from './stage.ts';
import type { BufferedPipeline, PipelineOptions, Source, Stage, StageOptions, StageStatistics } from './types.ts';

const DEFAULT_BUFFER_SIZE = 1;

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
export function bufferedPipeline(options: PipelineOptions = {}): BufferedPipeline {
  checkObject('options', options);
  const { signal, statistics = false } = options;
  const pipeline = new Pipeline(checkSignal(signal), checkBoolean('statistics', statistics));
  const buffer = <T>(source: Source<T>, stageOptions: StageOptions = {}): Stage<T> => {
    checkSource(source);
    checkObject('options', stageOptions);
    const { bufferSize = DEFAULT_BUFFER_SIZE, name = nameOf(source) } = stageOptions;
    return new BufferedStage(pipeline, source, checkBufferSize(bufferSize), checkName(name)) as unknown as Stage<T>;
  };
  buffer.statistics = () => pipeline.statistics();
  buffer[Symbol.asyncDispose] = () => pipeline.dispose();
  return buffer;
}

function checkObject(name: string, value: unknown): void {
  if (typeof value !== 'object' || value === null) throw wrongType(name, 'an object', value);
}

function checkSignal(signal: unknown): AbortSignal | undefined {
  if (signal === undefined || signal instanceof AbortSignal) return signal;
  throw wrongType('signal', 'an AbortSignal', signal);
}

function checkBoolean(name: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw wrongType(name, 'a boolean', value);
  return value;
}

function checkName(name: unknown): string | undefined {
  if (name !== undefined && typeof name !== 'string') throw wrongType('name', 'a string', name);
  return name;
}

/** Source functions have names mostly, generators have none. */
function nameOf(source: unknown): string | undefined {
  return typeof source === 'function' && typeof source.name === 'string' && source.name !== ''
    ? source.name
    : undefined;
}

function checkBufferSize(bufferSize: unknown): number {
  if (typeof bufferSize !== 'number') throw wrongType('bufferSize', 'an integer >= 1', bufferSize);
  if (!Number.isSafeInteger(bufferSize) || bufferSize < 1)
    throw outOfRange('bufferSize', 'an integer >= 1', bufferSize);
  return bufferSize;
}

/**
 * Stages are held weakly, so that one which is dropped half read can be collected while its pipeline lives. One that a
 * consumer waits for is held, by the signal too if there is one: nothing else may refer to a chain that is stuck, and
 * its consumer must still be let go.
 */
export class Pipeline implements Member {
  readonly #stages = new Members<Handle<BufferedStage<any>>>();
  readonly #watch: Watch | undefined;
  /** Of all stages, where statistics are wanted. */
  readonly #meters: Meter[] | undefined;
  #madeStages = 0;
  #openStages = 0;
  #isOver = false;
  #failure: Failure | undefined;
  /** The first that a clean-up threw when nobody waited for it any more. */
  #untold: Failure | undefined;

  constructor(signal: AbortSignal | undefined, hasStatistics: boolean) {
    if (hasStatistics) this.#meters = [];
    if (signal?.aborted) this.abort(signal);
    else if (signal !== undefined) this.#watch = watchOver(signal);
  }

  /** Whether none of its stages is left. */
  get isGone(): boolean {
    return Array.from(this.#stages).every((stage) => stage.isGone);
  }

  /** The number of the next stage. */
  nextNumber(): number {
    return ++this.#madeStages;
  }

  /** A stage was made. It shares the fate also if that is sealed already. */
  add(handle: Handle<BufferedStage<any>>): void {
    this.#openStages++;
    this.#stages.add(handle);
    if (this.#isOver) cancel(handle, this.#failure);
    else this.#watch?.add(this);
  }

  meter(label: string | number, bufferSize: number): Meter | undefined {
    if (this.#meters === undefined) return undefined;
    const meter = new Meter(label, bufferSize);
    this.#meters.push(meter);
    return meter;
  }

  statistics(): StageStatistics[] {
    if (this.#meters === undefined) throw statisticsOff();
    return this.#meters.map((meter) => meter.statistics());
  }

  /** A stage is destroyed; its clean-up may last. */
  left(): void {
    if (--this.#openStages === 0) this.#watch?.delete(this);
  }

  /** A stage has cleaned up. */
  delete(handle: Handle<BufferedStage<any>>): void {
    this.#stages.delete(handle);
  }

  /** A clean-up has failed; it may be that the consumer is told. */
  keep(failure: Failure): void {
    if (this.#untold === undefined || this.#untold.isTold) this.#untold = failure;
  }

  abort(signal: AbortSignal): void {
    this.destroy(new Failure(abortError({ cause: signal.reason })));
  }

  /** Destroys all stages, those still to be made included. The first call says with which error. */
  destroy(failure: Failure | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#failure = failure;
    for (const handle of this.#stages) cancel(handle, failure);
  }

  async dispose(): Promise<void> {
    this.destroy(undefined);
    // By then, also a stage in whose destruction this is called has begun its clean-up.
    await Promise.resolve();
    const stages = Array.from(this.#stages, (handle) => handle.target).filter((stage) => stage !== undefined);
    await Promise.all(stages.map((stage) => pumpOf(stage).cleaned()));
    const failure = this.#untold;
    if (failure === undefined || failure.isTold) return;
    failure.isTold = true;
    throw failure.error;
  }
}

function cancel({ target }: Handle<BufferedStage<any>>, failure: Failure | undefined): void {
  if (target !== undefined) pumpOf(target).cancel(failure);
}
