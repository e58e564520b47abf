/**
 * First in, first out, on a ring that doubles when it is full: `push` and `shift` move no other item, and what has been
 * taken is not kept alive.
 */
export class Queue<T extends object> {
  length = 0;
  #head = 0;
  /** As many as a power of two. */
  #items: (T | undefined)[] = [undefined, undefined];

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
    while (this.length > 0) this.shift();
  }

  #grow(): void {
    const grown: (T | undefined)[] = Array.from({ length: 2 * this.length });
    for (let index = 0; index < this.length; index++) {
      grown[index] = this.#items[(this.#head + index) & (this.length - 1)];
    }
    this.#items = grown;
    this.#head = 0;
  }
}
