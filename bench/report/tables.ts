/** Measurements as Markdown, and for the terminal. */
import { BARE, OURS, UNBUFFERED } from '../contenders.ts';
import { AXES } from '../growth.ts';
import { LOOP } from '../mappers.ts';
import type { Measurements, Outcome } from '../measurement.ts';
import type { Results } from '../results.ts';

/** What others are compared with: not to be had, or without buffers. */
const BASELINES = [UNBUFFERED, BARE, LOOP];
/** Of these there is no best. */
const UNJUDGED = /ahead|yes or no/;

/** A row for each contender, a column for each measurement, and in a cell a number for each Node version. */
export function table(all: Results[], columns: Record<string, string>): string {
  const ids = Object.keys(columns).filter((id) => all.some(({ measurements }) => measurements[id] !== undefined));
  const names = new Set(
    ids.flatMap((id) => all.flatMap(({ measurements }) => Object.keys(measurements[id]?.outcomes ?? {}))),
  );
  const order = (name: string): number => (name === OURS ? 0 : BASELINES.includes(name) ? 1 : 2);
  const rows = [...names]
    .toSorted((a, b) => order(a) - order(b))
    .map((name) => [name === OURS ? `**${name}**` : name, ...ids.map((id) => cell(all, id, name))]);
  return markdown(['', ...ids.map((id) => columns[id]!)], rows) + notes(all, ids);
}

/** A row for each point of the axis. */
export function growthTable({ measurements }: Results, axis: keyof typeof AXES): string {
  const outcomes = AXES[axis].points.map((point) => measurements[`growth/${axis}/${point}`]?.outcomes ?? {});
  const names = Object.keys(outcomes[0]!);
  const rows = AXES[axis].points.map((point, at) => [`${point}`, ...names.map((name) => text(outcomes[at]![name]))]);
  return markdown([axis, ...names], rows);
}

function cell(all: Results[], id: string, name: string): string {
  const texts = all.map(({ measurements }) => {
    const { outcomes = {}, unit = '' } = measurements[id] ?? {};
    const own = text(outcomes[name], unit);
    const isBest = own !== '–' && !BASELINES.includes(name) && own === best(outcomes);
    return isBest && !UNJUDGED.test(`${id} ${unit}`) ? `**${own}**` : own;
  });
  const isOne = texts.every((own) => own === texts[0]);
  return isOne ? texts[0]! : texts.join(' / ');
}

/** The least, as it is shown: what looks equal is equal. */
function best(outcomes: Record<string, Outcome>): string {
  const values = Object.entries(outcomes).flatMap(([name, outcome]) =>
    BASELINES.includes(name) || 'failure' in outcome ? [] : [outcome.value],
  );
  return text({ value: Math.min(...values) });
}

function text(outcome: Outcome | undefined, unit = ''): string {
  if (outcome === undefined || 'failure' in outcome) return '–';
  if (unit === 'yes or no') return outcome.value === 1 ? 'yes' : '**no**';
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

export function markdown(header: string[], rows: string[][]): string {
  const rule = header.map((_, column) => (column === 0 ? '---' : '--:'));
  return [header, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** A line for each contender, the best first. */
export function asText(measurements: Measurements): string {
  const order = (outcome: Outcome): number => ('failure' in outcome ? Infinity : outcome.value);
  return Object.entries(measurements)
    .flatMap(([id, { title, unit, outcomes }]) => [
      `\n${id}: ${title} (${unit})`,
      ...Object.entries(outcomes)
        .toSorted(([, a], [, b]) => order(a) - order(b))
        .map(([name, outcome]) => `  ${name.padEnd(26)}${describe(outcome)}`),
    ])
    .join('\n');
}

function describe(outcome: Outcome): string {
  if ('failure' in outcome) return outcome.failure;
  const { value, low, high, ms } = outcome;
  if (Number.isNaN(value)) return '   checked';
  const range =
    low === undefined ? '' : `  ${low.toFixed(3)}–${high!.toFixed(3)}${`${ms!.toFixed(1)} ms`.padStart(14)}`;
  return `${value.toFixed(3).padStart(10)}${range}`;
}
