/** Tells pipelines of an aborted signal: one listener for all the pipelines of a signal, and none without a live one. */
import { addAbortListener } from 'node:events';

import type { Pipeline } from './pipeline.ts';
import type { Pump } from './pump.ts';
import { WeakMembers } from './weak-members.ts';

const watches = new WeakMap<AbortSignal, Watch>();

/** The watch over a signal that all its pipelines share. */
export function watchOver(signal: AbortSignal): Watch {
  let watch = watches.get(signal);
  if (watch === undefined) watches.set(signal, (watch = new Watch(signal)));
  return watch;
}

export class Watch {
  /** See `Pipeline.waiting`. */
  readonly waiting: Set<Pump<any>> = new Set();
  readonly #signal: AbortSignal;
  readonly #pipelines = new WeakMembers<Pipeline>();
  #listener: Disposable | undefined;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  add(pipeline: Pipeline): WeakRef<Pipeline> {
    this.#listener ??= addAbortListener(this.#signal, () => this.#onAbort());
    return this.#pipelines.add(pipeline);
  }

  delete(reference: WeakRef<Pipeline>): void {
    this.#pipelines.delete(reference);
    if (!this.#pipelines.isEmpty) return;
    this.#listener?.[Symbol.dispose]();
    this.#listener = undefined;
  }

  #onAbort(): void {
    for (const pipeline of this.#pipelines.alive()) pipeline.abort(this.#signal);
  }
}
