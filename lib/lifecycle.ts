/** How a stage ends before its source does, or by an error: what is let go, and who is told. */
import { Closing } from './closing.ts';
import { DependencyNode } from './dependency.ts';
import { abortError, Failure, isAbortError, prematureClose } from './errors.ts';
import { DONE, type Result } from './line.ts';
import type { Handle } from './members.ts';
import type { Meter } from './meter.ts';
import type { Pipeline } from './pipeline.ts';
import type { BufferedStage } from './stage.ts';

/** The part of a pump that knows how its stage ends. One error is told once: to whoever reads, or by an `'error'` event. */
export abstract class Lifecycle<T> extends DependencyNode {
  readonly pipeline: Pipeline;
  /** There is one only where somebody observes. */
  meter: Meter | undefined;
  protected readonly stage: BufferedStage<T>;
  /** How the pipeline knows the stage: held from when a consumer waits to the next value that finds none waiting. */
  protected readonly handle: Handle<BufferedStage<any>>;
  /** Whether the end has been handed over. */
  protected isFinished = false;
  /** Whether the stage was destroyed. */
  protected isClosed = false;

  #closing: Closing | undefined;
  /** What the stage was destroyed with. */
  #failure: Failure | undefined;
  /** Whether the consumers of loops know how it ended. */
  #isTold = false;
  /** Whether an `'error'` event would only repeat what a loop was told or what happened elsewhere. */
  #isSilent = false;

  constructor(stage: BufferedStage<T>, pipeline: Pipeline, handle: Handle<BufferedStage<any>>, meter?: Meter) {
    super();
    this.stage = stage;
    this.pipeline = pipeline;
    this.handle = handle;
    this.meter = meter;
  }

  protected abstract readonly isReadAsStream: boolean;

  /** Tells the meter how many values wait. */
  protected abstract measureHeld(): void;

  /** Throws away what is held, and lets those go who wait for more. */
  protected abstract letConsumersGo(): void;

  /** Aborts the signal of the source and, unless that is over, has its iterator return. */
  protected abstract letSourceGo(reason: () => unknown): Promise<unknown> | undefined;

  /** The consumer of a loop leaves. Rejects with what an idle generator throws in its clean-up. */
  leave(value: unknown): Promise<Result<T>> {
    if (!this.isFinished) this.stage.destroy();
    this.#isTold = true;
    const done = doneWith(value);
    return this.#closing === undefined ? done : this.#leaveWhenReleased(this.#closing, done);
  }

  #leaveWhenReleased(closing: Closing, done: Promise<Result<T>>): Promise<Result<T>> {
    closing.isClaimed = true;
    // Looked at when all is released, and until then nobody's fault.
    done.catch(() => {});
    return new Promise((resolve, reject) => {
      closing.whenReleased(() => {
        const { failure } = closing;
        if (failure === undefined || this.#failure !== undefined) return resolve(done);
        failure.isTold = true;
        this.#handedOver(failure);
        reject(failure.error);
      });
    });
  }

  /** Destroys the stage because of another. */
  cancel(failure: Failure | undefined): void {
    if (this.isClosed || this.isFinished) return;
    this.#failure = failure;
    this.#isSilent = true;
    this.stage.destroy(failure?.eventError);
  }

  /** The error is next in line for a stream. */
  failNow(failure: Failure): void {
    if (this.isClosed) return;
    this.#failure = failure;
    this.stage.destroy(failure.eventError);
    this.#handedOver(failure);
  }

  /** A loop has been handed the error. */
  protected failTold(failure: Failure): void {
    this.#isTold = true;
    this.#isSilent = true;
    this.failNow(failure);
  }

  /** The answer to those who ask after the stage was destroyed. */
  protected afterClose(): Promise<Result<T>> {
    return this.#isTold ? Promise.resolve(DONE) : Promise.reject(this.tell());
  }

  protected get isTold(): boolean {
    return this.#isTold;
  }

  /** How a loop learns that the stage was destroyed. */
  protected tell(): unknown {
    this.#isTold = true;
    this.#isSilent = true;
    const failure = this.#failure ?? new Failure(prematureClose());
    // A generator that is closed with its reader may wait for this stage: nothing has failed then.
    if (this.#failure !== undefined || this.reader === undefined) this.#handedOver(failure);
    return failure.error;
  }

  /** An error that goes to anyone but a generator of the pipeline has left it, and ends it. */
  #handedOver(failure: Failure): void {
    if (!this.isReadInside) this.pipeline.destroy(failure);
  }

  /** The stage is being destroyed: after its end, or with everything that ends here. */
  close(error: Error | null, callback: (error?: Error | null) => void): void {
    this.measureHeld();
    this.isClosed = true;
    this.pipeline.left();
    this.handle.release();
    if (this.isFinished) {
      this.#isTold = true;
      this.forgetReader();
      this.#announceClose(callback, error === null ? undefined : new Failure(error));
      return;
    }
    if (error !== null) this.#failure ??= new Failure(error);
    this.meter?.stops(this.#failure);
    this.letConsumersGo();
    const upstream = this.cancelUpstream(this.#failure);
    const upstreamClosings = upstream.map((node) => node.#closing).filter((closing) => closing !== undefined);
    this.#closing = new Closing(
      this.letSourceGo(() => this.#abortReason()),
      this,
      upstreamClosings,
    );
    this.#announceEnd(this.#closing, callback);
  }

  #abortReason(): unknown {
    if (this.#failure === undefined) return abortError();
    const cause = this.#failure.error;
    return isAbortError(cause) ? cause : abortError({ cause });
  }

  /** Settles when the generator, if it was opened, has cleaned up. */
  async cleaned(): Promise<void> {
    const closing = this.#closing;
    if (closing !== undefined) await new Promise<unknown>((resolve) => closing.whenCleaned(resolve));
  }

  /** An error is told when all that is idle has cleaned up, whether or not a step still runs; 'close' waits for that, too. */
  #announceEnd(closing: Closing, callback: (error?: Error | null) => void): void {
    if (this.#failure === undefined) {
      closing.whenCleaned((failure) => {
        if (failure !== undefined && !this.#emitsErrors) this.pipeline.keep(failure);
        this.#announceClose(callback, failure);
      });
      return;
    }
    const { eventError } = this.#failure;
    closing.whenReleased(() => {
      process.nextTick(() => this.#emitsErrors && this.stage.emit('error', eventError));
      closing.whenCleaned(() => this.#announceClose(callback));
    });
  }

  #announceClose(callback: (error?: Error | null) => void, failure?: Failure): void {
    this.pipeline.delete(this.handle);
    if (failure !== undefined) this.meter?.fails(failure);
    this.meter?.closes();
    callback(failure !== undefined && this.#emitsErrors ? failure.eventError : null);
  }

  /** As for any stream, an error that nobody listens for ends the process, unless somebody was told or it came from elsewhere. */
  get #emitsErrors(): boolean {
    return this.stage.listenerCount('error') > 0 || (this.isReadAsStream && !this.#isSilent);
  }
}

/** What `return(value)` of a generator answers, which awaits the value. */
function doneWith(value: unknown): Promise<Result<never>> {
  if (value === undefined) return Promise.resolve(DONE);
  return Promise.resolve(value).then((settled) => ({ done: true, value: settled as unknown as undefined }));
}
