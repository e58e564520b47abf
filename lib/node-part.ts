/**
 * What Node is told of a stage's end, and when. Its 'end' and 'close' cost several ticks of the event loop, which nobody hears
 * where a stage is only read by loops. So Node is told when somebody can see it: a listener, or a reader of the stream.
 */
import { Readable } from 'node:stream';

/** A stage, apart from what Node knows of it. */
export interface Closable {
  /** Destroys it, apart from what Node does. */
  close(error: Error | null, callback: () => void): void;
}

export class NodePart {
  /** Whether there has been a listener, or a reader of the stream. */
  isObserved = false;
  readonly #stage: Readable;
  readonly #closable: Closable;
  /** What Node is to be told as soon as somebody looks. */
  #due: { readonly isEnd: boolean; readonly error: Error | undefined } | undefined;

  constructor(stage: Readable, closable: Closable) {
    this.#stage = stage;
    this.#closable = closable;
  }

  /** Whether the stage is over, and Node does not know. */
  get isBehind(): boolean {
    return this.#due !== undefined;
  }

  /** What the stage was destroyed with, if Node does not know. */
  get error(): Error | null {
    return this.#due?.error ?? null;
  }

  /** A loop has been handed the end. */
  end(): void {
    this.#tell({ isEnd: true, error: undefined });
  }

  destroy(error?: Error): void {
    this.#tell({ isEnd: false, error });
  }

  /** Somebody is about to listen, or to read the stream. */
  observe(): void {
    if (this.isObserved) return;
    this.isObserved = true;
    this.catchUp();
  }

  /** Tells Node what it does not know. */
  catchUp(): void {
    const due = this.#due;
    if (due === undefined) return;
    this.#due = undefined;
    if (due.isEnd) this.#pushEnd();
    Readable.prototype.destroy.call(this.#stage, due.error);
  }

  #tell(due: { readonly isEnd: boolean; readonly error: Error | undefined }): void {
    this.#due = due;
    if (this.isObserved) this.catchUp();
    else this.#closable.close(due.error ?? null, ignore);
  }

  /** Node emits 'end' when it finds nothing to read behind the last value. */
  #pushEnd(): void {
    this.#stage.push(null);
    Readable.prototype.read.call(this.#stage);
  }
}

function ignore(): void {}
