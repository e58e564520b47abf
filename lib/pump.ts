/**
 * The pump of a stage: takes values from the source, one at a time and no further ahead than `bufferSize`, and hands
 * them to whoever reads the stage. It also knows whom its stage reads and who reads it, so that an end of any kind
 * reaches all whom it concerns.
 */
import type { Readable } from 'node:stream';
import { setImmediate } from 'node:timers';

import { abortError, Failure, isAbortError, nullValue, prematureClose } from './errors.ts';
import { Handle } from './members.ts';
import type { Pipeline } from './pipeline.ts';
import { Queue } from './queue.ts';
import { pushedLength } from './readable.ts';
import { cancelStream, failing, iterate, resolveSource, type SourceIterator } from './source.ts';
import type { Source, SourceContext } from './types.ts';

type Result<T> = IteratorResult<T, undefined>;
type AnyPump = Pump<any>;
type Callback = (error?: Error | null) => void;

/** A consumer that waits in `next()`. */
interface Reader<T> {
  resolve(result: Result<T>): void;
  reject(error: unknown): void;
}

const DONE: Result<never> = Object.freeze({ done: true, value: undefined });

/** Makes a promise without a closure of its own for each: `captureReader` leaves its two ends in `capturedReader`. */
let capturedReader: Reader<any> | undefined;
function captureReader(resolve: (result: any) => void, reject: (error: unknown) => void): void {
  capturedReader = { resolve, reject };
}

/**
 * The pump whose source is being called right now, synchronously: it reads every stage that is asked meanwhile. Signal
 * libraries learn their dependencies like this.
 */
let calling: AnyPump | undefined;

/**
 * The states of a pump, in their order; a stage can be destroyed in each:
 *
 * - *unread*: there is no iterator. Nothing has run.
 * - *open*: the source is asked whenever there is room and no step is under way.
 * - *over*: the source has ended or thrown; this last answer waits in line behind the values.
 * - *finished*: the end has been handed over. An error that is handed over closes the pump instead.
 * - *closed*: the stage was destroyed. The first read fails, unless the consumer has left or knows already.
 *
 * What always holds: values wait only while no reader does, at most `bufferSize` of them, and a step is under way only
 * if there is room for what it yields.
 */
export class Pump<T> {
  readonly pipeline: Pipeline;
  /** How the pipeline knows this pump. */
  readonly handle: Handle<AnyPump> = new Handle(this);
  /** Whether a loop has asked for a value. */
  loopDidRead = false;
  readonly #stage: Readable;
  readonly #bufferSize: number;
  /** What was given, or, once it was called, what it returned. */
  #source: Source<T>;

  /** The source's answers that nobody has taken: its own promises, settled. */
  readonly #held: Queue<Promise<Result<T>>> = new Queue();
  readonly #readers: Queue<Reader<T>> = new Queue();
  /** Whether the stage has been read as a stream; from then on values wait in its own buffer. */
  #streamed = false;
  #streamWaits = false;
  /** An error in line behind values in the stage's own buffer. */
  #heldBack: Failure | undefined;

  #iterator: SourceIterator<T> | undefined;
  #controller: AbortController | undefined;
  /** Made once, when the source is opened. */
  #onAnswer: ((result: Result<T>) => void) | undefined;
  #onError: ((error: unknown) => void) | undefined;
  #stepUnderWay = false;
  #step: Promise<Result<T>> | undefined;
  #thrown: Failure | undefined;
  #over = false;
  #finished = false;

  #closed = false;
  /** What the stage was destroyed with. */
  #failure: Failure | undefined;
  /** Whether the consumers of loops know how it ended. */
  #told = false;
  /** Whether an `'error'` event would only repeat what a loop was told or what happened elsewhere. */
  #silent = false;
  /** Settles when the generators that were idle have cleaned up, with what went wrong. */
  #released: Promise<Failure | undefined> | undefined;
  /** Whether somebody is told of errors in the clean-up. */
  #claimed = false;
  #cleaned: Promise<Failure | undefined> | undefined;

  /** The pump that reads this stage, if it is known to be read by one. */
  #reader: AnyPump | undefined;
  #upstream: AnyPump[] = [];

  constructor(stage: Readable, pipeline: Pipeline, source: Source<T>, bufferSize: number) {
    this.#stage = stage;
    this.pipeline = pipeline;
    this.#source = source;
    this.#bufferSize = bufferSize;
  }

