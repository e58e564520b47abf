/**
 * What the chains of a bench do. Every contender gets functions of its own, which only it runs: what V8 learns of them from
 * one contender would speed up or slow down the next.
 */

/** A step both as a generator and as a function of one value, for contenders that take those. */
export interface Step {
  generate(input: AsyncIterable<number>): AsyncGenerator<number>;
  call(value: number): number | Promise<number>;
  /** Whether `call` returns a promise. */
  readonly waits: boolean;
}

/** `source` yields 0, 1, 2, …; the two steps are `* 2` and `+ 3`. */
export interface Work {
  source(count: number): AsyncGenerator<number>;
  steps: Step[];
}

export interface Tracked extends Work {
  /** Settles when no generator is open. */
  allClosed(): Promise<void>;
}

export interface Reader {
  /** Reads all values in a loop and throws where they are not those of the unbuffered chain. */
  readAll(values: AsyncIterable<number>, count: number): Promise<void>;
  /** Leaves the loop after the first `count`. */
  readSome(values: AsyncIterable<number>, count: number): Promise<void>;
}

interface Kinds {
  plain: Work;
  immediate: Work;
  busy: Work;
  tracked: Tracked;
  reader: Reader;
}

/** The functions of `steps/<kind>.ts`, compiled anew for `owner`. */
export async function fresh<K extends keyof Kinds>(kind: K, owner: string): Promise<Kinds[K]> {
  const url = new URL(`./steps/${kind}.js?${encodeURIComponent(owner)}`, import.meta.url);
  return (await import(url.href)) as Kinds[K];
}
