/**
 * How a stage comes to its end: by its source, an error, a reader that leaves, a `destroy()`, another stage or a signal. This
 * file says what each of these does, and who is told. One error is told once: to whoever reads, or by an `'error'` event.
 */
import type { Readable } from 'node:stream';

import { Ending, type EndingStage } from './ending.ts';
import { abortError, Failure, isAbortError, prematureClose } from './errors.ts';
import type { Group, GroupMember } from './group.ts';
import { DONE, rejectQuietly, type Result, type Waiting } from './line.ts';
import { Handle } from './members.ts';
import type { Meter } from './meter.ts';
import { NodePart } from './node-part.ts';
import type { Queue } from './queue.ts';
import { streamHasEnded } from './readable.ts';
import { Place, type ReadingStage } from './place.ts';
import type { Reader } from './reader.ts';

/** The part of a stage that has the values, as far as its end is concerned. */
export interface Content<T> {
  readonly isStepping: boolean;
  /** Whether the source has ended or thrown. */
  readonly isOver: boolean;
  /** Whether a loop has asked for a value. */
  readonly loopDidRead: boolean;
  /** Whether the stage has been read as a stream. */
  readonly isReadAsStream: boolean;
  meter: Meter | undefined;
  /** Those who wait. */
  readonly readers: Queue<Waiting<T>>;
  /** Whether the `return()` of the source waits for a step under way. */
  readonly queuesReturn: boolean;
  /** Throws away what is held. */
  clear(): void;
  /** Tells the meter how many values wait. */
  measure(): void;
  /** Aborts the signal of the source and, unless that is over, has its iterator return. */
  letSourceGo(stage: { abortReason(): unknown }): Promise<unknown> | undefined;
}

export class Lifecycle<T> implements ReadingStage, GroupMember, EndingStage {
  readonly place: Place<Lifecycle<any>>;
  readonly group: Group;
  readonly node: NodePart;
  /** Whether the source's end has been handed over. */
  isFinished = false;
  /** Whether the stage was destroyed. */
  isClosed = false;
  /** Whether its generator has cleaned up, too. */
  isCleaned = false;
  /** Whether a loop has left while others wait: the stage is destroyed when the step under way has answered one of them. */
  isLeft = false;
  /** Has Node emit 'close'. Only where Node learns of the end after the stage was closed. */
  #lateCallback: ((error?: Error | null) => void) | undefined;
  readonly #stage: Readable;
  readonly #content: Content<T>;
  #ending: Ending | undefined;
  /** What the stage was destroyed with. */
  #failure: Failure | undefined;
  /** Whether that error is the package's own, made for a generator that reads by listening to events. */
  #isFailureMade = false;
  /** Whether the consumers of loops know how it ended. */
  #isTold = false;
  /** Whether an `'error'` event would only repeat what a loop was told, or what happened elsewhere. */
  #isSilent = false;
  /** Whether its reader has left: reads under way get what the step yields. */
  #isLeftNow = false;
  /** Where the stage was destroyed because the generator that reads it was: which readers are its, and how far it is. */
  #closedFor: { isTheirs: (reader: Reader) => boolean; ending: Ending } | undefined;

  constructor(stage: Readable, content: Content<T>, group: Group) {
    this.#stage = stage;
    this.#content = content;
    this.group = group;
    this.node = new NodePart(stage, this);
    this.place = new Place(new Handle<Lifecycle<any>>(this), group);
  }

  /** By which the pipeline knows the stage. Strong while a consumer waits, weak otherwise. */
  get handle(): Handle<Lifecycle<any>> {
    return this.place.handle;
  }

  get isStepping(): boolean {
    return this.#content.isStepping;
  }

  get isOver(): boolean {
    return this.isClosed || this.#content.isOver;
  }

  awaits(reader: Reader): boolean {
    return this.#content.readers.some((waiting) => waiting.reader === reader);
  }

  // The ends that a reader is handed

