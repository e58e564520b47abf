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
  full: { name: 'full', scale: 1, rounds: 7, warmUp: 1000 },
  quick: { name: 'quick', scale: 0.3, rounds: 5, warmUp: 1000 },
  check: { name: 'check', scale: 0.003, rounds: 0, warmUp: 0 },
};

export function scaled(count: number, mode: Mode, least = 1): number {
  return Math.max(least, Math.round(count * mode.scale));
}

/** A median with its quartiles, NaN where only results were checked, or why there is none. */
export type Outcome = { value: number; low?: number; high?: number; ms?: number } | { failure: string };

export interface Measurement {
  title: string;
  unit: string;
  outcomes: Record<string, Outcome>;
}

/** By the id of the workload. */
export type Measurements = Record<string, Measurement>;

/** What every file of benches exports. */
export interface Bench {
  measure(id: string, mode: Mode): Promise<Measurements>;
}
