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
    listenWithoutLimit(controller.signal);
    if (this.#reason !== undefined) controller.abort(this.#reason());
    return controller;
  }
}
