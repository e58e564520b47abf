/** The pump of a stage: asks the source for values, and hands them to whoever reads the stage. */
import type { Readable } from 'node:stream';

import { type Call, Calls } from './calls.ts';
import { Ending } from './ending.ts';
import { Failure } from './errors.ts';
import { Feed, type Intake } from './feed.ts';
import type { Group } from './group.ts';
import { type Content, Lifecycle } from './lifecycle.ts';
import { type Answer, DONE, isPending, type Result, wait, type Waiting } from './line.ts';
import { isTraced, Meter } from './meter.ts';
import { Queue } from './queue.ts';
import { pushedLength } from './readable.ts';
import { apart, isDeep } from './place.ts';
import type { Reader } from './reader.ts';
import { closeUnread } from './source.ts';
import { StageSignal } from './stage-signal.ts';
import { StreamSide } from './stream-side.ts';
import type { Source } from './types.ts';

/** What a stage leaves to its pump. */
export interface PumpParts<T> {
  readonly group: Group;
  readonly source: Source<any>;
  readonly bufferSize: number;
  /** What `buffer.map` calls for each value, and how many calls may be under way. */
  readonly map: { readonly fn: Call<any, T>; readonly concurrency: number } | undefined;
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
 * way only if there is room for what it yields. With `buffer.map`, calls that are under way are in line and count as well, and
 * a step is under way only if a call is free for what it yields.
 */
export class Pump<T> implements Content<T>, Intake<any> {
  /** Whether a loop has asked for a value. */
  loopDidRead = false;
  /** There is one only where somebody observes. */
  meter: Meter | undefined;
  readonly lifecycle: Lifecycle<T>;

  readonly #stage: Readable;
  readonly #bufferSize: number;
  /** Only where there is a function to call with it: the source, or that of `buffer.map`. */
  readonly #signal: StageSignal | undefined;
  readonly #calls: Calls<any, T> | undefined;
  readonly #label: string | number;
  /** The line: answers that wait for a reader, and readers that wait for an answer. */
  readonly #answers: Queue<Answer<T>> = new Queue();
  readonly readers: Queue<Waiting<T>> = new Queue();
  /** Made when the stage is first read as a stream. */
  #stream: StreamSide<T> | undefined;

  readonly #source: Source<any>;
  /** The source once it is opened. */
  #feed: Feed<any> | undefined;
  /** Whether the source is in a step. */
  #isAsking = false;
  /** Whether it has ended or thrown. */
  #hasEnded = false;

  constructor(stage: Readable, { group, source, bufferSize, map, label, meter }: PumpParts<T>) {
    this.#stage = stage;
    this.#source = source;
    this.#bufferSize = bufferSize;
    this.#label = label;
    this.meter = meter;
    if (map !== undefined || typeof source === 'function') this.#signal = new StageSignal();
    if (map !== undefined) this.#calls = this.#makeCalls(map.fn, map.concurrency, this.#signal!);
    this.lifecycle = new Lifecycle(stage, this, group);
  }

  #makeCalls(fn: Call<any, T>, concurrency: number, { context }: StageSignal): Calls<any, T> {
    const calls: Calls<any, T> = new Calls(fn, concurrency, context, (answer) => this.#callSettled(calls, answer));
    return calls;
  }

  get isReadAsStream(): boolean {
    return this.#stream !== undefined;
  }

  get queuesReturn(): boolean {
    return this.#calls !== undefined || (this.#feed?.queuesReturn ?? false);
  }

  get isStepping(): boolean {
    return this.#isAsking || (this.#calls !== undefined && this.#calls.count > 0);
  }

  get isOver(): boolean {
    return this.#hasEnded && (this.#calls === undefined || this.#calls.count === 0);
  }

