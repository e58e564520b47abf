/** The pump of a stage: takes values from the source and hands them to whoever reads the stage. */
import { Closing } from './closing.ts';
import { DependencyNode } from './dependency.ts';
import { abortError, Failure, isAbortError, prematureClose } from './errors.ts';
import { Feed } from './feed.ts';
import { DONE, Line, type Reader, type Result } from './line.ts';
import type { Handle } from './members.ts';
import { isTraced, Meter } from './meter.ts';
import type { Pipeline } from './pipeline.ts';
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
export class Pump<T> extends DependencyNode {
  readonly pipeline: Pipeline;
  /** Whether a loop has asked for a value. */
  loopDidRead = false;
  isStepping = false;
  isOver = false;
  /** There is one only where somebody observes. */
  meter: Meter | undefined;
  /** That of the generator that waits for a value. */
  #starving: Meter | undefined;

  readonly #stage: BufferedStage<T>;
  /** How the pipeline knows the stage: held from when a consumer waits to the next value that finds none waiting. */
  readonly #handle: Handle<BufferedStage<any>>;
  readonly #source: Source<T>;
  readonly #bufferSize: number;
  readonly #label: string | number;
  readonly #line: Line<T> = new Line();
  /** Made when the stage is first read as a stream. */
  #stream: StreamSide<T> | undefined;

  /** The source once it is opened. */
  #feed: Feed<T> | undefined;
  #step: Promise<Result<T>> | undefined;
  /** What the source threw. */
  #thrown: Failure | undefined;
  #isFinished = false;

  #isClosed = false;
  #closing: Closing | undefined;
  /** What the stage was destroyed with. */
  #failure: Failure | undefined;
  /** Whether the consumers of loops know how it ended. */
  #isTold = false;
  /** Whether an `'error'` event would only repeat what a loop was told or what happened elsewhere. */
  #isSilent = false;

  constructor(stage: BufferedStage<T>, parts: StageParts<T>) {
    super();
    this.#stage = stage;
    this.#handle = parts.handle;
    this.pipeline = parts.pipeline;
    this.#source = parts.source;
    this.#bufferSize = stage.readableHighWaterMark;
    this.#label = parts.label;
    this.meter = parts.meter;
  }

  /** How many values wait in line, what has been pushed not counted. */
  get heldLength(): number {
    return this.#line.answerCount - (this.isOver && this.#line.answerCount > 0 ? 1 : 0);
  }

  // Handing over

