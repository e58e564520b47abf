/**
 * Who shares a fate: the stages of a pipeline, the pipelines of a signal. A set must not keep alive what everybody else
 * has dropped, and must not lose what a consumer waits for.
 */

import { setImmediate } from 'node:timers';

import { added, NONE, remove } from './list.ts';

/** The size at which a set first looks for members that are gone. */
const FIRST_SWEEP = 32;

/** Up to this size, members are searched for in a list: most pipelines are small, and a `Set` is not. */
const MOST_LISTED = 8;

export interface Member {
  /** Whether the member was collected, or all it stands for. */
  readonly isGone: boolean;
}

/** A set that sweeps out members which are gone each time its size doubles: amortised constant cost. */
export class Members<T extends Member> implements Iterable<T> {
  #members: T[] | Set<T> = NONE;
  #nextSweep = FIRST_SWEEP;

  get size(): number {
    return Array.isArray(this.#members) ? this.#members.length : this.#members.size;
  }

  add(member: T): void {
    if (Array.isArray(this.#members)) {
      if (this.#members.includes(member)) return;
      if (this.#members.length < MOST_LISTED) return void (this.#members = added(this.#members, member));
      this.#members = new Set(this.#members);
    }
    if (this.#members.size >= this.#nextSweep) this.#sweep(this.#members);
    this.#members.add(member);
  }

  delete(member: T): void {
    if (Array.isArray(this.#members)) remove(this.#members, member);
    else this.#members.delete(member);
  }

  [Symbol.iterator](): Iterator<T> {
    return this.#members.values();
  }

  #sweep(members: Set<T>): void {
    for (const member of members) if (member.isGone) members.delete(member);
    this.#nextSweep = Math.max(FIRST_SWEEP, members.size * 2);
  }
}

/**
 * Refers to something weakly, or strongly while it is held. In the turn of the event loop in which it is made it is strong, as
 * any `WeakRef` is, and costs none: most pipelines are over by then.
 */
export class Handle<T extends object> implements Member {
  #strong: T | undefined;
  #weak: WeakRef<T> | undefined;
  #isHeld = false;

  constructor(target: T) {
    this.#strong = target;
    weakenNextTurn(this);
  }

  get isGone(): boolean {
    return this.target === undefined;
  }

  get target(): T | undefined {
    return this.#strong ?? this.#weak?.deref();
  }

  hold(target: T): void {
    this.#isHeld = true;
    this.#strong = target;
  }

  release(): void {
    this.#isHeld = false;
    if (this.#weak !== undefined) this.#strong = undefined;
  }

  /** Refers to nothing any more. */
  drop(): void {
    this.#strong = undefined;
    this.#weak = undefined;
  }

  weaken(): void {
    if (this.#strong === undefined) return;
    this.#weak = new WeakRef(this.#strong);
    if (!this.#isHeld) this.#strong = undefined;
  }
}

let young: Handle<object>[] = [];

function weakenNextTurn(handle: Handle<object>): void {
  if (young.length === 0) setImmediate(weakenAll);
  young.push(handle);
}

function weakenAll(): void {
  const handles = young;
  young = [];
  for (const handle of handles) handle.weaken();
}
