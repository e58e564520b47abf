/**
 * Who reads whom. Nobody says so: chains are built by calling generators with their inputs. It is learnt the way signal
 * libraries track dependencies: while the source of a stage is called, synchronously, every stage that is asked for a
 * value is asked by that source.
 */
import type { Failure } from './errors.ts';

/** How many sources may be called one within the other; deeper down, a call waits for the stack to unwind. */
const MAX_DEPTH = 64;

/** Shared by all that read nothing. */
const NONE: never[] = [];

/** Numbers the walks upstream, so that each node can say whether it was met. */
let walk = 0;

/** The node whose source is being called right now, and within how many others. */
let calling: DependencyNode | undefined;
let depth = 0;

export abstract class DependencyNode {
  /** The last one known to have asked for a value, if it is not an outsider. */
  #reader: DependencyNode | undefined;
  #upstream: DependencyNode[] = NONE;
  /** The last walk upstream that came by. */
  #walk = 0;

  /** The pipeline it is in. */
  abstract readonly pipeline: unknown;
  /** Whether its source is busy with a step. */
  abstract readonly isStepping: boolean;
  /** Whether its source has ended. */
  abstract readonly isOver: boolean;

  abstract cancel(failure: Failure | undefined): void;

  /** Whether what is handed over goes to a generator of the same pipeline, which may catch it. */
  get isReadInside(): boolean {
    return this.#reader !== undefined && !this.#reader.isOver && this.#reader.pipeline === this.pipeline;
  }

  /**
   * Somebody asks this node for a value. Asked from nowhere, it may be that a generator had to wait for something else
   * before: as long as the last reader is in a step, it is taken to be that one.
   */
  meetReader(): void {
    if (calling !== undefined) {
      if (calling !== this.#reader) this.#setReader(calling);
    } else if (this.#reader !== undefined && !this.#reader.isStepping) {
      this.#reader = undefined;
    }
  }

  /** Whoever is known to have asked last. */
  protected get reader(): this | undefined {
    return this.#reader as this | undefined;
  }

  /** Whether a generator that has a stage of its own is asking right now. */
  protected get isAskedInside(): boolean {
    return calling !== undefined;
  }

  /** Whether the stack might not hold another call: a chain of a thousand stages starts with its last. */
  protected get isDeep(): boolean {
    return depth >= MAX_DEPTH;
  }

  /** To be called around every call of the source, with the result of the first for the second. */
  protected enterSource(): DependencyNode | undefined {
    const outer = calling;
    calling = this;
    depth++;
    return outer;
  }

  protected leaveSource(outer: DependencyNode | undefined): void {
    calling = outer;
    depth--;
  }

  /**
   * Destroys what this node reads, and returns it. The most distant go first, so that none finds another one upstream
   * left to destroy: the stack does not grow with the chain.
   */
  protected cancelUpstream(failure: Failure | undefined): this[] {
    const upstream = this.#upstream as this[];
    if (upstream.length === 0) return upstream;
    const nodes = this.#everythingUpstream();
    for (let index = nodes.length - 1; index >= 0; index--) nodes[index]!.cancel(failure);
    this.#upstream = NONE;
    return upstream;
  }

  /** Each node once, however many read it. */
  #everythingUpstream(): DependencyNode[] {
    walk++;
    const nodes: DependencyNode[] = [];
    this.#meetUpstream(nodes);
    // Grows while it is walked.
    for (const node of nodes) node.#meetUpstream(nodes);
    return nodes;
  }

  #meetUpstream(nodes: DependencyNode[]): void {
    for (const node of this.#upstream) {
      if (node.#walk === walk) continue;
      node.#walk = walk;
      nodes.push(node);
    }
  }

  /** The source has ended well: what it has left unread is nobody's concern. */
  protected forgetUpstream(): void {
    this.#upstream = NONE;
  }

  /** It has ended well, and is nobody's to destroy: a generator may read a stage for each of its values. */
  protected forgetReader(): void {
    if (this.#reader === undefined) return;
    const upstream = this.#reader.#upstream;
    const index = upstream.lastIndexOf(this);
    if (index >= 0) upstream.splice(index, 1);
    this.#reader = undefined;
  }

  #setReader(reader: DependencyNode): void {
    this.#reader = reader;
    if (reader.#upstream.length === 0) reader.#upstream = [this];
    else if (!reader.#upstream.includes(this)) reader.#upstream.push(this);
  }
}