  /** The next value for a loop. */
  next(): Promise<Result<T>> {
    this.meetReader();
    this.loopDidRead = true;
    if (this.#isClosed) return this.#afterClose();
    if (this.#stream?.hasValues) return Promise.resolve({ done: false, value: this.#stage.read() as T });
    const answer = this.#line.takeAnswer();
    if (answer !== undefined) {
      this.#measureHeld();
      if (this.isOver && this.#line.answerCount === 0) this.#lastAnswerTaken();
      else this.#askInContext();
      return answer;
    }
    return this.#isFinished ? Promise.resolve(DONE) : this.#wait();
  }

  #wait(): Promise<Result<T>> {
    this.#handle.hold(this.#stage);
    const promise = this.#line.addReader();
    if (this.reader?.meter !== undefined) this.#starve(this.reader.meter);
    if (!this.isStepping) this.#askInContext();
    return promise;
  }

  /** Node's buffer has room for a value. */
  readAsStream(): void {
    this.meetReader();
    this.#stream ??= new StreamSide(this.#stage, this);
    this.supply(this.#stream);
    this.#askInContext();
  }

  /** The stream takes what a loop has left in line, or waits for what comes next. */
  supply(stream: StreamSide<T>): void {
    const answer = this.#line.takeAnswer();
    if (answer === undefined) {
      stream.isWaiting = true;
      this.#handle.hold(this.#stage);
    } else {
      void answer.then(
        (result) => this.#pushHeld(result, stream),
        (error: unknown) => stream.fail(new Failure(error)),
      );
    }
  }

  /** Node does not ask again before this has been pushed, so that nothing overtakes it. */
  #pushHeld(result: Result<T>, stream: StreamSide<T>): void {
    if (this.#isClosed) return;
    stream.push(result);
    this.#askInContext();
  }

  /** A value may have left Node's buffer. */
  afterStreamRead(): void {
    this.#stream?.afterRead();
    this.#measureHeld();
  }

  finish(): void {
    this.#isFinished = true;
    this.#endReaders();
  }

  /** All that still wait get the end. */
  #endReaders(): void {
    for (let reader = this.#takeReader(); reader !== undefined; reader = this.#takeReader()) reader.resolve(DONE);
  }

  failNow(failure: Failure): void {
    if (this.#isClosed) return;
    this.#failure = failure;
    this.#stage.destroy(failure.eventError);
    this.#handedOver(failure);
  }

  /** A loop has the source's end or error. */
  #lastAnswerTaken(): void {
    if (this.#thrown !== undefined) {
      this.#isTold = true;
      this.#isSilent = true;
      this.failNow(this.#thrown);
    } else {
      this.finish();
      // Ends the stage itself, which has nothing in its buffer: 'end' and 'close' follow.
      this.#stage.push(null);
      this.#stage.read();
    }
  }

  #afterClose(): Promise<Result<T>> {
    return this.#isTold ? Promise.resolve(DONE) : Promise.reject(this.#tell());
  }

  /** How a loop learns that the stage was destroyed. */
  #tell(): unknown {
    this.#isTold = true;
    const failure = this.#failure ?? new Failure(prematureClose());
    this.#handedOver(failure);
    return failure.error;
  }

  /** An error that goes to anyone but a generator of the pipeline has left it, and ends it. */
  #handedOver(failure: Failure): void {
    if (!this.isReadInside) this.pipeline.destroy(failure);
  }

  // Asking the source

  /** A generator that reads has the context of its stage, which is that of all stages upstream. */
  #askInContext(): void {
    if (this.#feed === undefined || this.isAskedInside) this.#ask();
    else this.#feed.run(this.#ask, this);
  }

  #ask(): void {
    if (!this.isStepping && !this.isOver && !this.#isClosed && this.#hasRoom()) this.#takeStep();
  }

  #takeStep(): void {
    if (this.isDeep) return this.#askLater();
    const outer = this.enterSource();
    try {
      const feed = this.#feed ?? this.#openFeed();
      // A source function may have destroyed its own stage.
      if (this.#isClosed) return;
      this.isStepping = true;
      this.meter?.works();
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
    if (isTraced()) this.meter ??= new Meter(this.#label, this.#bufferSize);
    this.meter?.start(this.#stage);
    this.#feed.open();
    return this.#feed;
  }

  #answered(result: Result<T>): void {
    const step = this.#stepDone();
    if (this.#isClosed) return;
    if (result.done) {
      this.isOver = true;
      this.forgetUpstream();
      this.meter?.ends();
    } else {
      this.meter?.yields();
    }
    const reader = this.#takeReader();
    if (reader !== undefined) {
      this.#measureHeld();
      // First, so that the next step's I/O starts before a reader that computes keeps it from starting.
      if (!this.isOver) this.#takeStep();
      reader.resolve(result);
      if (this.isOver) this.#lastAnswerTaken();
      return;
    }
    if (this.#stream?.isWaiting) {
      this.#stream.push(result);
      if (!this.#stream.isWaiting) this.#handle.release();
    } else {
      this.#hold(step);
    }
    this.#measureHeld();
    this.#ask();
    if (!this.isStepping) this.meter?.isBlocked();
  }

  #threw(error: unknown): void {
    const step = this.#stepDone();
    // Too late to be of interest: the stage was destroyed while this step, ahead of its reader, was under way.
    if (this.#isClosed) return;
    this.isOver = true;
    this.#thrown = new Failure(error);
    this.meter?.fails(error);
    this.meter?.ends();
    this.cancelUpstream(this.#thrown);
    const reader = this.#takeReader();
    if (reader !== undefined) {
      reader.reject(error);
      this.#lastAnswerTaken();
    } else if (this.#stream?.isWaiting) {
      this.#stream.fail(this.#thrown);
    } else {
      this.#hold(step);
    }
  }

  #takeReader(): Reader<T> | undefined {
    const reader = this.#line.takeReader();
    if (this.#starving !== undefined && !this.#line.hasReaders) {
      this.#starving.isFed();
      this.#starving = undefined;
    }
    return reader;
  }

  // Observing

  /** A generator waits for a value of this stage. */
  #starve(meter: Meter): void {
    if (this.#starving !== undefined) return;
    this.#starving = meter;
    meter.starves();
  }

  #measureHeld(): void {
    this.meter?.holds(this.#stage.readableLength);
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
    this.#handle.release();
  }

  // Closing

  /** The consumer of a loop leaves. Rejects with what an idle generator throws in its clean-up. */
  leave(value: unknown): Promise<Result<T>> {
    if (!this.#isFinished) this.#stage.destroy();
    this.#isTold = true;
    const closing = this.#closing;
    return closing === undefined ? doneWith(value) : this.#leaveWhenReleased(closing, value);
  }

  #leaveWhenReleased(closing: Closing, value: unknown): Promise<Result<T>> {
    closing.isClaimed = true;
    return new Promise((resolve, reject) => {
      closing.whenReleased(() => {
        const { failure } = closing;
        if (failure === undefined || this.#failure !== undefined) return resolve(doneWith(value));
        this.#handedOver(failure);
        reject(failure.error);
      });
    });
  }

  /** Destroys the stage because of another. */
  cancel(failure: Failure | undefined): void {
    if (this.#isClosed || this.#isFinished) return;
    this.#failure = failure;
    this.#isSilent = true;
    this.#stage.destroy(failure?.eventError);
  }

  /** The stage is being destroyed: after its end, or with everything that ends here. */
  close(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#isClosed = true;
    this.pipeline.left();
    this.#handle.release();
    if (this.#isFinished) {
      this.#isTold = true;
      this.#announceClose(callback, error === null ? undefined : new Failure(error));
      return;
    }
    if (error !== null) this.#failure ??= new Failure(error);
    if (this.#failure !== undefined && this.#thrown === undefined) this.meter?.fails(this.#failure.error);
    this.meter?.discards();
    this.#line.clearAnswers();
    this.#letReadersGo();
    this.#feed?.abort(() => this.#abortReason());
    const upstream = this.cancelUpstream(this.#failure);
    const upstreamClosings = upstream.map((pump) => pump.#closing).filter((closing) => closing !== undefined);
    this.#closing = new Closing(this.#closeSource(), this, upstreamClosings);
    this.#announceEnd(this.#closing, callback);
  }

  /** Settles when the generator, if it was opened, has cleaned up. An earlier error wins over one in the clean-up. */
  async cleaned(): Promise<Failure | undefined> {
    const closing = this.#closing;
    if (closing === undefined) return undefined;
    const failure = await new Promise<Failure | undefined>((resolve) => closing.whenCleaned(resolve));
    return this.#failure === undefined ? failure : undefined;
  }

  /** The first reader that waits gets the error, as after an error in the source, and all others the end. */
  #letReadersGo(): void {
    const first = this.#takeReader();
    if (first === undefined) return;
    if (this.#isTold) first.resolve(DONE);
    else first.reject(this.#tell());
    this.#endReaders();
  }

  #closeSource(): Promise<unknown> | undefined {
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

  #abortReason(): unknown {
    if (this.#failure === undefined) return abortError();
    const cause = this.#failure.error;
    return isAbortError(cause) ? cause : abortError({ cause });
  }

  /** An error is told when all that is idle has cleaned up, whether or not a step still runs; 'close' waits for that, too. */
  #announceEnd(closing: Closing, callback: (error?: Error | null) => void): void {
    if (this.#failure === undefined) {
      closing.whenCleaned((failure) => this.#announceClose(callback, failure));
      return;
    }
    const { eventError } = this.#failure;
    closing.whenReleased(() => {
      process.nextTick(() => this.#emitsErrors && this.#stage.emit('error', eventError));
      closing.whenCleaned(() => this.#announceClose(callback));
    });
  }

  #announceClose(callback: (error?: Error | null) => void, failure?: Failure): void {
    this.pipeline.delete(this.#handle);
    this.meter?.closes();
    callback(failure !== undefined && this.#emitsErrors ? failure.eventError : null);
  }

  /** As for any stream, an error that nobody listens for ends the process, unless somebody was told or it came from elsewhere. */
  get #emitsErrors(): boolean {
    return this.#stage.listenerCount('error') > 0 || (this.#stream !== undefined && !this.#isSilent);
  }
}

/** What `return(value)` of a generator answers, which awaits the value. */
function doneWith(value: unknown): Promise<Result<never>> {
  if (value === undefined) return Promise.resolve(DONE);
  return Promise.resolve(value).then((settled) => ({ done: true, value: settled as unknown as undefined }));
}
