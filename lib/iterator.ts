/** What `for await` holds of a stage: two methods, and nothing of the stage's inside to see. */

/** The prototype of all async iterators of the language: it returns them from `[Symbol.asyncIterator]`. */
const AsyncIteratorPrototype = Object.getPrototypeOf(
  Object.getPrototypeOf(Object.getPrototypeOf((async function* () {})())),
) as AsyncIterator<unknown>;

/** Where the values come from. */
export interface Readout<T> {
  next(): Promise<IteratorResult<T, undefined>>;
  leave(value: unknown): Promise<IteratorResult<T, undefined>>;
}

/**
 * Has no state of its own: two loops over a stage share its values, as two loops over a generator do. There is no
 * `throw()`: a consumer that fails leaves by `return()`, and an error of its own never enters a source.
 */
export class StageIterator<T> {
  readonly #readout: Readout<T>;

  constructor(readout: Readout<T>) {
    this.#readout = readout;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    return this.#readout.next();
  }

  return(value?: unknown): Promise<IteratorResult<T, undefined>> {
    return this.#readout.leave(value);
  }
}

Object.setPrototypeOf(StageIterator.prototype, AsyncIteratorPrototype);
