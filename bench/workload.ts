/** What a bench asks: one question, put to every contender, each of which answers with a number. */

/** How much is measured. */
export interface Mode {
  readonly name: 'full' | 'quick' | 'check';
  /** Part of the values of the full form. */
  readonly scale: number;
  readonly rounds: number;
  /** Milliseconds that each contender runs before the first round, at least once. */
  readonly warmUp: number;
}

export const MODES: Record<Mode['name'], Mode> = {
  full: { name: 'full', scale: 1, rounds: 5, warmUp: 300 },
  quick: { name: 'quick', scale: 0.3, rounds: 3, warmUp: 300 },
  check: { name: 'check', scale: 0.01, rounds: 0, warmUp: 0 },
};

export function scaled(count: number, mode: Mode): number {
  return Math.max(1, Math.round(count * mode.scale));
}

/** A number (of times, the median with its quartiles; NaN where only results were checked), or why there is none. */
export type Outcome = { value: number; low?: number; high?: number; ms?: number } | { failure: string };

/** By the name of the contender. */
export type Outcomes = Record<string, Outcome>;

export interface Question {
  title: string;
  /** `yes or no`: 1 or 0. */
  unit: string;
  /** The most for this package, whatever machine it runs on: checked by CI. */
  atMost?: number;
  /** Contenders that are known not to do what is asked. */
  unable?: string[];
  /** Of the process that answers. */
  flags?: string[];
  /** Looks at the heap: there is a process for each contender, so that what one leaves there does not count for the next. */
  heap?: boolean;
}

export interface Workload extends Question {
  /** The names of the contenders. */
  names: string[];
  /** @param asked - The names of those that are asked, if not all. */
  run(mode: Mode, asked?: string[]): Promise<Outcomes>;
}

/** By their ids. */
export type Workloads = Record<string, Workload>;

/** Asks the contenders for a number, one after another. */
export function counted<T>(
  question: Question,
  contenders: Record<string, T>,
  value: (contender: T, mode: Mode, name: string) => number | Promise<number>,
): Workload {
  const names = Object.keys(contenders);
  const run = async (mode: Mode, asked = names): Promise<Outcomes> => {
    const outcomes: Outcomes = {};
    for (const [name, contender] of Object.entries(only(contenders, asked))) {
      try {
        outcomes[name] = { value: await value(contender, mode, name) };
      } catch (error) {
        outcomes[name] = { failure: (error as Error).message };
      }
    }
    return outcomes;
  };
  return { ...question, names, run };
}

/** The named ones of `all`. */
export function only<T>(all: Record<string, T>, names: string[]): Record<string, T> {
  return Object.fromEntries(names.map((name) => [name, all[name]!]));
}

export function median(values: number[], at = 0.5): number {
  return values.toSorted((a, b) => a - b)[Math.round((values.length - 1) * at)] ?? Number.NaN;
}
