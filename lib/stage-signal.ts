/** The signal of a stage, for its source function and for the calls of `buffer.map`. */
import { setMaxListeners } from 'node:events';

import { contextIterated } from './errors.ts';
import type { SourceContext } from './types.ts';

/** Each call may listen, and thousands may be under way: no leak to be warned of. Signals of other makes know no such warning. */
function listenWithoutLimit(signal: AbortSignal): void {
  try {
    setMaxListeners(0, signal);
  } catch {
    // jsdom's, for instance, are no event targets of Node.
  }
}

/** What functions are called with: an object that has nothing but a signal, made when it is asked for. */
class Context implements SourceContext {
  declare readonly signal: AbortSignal;
  readonly #owner: StageSignal;

  constructor(owner: StageSignal) {
    this.#owner = owner;
    Object.defineProperty(this, 'signal', Context.#signal);
  }

  /** A generator function that expects its input was given in place of what it returns. */
  get [Symbol.asyncIterator](): never {
    throw contextIterated();
  }

  /** Shared: V8 keeps the getter that is an object's own in the old generation, and all that it refers to. */
  static readonly #signal: PropertyDescriptor & ThisType<Context> = {
    get() {
      return this.#owner.signal;
    },
    enumerable: true,
  };
}

export class StageSignal {
  readonly context: SourceContext = new Context(this);
  /** Made when somebody asks for the signal: it costs more than the rest of a stage on older versions of Node. */
  #controller: AbortController | undefined;
  #reason: (() => unknown) | undefined;

  get signal(): AbortSignal {
    return (this.#controller ??= this.#make()).signal;
  }

  abort(reason: () => unknown): void {
    this.#reason = reason;
    this.#controller?.abort(reason());
  }

  #make(): AbortController {
    const controller = new AbortController();
    listenWithoutLimit(controller.signal);
    if (this.#reason !== undefined) controller.abort(this.#reason());
    return controller;
  }
}
