/**
 * Where the time of a stage goes, for two kinds of observers: `buffer.statistics()` asks now and then, and subscribers of
 * the channels are told of each change. Without either there is no meter, and nothing is counted.
 */
import { channel } from 'node:diagnostics_channel';
import type { Readable } from 'node:stream';

import type { Failure } from './errors.ts';
import { apart } from './place.ts';
import type { Origins } from './origins.ts';
import type { StageMessage, StageState, StageStatistics } from './types.ts';

const PREFIX = 'buffered-pipeline:stage:';

/** What is told, and when; the messages are all of one shape. */
const channels = {
  /** The stage is read for the first time. */
  start: channel(`${PREFIX}start`),
  /** It has begun to work, to starve, or to be blocked, or its source is over. */
  state: channel(`${PREFIX}state`),
  /** Its source has yielded a value. */
  yield: channel(`${PREFIX}yield`),
  /** Its reader has taken a value. */
  handover: channel(`${PREFIX}handover`),
  /** Its source has thrown, also while it cleaned up, or the stage was destroyed with an error. */
  error: channel(`${PREFIX}error`),
  /** It is closed: its generator has cleaned up. */
  close: channel(`${PREFIX}close`),
};
type Event = keyof typeof channels;

const all = Object.values(channels);

/** Whether anybody listens to a channel. */
export function isTraced(): boolean {
  for (const { hasSubscribers } of all) if (hasSubscribers) return true;
  return false;
}

/** The pipeline of a stage, as far as its meters need it. */
interface Pipeline {
  readonly origins: Origins;
}

/**
 * The clock is read when the state changes, and at no other time: a step that ends and is followed by the next at once
 * costs a few additions.
 */
export class Meter {
  readonly #pipeline: Pipeline;
  readonly #name: string;
  readonly #bufferSize: number;
  /** The stage, where there are subscribers to be told of it. Neither these nor statistics keep it alive. */
  #stage: WeakRef<Readable> | undefined;
  #state: StageState = 'unread';
  /** Milliseconds, and the time at which the state was entered. */
  #working = 0;
  #starved = 0;
  #blocked = 0;
  #since = 0;
  /** How many stages upstream the generator waits for. */
  #waits = 0;
  #produced = 0;
  #taken = 0;
  #held = 0;
  #maxHeld = 0;
  #hasYielded = false;
  /** Whether it has thrown, or was destroyed with an error, be it that of another stage. */
  #hasFailed = false;
  /** What it has failed with as the first stage. */
  #ownFailure: Failure | undefined;
  /** Of `buffer.map`: how many calls may be under way, how many are, and the sum of their milliseconds. */
  readonly #concurrency: number | undefined;
  #calls = 0;
  #callTime = 0;

  /** @param label - The name of the stage, or its number where it has none. */
  constructor(pipeline: Pipeline, label: string | number, bufferSize: number, concurrency?: number) {
    this.#pipeline = pipeline;
    this.#concurrency = concurrency;
    this.#name = typeof label === 'number' ? `stage ${label}` : label;
    this.#bufferSize = bufferSize;
  }

  /** The stage is read for the first time, and its source is about to be called. Those who subscribe later are not told of it. */
  start(stage: Readable): void {
    if (isTraced()) this.#stage = new WeakRef(stage);
    this.#publish('start');
    this.works();
  }

  /** The generator is asked for a value. It may have asked for one ahead itself, and still wait for that. */
  works(): void {
    this.#enter(this.#waits > 0 && !this.#isBusy ? 'starved' : 'working');
  }

  /** So many calls of `buffer.map` are under way. */
  calls(count: number): void {
    if (this.#state !== 'unread') this.#settle();
    this.#calls = count;
  }

  get #isBusy(): boolean {
    return this.#calls === this.#concurrency;
  }

