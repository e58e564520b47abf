/** The pump of a stage: asks the source for values, and hands them to whoever reads the stage. */
import type { Readable } from 'node:stream';

import { Failure } from './errors.ts';
import { Feed } from './feed.ts';
import type { Group } from './group.ts';
import { type Content, Lifecycle } from './lifecycle.ts';
import { type Answer, DONE, Line, type Result, type Waiting } from './line.ts';
import { isTraced, Meter } from './meter.ts';
import type { Queue } from './queue.ts';
import { pushedLength } from './readable.ts';
import { apart, isDeep, type Reader } from './reading.ts';
import { closeUnread } from './source.ts';
import { StreamSide } from './stream-side.ts';
import type { Source } from './types.ts';

/** What a stage leaves to its pump. */
export interface PumpParts<T> {
  readonly stage: Readable;
  readonly group: Group;
  readonly source: Source<T>;
  /** The name of the stage, or its number where it has none. */
  readonly label: string | number;
  readonly meter: Meter | undefined;
}

/**
 * The states of a pump, in their order; a stage can be destroyed in each:
 *
 * - *unread*: there is no feed. Nothing has run.
 * - *open*: the source is asked whenever there is room and no step is under way.
 * - *over*: the source has ended or thrown; this last answer waits in line behind the values.
 *
 * What always holds: at most `bufferSize` values wait for a reader, in the line and in Node's buffer, and a step is under
 * way only if there is room for what it yields.
 */
export class Pump<T> implements Content<T> {
  /** Whether a loop has asked for a value. */
  loopDidRead = false;
  isStepping = false;
  isOver = false;
  /** There is one only where somebody observes. */
  meter: Meter | undefined;
  readonly lifecycle: Lifecycle<T>;

  readonly #stage: Readable;
  readonly #bufferSize: number;
  readonly #label: string | number;
  readonly #line: Line<T> = new Line();
  /** Made when the stage is first read as a stream. */
  #stream: StreamSide<T> | undefined;
  /** Whether there has been a `'data'` listener. */
  #isWatched = false;

  #source: Source<T>;
  /** The source once it is opened. */
  #feed: Feed<T> | undefined;
  #step: Promise<Result<T>> | undefined;
  /** That of the text which the values are to be decoded to. */
  #encoding: BufferEncoding | undefined;
  /** What the step under way yields is to be decoded by this. */
  #decodeStep: ((result: Result<T>) => Result<T>) | undefined;

  constructor({ stage, group, source, label, meter }: PumpParts<T>) {
    this.#stage = stage;
    this.#source = source;
    this.#bufferSize = stage.readableHighWaterMark;
    this.#label = label;
    this.meter = meter;
    this.lifecycle = new Lifecycle(stage, this, group);
  }

  get readers(): Queue<Waiting<T>> {
    return this.#line.readers;
  }

  get isReadAsStream(): boolean {
    return this.#stream !== undefined;
  }

  get queuesReturn(): boolean {
    return this.#feed?.queuesReturn ?? false;
  }

  /** How many values wait that are not in Node's buffer. The last answer, which none follows, is no value. */
  get heldLength(): number {
    const { length } = this.#line.answers;
    return this.isOver && length > 0 ? length - 1 : length;
  }

  // Loops

  /** The next value for a loop. */
  next(reader: Reader): Promise<Result<T>> {
    reader.asks();
    this.loopDidRead = true;
    if (this.lifecycle.isClosed) return this.lifecycle.answerClosed(reader);
    const stream = this.#stream;
    if (stream !== undefined) {
      if (this.#stage.readableFlowing) this.#takeOver(stream);
      if (stream.hasValues) return this.#takePushed();
    }
    const answer = this.#line.readers.length > 0 ? undefined : this.#line.answers.shift();
    if (answer !== undefined) return this.#take(answer, reader);
    return this.isOver ? this.#endBehindStream() : this.#wait(reader);
  }

  leave(reader: Reader, value: unknown): Promise<Result<T>> {
    return this.lifecycle.leave(reader, value);
  }

  #take(answer: Answer<T>, reader: Reader): Promise<Result<T>> {
    const { result, failure } = answer;
    this.measure();
    if (failure !== undefined) this.lifecycle.fail(failure, reader);
    else if (result!.done) this.lifecycle.end();
    else {
      if (this.#isWatched) this.#showToListeners(result!);
      this.#askInContext();
    }
    return answer.promise;
  }

  /** Node's buffer comes before the line. */
  #takePushed(): Promise<Result<T>> {
    const value = this.#stage.read() as T;
    return Promise.resolve({ done: false, value });
  }

