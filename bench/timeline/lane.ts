/** What one stage does over time, as it is told from outside. */
import type { StageState } from 'buffered-pipeline';

/** From when to when, in milliseconds since the run began. */
export interface Span {
  from: number;
  to: number;
}

export interface Segment extends Span {
  state: StageState;
  /** The value that the stage works on or waits with, from 1. */
  value: number;
}

export interface Lane {
  name: string;
  /** What the stage did, without gaps from its first read to its end. */
  segments: Segment[];
  /** Which values waited in its buffer, and when. */
  held: (Span & { value: number })[];
}

export class Recorder implements Lane {
  readonly name: string;
  readonly segments: Segment[] = [];
  readonly held: (Span & { value: number })[] = [];
  readonly #start: number;
  #state: StageState = 'unread';
  #since = 0;
  #produced = 0;
  /** When each value was yielded. */
  readonly #yieldedAt: number[] = [];

  /** @param start - What `performance.now()` said when the run began. */
  constructor(name: string, start: number) {
    this.name = name;
    this.#start = start;
  }

  enters(state: StageState): void {
    const now = this.#now();
    if (this.#state !== 'unread') this.#add(now);
    this.#state = state;
    this.#since = now;
  }

  yields(): void {
    this.enters(this.#state);
    this.#yieldedAt[++this.#produced] = this.#now();
  }

  handsOver(value: number): void {
    const from = this.#yieldedAt[value]!;
    const to = this.#now();
    if (to - from >= SHORTEST) this.held.push({ from, to, value });
  }

  #add(to: number): void {
    if (to - this.#since < SHORTEST) return;
    this.segments.push({ state: this.#state, value: this.#produced + 1, from: this.#since, to });
  }

  #now(): number {
    return performance.now() - this.#start;
  }
}

/** Milliseconds. What is shorter goes on while values are passed on, and nobody would see it. */
const SHORTEST = 1;
