/** Measurements as pictures that can be read on light and on dark pages. */
import * as Plot from '@observablehq/plot';

import { OURS, UNBUFFERED } from '../contenders.ts';
import { AXES } from '../growth.ts';
import type { Results } from '../results.ts';
import { svg } from './svg.ts';

/** Readable on white and on black. */
const COLORS: Record<string, string> = { [OURS]: '#e8590c', [UNBUFFERED]: '#868e96' };
const OTHERS = ['#4c8bf5', '#2f9e6e', '#a56ad6'];
const PLAIN = '#8a9bb0';

const PANELS: Record<string, string> = {
  a1: 'never wait, size 1',
  a16: 'never wait, size 16',
  b: 'wait a setImmediate',
  c: '2 µs of CPU work',
  d: 'build, 10 values',
  e: 'build, take 3, break',
};
const COLUMNS = 3;
/** Bars that are longer are cut off; their numbers stand beside them. */
const LONGEST = 8;

interface Bar {
  name: string;
  column: number;
  row: number;
  value: number;
  label: string;
}

export function ratioChart({ node, measurements }: Results): string {
  const bars = Object.keys(PANELS).flatMap((id, index) => barsOf(measurements[id]?.outcomes, index));
  const names = Object.keys(measurements['a1']?.outcomes ?? {}).toSorted((a, b) => rank(bars, a) - rank(bars, b));
  const panels = Object.entries(PANELS).map(([, panel], index) => ({ panel, ...place(index) }));
  const facet = { fx: 'column', fy: 'row' } as const;
  return svg({
    width: 960,
    height: 640,
    marginLeft: 150,
    marginRight: 40,
    marginTop: 40,
    x: { domain: [0, LONGEST], clamp: true, grid: true, ticks: 5, label: `× unbuffered, Node ${node}` },
    y: { domain: names, label: null, tickSize: 0 },
    fx: { axis: null, padding: 0.16 },
    fy: { axis: null, padding: 0.14 },
    marks: [
      Plot.barX(bars, {
        ...facet,
        x: 'value',
        y: 'name',
        fill: (bar: Bar) => (bar.name === OURS ? COLORS[OURS]! : PLAIN),
      }),
      Plot.text(bars, { ...facet, x: 'value', y: 'name', text: 'label', textAnchor: 'start', dx: 4 }),
      Plot.text(panels, { ...facet, frameAnchor: 'top', text: 'panel', dy: -14, fontWeight: 'bold', fontSize: 12 }),
      Plot.ruleX([1], { stroke: 'currentColor', strokeDasharray: '3,3' }),
    ],
  });
}

function barsOf(outcomes: Results['measurements'][string]['outcomes'] | undefined, index: number): Bar[] {
  return Object.entries(outcomes ?? {}).map(([name, outcome]) => ({
    name,
    ...place(index),
    ...('failure' in outcome
      ? { value: 0, label: 'fails' }
      : { value: outcome.value, label: outcome.value.toFixed(outcome.value < 20 ? 2 : 0) }),
  }));
}

function place(index: number): { column: number; row: number } {
  return { column: index % COLUMNS, row: Math.floor(index / COLUMNS) };
}

function rank(bars: Bar[], name: string): number {
  return bars.find((bar) => bar.name === name)?.value ?? Infinity;
}

export function growthChart({ node, measurements }: Results): string {
  const points = Object.entries(AXES).flatMap(([axis, values]) =>
    values.flatMap((at) =>
      Object.entries(measurements[`growth/${axis}/${at}`]?.outcomes ?? {}).flatMap(([name, outcome]) =>
        'failure' in outcome ? [] : [{ axis, at, name, nanoseconds: outcome.value }],
      ),
    ),
  );
  const names = [...new Set(points.map(({ name }) => name))];
  const others = names.filter((name) => COLORS[name] === undefined);
  const range = names.map((name) => COLORS[name] ?? OTHERS[others.indexOf(name)]!);
  return svg({
    width: 960,
    height: 340,
    marginRight: 130,
    marginTop: 40,
    x: { type: 'log', label: null, grid: true, tickFormat: '~s' },
    y: { type: 'log', label: `ns per value and stage, Node ${node}`, grid: true, tickFormat: '~s' },
    fx: { domain: Object.keys(AXES), label: null, padding: 0.12 },
    color: { domain: names, range },
    marks: [
      Plot.lineY(points, { fx: 'axis', x: 'at', y: 'nanoseconds', stroke: 'name', strokeWidth: 2, marker: 'dot' }),
      ...names.map(legendEntry),
    ],
  });
}

/** The names stand beside the last panel, in their colours. */
function legendEntry(name: string, index: number): Plot.Text {
  const axis = Object.keys(AXES).at(-1);
  const corner = { fx: 'axis', frameAnchor: 'top-right', textAnchor: 'start', dx: 10, dy: index * 18 } as const;
  return Plot.text([{ axis, name }], { ...corner, text: 'name', fill: 'name', fontWeight: 'bold' });
}
