/** Measurements as Markdown. */
import { BARE, OURS, UNBUFFERED } from '../contenders.ts';
import { AXES } from '../growth.ts';
import type { Outcome } from '../measurement.ts';
import type { Results } from '../results.ts';

/** What others are compared with: not to be had, or without buffers. */
const BASELINES = [UNBUFFERED, BARE, 'bare timers', 'ideal'];

/** A row for each contender, a column for each measurement, and in a cell a number for each Node version. */
export function table(all: Results[], columns: Record<string, string>): string {
  const ids = Object.keys(columns).filter((id) => all.some(({ measurements }) => measurements[id] !== undefined));
  const names = new Set(
    ids.flatMap((id) => all.flatMap(({ measurements }) => outcomeNames(measurements[id]?.outcomes))),
  );
  const rows = sorted(names).map((name) => [named(name), ...ids.map((id) => cell(all, id, name))]);
  return markdown(['', ...ids.map((id) => columns[id]!)], rows) + notes(all, ids);
}

/** A row for each point of the axis. */
export function growthTable({ measurements }: Results, axis: string): string {
  const points = AXES[axis as keyof typeof AXES].map(
    (point) => [point, measurements[`growth/${axis}/${point}`]] as const,
  );
  const names = outcomeNames(points.find(([, measurement]) => measurement !== undefined)?.[1]?.outcomes);
  const rows = points.map(([point, measurement]) => [
    String(point),
    ...names.map((name) => text(measurement?.outcomes[name])),
  ]);
  return markdown([axis, ...names], rows);
}

function outcomeNames(outcomes: Record<string, Outcome> | undefined): string[] {
  return Object.keys(outcomes ?? {});
}

/** Ours first. */
function sorted(names: Set<string>): string[] {
  const order = (name: string): number => (name === OURS ? 0 : BASELINES.includes(name) ? 1 : 2);
  return [...names].toSorted((a, b) => order(a) - order(b));
}

function named(name: string): string {
  return name === OURS ? `**${name}**` : name;
}

function cell(all: Results[], id: string, name: string): string {
  const texts = all.map(({ measurements }) => {
    const outcomes = measurements[id]?.outcomes;
    const own = text(outcomes?.[name]);
    const isBest = own !== '–' && !BASELINES.includes(name) && own === best(outcomes!);
    return isBest && !id.startsWith('ahead') ? `**${own}**` : own;
  });
  return texts.every((own) => own === '–') ? '–' : texts.join(' / ');
}

/** The least, as it is shown: what looks equal is equal. */
function best(outcomes: Record<string, Outcome>): string {
  const values = Object.entries(outcomes).flatMap(([name, outcome]) =>
    BASELINES.includes(name) || 'failure' in outcome ? [] : [outcome.value],
  );
  return text({ value: Math.min(...values) });
}

function text(outcome: Outcome | undefined): string {
  if (outcome === undefined || 'failure' in outcome) return '–';
  // Adding 0 makes a rounded -0 a 0.
  return String(Number(outcome.value.toFixed(outcome.value < 20 ? 2 : 0)) + 0);
}

/** Why contenders have no number. */
function notes(all: Results[], ids: string[]): string {
  const found = new Set<string>();
  for (const { measurements } of all) {
    for (const id of ids) {
      for (const [name, outcome] of Object.entries(measurements[id]?.outcomes ?? {})) {
        if ('failure' in outcome) found.add(`- ${name}, ${measurements[id]!.title}: ${outcome.failure}.`);
      }
    }
  }
  return found.size === 0 ? '' : `\n\n${[...found].join('\n')}`;
}

function markdown(header: string[], rows: string[][]): string {
  const line = (cells: string[]): string => `| ${cells.join(' | ')} |`;
  const rule = header.map((_, column) => (column === 0 ? '---' : '--:'));
  return [header, rule, ...rows].map((cells) => line(cells)).join('\n');
}
