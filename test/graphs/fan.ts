/** Generators and loops that read several inputs, or one together. */
import { type Delay, pass } from './delay.ts';
import type { FanIn, FanOut, Timing, Values } from './graph.ts';
import { isThrown } from './thrown.ts';

export async function* concat(left: Values, right: Values, { after }: FanIn): AsyncGenerator<string> {
  yield* left;
  if (after !== undefined) await pass(after);
  yield* right;
}

/** Where both can fail, which does so first depends on when they run; then the left counts. */
export async function* zip(left: Values, right: Values, { after }: Timing, isCertain: boolean): AsyncGenerator<string> {
  const iterators = [left, right].map((values) => values[Symbol.asyncIterator]());
  try {
    for (;;) {
      const reads = iterators.map((iterator) => iterator.next());
      if (!isCertain) await Promise.allSettled(reads);
      const [a, b] = await Promise.all(reads);
      if (a!.done || b!.done) return;
      yield `${a!.value}+${b!.value}`;
      if (after !== undefined) await pass(after);
    }
  } finally {
    await Promise.all(iterators.map(async (iterator) => iterator.return?.()));
  }
}

/** Reads all at once, each in a loop in the background. */
export async function* merge(sources: Values[], pause: Delay | undefined): AsyncGenerator<string> {
  yield* inOrder(await Promise.all(sources.map((source) => loop(source, pause))));
}

/** Reads all at once, and each time waits for the first that answers. */
export async function* race(sources: Values[]): AsyncGenerator<string> {
  const all: Collected[] = sources.map(() => ({ values: [], errors: [] }));
  const iterators = sources.map((source) => source[Symbol.asyncIterator]());
  const asked = new Map<number, Promise<void>>();
  const ask = async (index: number): Promise<void> => {
    try {
      const result = await iterators[index]!.next();
      asked.delete(index);
      if (result.done) return;
      all[index]!.values.push(result.value);
      asked.set(index, ask(index));
    } catch (error) {
      asked.delete(index);
      all[index]!.errors.push(error);
    }
  };
  for (const index of sources.keys()) asked.set(index, ask(index));
  while (asked.size > 0) await Promise.race(asked.values());
  yield* inOrder(all);
}

/** Starts to read the right, and goes on without it; a failure of it is caught. */
export async function* loser(left: Values, right: Values, { kind }: FanIn): AsyncGenerator<string> {
  const iterator = right[Symbol.asyncIterator]();
  iterator.next().catch(() => {});
  try {
    yield* left;
  } finally {
    if (kind === 'loser') await iterator.return?.();
  }
}

/** One of two leaves after its first value; how many the other has by then is left to chance. */
export async function* leavingWorker(shared: Values, { after, pause }: FanOut): AsyncGenerator<string> {
  const leave = async (): Promise<void> => {
    for await (const value of shared) {
      if (pause !== undefined) await pass(pause);
      if (value !== '') break;
    }
  };
  const [{ errors }] = await Promise.all([loop(shared, after), leave()]);
  yield* inOrder([{ values: ['left'], errors }]);
}

interface Collected {
  values: string[];
  errors: unknown[];
}

async function loop(source: Values, pause: Delay | undefined): Promise<Collected> {
  const values: string[] = [];
  try {
    for await (const value of source) {
      values.push(value);
      if (pause !== undefined) await pass(pause);
    }
    return { values, errors: [] };
  } catch (error) {
    return { values, errors: [error] };
  }
}

/** All values in the order of their names, since that of their coming may vary, then the first error. */
function* inOrder(all: Collected[]): Generator<string> {
  const errors = all.flatMap(({ errors: own }) => own);
  for (const error of errors) if (!isThrown(error)) throw error;
  yield* all.flatMap(({ values }) => values).toSorted();
  for (const error of errors) throw error;
}

export async function* passed(source: Values): AsyncGenerator<string> {
  for await (const value of source) yield value;
}
