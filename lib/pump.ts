/** The pump of a stage: takes values from the source and hands them to whoever reads the stage. */
import { Failure } from './errors.ts';
import { Feed } from './feed.ts';
import { Lifecycle } from './lifecycle.ts';
import { DONE, Line, type Reader, type Result } from './line.ts';
import { isTraced, Meter } from './meter.ts';
import { cancelStream } from './source.ts';
import type { BufferedStage, StageParts } from './stage.ts';
import { StreamSide } from './stream-side.ts';
import type { Source } from './types.ts';

/**
 * The states of a pump, in their order; a stage can be destroyed in each:
 *
 * - *unread*: there is no iterator. Nothing has run.
 * - *open*: the source is asked whenever there is room and no step is under way.
 * - *over*: the source has ended or thrown; this last answer waits in line behind the values.
 * - *finished*: the end has been handed over. An error that is handed over closes the pump instead.
 * - *closed*: the stage was destroyed. The first read fails, unless the consumer has left or knows already.
 *
 * What always holds: at most `bufferSize` values wait for a reader, and a step is under way only if there is room for
 * what it yields. Values wait in the line, or, once the stage is read as a stream, in Node's buffer.
 */
export class Pump<T> extends Lifecycle<T> {
  /** Whether a loop has asked for a value. */
  loopDidRead = false;
  isStepping = false;
  isOver = false;

  readonly #source: Source<T>;
  readonly #bufferSize: number;
  readonly #label: string | number;
  readonly #line: Line<T> = new Line();
  /** Made when the stage is first read as a stream. */
  #stream: StreamSide<T> | undefined;

  /** The source once it is opened. */
  #feed: Feed<T> | undefined;
  /** The generator that has opened it, if it was one. */
  #opener: Pump<any> | undefined;
  #step: Promise<Result<T>> | undefined;
  /** What the source threw. */
  #thrown: Failure | undefined;

  constructor(stage: BufferedStage<T>, parts: StageParts<T>) {
    super(stage, parts.pipeline, parts.handle, parts.meter);
    this.#source = parts.source;
    this.#bufferSize = stage.readableHighWaterMark;
    this.#label = parts.label;
  }

  /** How many values wait that are not in Node's buffer yet. The last answer, which none follows, is no value. */
  get heldLength(): number {
    const answers = this.#line.answerCount + (this.#stream?.isArriving ? 1 : 0);
    return this.isOver && answers > 0 ? answers - 1 : answers;
  }

  // Handing over

  /** The next value for a loop. */
  next(): Promise<Result<T>> {
    this.meetReader();
    this.loopDidRead = true;
    if (this.isClosed) return this.afterClose();
    if (this.#stream?.hasValues) return Promise.resolve({ done: false, value: this.stage.read() as T });
    if (this.#stream?.isArriving) return this.#nextAfterArrival(this.#stream);
    const answer = this.#line.takeAnswer();
    if (answer !== undefined) {
      // Before whoever is told of it may destroy the stage.
      const isLast = this.isOver && this.#line.answerCount === 0;
      this.measureHeld();
      if (isLast) this.#lastAnswerTaken();
      else this.#askInContext();
      return answer;
    }
    return this.isFinished ? this.#ended() : this.#wait();
  }

  /** What was read as a stream, and to its end by a loop, has not been asked by anybody whether that was all. */
  #ended(): Promise<Result<T>> {
    this.stage.read();
    return Promise.resolve(DONE);
  }

  #nextAfterArrival(stream: StreamSide<T>): Promise<Result<T>> {
    return new Promise((resolve) => {
      stream.onArrival.push(() => resolve(this.next()));
    });
  }