  /** The generator waits for a stage upstream. */
  starves(): void {
    if (this.#waits++ === 0 && this.#state === 'working' && !this.#isBusy) this.#enter('starved');
  }

  /** A stage upstream has answered. */
  resumes(): void {
    if (--this.#waits === 0 && this.#state === 'starved') this.#enter('working');
  }

  /** There is no room for another value. */
  blocks(): void {
    this.#enter('blocked');
  }

  /** The source is over. */
  ends(): void {
    this.#enter('ended');
  }

  /** The source has yielded a value, which is told when it is known whether it must wait. */
  yields(): void {
    this.#produced++;
    this.#hasYielded = true;
  }

  /** So many values wait for the reader, which has taken all others. What was given to `unshift()` is not counted. */
  holds(count: number): void {
    const held = Math.min(count, this.#produced - this.#taken);
    this.#held = held;
    if (held > this.#maxHeld) this.#maxHeld = held;
    if (this.#hasYielded) {
      this.#hasYielded = false;
      this.#publish('yield');
    }
    // A subscriber may have taken values itself.
    const taken = this.#produced - this.#held;
    if (taken <= this.#taken) return;
    this.#taken = taken;
    this.#publish('handover');
  }

  /** The source has thrown, or the stage is destroyed by hand. The error is its own, unless another stage has failed with it before. */
  fails(failure: Failure): void {
    if (failure === this.#ownFailure) return;
    if (!this.#pipeline.origins.isNew(failure.error)) return this.#passesOn(failure);
    this.#hasFailed = true;
    this.#ownFailure = failure;
    const wasFailed = this.#state === 'failed';
    this.#change('failed');
    this.#publish('error', failure.error);
    if (!wasFailed) this.#publish('state');
  }

  /** The stage is destroyed: what it holds is thrown away. */
  stops(failure: Failure | undefined, isByHand: boolean): void {
    this.#held = 0;
    if (failure === undefined || this.#hasFailed) return this.ends();
    if (isByHand) this.fails(failure);
    else this.#passesOn(failure);
  }

  #passesOn(failure: Failure): void {
    this.#hasFailed = true;
    this.#publish('error', failure.error);
    this.ends();
  }

  /** The generator has cleaned up. */
  closes(): void {
    this.#publish('close');
    this.#stage = undefined;
  }

  get isOver(): boolean {
    return this.#state === 'ended' || this.#state === 'failed';
  }

  statistics(): StageStatistics {
    if (this.#state !== 'unread') this.#settle();
    return {
      name: this.#name,
      bufferSize: this.#bufferSize,
      state: this.#state,
      produced: this.#produced,
      taken: this.#taken,
      held: this.#held,
      maxHeld: this.#maxHeld,
      working: this.#working,
      starved: this.#starved,
      blocked: this.#blocked,
      ...(this.#state === 'failed' && { error: this.#ownFailure!.error }),
      ...this.#callStatistics(),
    };
  }

  #callStatistics(): Pick<StageStatistics, 'calls'> {
    if (this.#concurrency === undefined) return {};
    const life = this.#working + this.#starved + this.#blocked;
    const mean = life === 0 ? 0 : this.#callTime / life;
    return { calls: { concurrency: this.#concurrency, underWay: this.#calls, mean } };
  }

  #enter(state: StageState): void {
    if (state === this.#state || this.isOver) return;
    this.#change(state);
    this.#publish('state');
  }

  #change(state: StageState): void {
    this.#settle();
    this.#state = state;
  }

  /** Adds the time since the last look to the state it was spent in. */
  #settle(): void {
    const now = performance.now();
    const time = now - this.#since;
    this.#since = now;
    this.#callTime += time * this.#calls;
    if (this.#state === 'working') this.#working += time;
    else if (this.#state === 'starved') this.#starved += time;
    else if (this.#state === 'blocked') this.#blocked += time;
  }

  #publish(event: Event, error?: unknown): void {
    if (this.#stage === undefined || !channels[event].hasSubscribers) return;
    const stage = this.#stage.deref();
    if (stage === undefined) return;
    const message: StageMessage = { stage, statistics: this.statistics() };
    // What subscribers read, they do not read for the generator that may be on the stack.
    apart(() => channels[event].publish(event === 'error' ? { ...message, error } : message));
  }
}

/** How many stages that are over are still told of. A generator may make a stage for each of its values. */
const MOST_ENDED = 1000;

/** The meters of a pipeline: those of all stages that are not over, and of the last ones that are. */
export class Meters {
  #meters: Meter[] = [];
  #nextSweep = 2 * MOST_ENDED;
  readonly #pipeline: Pipeline;

  constructor(pipeline: Pipeline) {
    this.#pipeline = pipeline;
  }

  add(label: string | number, bufferSize: number, concurrency?: number): Meter {
    if (this.#meters.length >= this.#nextSweep) this.#sweep();
    const meter = new Meter(this.#pipeline, label, bufferSize, concurrency);
    this.#meters.push(meter);
    return meter;
  }

  statistics(): StageStatistics[] {
    this.#sweep();
    return this.#meters.map((meter) => meter.statistics());
  }

  /** In proportion to what is kept, at constant cost for each stage. */
  #sweep(): void {
    let surplus = this.#meters.filter((meter) => meter.isOver).length - MOST_ENDED;
    if (surplus > 0) this.#meters = this.#meters.filter((meter) => !meter.isOver || surplus-- <= 0);
    this.#nextSweep = 2 * Math.max(MOST_ENDED, this.#meters.length);
  }
}