  /** A loop has been handed the end of the source. When the loop is over, so is the stage. */
  end(): void {
    this.isFinished = true;
    for (const waiting of this.#content.readers.drain()) waiting.resolve(DONE);
    this.node.end();
  }

  /** A loop has been handed the error. */
  fail(failure: Failure, reader: Reader): void {
    this.#isTold = true;
    this.#isSilent = true;
    this.failStream(failure, reader);
  }

  /** The error is next in line for a stream. */
  failStream(failure: Failure, reader: Reader): void {
    reader.fails(failure);
    if (this.isClosed) return;
    this.#failure = failure;
    // A loop that looks ahead by `read()` learns of it when it asks again.
    if (this.#content.loopDidRead && this.#stage.readableFlowing === null) this.#isSilent = true;
    this.node.destroy(failure.eventError);
    this.#handedOver(failure, reader);
  }

  /** The answer to those who ask after the stage was destroyed. */
  answerClosed(reader: Reader): Promise<Result<T>> {
    if (this.#closedFor?.isTheirs(reader)) return this.#failLateRead(this.#closedFor.ending);
    if (this.#isTold || reader.hasLeft) return Promise.resolve(DONE);
    return this.#isSilent ? rejectedQuietly(this.#tell(reader)) : Promise.reject(this.#tell(reader));
  }

  /** A generator that was closed in a step goes on and asks for more. It must not take what it gets for the end. */
  #failLateRead(ending: Ending): Promise<Result<T>> {
    this.#closedFor = undefined;
    this.#isTold = true;
    const error = prematureClose();
    ending.expects(error);
    return rejectedQuietly(error);
  }

  /** How a loop learns that the stage was destroyed. */
  #tell(reader: Reader): unknown {
    this.#isTold = true;
    this.#isSilent = true;
    const failure = this.#failure ?? new Failure(prematureClose());
    this.#handedOver(failure, reader);
    return failure.error;
  }

  /** An error that goes to anyone but a generator of the pipeline has left it, and ends it. */
  #handedOver(failure: Failure, reader: Reader): void {
    if (reader.isInside || failure.hasLeft) return;
    failure.hasLeft = true;
    this.group.destroy(failure);
  }

  // Leaving

  /**
   * The consumer of a loop leaves. Waits for the clean-up of generators that are idle, and rejects with what they throw.
   * Where other loops wait for the step under way, its value is still theirs.
   */
  leave(reader: Reader, value: unknown): Promise<Result<T>> {
    const done = value === undefined ? DONE : doneWith(value);
    if (this.isFinished) return Promise.resolve(done);
    // Other readers still learn that the stage was destroyed, when they ask again.
    reader.hasLeft = true;
    if (!this.isClosed) this.#leaveBy(reader);
    return this.#whenReleased(reader, done);
  }

  #leaveBy(reader: Reader): void {
    if (this.group.fate !== undefined) this.node.destroy(this.fatalError());
    else if (this.#isAwaitedByOthers(reader)) this.#leaveToOthers();
    else this.leaveNow();
  }

  /** An iterator that can be closed while it waits answers the others itself. */
  #isAwaitedByOthers(reader: Reader): boolean {
    return this.#content.queuesReturn && this.#content.readers.some((waiting) => waiting.reader !== reader);
  }

