/** What must hold for every run: the rules of the schedule, and what the statistics say of it. */
import { criticalPath } from '../clock.ts';
import type { Outcome } from './run.ts';

/** Milliseconds within which sums of times are equal. */
const ROUNDING = 1e-3;

export function wrong({ time, stages }: Outcome, durations: number[][], sizes: number[]): string[] {
  const found: string[] = [];
  const least = sum(criticalPath(sizes, durations[0]!.length, (stage, value) => durations[stage]![value]!));
  if (least !== time) found.push(`takes ${time} ms, not ${least}`);
  for (const [index, { name, working, starved, blocked, maxHeld }] of stages.entries()) {
    const work = sum(durations[index]!);
    if (Math.abs(working - work) > ROUNDING) found.push(`${name} works ${working} ms, not ${work}`);
    if (maxHeld > sizes[index]!) found.push(`${name} holds ${maxHeld}`);
    const life = working + starved + blocked;
    const isLast = index === stages.length - 1;
    if (life > time + ROUNDING || (isLast && life < time - ROUNDING)) found.push(`${name} lives ${life} of ${time} ms`);
  }
  return found;
}

export function sum(numbers: number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
