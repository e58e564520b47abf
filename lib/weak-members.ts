/** The size at which a set first looks for members that are gone. */
const FIRST_SWEEP = 32;

/**
 * A set that can be walked and does not keep its members alive. What it holds of members that were collected is dropped
 * when it has doubled since the last sweep, so that it stays in proportion to the living at a constant cost per `add`.
 */
export class WeakMembers<T extends object> {
  readonly #references = new Set<WeakRef<T>>();
  #nextSweep = FIRST_SWEEP;

  add(member: T): WeakRef<T> {
    if (this.#references.size >= this.#nextSweep) this.#sweep();
    const reference = new WeakRef(member);
    this.#references.add(reference);
    return reference;
  }

  delete(reference: WeakRef<T>): void {
    this.#references.delete(reference);
  }

  get isEmpty(): boolean {
    return this.#references.size === 0;
  }

  /** The members that are alive, in the order of their arrival. */
  alive(): T[] {
    return Array.from(this.#references, (reference) => reference.deref()).filter((member) => member !== undefined);
  }

  #sweep(): void {
    for (const reference of this.#references) if (!reference.deref()) this.#references.delete(reference);
    this.#nextSweep = Math.max(FIRST_SWEEP, this.#references.size * 2);
  }
}
