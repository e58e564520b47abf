/** What a bench is asked and what it answers. */

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

export function scaled(count: number, mode: Mode, least = 1): number {
  return Math.max(least, Math.round(count * mode.scale));
}

/** A median with its quartiles, NaN where only results were checked, or why there is none. */
export type Outcome = { value: number; low?: number; high?: number; ms?: number } | { failure: string };

export interface Measurement {
  title: string;
  /** `yes or no`: 1 or 0. */
  unit: string;
  /** How many values pass. */
  count?: number;
  outcomes: Record<string, Outcome>;
}

/** By the id of the workload. */
export type Measurements = Record<string, Measurement>;

/** What every file of benches exports. */
export interface Bench {
  measure(id: string, mode: Mode): Promise<Measurements>;
}

/** Asks each of `named` for a number, one after another. */
export async function measured<T>(
  title: string,
  unit: string,
  named: Record<string, T>,
  value: (of: T, name: string) => number | Promise<number>,
): Promise<Measurement> {
  const outcomes: Record<string, Outcome> = {};
  for (const [name, of] of Object.entries(named)) {
    try {
      outcomes[name] = { value: await value(of, name) };
    } catch (error) {
      outcomes[name] = { failure: error instanceof Error ? error.message : String(error) };
    }
  }
  return { title, unit, outcomes };
}

/** The named ones of `all`. */
export function only<T>(all: Record<string, T>, names: string[]): Record<string, T> {
  return Object.fromEntries(names.map((name) => [name, all[name]!]));
}

export function quantile(values: number[], at: number): number {
  if (values.length === 0) return Number.NaN;
  return values.toSorted((a, b) => a - b)[Math.round((values.length - 1) * at)]!;
}

export function median(values: number[]): number {
  return quantile(values, 0.5);
}
