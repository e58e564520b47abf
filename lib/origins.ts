/** Tells which stage of a pipeline an error comes from: the first that fails with it. The others pass it on. */
import { causeOf, MAX_CAUSES } from './errors.ts';

/** Where nothing has been thrown so far but objects. */
const NONE = {};

/** Objects are held weakly. Of anything else that was thrown, only the last is remembered. */
export class Origins {
  readonly #objects: WeakSet<object> = new WeakSet();
  #other: unknown = NONE;

  /** Whether no stage has failed before with this error, or with what is its `cause`. The next to ask is told that one has. */
  isNew(error: unknown): boolean {
    for (let at = error, depth = 0; depth < MAX_CAUSES; depth++) {
      if (this.#has(at)) return false;
      at = causeOf(at);
      if (at === undefined) break;
    }
    if (isObject(error)) this.#objects.add(error);
    else this.#other = error;
    return true;
  }

  #has(error: unknown): boolean {
    return isObject(error) ? this.#objects.has(error) : Object.is(error, this.#other);
  }
}

function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}
