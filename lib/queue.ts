/** First in, first out. The items carry the links themselves: no list is allocated, none grows, and what was taken is not kept alive. */

export interface Queued<T> {
  /** The item behind this one. */
  behind: T | undefined;
}

export class Queue<T extends Queued<T>> {
  length = 0;
  first: T | undefined;
  #last: T | undefined;

  push(item: T): void {
    if (this.#last === undefined) this.first = item;
    else this.#last.behind = item;
    this.#last = item;
    this.length++;
  }

  shift(): T | undefined {
    const item = this.first;
    if (item === undefined) return undefined;
    this.first = item.behind;
    if (this.first === undefined) this.#last = undefined;
    // An old item that refers to a young one would keep it through minor collections.
    item.behind = undefined;
    this.length--;
    return item;
  }

  /** Takes out all items. */
  drain(): T[] {
    return this.take(() => true);
  }

  /** Takes out those items for which `isTaken` is true. */
  take(isTaken: (item: T) => boolean): T[] {
    const taken: T[] = [];
    for (let left = this.length; left > 0; left--) {
      const item = this.shift()!;
      if (isTaken(item)) taken.push(item);
      else this.push(item);
    }
    return taken;
  }

  some(test: (item: T) => boolean): boolean {
    for (let item = this.first; item !== undefined; item = item.behind) if (test(item)) return true;
    return false;
  }
}
