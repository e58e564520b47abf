/** The pump of a stage: takes values from the source and hands them to whoever reads the stage. */
import { AsyncResource } from 'node:async_hooks';
import type { Readable } from 'node:stream';

import { Closing, whenSettled } from './closing.ts';
import { DependencyNode } from './dependency.ts';
import { abortError, Failure, isAbortError, prematureClose } from './errors.ts';
import { Line, type Reader, type Result } from './line.ts';
import { Handle } from './members.ts';
import type { Pipeline } from './pipeline.ts';
import { cancelStream, failing, iterate, resolveSource, type SourceIterator } from './source.ts';
import { StreamSide } from './stream-side.ts';
import type { Source, SourceContext } from './types.ts';

const DONE: Result<never> = Object.freeze({ done: true, value: undefined });

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
  /** How the pipeline knows this pump: held from when a consumer waits to the next value that finds none waiting. */
  readonly handle: Handle<Pump<any>> = new Handle(this);
  /** Whether a loop has asked for a value. */
  loopDidRead = false;
  isStepping = false;
  isOver = false;

  readonly #stage: Readable;
  readonly #bufferSize: number;
  readonly #line: Line<T> = new Line();
  /** Made when the stage is first read as a stream. */
  #stream: StreamSide<T> | undefined;

  /** What was given, or, once it was called, what it returned. */
  #source: Source<T>;
  #iterator: SourceIterator<T> | undefined;
  /** The async context of the first read, which the source sees for its whole life, whoever reads later. */
  #context: AsyncResource | undefined;
  #controller: AbortController | undefined;
  /** Made once, when the source is opened. */
  #onAnswer: ((result: Result<T>) => void) | undefined;
  #onError: ((error: unknown) => void) | undefined;
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

  constructor(stage: Readable, pipeline: Pipeline, source: Source<T>, bufferSize: number) {
    super();
    this.#stage = stage;
    this.pipeline = pipeline;
    this.#source = source;
    this.#bufferSize = bufferSize;
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
      if (this.isOver && this.#line.answerCount === 0) this.#lastAnswerTaken();
      else this.#askInContext();
      return answer;
    }
    return this.#isFinished ? Promise.resolve(DONE) : this.#wait();
  }

  #wait(): Promise<Result<T>> {
    this.handle.hold(this);
    const promise = this.#line.addReader();
    this.#askInContext();
    return promise;
  }

  /** Node's buffer has room for a value. */
  readAsStream(): void {
    this.meetReader();
    this.#stream ??= new StreamSide(this.#stage, this);
    const answer = this.#line.takeAnswer();
    if (answer === undefined) {
      this.#stream.isWaiting = true;
      this.handle.hold(this);
      this.#askInContext();
    } else {
      this.#pushLater(answer, this.#stream);
    }
  }

  /** What a loop has left in line. Node does not ask again before it has been pushed, so that nothing overtakes it. */
  #pushLater(answer: Promise<Result<T>>, stream: StreamSide<T>): void {
    void answer.then(
      (result) => this.#isClosed || stream.push(result),
      (error: unknown) => stream.fail(new Failure(error)),
    );
  }

  /** A value may have left Node's buffer. */
  afterStreamRead(): void {
    this.#stream?.afterRead();
  }

  finish(): void {
    this.#isFinished = true;
    this.#endReaders();
  }

  #endReaders(): void {
    for (let reader = this.#line.takeReader(); reader !== undefined; reader = this.#line.takeReader()) {
      reader.resolve(DONE);
    }
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
    if (this.#context === undefined || this.isAskedInside) this.#ask();
    else this.#context.runInAsyncScope(this.#ask, this);
  }

  #ask(): void {
    if (this.isStepping || this.isOver || this.#isClosed || !this.#hasRoom()) return;
    if (this.isDeep) return this.#askLater();
    const outer = this.enterSource();
    try {
      this.#iterator ??= this.#open();
      // A source function may have destroyed its own stage.
      if (!this.#isClosed) this.#step = this.#takeStep(this.#iterator);
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

  #takeStep(iterator: SourceIterator<T>): Promise<Result<T>> {
    this.isStepping = true;
    const step = iterator.next() as Promise<Result<T>>;
    // Handled in any case: whoever takes the promise of the step gets its error.
    void step.then(this.#onAnswer, this.#onError);
    return step;
  }

  #open(): SourceIterator<T> {
    this.#context = new AsyncResource('BufferedStage');
    this.#onAnswer = (result) => this.#answered(result);
    this.#onError = (error) => this.#threw(error);
    try {
      this.#source = resolveSource(this.#source, () => this.#sourceContext());
      return iterate(this.#source);
    } catch (error) {
      return failing(error);
    }
  }

  #sourceContext(): SourceContext {
    this.#controller = new AbortController();
    return { signal: this.#controller.signal };
  }

  #answered(result: Result<T>): void {
    const step = this.#stepDone();
    if (this.#isClosed) return;
    if (result.done) {
      this.isOver = true;
      this.forgetUpstream();
    }
    const reader = this.#line.takeReader();
    if (reader !== undefined) {
      // First, so that the next step's I/O starts before a reader that computes keeps it from starting.
      this.#ask();
      reader.resolve(result);
      if (this.isOver) this.#lastAnswerTaken();
    } else if (this.#stream?.isWaiting) {
      this.#stream.push(result);
      if (!this.#stream.isWaiting) this.handle.release();
    } else {
      this.#hold(step);
    }
    this.#ask();
  }

  #threw(error: unknown): void {
    const step = this.#stepDone();
    // Too late to be of interest: the stage was destroyed while this step, ahead of its reader, was under way.
    if (this.#isClosed) return;
    this.isOver = true;
    this.#thrown = new Failure(error);
    this.cancelUpstream(this.#thrown);
    const reader = this.#line.takeReader();
    if (reader !== undefined) {
      reader.reject(error);
      this.#lastAnswerTaken();
    } else if (this.#stream?.isWaiting) {
      this.#stream.fail(this.#thrown);
    } else {
      this.#hold(step);
    }
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

  // Closing

  /** The consumer of a loop leaves. Rejects with what an idle generator throws in its clean-up. */
  async leave(value: unknown): Promise<Result<T>> {
    if (!this.#isFinished) this.#stage.destroy();
    this.#isTold = true;
    if (this.#closing?.released !== undefined) await this.#leaveWhenReleased(this.#closing);
    return { done: true, value: (await value) as undefined };
  }

  async #leaveWhenReleased(closing: Closing): Promise<void> {
    closing.isClaimed = true;
    const failure = await closing.released;
    if (failure === undefined || this.#failure !== undefined) return;
    this.#handedOver(failure);
    throw failure.error;
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
    this.handle.release();
    if (this.#isFinished) {
      this.#isTold = true;
      this.#announceClose(callback, error === null ? undefined : new Failure(error));
      return;
    }
    if (error !== null) this.#failure ??= new Failure(error);
    this.#line.clearAnswers();
    this.#letReadersGo();
    this.#controller?.abort(this.#abortReason());
    const upstream = this.cancelUpstream(this.#failure);
    const step = this.isStepping ? this.#step : undefined;
    const returned = this.#closeSource();
    this.#closing = new Closing(
      returned,
      this.isStepping ? (step ?? returned) : undefined,
      upstream.map((pump) => pump.#closing),
    );
    this.#announceEnd(this.#closing, callback);
  }

  /** Settles when the generator, if it was opened, has cleaned up. An earlier error wins over one in the clean-up. */
  async cleaned(): Promise<Failure | undefined> {
    const failure = await this.#closing?.cleaned;
    return this.#failure === undefined ? failure : undefined;
  }

  /** The first reader that waits gets the error, as after an error in the source, and all others the end. */
  #letReadersGo(): void {
    const first: Reader<T> | undefined = this.#line.takeReader();
    if (first === undefined) return;
    if (this.#isTold) first.resolve(DONE);
    else first.reject(this.#tell());
    this.#endReaders();
  }

  #closeSource(): Promise<unknown> | undefined {
    if (this.isOver) return undefined;
    cancelStream(this.#source);
    return this.#context?.runInAsyncScope(this.#returnIterator, this);
  }

  #returnIterator(): Promise<unknown> | undefined {
    const outer = this.enterSource();
    try {
      return this.#iterator?.return(undefined);
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
      whenSettled(closing.cleaned, (failure) => this.#announceClose(callback, failure));
      return;
    }
    const { eventError } = this.#failure;
    whenSettled(closing.released, () => {
      process.nextTick(() => this.#emitsErrors && this.#stage.emit('error', eventError));
      whenSettled(closing.cleaned, () => this.#announceClose(callback));
    });
  }

  #announceClose(callback: (error?: Error | null) => void, failure?: Failure): void {
    this.pipeline.delete(this.handle);
    callback(failure !== undefined && this.#emitsErrors ? failure.eventError : null);
  }

  /** As for any stream, an error that nobody listens for ends the process, unless somebody was told or it came from elsewhere. */
  get #emitsErrors(): boolean {
    return this.#stage.listenerCount('error') > 0 || (this.#stream !== undefined && !this.#isSilent);
  }
}
