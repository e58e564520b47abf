/** The signal of a stage, for its source function and for the calls of `buffer.map`. */
import { setMaxListeners } from 'node:events';

import { contextIterated } from './errors.ts';
import type { SourceContext } from './types.ts';

/** A generator function that expects its input was given in place of what it returns. */
function refuseToBeIterated(): never {
  throw contextIterated();
}

export class StageSignal {
  /** What functions are called with. */
  readonly context: SourceContext;
  /** Made when somebody asks for the signal: it costs more than the rest of a stage on older versions of Node. */
  #controller: AbortController | undefined;
  #reason: (() => unknown) | undefined;

  constructor() {
    const signal = (): AbortSignal => (this.#controller ??= this.#make()).signal;
    this.context = {
      get signal() {
        return signal();
      },
    };
    Object.defineProperty(this.context, Symbol.asyncIterator, { get: refuseToBeIterated });
  }

  abort(reason: () => unknown): void {
    this.#reason = reason;
    this.#controller?.abort(reason());
  }

  #make(): AbortController {
    const controller = new AbortController();
    // Each call may listen, and thousands may be under way.
    setMaxListeners(0, controller.signal);
    if (this.#reason !== undefined) controller.abort(this.#reason());
    return controller;
  }
}
