/** The items a queue has room for before it grows; a power of two, as every capacity is. */
const INITIAL_CAPACITY = 1;

/**
 * First in, first out, on a ring that doubles when it is full: `push` and `shift` move no other item, and what has been
 * taken is not kept alive.
 */
export class Queue<T extends object> {
  length = 0;
  #head = 0;
  #items: (T | undefined)[] = Array(INITIAL_CAPACITY).fill(undefined);

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
    this.#items = Array(INITIAL_CAPACITY).fill(undefined);
  }

  #grow(): void {
    const { length } = this;
    const inOrder = Array.from({ length }, (_, index) => this.#items[(this.#head + index) & (length - 1)]);
    this.#items = inOrder.concat(Array(length).fill(undefined));
    this.#head = 0;
  }
}