  #wait(): Promise<Result<T>> {
    this.handle.hold(this.stage);
    const meter = this.reader?.meter;
    const promise = this.#line.addReader(meter);
    meter?.starves();
    if (!this.isStepping) this.#askInContext();
    return promise;
  }

  /** Node's buffer has room for a value. */
  readAsStream(): void {
    this.meetReader();
    const stream = this.openStream();
    // Node asks behind the last value, too.
    if (stream.isEnding) return;
    this.supply(stream);
    this.#askInContext();
  }

  /** Whether a loop waited for a value and has taken this one. */
  giveBack(value: T): boolean {
    const reader = this.#takeReader();
    reader?.resolve({ done: false, value });
    return reader !== undefined;
  }

  /** From now on, values may wait in Node's buffer. */
  openStream(): StreamSide<T> {
    return (this.#stream ??= new StreamSide(this.stage, this));
  }

  /** The stream takes what a loop has left in line, or waits for what comes next. */
  supply(stream: StreamSide<T>): void {
    if (stream.isArriving) return;
    const answer = this.#line.takeAnswer();
    if (answer === undefined) {
      stream.isWaiting = true;
      this.handle.hold(this.stage);
      return;
    }
    // Nothing overtakes it: Node does not ask again before it has been pushed, and loops wait.
    stream.isArriving = true;
    void answer.then(
      (result) => this.#arrived(stream, () => stream.push(result)),
      (error: unknown) => this.#arrived(stream, () => stream.fail(new Failure(error))),
    );
  }

  #arrived(stream: StreamSide<T>, take: () => void): void {
    const loops = stream.onArrival;
    stream.isArriving = false;
    stream.onArrival = [];
    if (!this.isClosed) take();
    for (const readOn of loops) readOn();
    this.measureHeld();
    this.#askInContext();
  }

  /** A value may have left Node's buffer. */
  afterStreamRead(): void {
    this.#stream?.afterRead();
    this.measureHeld();
  }

  finish(): void {
    this.isFinished = true;
    this.#endReaders();
  }

  /** All that still wait get the end. */
  #endReaders(): void {
    for (let reader = this.#takeReader(); reader !== undefined; reader = this.#takeReader()) reader.resolve(DONE);
  }

  /** A loop has the source's end or error. */
  #lastAnswerTaken(): void {
    if (this.#thrown !== undefined) {
      this.failTold(this.#thrown);
    } else {
      this.finish();
      // Ends the stage itself, which has nothing in its buffer: 'end' and 'close' follow.
      this.stage.push(null);
      this.stage.read();
    }
  }

  // Asking the source

  /** The generator whose first read has opened the source has the same async context, whenever it asks. */
  #askInContext(): void {
    if (this.#feed === undefined || (this.isAskedInside && this.reader === this.#opener)) this.#ask();
    else this.#feed.run(this.#ask, this);
  }

  #ask(): void {
    if (!this.isStepping && !this.isOver && !this.isClosed && this.#hasRoom()) this.#takeStep();
  }

  #takeStep(): void {
    if (this.isDeep) return this.#askLater();
    const outer = this.enterSource();
    try {
      const feed = this.#feed ?? this.#openFeed();
      this.meter?.works();
      // A source function, or whoever is told of its work, may have destroyed the stage.
      if (this.isClosed) return;
      this.isStepping = true;
      this.#step = feed.next();
    } finally {
      this.leaveSource(outer);
    }
  }

  #askLater(): void {
    queueMicrotask(() => this.#ask());
  }

  #hasRoom(): boolean {
    if (this.#line.hasReaders) return true;
    if (this.#stream !== undefined) return this.#stream.isWaiting && !this.#stream.isEnding;
    return this.#line.answerCount < this.#bufferSize;
  }

  #openFeed(): Feed<T> {
    this.#feed = new Feed(
      this.#source,
      (result) => this.#answered(result),
      (error) => this.#threw(error),
    );
    if (this.isAskedInside) this.#opener = this.reader;
    if (isTraced()) this.meter ??= new Meter(this.#label, this.#bufferSize);
    this.meter?.start(this.stage);
    if (!this.isClosed) this.#callSource(this.#feed);
    return this.#feed;
  }

  #callSource(feed: Feed<T>): void {
    feed.open();
    // A function that destroys its own stage may still return a stream. Nobody is left to be told how closing that goes.
    if (this.isClosed) feed.return()?.catch(() => {});
  }

  #answered(result: Result<T>): void {
    const step = this.#stepDone();
    if (this.isClosed) return;
    if (result.done) {
      this.isOver = true;
      this.forgetUpstream();
      this.meter?.ends();
    } else {
      this.meter?.yields();
    }
    // Whoever was told may have destroyed the stage.
    if (this.isClosed) return;
    const reader = this.#line.takeReader();
    if (reader !== undefined) this.#handOver(result, reader);
    else this.#keep(result, step);
  }

  /** The next step is asked for first, so that its I/O starts before a reader that computes keeps it from starting. */
  #handOver(result: Result<T>, reader: Reader<T>): void {
    this.measureHeld();
    if (!this.isOver && !this.isClosed) this.#takeStep();
    reader.meter?.resumes();
    reader.resolve(result);
    if (this.isOver) this.#lastAnswerTaken();
  }

  #keep(result: Result<T>, step: Promise<Result<T>>): void {
    if (this.#stream?.isWaiting) {
      this.#stream.push(result);
      if (!this.#stream.isWaiting) this.handle.release();
    } else {
      this.#hold(step);
    }
    this.measureHeld();
    this.#ask();
    if (!this.isStepping) this.meter?.blocks();
  }

  #threw(error: unknown): void {
    const step = this.#stepDone();
    // Too late to be of interest: the stage was destroyed while this step, ahead of its reader, was under way.
    if (this.isClosed) return;
    this.isOver = true;
    this.#thrown = new Failure(error);
    this.meter?.fails(this.#thrown);
    this.cancelUpstream(this.#thrown);
    const reader = this.#takeReader();
    if (reader !== undefined) {
      reader.reject(error);
      this.#lastAnswerTaken();
    } else if (this.#stream?.isWaiting) {
      this.#stream.fail(this.#thrown);
      this.handle.release();
    } else {
      this.#hold(step);
    }
  }

  #takeReader(): Reader<T> | undefined {
    const reader = this.#line.takeReader();
    reader?.meter?.resumes();
    return reader;
  }

  protected measureHeld(): void {
    if (this.meter === undefined || this.isClosed) return;
    this.meter.holds(this.stage.readableLength + (this.#stream?.holdsNull ? 1 : 0));
  }

  /** Forgets the promise of the step, and so its value. */
  #stepDone(): Promise<Result<T>> {
    const step = this.#step!;
    this.isStepping = false;
    this.#step = undefined;
    return step;
  }

  #hold(step: Promise<Result<T>>): void {
    this.#line.addAnswer(step);
    this.handle.release();
  }

  // Letting go

  protected get isReadAsStream(): boolean {
    return this.#stream !== undefined;
  }

  /** The first reader that waits gets the error, as after an error in the source, and all others the end. */
  protected letConsumersGo(): void {
    this.#line.clearAnswers();
    const first = this.#takeReader();
    if (first === undefined) return;
    if (this.isTold) first.resolve(DONE);
    else first.reject(this.tell());
    this.#endReaders();
  }

  protected letSourceGo(reason: () => unknown): Promise<unknown> | undefined {
    this.#feed?.abort(reason);
    if (this.isOver) return undefined;
    if (this.#feed !== undefined) return this.#feed.run(this.#returnSource, this);
    cancelStream(this.#source);
    return undefined;
  }

  #returnSource(): Promise<unknown> | undefined {
    const outer = this.enterSource();
    try {
      return this.#feed!.return();
    } finally {
      this.leaveSource(outer);
    }
  }
}