  /** The end was pushed, but nobody has looked behind the last value. */
  #endBehindStream(): Promise<Result<T>> {
    this.lifecycle.end();
    return Promise.resolve(DONE);
  }

  #takeOver(stream: StreamSide<T>): void {
    stream.isBesideLoop = true;
    stream.isWaiting = false;
  }

  #wait(reader: Reader): Promise<Result<T>> {
    const { handle } = this.lifecycle;
    // A generator that waits is referred to by whoever waits for it in turn.
    if (reader.owner === undefined) handle.hold(this.lifecycle);
    const promise = this.#line.wait(reader);
    reader.owner?.waits?.starves();
    if (!this.isStepping) this.#askInContext();
    return promise;
  }

  /** Somebody listens to `'data'`: loops show what they take. */
  watch(): void {
    this.#isWatched = true;
  }

  #showToListeners(result: Result<T>): void {
    if (result.done || this.#stage.listenerCount('data') === 0) return;
    try {
      apart(() => this.#stage.emit('data', result.value));
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  // The stream side

  /** From now on, values may wait in Node's buffer. */
  openStream(): StreamSide<T> {
    return (this.#stream ??= new StreamSide(this.#stage, this.#line, this.lifecycle.place, this.lifecycle));
  }

  /** Somebody is about to read the stage as a stream. */
  meetStreamReader(): void {
    this.openStream().reader.asks();
  }

  /** Node's buffer has room for a value. */
  readAsStream(): void {
    const stream = this.openStream();
    stream.reader.asks();
    if (stream.isBesideLoop || this.lifecycle.isClosed) return;
    stream.isWaiting = true;
    stream.drain();
    if (stream.isWaiting && !this.isOver) this.lifecycle.handle.hold(this.lifecycle);
    this.#askInContext();
  }

  /** A value may have left Node's buffer. */
  afterStreamRead(): void {
    this.#stream?.drain();
    this.measure();
    this.#askInContext();
  }

  /** Whether a loop waited for a value and has taken this one. */
  giveBack(value: T): boolean {
    const waiting = this.#line.readers.shift();
    waiting?.reader.owner?.waits?.resumes();
    waiting?.resolve({ done: false, value });
    return waiting !== undefined;
  }

  /** From now on, values that are bytes become text. */
  decode(encoding: BufferEncoding): void {
    this.#encoding = encoding;
    const decode = this.#feed?.decode(encoding);
    if (decode === undefined) return;
    if (this.isStepping) this.#decodeStep = decode;
    for (const { result, failure, promise } of this.#line.answers.drain()) {
      const text = result && decode(result);
      this.#line.answers.push({
        result: text,
        failure,
        promise: text ? Promise.resolve(text) : promise,
        behind: undefined,
      });
    }
  }

  // Asking the source

  /** A source sees one async context for its whole life: that of the first read. */
  #askInContext(): void {
    if (this.isStepping || this.isOver) return;
    if (this.#feed === undefined) this.#ask();
    else this.#feed.run(this.#ask, this);
  }

  #ask(): void {
    const { isClosed, isLeft } = this.lifecycle;
    if (!this.isStepping && !this.isOver && !isClosed && !isLeft && this.#hasRoom()) this.#takeStep();
  }

  #takeStep(): void {
    if (isDeep()) return queueMicrotask(() => this.#ask());
    const { place } = this.lifecycle;
    const outer = place.enter();
    this.isStepping = true;
    try {
      const feed = this.#feed ?? this.#openFeed();
      this.meter?.works();
      // A source function, or whoever is told of its work, may have destroyed the stage.
      if (this.lifecycle.isClosed) this.isStepping = false;
      else this.#step = feed.next();
    } finally {
      place.leave(outer);
    }
  }

  #hasRoom(): boolean {
    if (this.#line.readers.length > 0) return true;
    const pushed = this.#stream === undefined ? 0 : pushedLength(this.#stage);
    return this.#line.answers.length + pushed < this.#bufferSize;
  }

  #openFeed(): Feed<T> {
    const feed = new Feed(
      this.#source,
      (result) => this.#answered(result),
      (error) => this.#threw(error),
    );
    this.#feed = feed;
    const { place } = this.lifecycle;
    place.start();
    if (isTraced()) this.meter ??= new Meter(this.#label, this.#bufferSize);
    place.waits = this.meter;
    this.meter?.start(this.#stage);
    if (!this.lifecycle.isClosed) this.#callSource(feed);
    return feed;
  }

  #callSource(feed: Feed<T>): void {
    feed.open();
    if (this.#encoding !== undefined) void feed.decode(this.#encoding);
    // A function that destroys its own stage may still return a stream. Nobody is left to be told how closing that goes.
    if (this.lifecycle.isClosed) feed.return()?.catch(() => {});
  }

  #answered(result: Result<T>): void {
    if (this.#decodeStep === undefined) return this.#receive(result, this.#stepDone());
    const text = this.#decodeStep(result);
    this.#decodeStep = undefined;
    void this.#stepDone();
    this.#receive(text, Promise.resolve(text));
  }

  #receive(result: Result<T>, step: Promise<Result<T>>): void {
    if (this.lifecycle.isClosed) return this.lifecycle.answeredLate(result);
    if (result.done) {
      this.isOver = true;
      this.lifecycle.place.end();
      this.meter?.ends();
    } else {
      this.meter?.yields();
    }
    // Whoever was told may have destroyed the stage.
    if (this.lifecycle.isClosed) return;
    const waiting = this.#line.answers.length > 0 ? undefined : this.#line.readers.shift();
    if (waiting !== undefined) this.#handOver(result, waiting);
    else this.#keep({ promise: step, result, failure: undefined, behind: undefined });
  }

  /** The next step is asked for first, so that its I/O starts before a reader that computes keeps it from starting. */
  #handOver(result: Result<T>, { reader, resolve }: Waiting<T>): void {
    const { handle } = this.lifecycle;
    if (this.#line.readers.length === 0) handle.release();
    this.measure();
    this.#ask();
    reader.owner?.waits?.resumes();
    if (this.#isWatched) this.#showToListeners(result);
    resolve(result);
    if (this.isOver) this.lifecycle.end();
    else if (this.lifecycle.isLeft && !this.lifecycle.isClosed) this.lifecycle.leaveNow();
  }

  /** Nobody waits for it, unless the stage is read as a stream. */
  #keep(answer: Answer<T>): void {
    this.#line.answers.push(answer);
    this.#stream?.drain();
    if (this.isOver || !this.#stream?.isWaiting) this.lifecycle.handle.release();
    this.measure();
    this.#ask();
    if (!this.isStepping && !this.isOver) this.meter?.blocks();
  }

  #threw(error: unknown): void {
    const step = this.#stepDone();
    if (this.lifecycle.isClosed) return this.lifecycle.threwLate(error);
    this.isOver = true;
    const failure = new Failure(error);
    this.meter?.fails(failure);
    this.lifecycle.place.abandon((read) => read.cancel(failure));
    if (this.lifecycle.isClosed) return;
    const waiting = this.#line.answers.length > 0 ? undefined : this.#line.readers.shift();
    if (waiting === undefined) {
      this.#keep({ promise: step, result: undefined, failure, behind: undefined });
      return;
    }
    waiting.reader.owner?.waits?.resumes();
    waiting.reject(error);
    this.lifecycle.fail(failure, waiting.reader);
  }

  /** Forgets the promise of the step, and so its value. */
  #stepDone(): Promise<Result<T>> {
    const step = this.#step!;
    this.isStepping = false;
    this.#step = undefined;
    return step;
  }

  // Letting go

  /** Tells the meter how many values wait. */
  measure(): void {
    if (this.meter === undefined || this.lifecycle.isClosed) return;
    this.meter.holds(this.#stage.readableLength + (this.#stream?.holdsNull ? 1 : 0));
  }

  clear(): void {
    this.#line.answers.drain();
  }

  letSourceGo(reason: () => unknown): Promise<unknown> | undefined {
    this.#feed?.abort(reason);
    if (this.isOver) return undefined;
    return this.#feed === undefined ? closeUnread(this.#source) : this.#feed.run(this.#feed.return, this.#feed);
  }
}
