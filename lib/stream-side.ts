/** What a pump does for a stage that is read as a stream: values go through Node's own buffer. */
import type { Readable } from 'node:stream';

import { Failure, nullValue } from './errors.ts';
import type { Result } from './line.ts';
import { pushedLength } from './readable.ts';

/** What the stream side needs of the pump. */
export interface Outflow<T> {
  /** Node's buffer has room. */
  supply(stream: StreamSide<T>): void;
  /** The end has been pushed. */
  finish(): void;
  /** The error is next: there is nothing left in front of it. */
  failNow(failure: Failure): void;
}

export class StreamSide<T> {
  readonly #stage: Readable;
  readonly #outflow: Outflow<T>;
  /**
   * The end or error in line behind values in Node's buffer. `destroy()` would throw those away, and a stream that is
   * destroyed behind a pushed end passes for complete with `stream.pipeline`.
   */
  #last: (() => void) | undefined;
  /** Whether Node has asked for a value, which is on its way. */
  isWaiting = false;
  /** Whether an answer that was in line for a loop is on its way into Node's buffer. */
  isArriving = false;
  /** Loops that wait for that. */
  onArrival: (() => void)[] = [];
  /** Whether the next value is a `null`, which gets no further. */
  holdsNull = false;

  constructor(stage: Readable, outflow: Outflow<T>) {
    this.#stage = stage;
    this.#outflow = outflow;
  }

  get hasValues(): boolean {
    return pushedLength(this.#stage) > 0;
  }

  /** Whether nothing is to follow what has been pushed. */
  get isEnding(): boolean {
    return this.#last !== undefined;
  }

  /** Takes the answer to what Node has asked for. */
  push(result: Result<T>): void {
    this.isWaiting = false;
    if (result.done) {
      this.#whenRead(() => this.#end());
    } else if (result.value === null) {
      this.holdsNull = true;
      this.fail(new Failure(nullValue()));
    } else if (this.#pushValue(result.value)) {
      this.#outflow.supply(this);
    }
  }

  /** Hands a value to Node, which may hand it on at once: a handler that throws is not the source's failure, nor its end. */
  #pushValue(value: T): boolean {
    try {
      return this.#stage.push(value);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
      return pushedLength(this.#stage) < this.#stage.readableHighWaterMark;
    }
  }

  fail(failure: Failure): void {
    this.#whenRead(() => this.#outflow.failNow(failure));
  }

  /** A value may have left Node's buffer. */
  afterRead(): void {
    if (this.#last === undefined || this.hasValues) return;
    const last = this.#last;
    this.#last = undefined;
    last();
  }

  #whenRead(last: () => void): void {
    this.#last = last;
    this.afterRead();
  }

  #end(): void {
    this.#outflow.finish();
    this.#stage.push(null);
  }
}
