/** What `for await` holds of a stage: three methods, and nothing of the stage's inside to see. */
import type { Result } from './line.ts';
import type { Place, ReadingStage } from './place.ts';
import { Reader } from './reader.ts';

/** The prototype of all async iterators of the language: it returns them from `[Symbol.asyncIterator]`. */
const AsyncIteratorPrototype = Object.getPrototypeOf(
  Object.getPrototypeOf(Object.getPrototypeOf((async function* () {})())),
) as AsyncIterator<unknown>;

/** Where the values come from. */
export interface Readout<T> {
  next(reader: Reader): Promise<Result<T>>;
  leave(reader: Reader, value: unknown): Promise<Result<T>>;
}

/** Two loops over a stage share its values, as two loops over a generator do: an iterator only knows who reads by it. */
export class StageIterator<T> {
  readonly #readout: Readout<T>;
  readonly #reader: Reader;

  constructor(readout: Readout<T>, place: Place<ReadingStage>) {
    this.#readout = readout;
    this.#reader = new Reader(place);
  }

  next(): Promise<Result<T>> {
    return this.#readout.next(this.#reader);
  }

  return(value?: unknown): Promise<Result<T>> {
    return this.#readout.leave(this.#reader, value);
  }

  /** Leaves the stage, then rejects with the error, as a generator does that does not catch it. The source sees `return()`. */
  async throw(error?: unknown): Promise<Result<T>> {
    try {
      await this.return();
    } catch {
      // What goes wrong in the clean-up gives way to the error that came before it.
    }
    throw error;
  }
}

Object.setPrototypeOf(StageIterator.prototype, AsyncIteratorPrototype);

/** Whether an iterator is one of a stage, and not something else that inherits from one. */
export function isStageIterator(iterator: AsyncIterator<unknown>): iterator is StageIterator<never> {
  return iterator instanceof StageIterator && iterator.next === StageIterator.prototype.next;
}