  /** How many values wait that are not in Node's buffer. The end and an error are no values. */
  get heldLength(): number {
    let length = 0;
    for (let answer = this.#answers.first; answer !== undefined; answer = answer.behind) {
      if (answer.result?.done === false) length++;
    }
    return length;
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
    const { first } = this.#answers;
    if (first === undefined) return this.#hasEnded ? this.#endBehindStream() : this.#wait(reader);
    if (isPending(first)) return this.#wait(reader);
    this.#answers.shift();
    return this.#take(first, reader);
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
      if (reader.owner !== undefined) reader.owner.isFed = true;
      if (this.lifecycle.node.isObserved) this.#showToListeners(result!);
      this.#askInContext();
    }
    if (answer.promise !== undefined) return answer.promise;
    return failure === undefined ? Promise.resolve(result!) : Promise.reject(failure.error);
  }

  /** Node's buffer comes before the line. */
  #takePushed(): Promise<Result<T>> {
    const value = this.#stage.read() as T;
    return Promise.resolve({ done: false, value });
  }

  /** The end has gone to Node's buffer, behind a value that a loop has taken. */
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
    const promise = wait(this.readers, reader);
    reader.owner?.waits?.starves();
    this.#askInContext();
    return promise;
  }

  /** Somebody listens to `'data'`: loops show what they take. */
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
    return (this.#stream ??= new StreamSide(this.#stage, this.#answers, this.readers, this.lifecycle));
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
    if (stream.isWaiting && !this.#hasEnded) this.lifecycle.handle.hold(this.lifecycle);
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
    const waiting = this.readers.shift();
    if (waiting === undefined) return false;
    if (this.readers.length === 0) this.lifecycle.handle.release();
    waiting.reader.owner?.waits?.resumes();
    waiting.resolve({ done: false, value });
    return true;
  }

  /** From now on, values that are bytes become text. */
  decode(encoding: BufferEncoding): void {
    const decode = this.#feed?.decode(encoding);
    if (decode === undefined) return;
    for (const { result, failure, promise } of this.#answers.drain()) {
      const text = result && decode(result);
      this.#answers.push({
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
    if (this.#isAsking || this.#hasEnded) return;
    if (this.#feed === undefined) this.#ask();
    else this.#feed.run(this.#ask, this);
  }

  #ask(): void {
    const { isClosed, isLeft } = this.lifecycle;
    if (!this.#isAsking && !this.#hasEnded && !isClosed && !isLeft && this.#hasRoom()) this.#takeStep();
  }

  #takeStep(): void {
    if (isDeep()) return queueMicrotask(() => this.#ask());
    const { place } = this.lifecycle;
    const outer = place.enter();
    this.#isAsking = true;
    try {
      const feed = this.#feed ?? this.#openFeed();
      this.meter?.works();
      // A source function, or whoever is told of its work, may have destroyed the stage.
      if (this.lifecycle.isClosed) this.#isAsking = false;
      else feed.next();
    } finally {
      place.leave(outer);
    }
  }

  #hasRoom(): boolean {
    if (this.#calls?.isFree === false) return false;
    const pushed = this.#stream === undefined ? 0 : pushedLength(this.#stage);
    return this.#answers.length + pushed < this.#bufferSize;
  }

  #openFeed(): Feed<T> {
    const feed = new Feed(this.#source, this);
    this.#feed = feed;
    const { place } = this.lifecycle;
    place.start();
    if (isTraced())
      this.meter ??= new Meter(this.lifecycle.group, this.#label, this.#bufferSize, this.#calls?.concurrency);
    place.waits = this.meter;
    this.meter?.start(this.#stage);
    if (!this.lifecycle.isClosed) this.#callSource(feed);
    return feed;
  }

  #callSource(feed: Feed<T>): void {
    feed.open(this.#signal?.context);
    const { readableEncoding } = this.#stage;
    if (readableEncoding !== null) void feed.decode(readableEncoding);
    // A function that destroys its own stage may still return a stream. Nobody is left to be told how closing that goes.
    if (this.lifecycle.isClosed) feed.return()?.catch(() => {});
  }

  /** The source has yielded or ended. */
  answered(result: Result<any>, promise: Promise<Result<any>>): void {
    this.#isAsking = false;
    if (this.lifecycle.isClosed) return this.#receiveLate(result);
    if (result.done) this.#sourceEnds();
    else if (this.#calls === undefined) this.meter?.yields();
    else return this.#call(this.#calls, result.value);
    // Whoever was told may have destroyed the stage.
    if (this.lifecycle.isClosed) return;
    // What the source returns is no result of a call.
    if (this.#calls === undefined) this.#deliver(result, undefined, promise);
    else this.#deliver(DONE, undefined, undefined);
  }

  #receiveLate(result: Result<any>): void {
    if (this.#calls === undefined) this.lifecycle.answeredLate(result);
    else if (this.#calls.lateAnswer === undefined) this.lifecycle.answeredLate(DONE);
  }

  #sourceEnds(): void {
    this.#hasEnded = true;
    if (!this.isOver) return;
    this.#endReading(undefined);
    this.meter?.ends();
  }

  /** The source and all calls are over. What calls read is theirs until then, also if the source has thrown. */
  #endReading(failure: Failure | undefined): void {
    const { place } = this.lifecycle;
    if (failure === undefined) place.end();
    else place.abandon((read) => read.cancel(failure));
  }

  threw(error: unknown, promise: Promise<Result<any>>): void {
    this.#isAsking = false;
    if (this.lifecycle.isClosed) {
      if (this.#calls?.lateAnswer === undefined) this.lifecycle.threwLate(error);
      return;
    }
    this.#hasEnded = true;
    const failure = new Failure(error);
    this.meter?.fails(failure);
    if (this.isOver) this.#endReading(failure);
    else this.#calls!.sourceFailure = failure;
    if (!this.lifecycle.isClosed) this.#deliver(undefined, failure, promise);
  }

  /** An answer takes its place in line, or goes to who waits for it. */
  #deliver(result: Result<T> | undefined, failure: Failure | undefined, promise: Promise<Result<T>> | undefined): void {
    const waiting = this.#answers.length > 0 ? undefined : this.readers.shift();
    if (waiting !== undefined) return this.#handOver(result, failure, waiting);
    // Nobody waits for it, unless the stage is read as a stream.
    this.#answers.push({ promise, result, failure, behind: undefined });
    this.#lineHasChanged();
  }

  /** The source is asked for its next value first: a reader that computes would hold up the I/O of that step. */
  #handOver(result: Result<T> | undefined, failure: Failure | undefined, waiting: Waiting<T>): void {
    const { reader, resolve, reject } = waiting;
    if (this.readers.length === 0) this.lifecycle.handle.release();
    if (this.meter !== undefined) this.measure();
    this.#ask();
    reader.owner?.waits?.resumes();
    if (failure !== undefined) {
      reject(failure.error);
      return this.lifecycle.fail(failure, reader);
    }
    if (reader.owner !== undefined) reader.owner.isFed = true;
    if (this.lifecycle.node.isObserved) this.#showToListeners(result!);
    resolve(result!);
    if (result!.done) this.lifecycle.end();
    else if (this.lifecycle.isLeft && !this.lifecycle.isClosed) this.lifecycle.leaveNow();
  }

  /** The answer to a call may have become known for which somebody waits. */
  #advance(): void {
    const answers = this.#answers;
    const { readers } = this;
    while (readers.length > 0 && answers.first !== undefined && !isPending(answers.first)) {
      const { result, failure } = answers.shift()!;
      this.#handOver(result, failure, readers.shift()!);
    }
    if (!this.lifecycle.isClosed) this.#lineHasChanged();
  }

  #lineHasChanged(): void {
    const { isLeft } = this.lifecycle;
    // The stage was left while others waited for its step, and they have their answers now.
    if (isLeft && this.readers.length === 0) return this.lifecycle.leaveNow();
    if (this.#stream !== undefined) this.#drainInto(this.#stream);
    if (this.meter !== undefined) this.measure();
    this.#ask();
    if (this.meter !== undefined) this.#measureState(this.meter);
  }

  #drainInto(stream: StreamSide<T>): void {
    stream.drain();
    if (this.readers.length === 0 && (this.#hasEnded || !stream.isWaiting)) this.lifecycle.handle.release();
  }

  /** The function of `buffer.map` is called for a value. Its answer is in line from now on. */
  #call(calls: Calls<any, T>, value: unknown): void {
    if (calls.hasFailed) return;
    const answer: Answer<T> = { promise: undefined, result: undefined, failure: undefined, behind: undefined };
    this.#answers.push(answer);
    const { place } = this.lifecycle;
    const outer = place.enter();
    try {
      calls.start(value, answer);
    } finally {
      place.leave(outer);
    }
    this.meter?.calls(calls.count);
    if (!this.lifecycle.isClosed) this.#lineHasChanged();
  }

  #callSettled(calls: Calls<any, T>, answer: Answer<T>): void {
    const { failure } = answer;
    this.meter?.calls(calls.count);
    if (failure === undefined || this.#hasEnded || this.lifecycle.isClosed) return this.#answerKnown(calls, answer);
    // As behind a plain loop, the source has cleaned up when the error arrives.
    answer.failure = undefined;
    this.#closeSource(calls, () => {
      answer.failure = failure;
      this.#answerKnown(calls, answer);
    });
  }

  /** A call has failed: its error counts, not one of this clean-up. A long step of the source does not hold it up. */
  #closeSource(calls: Calls<any, T>, onReleased: () => void): void {
    calls.closing ??= this.#returnSource();
    const isStepping = (): boolean => this.#isAsking;
    const ending = new Ending({
      get isStepping() {
        return isStepping();
      },
      isFed: true,
      closeRest() {},
    });
    ending.whenReleased(onReleased);
    ending.awaitReturn(calls.closing);
  }

  #answerKnown(calls: Calls<any, T>, answer: Answer<T>): void {
    const { failure, result } = answer;
    if (this.lifecycle.isClosed) {
      if (answer !== calls.lateAnswer) return;
      calls.lateAnswer = undefined;
      return this.lifecycle.answeredLate(result ?? DONE);
    }
    if (failure === undefined) this.meter?.yields();
    else this.meter?.fails(this.#firstFailure ?? failure);
    if (this.isOver) this.#endReading(calls.sourceFailure);
    if (!this.lifecycle.isClosed) this.#advance();
  }

  /** The first failure in line, which is the one that a consumer will get. */
  get #firstFailure(): Failure | undefined {
    let answer = this.#answers.first;
    while (answer !== undefined && answer.failure === undefined) answer = answer.behind;
    return answer?.failure;
  }

  /** Tells the meter what the stage does while its source is not in a step. */
  #measureState(meter: Meter): void {
    if (this.#isAsking) return;
    if (this.isOver) meter.ends();
    else if (this.#hasEnded || this.#calls?.isFree === false) meter.works();
    else meter.blocks();
  }

  // Letting go

  /** Tells the meter how many values wait. */
  measure(): void {
    if (this.meter === undefined || this.lifecycle.isClosed) return;
    this.meter.holds(this.#stage.readableLength + (this.#stream?.holdsNull ? 1 : 0));
  }

  clear(): void {
    const { first } = this.#answers;
    this.#answers.drain();
    if (this.readers.length === 0 || first === undefined) return;
    if (this.#calls !== undefined && isPending(first)) this.#calls.lateAnswer = first;
    // After those who get nothing have been answered.
    else queueMicrotask(() => this.lifecycle.answeredLate(first.result ?? DONE));
  }

  letSourceGo(stage: { abortReason(): unknown }): Promise<unknown> | undefined {
    this.#signal?.abort(() => stage.abortReason());
    const returned = this.#hasEnded ? undefined : (this.#calls?.closing ?? this.#returnSource());
    if (this.#calls === undefined || this.#calls.count === 0) return returned;
    return Promise.allSettled([returned, this.#calls.idle()]).then(() => returned);
  }

  #returnSource(): Promise<unknown> | undefined {
    return this.#feed === undefined ? closeUnread(this.#source) : this.#feed.run(this.#feed.return, this.#feed);
  }
}
