/** A pipeline: the stages that share one fate, and the signal that can seal it. */
import { outOfRange, statisticsOff, wrongType } from './errors.ts';
import { Group } from './group.ts';
import { Meters } from './meter.ts';
import { isSignal } from './signal.ts';
import { checkSource } from './source.ts';
import { BufferedStage } from './stage.ts';
import type { BufferedPipeline, PipelineOptions, Source, Stage, StageOptions } from './types.ts';

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
  const group = new Group(checkSignal(signal));
  const meters = checkBoolean('statistics', statistics) ? new Meters() : undefined;
  let madeCount = 0;
  const buffer = <T>(source: Source<T>, stageOptions: StageOptions = {}): Stage<T> => {
    checkSource(source);
    checkObject('options', stageOptions);
    const { bufferSize = DEFAULT_BUFFER_SIZE, name = nameOf(source) } = stageOptions;
    checkBufferSize(bufferSize);
    madeCount++;
    const label = checkName(name) ?? madeCount;
    const meter = meters?.add(label, bufferSize);
    return new BufferedStage({ group, source, label, meter }, bufferSize) as unknown as Stage<T>;
  };
  buffer.statistics = () => {
    if (meters === undefined) throw statisticsOff();
    return meters.statistics();
  };
  const dispose = (): Promise<void> => group.dispose();
  // A vm context of an older Node.js may know no such symbol.
  return Symbol.asyncDispose ? Object.assign(buffer, { [Symbol.asyncDispose]: dispose }) : (buffer as BufferedPipeline);
}

function checkObject(name: string, value: unknown): void {
  if (typeof value !== 'object' || value === null) throw wrongType(name, 'an object', value);
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

function checkSignal(signal: unknown): AbortSignal | undefined {
  if (signal === undefined || isSignal(signal)) return signal;
  throw wrongType('signal', 'an AbortSignal', signal);
}