  #leaveToOthers(): void {
    this.isLeft = true;
    this.#ending ??= new Ending(this);
  }

  /** Destroys the stage without an error: there is nothing left to read. */
  leaveNow(): void {
    this.#isTold = true;
    this.#isLeftNow = true;
    this.node.destroy();
  }

  #whenReleased(reader: Reader, done: Result<T> | Promise<Result<T>>): Promise<Result<T>> {
    const ending = this.#ending!;
    return new Promise((resolve, reject) => {
      ending.whenReleased(() => {
        const failure = ending.firstFailure;
        if (failure === undefined || failure.isTold || this.#failure !== undefined) return resolve(done);
        failure.isTold = true;
        this.#handedOver(failure, reader);
        reject(failure.error);
      });
    });
  }

  /** The step under way has answered, but the stage was destroyed meanwhile. Those who still wait had been let go by a leaver. */
  answeredLate(result: Result<T>): void {
    for (const [index, waiting] of this.#content.readers.drain().entries())
      waiting.resolve(index === 0 ? result : DONE);
  }

  threwLate(error: unknown): void {
    if (this.#content.readers.length > 0) this.answeredLate(DONE);
    else this.#ending!.stepThrew(error);
  }

  // Being let go

  /** Destroys the stage because of another. */
  cancel(failure: Failure | undefined): void {
    if (this.isClosed || this.isFinished) return;
    this.#failure = failure;
    this.#isSilent = true;
    this.node.destroy(failure?.eventError);
  }

  /** The error for a `destroy()` that gives none. While the whole pipeline is destroyed, it is that of the pipeline. */
  fatalError(): Error | undefined {
    const { fate } = this.group;
    if (fate === undefined || this.isClosed || this.isFinished) return undefined;
    this.#failure ??= fate.failure;
    this.#isSilent = true;
    return this.#failure?.eventError;
  }

  /**
   * The stage is destroyed: after its end, or with everything that ends here.
   *
   * @param error - What `destroy()` was called with.
   * @param callback - Has Node emit 'close', and the error before if there is one.
   */
  close(error: Error | null, callback: (error?: Error | null) => void): void {
    // Node learns late of it.
    if (this.isClosed) return this.isCleaned ? callback() : void (this.#lateCallback = callback);
    this.#content.measure();
    this.isClosed = true;
    this.group.left();
    this.handle.release();
    if (this.isFinished || streamHasEnded(this.#stage)) this.#closeAfterEnd(error, callback);
    else this.#closeEarly(error, callback);
    this.place.leaveReaders();
  }

  #closeAfterEnd(error: Error | null, callback: (error?: Error | null) => void): void {
    const isLoopOver = this.isFinished;
    this.isFinished = true;
    this.#isTold = true;
    // A loop may have left while another waited, and got the end.
    this.#ending?.awaitReturn(undefined);
    const failure = error === null ? undefined : new Failure(error);
    // Readers by events learn of the end a microtask before they learn of the close, as with Node's own sources.
    if (isLoopOver) this.#announceClose(callback, failure);
    else queueMicrotask(() => this.#announceClose(callback, failure));
  }

  #closeEarly(error: Error | null, callback: (error?: Error | null) => void): void {
    // With an AbortError, streams of Node's destroy what they read when they are left.
    const isByHand = error !== null && this.#failure === undefined && !isAbortError(error);
    if (error !== null) this.#failure ??= new Failure(error);
    this.#content.meter?.stops(this.#failure, isByHand);
    const ending = (this.#ending ??= new Ending(this));
    // If it comes out of the step under way, it is not the generator's own.
    if (this.isStepping && this.place.failedRead !== undefined) ending.expects(this.place.failedRead.error);
    this.#content.clear();
    this.#letReadersGo();
    if (this.isStepping) this.#letUpstreamGo(ending);
    ending.awaitReturn(this.#content.letSourceGo(this));
    this.#announceEnd(ending, callback);
  }

  /** The first reader that waits gets the error, as after an error in the source, and all others the end. */
  #letReadersGo(): void {
    if (this.#isLeftNow && this.isStepping) return;
    for (const waiting of this.#content.readers.drain()) {
      const { reader, resolve, reject } = waiting;
      reader.owner?.waits?.resumes();
      if (this.#isTold) resolve(DONE);
      else if (this.#isSilent) rejectQuietly(waiting, this.#tell(reader));
      else reject(this.#tell(reader));
    }
  }

  /** A generator in the middle of a step cannot close what it reads, so that this is done for it. */
  #letUpstreamGo(ending: Ending): void {
    const { place } = this;
    place.letGo((read, isAlone, possible) => {
      const isTheirs = (reader: Reader): boolean => reader === possible || reader.owner === place;
      const reads = read.#content.readers.take(({ reader }) => isTheirs(reader));
      if (!isAlone || read.#content.readers.length > 0) return failReads(ending, reads, this.#cause);
      read.#closedFor = { isTheirs, ending };
      read.#closeFor(ending, reads, this.#cause);
    });
  }

  /** The one generator that reads this stage was closed. Its reads fail when this stage is released. */
  #closeFor(reader: Ending, reads: Waiting<unknown>[], failure: Failure | undefined): void {
    if (this.isClosed || this.isFinished) return;
    // Who reads by listening for events is told by an 'error' event; who reads on by a loop finds the end, unless all end.
    this.#failure = failure ?? (this.#content.isReadAsStream ? this.#madeFailure(reader) : undefined);
    this.#isTold = failure === undefined && this.group.fate === undefined;
    this.#isSilent = true;
    this.node.destroy(this.#failure?.eventError);
    const ending = this.#ending!;
    reader.awaitUpstream(ending, () => failReads(reader, reads, failure ?? ending.firstFailure));
  }

  get isFed(): boolean {
    return this.place.isFed || this.place.hasBackground;
  }

  closeRest(): void {
    const ending = this.#ending!;
    this.place.abandon((read) => read.#closeFor(ending, [], this.#cause));
  }

  #madeFailure(reader: Ending): Failure {
    const error = prematureClose();
    this.#isFailureMade = true;
    reader.expects(error);
    return new Failure(error);
  }

  /** What has gone wrong, for the stages upstream. */
  get #cause(): Failure | undefined {
    return this.#isFailureMade ? undefined : this.#failure;
  }

  /** What the signal of the stage aborts with. */
  abortReason(): unknown {
    if (this.#cause === undefined) return abortError();
    const cause = this.#cause.error;
    return isAbortError(cause) ? cause : abortError({ cause });
  }

  /** Settles when the generator, if it was opened, has cleaned up. */
  async cleaned(): Promise<void> {
    const ending = this.#ending;
    if (ending !== undefined) await new Promise<void>((resolve) => ending.whenCleaned(resolve));
  }

  /** An error is told when all that is idle has cleaned up, whether or not a step still runs; 'close' waits for that, too. */
  #announceEnd(ending: Ending, callback: (error?: Error | null) => void): void {
    if (this.#failure === undefined) {
      ending.whenCleaned(() => {
        const { failure } = ending;
        if (failure?.isTold === false && !this.#emitsErrors) this.group.keep(failure);
        this.#announceClose(callback, failure);
      });
      return;
    }
    const { eventError } = this.#failure;
    ending.whenReleased(() => {
      process.nextTick(() => this.#emitsErrors && this.#stage.emit('error', eventError));
      ending.whenCleaned(() => this.#announceClose(callback));
    });
  }

  #announceClose(callback: (error?: Error | null) => void, failure?: Failure): void {
    this.group.delete(this.handle);
    this.handle.drop();
    this.isCleaned = true;
    const { meter } = this.#content;
    if (failure !== undefined) meter?.fails(failure);
    meter?.closes();
    const error = failure !== undefined && this.#emitsErrors ? failure.eventError : null;
    callback(error);
    this.#lateCallback?.(error);
  }

  /** As for any stream, an error that nobody listens for ends the process, unless somebody was told or it came from elsewhere. */
  get #emitsErrors(): boolean {
    return this.#stage.listenerCount('error') > 0 || (this.#content.isReadAsStream && !this.#isSilent);
  }
}

/** Fails reads of a generator that was closed in the middle of a step. */
function failReads(ending: Ending, reads: Waiting<unknown>[], failure: Failure | undefined): void {
  if (reads.length === 0) return;
  if (failure !== undefined) failure.isTold = true;
  const made = failure === undefined ? prematureClose() : undefined;
  if (made !== undefined) ending.expects(made);
  // Who has left a stage that it reads is at work on something else.
  ending.readsFail(reads.every(({ reader }) => reader.isDirect && !reader.hasLeft));
  const error = made ?? failure?.error;
  for (const waiting of reads) {
    waiting.reader.owner?.waits?.resumes();
    rejectQuietly(waiting, error);
  }
}

/** An answer which, if nobody looks at it, loses nothing. */
function rejectedQuietly(reason: unknown): Promise<never> {
  const answer = Promise.reject<never>(reason);
  answer.catch(() => {});
  return answer;
}

/** What `return(value)` of a generator answers, which awaits the value. */
function doneWith(value: unknown): Promise<Result<never>> {
  const done = settledWith(value);
  // Looked at when all is released; prevents an unhandled rejection until then.
  done.catch(() => {});
  return done;
}

async function settledWith(value: unknown): Promise<Result<never>> {
  return { done: true, value: (await value) as undefined };
}
