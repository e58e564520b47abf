/**
 * Who shares a fate: the stages of a pipeline, the pipelines of a signal. A set must not keep alive what everybody else
 * has dropped, and must not lose what a consumer waits for.
 */

/** The size at which a set first looks for members that are gone. */
const FIRST_SWEEP = 32;

export interface Member {
  /** Whether the member was collected, or all it stands for. */
  readonly isGone: boolean;
}

/** A set that drops members which are gone whenever it has doubled: in proportion to the living, at constant cost. */
export class Members<T extends Member> implements Iterable<T> {
  readonly #members = new Set<T>();
  #nextSweep = FIRST_SWEEP;

  get isEmpty(): boolean {
    return this.#members.size === 0;
  }

  add(member: T): void {
    if (this.#members.size >= this.#nextSweep) this.#sweep();
    this.#members.add(member);
  }

  delete(member: T): void {
    this.#members.delete(member);
  }

  [Symbol.iterator](): Iterator<T> {
    return this.#members.values();
  }

  #sweep(): void {
    for (const member of this.#members) if (member.isGone) this.#members.delete(member);
    this.#nextSweep = Math.max(FIRST_SWEEP, this.#members.size * 2);
  }
}

/** Refers to something weakly, or strongly for as long as it is held. */
export class Handle<T extends object> extends WeakRef<T> implements Member {
  #strong: T | undefined;

  get isGone(): boolean {
    return this.target === undefined;
  }

  get target(): T | undefined {
    return this.#strong ?? this.deref();
  }

  hold(target: T): void {
    this.#strong = target;
  }

  release(): void {
    this.#strong = undefined;
  }
}
