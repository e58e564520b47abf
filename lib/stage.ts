/** What a user holds of a stage: an object-mode `Readable` that is fed by a pump. */
import { Readable } from 'node:stream';

import { StageIterator } from './iterator.ts';
import type { NodePart } from './node-part.ts';
import { Pump, type PumpParts } from './pump.ts';
import {
  isStreamReadable,
  pushedLength,
  streamDidRead,
  streamError,
  streamHasEnded,
  streamIsClosed,
  streamIsDestroyed,
  streamWasAborted,
} from './readable.ts';

/** Where Node's `isErrored()` asks first. What a loop was told is never emitted, which is what it would go by otherwise. */
const isErrored = Symbol.for('nodejs.stream.errored');

type Listener = (...args: any[]) => void;

/** Node's names for the events by which a stream is read. */
const READING_EVENTS: ReadonlySet<string | symbol> = new Set(['data', 'readable']);

/**
 * Read by a loop, values go from the pump straight to the loop, and Node's part of the stage is told of nothing but the
 * end. Read as a stream, `_read()` asks the pump for values, which go through Node's buffer.
 */
export class BufferedStage<T> extends Readable {
  readonly #pump: Pump<T>;

  constructor(parts: PumpParts<T>) {
    super({ objectMode: true, highWaterMark: parts.bufferSize });
    this.#pump = new Pump(this, parts);
    parts.group.add(this.#pump.lifecycle.handle);
  }

  override [Symbol.asyncIterator](): StageIterator<T> & NodeJS.AsyncIterator<T> {
    return new StageIterator(this.#pump, this.#pump.lifecycle.place) as StageIterator<T> & NodeJS.AsyncIterator<T>;
  }

  override read(size?: number): T | null {
    this.#node.observe();
    this.#pump.meetStreamReader();
    const value = super.read(size) as T | null;
    this.#pump.afterStreamRead();
    return value;
  }

  override on(event: string | symbol, listener: Listener): this {
    this.#node.observe();
    if (READING_EVENTS.has(event)) this.#pump.meetStreamReader();
    return super.on(event, listener);
  }

  override addListener(event: string | symbol, listener: Listener): this {
    return this.on(event, listener);
  }

  /** Node does not begin to read for one that is put in front, but has it see what others read. */
  override prependListener(event: string | symbol, listener: Listener): this {
    this.#node.observe();
    return super.prependListener(event, listener);
  }

  override prependOnceListener(event: string | symbol, listener: Listener): this {
    this.#node.observe();
    return super.prependOnceListener(event, listener);
  }

  override destroy(error?: Error): this {
    // Where all stages are destroyed, one that is the source of another is destroyed by that, before its own turn.
    if (!this.destroyed) this.#node.destroy(error ?? this.#pump.lifecycle.fatalError());
    return this;
  }

  /** What is given back goes to the loop that waits, or else into Node's buffer, where loops look first. */
  override unshift(chunk: unknown, encoding?: BufferEncoding): void {
    if (chunk !== null && this.#pump.giveBack(chunk as T)) return;
    this.#node.observe();
    this.#pump.openStream();
    super.unshift(chunk, encoding);
  }

  /** Loops get text, too. */
  override setEncoding(encoding: BufferEncoding): this {
    super.setEncoding(encoding);
    this.#pump.decode(this.readableEncoding!);
    return this;
  }

  override _read(): void {
    this.#pump.readAsStream();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#pump.lifecycle.close(error, callback);
  }

  get #node(): NodePart {
    return this.#pump.lifecycle.node;
  }

  static {
    const define = (name: PropertyKey, get: (this: BufferedStage<unknown>) => unknown): void => {
      // Not in the class body: Node's types declare properties, which TypeScript does not let accessors override.
      const inherited = Object.getOwnPropertyDescriptor(Readable.prototype, name);
      Object.defineProperty(this.prototype, name, { ...inherited, get, configurable: true });
    };
    define(isErrored, function () {
      return this.errored !== null;
    });
    define('readableLength', function () {
      return pushedLength(this) + this.#pump.heldLength;
    });
    define('readableDidRead', function () {
      return streamDidRead(this) || this.#pump.loopDidRead;
    });
    // When a loop is over, so is the stage, though Node has not emitted 'end' yet, or does not know.
    define('readableEnded', function () {
      return this.#pump.lifecycle.isFinished || streamHasEnded(this);
    });
    define('readableAborted', function () {
      return !this.#pump.lifecycle.isFinished && (this.#node.isBehind || streamWasAborted(this));
    });
    define('readable', function () {
      return !this.#node.isBehind && isStreamReadable(this);
    });
    define('destroyed', function () {
      return this.#node.isBehind || streamIsDestroyed(this);
    });
    // finished() asks for this first, and goes by what Node knows from then on.
    define('closed', function () {
      this.#node.catchUp();
      return streamIsClosed(this);
    });
    define('errored', function () {
      return this.#node.isBehind ? this.#node.error : streamError(this);
    });
  }
}
