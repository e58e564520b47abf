/** Shared by all queues that have never held an item. */
const NONE: never[] = [];

/**
 * First in, first out, on a ring that doubles when it is full: `push` and `shift` move no other item, and what has been
 * taken is not kept alive.
 */
export class Queue<T extends object> {
  length = 0;
  #head = 0;
  /** As many as a power of two, or none. */
  #items: (T | undefined)[] = NONE;

  push(item: T): void {
    if (this.length === this.#items.length) this.#grow();
    this.#items[(this.#head + this.length) & (this.#items.length - 1)] = item;
    this.length++;
  }

  shift(): T | undefined {
    if (this.length === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#items.length - 1);
    this.length--;
    return item;
  }

  clear(): void {
    this.length = 0;
    this.#head = 0;
    this.#items = NONE;
  }

  #grow(): void {
    const inOrder = [...this.#items.slice(this.#head), ...this.#items.slice(0, this.#head)];
    this.#items = [...inOrder, ...Array(Math.max(1, this.length)).fill(undefined)];
    this.#head = 0;
  }
}
