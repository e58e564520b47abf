/** The Node side of a stage: an object-mode `Readable` that is fed by a pump. */
import { Readable } from 'node:stream';

import { StageIterator } from './iterator.ts';
import { Handle } from './members.ts';
import type { Meter } from './meter.ts';
import type { Pipeline } from './pipeline.ts';
import { Pump } from './pump.ts';
import { pushedLength, streamDidRead } from './readable.ts';
import type { Source } from './types.ts';

/** Where Node's `isErrored()` asks first. What a loop was told is never emitted, which is what it would go by otherwise. */
const isErrored = Symbol.for('nodejs.stream.errored');

/** What a stage leaves to its pump. */
export interface StageParts<T> {
  readonly pipeline: Pipeline;
  readonly handle: Handle<BufferedStage<any>>;
  readonly source: Source<T>;
  /** The name of the stage, or its number where it has none. */
  readonly label: string | number;
  readonly meter: Meter | undefined;
}

/** How the pipeline reaches the pump of a stage, which is nobody else's concern. */
export let pumpOf: (stage: BufferedStage<any>) => Pump<any>;

/**
 * Read by a loop, values go from the pump straight to the loop, and Node's part of the stage is told of nothing but the
 * end. Read as a stream, `_read()` asks the pump for values, which go through Node's buffer.
 */
export class BufferedStage<T> extends Readable {
  readonly #handle: Handle<BufferedStage<any>> = new Handle(this);
  readonly #pipeline: Pipeline;
  readonly #label: string | number;
  readonly #meter: Meter | undefined;
  /** Until there is a pump. */
  #source: Source<T> | undefined;
  /** Made when something happens to the stage: one that waits to be read takes half as much memory without. */
  #pump: Pump<T> | undefined;

  /** @param name - Without one, the stage is known by its number in the pipeline. */
  constructor(pipeline: Pipeline, source: Source<T>, bufferSize: number, name: string | undefined) {
    super({ objectMode: true, highWaterMark: bufferSize });
    this.#pipeline = pipeline;
    this.#source = source;
    const number = pipeline.nextNumber();
    this.#label = name ?? number;
    this.#meter = pipeline.meter(this.#label, bufferSize);
    pipeline.add(this.#handle);
  }

  override [Symbol.asyncIterator](): StageIterator<T> & NodeJS.AsyncIterator<T> {
    return new StageIterator(this.#activePump) as StageIterator<T> & NodeJS.AsyncIterator<T>;
  }

  override read(size?: number): T | null {
    const value = super.read(size) as T | null;
    this.#activePump.afterStreamRead();
    return value;
  }

  /** What is given back goes to the loop that waits, or else into Node's buffer, where loops do not look before. */
  override unshift(chunk: unknown, encoding?: BufferEncoding): void {
    if (chunk !== null && this.#activePump.giveBack(chunk as T)) return;
    this.#activePump.openStream();
    super.unshift(chunk, encoding);
  }

  override _read(): void {
    this.#activePump.readAsStream();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#activePump.close(error, callback);
  }

  get #activePump(): Pump<T> {
    return this.#pump ?? this.#makePump();
  }

  #makePump(): Pump<T> {
    this.#pump = new Pump(this, {
      pipeline: this.#pipeline,
      handle: this.#handle,
      source: this.#source!,
      label: this.#label,
      meter: this.#meter,
    });
    this.#source = undefined;
    return this.#pump;
  }

  static {
    pumpOf = (stage) => stage.#activePump;
    // Not in the class body: Node's types declare properties, which TypeScript does not let accessors override.
    Object.defineProperties(this.prototype, {
      [isErrored]: {
        get(this: BufferedStage<unknown>) {
          return this.errored !== null;
        },
      },
      readableLength: {
        get(this: BufferedStage<unknown>) {
          return pushedLength(this) + (this.#pump?.heldLength ?? 0);
        },
      },
      readableDidRead: {
        get(this: BufferedStage<unknown>) {
          return streamDidRead(this) || (this.#pump?.loopDidRead ?? false);
        },
      },
    });
  }
}