  /** How many values wait in line here. */
  get heldLength(): number {
    const lastAnswer = this.#over && this.#held.length > 0 ? 1 : 0;
    return this.#held.length - lastAnswer;
  }

  /** Settles when the generator, if it was opened, has cleaned up; an earlier error wins over one in the clean-up. */
  async cleaned(): Promise<Failure | undefined> {
    const failure = await this.#cleaned;
    return this.#failure === undefined ? failure : undefined;
  }

  // Handing over

  next(): Promise<Result<T>> {
    this.#meetReader();
    this.loopDidRead = true;
    if (this.#closed) return this.#afterClose();
    if (this.#streamed && pushedLength(this.#stage) > 0) {
      return Promise.resolve({ done: false, value: this.#stage.read() as T });
    }
    const answer = this.#held.shift();
    if (answer !== undefined) {
      if (this.#over && this.#held.length === 0) this.#lastAnswerTaken();
      else this.#ask();
      return answer;
    }
    if (this.#finished) return Promise.resolve(DONE);
    return this.#wait();
  }

  #wait(): Promise<Result<T>> {
    const promise = new Promise<Result<T>>(captureReader);
    this.#readers.push(capturedReader!);
    capturedReader = undefined;
    // Until the next value that finds nobody waiting.
    this.handle.hold(this);
    this.#ask();
    return promise;
  }

  /** The stage's own buffer has room for a value. */
  readAsStream(): void {
    this.#meetReader();
    this.#streamed = true;
    const answer = this.#held.shift();
    if (answer === undefined) {
      this.#streamWaits = true;
      this.#ask();
    } else {
      // Left from a loop. `_read()` is not called again before this one has been pushed, so none overtakes it.
      answer.then(
        (result) => this.#push(result),
        (error: unknown) => this.#fail(new Failure(error)),
      );
    }
  }

  #push(result: Result<T>): void {
    if (this.#closed) return;
    if (result.done) {
      this.#finish();
      this.#stage.push(null);
    } else if (result.value === null) {
      this.#fail(new Failure(nullValue()));
    } else if (this.#stage.push(result.value)) {
      this.readAsStream();
    }
  }

  /** The stage's own buffer has been read: an error that waited behind it is next. */
  streamRead(): void {
    if (this.#heldBack !== undefined && pushedLength(this.#stage) === 0) this.#failNow(this.#heldBack);
  }

  /** Says that the stage's own buffer ends here. */
  #finish(): void {
    this.#finished = true;
    for (let reader = this.#readers.shift(); reader !== undefined; reader = this.#readers.shift()) reader.resolve(DONE);
  }

  /** Fails the stage once what was pushed has been read. */
  #fail(failure: Failure): void {
    if (pushedLength(this.#stage) === 0) this.#failNow(failure);
    else this.#heldBack = failure;
  }

  #failNow(failure: Failure): void {
    if (this.#closed) return;
    this.#failure = failure;
    this.#stage.destroy(failure.eventError);
    this.#handedOver(failure);
  }

  /** A loop has the source's end or error. */
  #lastAnswerTaken(): void {
    if (this.#thrown !== undefined) {
      this.#told = true;
      this.#silent = true;
      this.#failNow(this.#thrown);
    } else {
      this.#finish();
      // Ends the stage itself, which has nothing in its buffer: 'end' and 'close' follow.
      this.#stage.push(null);
      this.#stage.read();
    }
  }

  #afterClose(): Promise<Result<T>> {
    if (this.#told) return Promise.resolve(DONE);
    return Promise.reject(this.#tell());
  }

  /** How a loop learns that the stage was destroyed. */
  #tell(): unknown {
    this.#told = true;
    const failure = this.#failure ?? new Failure(prematureClose());
    this.#handedOver(failure);
    return failure.error;
  }

  /** An error that goes to anyone but a generator of the pipeline has left it, and ends it. */
  #handedOver(failure: Failure): void {
    const reader = this.#reader;
    const staysInside = reader !== undefined && !reader.#over && reader.pipeline === this.pipeline;
    if (!staysInside) this.pipeline.destroy(failure);
  }

  // Asking the source

  #ask(): void {
    if (this.#stepUnderWay || this.#over || this.#closed || !this.#hasRoom()) return;
    const outer = calling;
    calling = this;
    this.#iterator ??= this.#open();
    // A source function may have destroyed its own stage.
    if (!this.#closed) this.#step = this.#takeStep(this.#iterator);
    calling = outer;
  }

  #takeStep(iterator: SourceIterator<T>): Promise<Result<T>> {
    this.#stepUnderWay = true;
    const step = iterator.next() as Promise<Result<T>>;
    // Handled in any case; the error of a step is handed over by the promise of whoever takes it.
    void step.then(this.#onAnswer, this.#onError);
    return step;
  }

  #hasRoom(): boolean {
    if (this.#heldBack !== undefined) return false;
    if (this.#readers.length > 0 || this.#streamWaits) return true;
    return !this.#streamed && this.#held.length < this.#bufferSize;
  }

  #open(): SourceIterator<T> {
    this.#onAnswer = (result) => this.#answered(result);
    this.#onError = (error) => this.#threw(error);
    try {
      this.#source = resolveSource(this.#source, () => this.#context());
      return iterate(this.#source);
    } catch (error) {
      return failing(error);
    }
  }

  #context(): SourceContext {
    this.#controller = new AbortController();
    return { signal: this.#controller.signal };
  }

  #answered(result: Result<T>): void {
    const step = this.#stepDone();
    if (this.#closed) return;
    if (result.done) {
      this.#over = true;
      this.#upstream = [];
    }
    const reader = this.#readers.shift();
    if (reader !== undefined) {
      reader.resolve(result);
      if (this.#over) this.#lastAnswerTaken();
    } else if (this.#streamWaits) {
      this.#streamWaits = false;
      this.#push(result);
    } else {
      this.#hold(step);
    }
    this.#ask();
  }

  #threw(error: unknown): void {
    const step = this.#stepDone();
    // Too late to be of interest: the stage was destroyed while this step, ahead of its reader, was under way.
    if (this.#closed) return;
    this.#over = true;
    this.#thrown = new Failure(error);
    this.#cancelUpstream(this.#thrown);
    const reader = this.#readers.shift();
    if (reader !== undefined) {
      reader.reject(error);
      this.#lastAnswerTaken();
    } else if (this.#streamWaits) {
      this.#fail(this.#thrown);
    } else {
      this.#hold(step);
    }
  }

  /** Forgets the promise of the step, and so its value. */
  #stepDone(): Promise<Result<T>> {
    const step = this.#step!;
    this.#stepUnderWay = false;
    this.#step = undefined;
    return step;
  }

  #hold(step: Promise<Result<T>>): void {
    this.#held.push(step);
    this.handle.release();
  }

  /** Learns who reads: the pump that is calling its source, or, with a step of its own under way, the last one known. */
  #meetReader(): void {
    if (calling !== undefined) {
      if (calling === this.#reader) return;
      this.#reader = calling;
      if (!calling.#upstream.includes(this)) calling.#upstream.push(this);
    } else if (this.#reader !== undefined && !this.#reader.#stepUnderWay) {
      this.#reader = undefined;
    }
  }

  // Closing

  /** The consumer of a loop leaves. Rejects with what an idle generator throws in its clean-up. */
  async leave(value: unknown): Promise<Result<T>> {
    this.#claimed = true;
    if (!this.#finished) this.#stage.destroy();
    this.#told = true;
    const failure = await this.#released;
    if (failure !== undefined && this.#failure === undefined) {
      this.#handedOver(failure);
      throw failure.error;
    }
    return { done: true, value: (await value) as undefined };
  }

  /** Destroys the stage because of another. */
  cancel(failure: Failure | undefined): void {
    if (this.#closed || (this.#finished && pushedLength(this.#stage) === 0)) return;
    this.#failure = failure;
    this.#silent = true;
    this.#stage.destroy(failure?.eventError);
  }

  /** The stage is being destroyed: after its end, or with everything that ends here. */
  close(error: Error | null, callback: Callback): void {
    this.#closed = true;
    this.pipeline.left();
    this.handle.release();
    if (this.#finished && pushedLength(this.#stage) === 0) {
      this.#told = true;
      this.#cleanedUp(callback);
      return;
    }
    if (error !== null) this.#failure ??= new Failure(error);
    this.#held.clear();
    this.#letReadersGo();
    this.#controller?.abort(this.#abortReason());
    this.#cleanUp(callback);
  }

  #letReadersGo(): void {
    const first = this.#readers.shift();
    if (first === undefined) return;
    if (this.#told) first.resolve(DONE);
    else first.reject(this.#tell());
    for (let reader = this.#readers.shift(); reader !== undefined; reader = this.#readers.shift()) reader.resolve(DONE);
  }

  /** Closes the generator and what it reads, then lets the stage say `'error'` and `'close'`. */
  #cleanUp(callback: Callback): void {
    const upstream = this.#cancelUpstream(this.#failure);
    this.#cleaned = this.#closeSource();
    const outcomes = upstream.map((pump) => pump.#unclaimedOutcome());
    outcomes.unshift(this.#stepUnderWay ? this.#cleanedIfSoonIdle() : this.#cleaned);
    const awaited = outcomes.filter((promise) => promise !== undefined);
    if (awaited.length > 0) this.#released = firstFailure(awaited);
    if (this.#failure === undefined) {
      whenSettled(this.#cleaned, (failure) => this.#cleanedUp(callback, failure));
      return;
    }
    const { eventError } = this.#failure;
    whenSettled(this.#released, () => {
      process.nextTick(() => this.#emitsErrors() && this.#stage.emit('error', eventError));
      whenSettled(this.#cleaned, () => this.#cleanedUp(callback));
    });
  }

  /**
   * A reader that leaves between two values mostly finds the generator in a step already, ahead of it. A step that needs
   * no more than a turn of the event loop passes for idle, so that leaving waits as it would without a buffer.
   */
  async #cleanedIfSoonIdle(): Promise<Failure | undefined> {
    const isIdle = await Promise.race([settlement(this.#step ?? this.#cleaned!), nextTurn()]);
    return isIdle ? this.#cleaned : undefined;
  }

  #cleanedUp(callback: Callback, failure?: Failure): void {
    this.pipeline.delete(this.handle);
    callback(failure !== undefined && this.#emitsErrors() ? failure.eventError : null);
  }

  /** As for any stream, an error that nobody listens for ends the process, unless somebody was told or it came from elsewhere. */
  #emitsErrors(): boolean {
    return this.#stage.listenerCount('error') > 0 || (this.#streamed && !this.#silent);
  }

  #closeSource(): Promise<Failure | undefined> | undefined {
    if (this.#over) return undefined;
    cancelStream(this.#source);
    if (this.#iterator === undefined) return undefined;
    const outer = calling;
    calling = this;
    const returned = this.#iterator.return(undefined);
    calling = outer;
    return outcomeOf(returned);
  }

  /** Destroys the stages that this one reads. */
  #cancelUpstream(failure: Failure | undefined): AnyPump[] {
    const upstream = this.#upstream;
    this.#upstream = [];
    for (const pump of upstream) pump.cancel(failure);
    return upstream;
  }

  /** How the clean-up of idle generators went, where nobody else is told. */
  #unclaimedOutcome(): Promise<Failure | undefined> | undefined {
    return this.#released?.then((failure) => (this.#claimed ? undefined : failure));
  }

  #abortReason(): unknown {
    const cause = this.#failure?.error;
    if (this.#failure === undefined) return abortError();
    return isAbortError(cause) ? cause : abortError({ cause });
  }
}

/** A promise that says what went wrong instead of rejecting, so that it may be left alone. */
function outcomeOf(promise: Promise<unknown>): Promise<Failure | undefined> {
  return promise.then(
    () => undefined,
    (error: unknown) => new Failure(error),
  );
}

function settlement(promise: Promise<unknown>): Promise<true> {
  return promise.then(
    () => true as const,
    () => true as const,
  );
}

function nextTurn(): Promise<false> {
  return new Promise((resolve) => setImmediate(resolve, false));
}

/** The first by place, once all have settled. */
export async function firstFailure(outcomes: Promise<Failure | undefined>[]): Promise<Failure | undefined> {
  const failures = await Promise.all(outcomes);
  return failures.find((failure) => failure !== undefined);
}

/** Calls back at once where there is nothing to wait for. The promise comes from `outcomeOf`, which never rejects. */
function whenSettled(
  promise: Promise<Failure | undefined> | undefined,
  callback: (failure: Failure | undefined) => void,
): void {
  if (promise === undefined) callback(undefined);
  else void promise.then(callback);
}
