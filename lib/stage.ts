/** The Node side of a stage: an object-mode `Readable` that is fed by a pump. */
import { Readable } from 'node:stream';

import { StageIterator } from './iterator.ts';
import type { Pipeline } from './pipeline.ts';
import { Pump } from './pump.ts';
import { pushedLength, streamDidRead } from './readable.ts';
import type { Source } from './types.ts';

/** Where Node's `isErrored()` asks first. What a loop was told is never emitted, which is what it would go by otherwise. */
const isErrored = Symbol.for('nodejs.stream.errored');

/**
 * Read by a loop, values go from the pump straight to the loop, and Node's part of the stage is told of nothing but the
 * end. Read as a stream, `_read()` asks the pump for values, which go through Node's buffer.
 */
export class BufferedStage<T> extends Readable {
  readonly #pump: Pump<T>;

  constructor(pipeline: Pipeline, source: Source<T>, bufferSize: number) {
    super({ objectMode: true, highWaterMark: bufferSize });
    this.#pump = new Pump(this, pipeline, source, bufferSize);
    pipeline.add(this.#pump);
  }

  override [Symbol.asyncIterator](): StageIterator<T> & NodeJS.AsyncIterator<T> {
    return new StageIterator(this.#pump) as StageIterator<T> & NodeJS.AsyncIterator<T>;
  }

  override read(size?: number): T | null {
    const value = super.read(size) as T | null;
    this.#pump.afterStreamRead();
    return value;
  }

  override _read(): void {
    this.#pump.readAsStream();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#pump.close(error, callback);
  }

  static {
    // Not in the class body: Node's types declare properties, which TypeScript does not let accessors override.
    Object.defineProperties(this.prototype, {
      [isErrored]: {
        get(this: BufferedStage<unknown>) {
          return this.errored !== null;
        },
      },
      readableLength: {
        get(this: BufferedStage<unknown>) {
          return pushedLength(this) + this.#pump.heldLength;
        },
      },
      readableDidRead: {
        get(this: BufferedStage<unknown>) {
          return streamDidRead(this) || this.#pump.loopDidRead;
        },
      },
    });
  }
}
