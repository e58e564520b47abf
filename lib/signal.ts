/** Tells pipelines of an aborted signal: one listener for all the pipelines of a signal, and none without a live one. */
import { addAbortListener } from 'node:events';

import { type Member, Members } from './members.ts';

/** What ends when a signal aborts. */
export interface Abortable extends Member {
  abort(signal: AbortSignal): void;
}

const watches = new WeakMap<AbortSignal, Watch>();

/** The watch over a signal that all its pipelines share. */
export function watchOver(signal: AbortSignal): Watch {
  let watch = watches.get(signal);
  if (watch === undefined) watches.set(signal, (watch = new Watch(signal)));
  return watch;
}

/** Whether something can be used as a signal. One of another realm, or of a polyfill, is no instance of `AbortSignal`. */
export function isSignal(value: unknown): value is AbortSignal {
  if (typeof value !== 'object' || value === null) return false;
  const { aborted, addEventListener, removeEventListener } = value as Partial<AbortSignal>;
  return (
    typeof aborted === 'boolean' && typeof addEventListener === 'function' && typeof removeEventListener === 'function'
  );
}

export class Watch {
  readonly #signal: AbortSignal;
  readonly #pipelines = new Members<Abortable>();
  #isListening = false;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  add(pipeline: Abortable): void {
    // Its listeners have been called, or are about to be.
    if (this.#signal.aborted) return pipeline.abort(this.#signal);
    // Another listener cannot keep this one from being called.
    if (!this.#isListening) addAbortListener(this.#signal, this.#onAbort);
    this.#isListening = true;
    this.#pipelines.add(pipeline);
  }

  delete(pipeline: Abortable): void {
    this.#pipelines.delete(pipeline);
    if (!this.#isListening || this.#pipelines.size > 0) return;
    // Not by the disposable that was answered: a vm context may know no `Symbol.dispose`.
    this.#signal.removeEventListener('abort', this.#onAbort);
    this.#isListening = false;
  }

  readonly #onAbort = (): void => {
    for (const pipeline of Array.from(this.#pipelines)) pipeline.abort(this.#signal);
  };
}
