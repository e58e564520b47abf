/** The reader that Node is, for a stage that is read as a stream: values go through Node's own buffer. */
import type { Readable } from 'node:stream';

import { Failure, nullValue } from './errors.ts';
import { type Answer, isPending, type Waiting } from './line.ts';
import type { Queue } from './queue.ts';
import { pushedLength } from './readable.ts';
import type { Place, ReadingStage } from './place.ts';
import { Reader } from './reader.ts';

/** What the stream side tells the stage. */
export interface Outflow {
  readonly place: Place<ReadingStage>;
  readonly isClosed: boolean;
  /** The error is next for the stream: there is nothing left in front of it. */
  failStream(failure: Failure, reader: Reader): void;
}

export class StreamSide<T> {
  readonly reader: Reader;
  /** Whether Node has asked for a value. */
  isWaiting = false;
  /**
   * Whether a loop has asked for a value while data flows. From then on the loop takes the values, and `'data'`
   * listeners see them pass, as they do with a loop over any Readable.
   */
  isBesideLoop = false;
  /** Whether the next value is a `null`, which gets no further. */
  holdsNull = false;

  readonly #stage: Readable;
  readonly #answers: Queue<Answer<T>>;
  readonly #readers: Queue<Waiting<T>>;
  readonly #outflow: Outflow;

  constructor(stage: Readable, answers: Queue<Answer<T>>, readers: Queue<Waiting<T>>, outflow: Outflow) {
    this.#stage = stage;
    this.#answers = answers;
    this.#readers = readers;
    this.#outflow = outflow;
    this.reader = new Reader(outflow.place);
  }

  get hasValues(): boolean {
    return pushedLength(this.#stage) > 0;
  }

  /** Pushes what is in line, as long as Node waits and nobody else does. */
  drain(): void {
    while (this.isWaiting && !this.#outflow.isClosed && this.#readers.length === 0) {
      const answer = this.#answers.first;
      if (answer === undefined || isPending(answer)) return;
      const isValue = answer.result !== undefined && !answer.result.done && answer.result.value !== null;
      // Node would throw away what is in its buffer in front of an error, and takes a stream destroyed behind an end for complete.
      if (!isValue && this.hasValues) return;
      this.#answers.shift();
      this.#push(answer);
    }
  }

  #push({ result, failure }: Answer<T>): void {
    this.isWaiting = false;
    if (result === undefined) {
      this.#outflow.failStream(failure!, this.reader);
    } else if (result.done) {
      this.#stage.push(null);
    } else if (result.value === null) {
      this.holdsNull = true;
      this.#outflow.failStream(new Failure(nullValue()), this.reader);
    } else {
      this.isWaiting = this.#pushValue(result.value);
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
}
