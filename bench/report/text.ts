/** Measurements for the terminal. */
import type { Measurements, Outcome } from '../measurement.ts';

export function asText(measurements: Measurements): string {
  return Object.entries(measurements)
    .map(([id, { title, unit, outcomes }]) => [`\n${id}: ${title} (${unit})`, ...lines(outcomes)].join('\n'))
    .join('\n');
}

function lines(outcomes: Record<string, Outcome>): string[] {
  const sorted = Object.entries(outcomes).toSorted(([, a], [, b]) => order(a) - order(b));
  return sorted.map(([name, outcome]) => `  ${name.padEnd(26)}${describe(outcome)}`);
}

function order(outcome: Outcome): number {
  return 'failure' in outcome ? Infinity : outcome.value;
}

function describe(outcome: Outcome): string {
  if ('failure' in outcome) return outcome.failure;
  const { value, low, high, ms } = outcome;
  if (Number.isNaN(value)) return '   checked';
  const value3 = value.toFixed(3).padStart(10);
  return low === undefined
    ? value3
    : `${value3}  ${low.toFixed(3)}–${high!.toFixed(3)}${`${ms!.toFixed(1)} ms`.padStart(14)}`;
}
