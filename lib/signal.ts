/** Tells pipelines of an aborted signal: one listener for all the pipelines of a signal, and none without a live one. */
import { addAbortListener } from 'node:events';

import { Members } from './members.ts';
import type { Pipeline } from './pipeline.ts';

const watches = new WeakMap<AbortSignal, Watch>();

/** The watch over a signal that all its pipelines share. */
export function watchOver(signal: AbortSignal): Watch {
  let watch = watches.get(signal);
  if (watch === undefined) watches.set(signal, (watch = new Watch(signal)));
  return watch;
}

export class Watch {
  readonly #signal: AbortSignal;
  readonly #pipelines = new Members<Pipeline>();
  #listener: Disposable | undefined;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  add(pipeline: Pipeline): void {
    // Its listeners have been called, or are about to be.
    if (this.#signal.aborted) return pipeline.abort(this.#signal);
    this.#listener ??= addAbortListener(this.#signal, () => this.#onAbort());
    this.#pipelines.add(pipeline);
  }

  delete(pipeline: Pipeline): void {
    this.#pipelines.delete(pipeline);
    if (!this.#pipelines.isEmpty) return;
    this.#listener?.[Symbol.dispose]();
    this.#listener = undefined;
  }

  #onAbort(): void {
    for (const pipeline of this.#pipelines) pipeline.abort(this.#signal);
  }
}
