/** Measurements as pictures that can be read on light and on dark pages. */
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';

import { BARE, OURS, UNBUFFERED } from '../contenders.ts';
import { AXES } from '../growth.ts';
import { LOOP } from '../mappers.ts';
import type { Results } from '../results.ts';

/** Readable on white and on black. */
const COLORS: Record<string, string> = { [OURS]: '#e8590c', [UNBUFFERED]: '#868e96' };
const OTHERS = ['#4c8bf5', '#2f9e6e', '#a56ad6'];
const PLAIN = '#8a9bb0';
const STYLE = `svg { color: #24292f; } @media (prefers-color-scheme: dark) { svg { color: #e6edf3; } }`;

export interface Panel extends Plot.PlotOptions {
  x0: number;
  y0: number;
}

/** A picture that stands alone: with the name space that files need, and the colours of the page it is shown on. */
export function svg(width: number, height: number, panels: Panel[]): string {
  const { document } = parseHTML('<html><body></body></html>');
  const drawn = panels.map(({ x0, y0, ...options }) => {
    const plot = Plot.plot({ ...options, document, style: { background: 'transparent', fontSize: '11px' } });
    plot.setAttribute('x', `${x0}`);
    plot.setAttribute('y', `${y0}`);
    // Else all panels would go by the style of the last one.
    return plot.outerHTML as string;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif"><style>${STYLE}</style>\n${drawn.join('\n')}\n</svg>\n`;
}

/** Words at a place, in pixels. */
export function words(
  width: number,
  height: number,
  lines: { x: number; y: number; text: string; bold?: boolean; size?: number }[],
): Panel {
  return {
    x0: 0,
    y0: 0,
    width,
    height,
    margin: 0,
    x: { type: 'identity', axis: null },
    y: { type: 'identity', axis: null },
    marks: lines.map(({ x, y, text, bold = false, size = 12 }) =>
      Plot.text([text], { x, y, textAnchor: 'start', fontSize: size, ...(bold ? { fontWeight: 'bold' } : {}) }),
    ),
  };
}

/** In words; each stands beside what it is compared with. */
const RATIOS: Record<string, string> = {
  a1: 'Long chains that never wait',
  b: 'Each step waits for the event loop',
  d: 'Built for 10 values, read to the end',
  e: 'Built, 3 values taken, left, all closed',
  many: '5,000 chains of 20 values at once',
  c: 'Each step computes for 2 µs',
  m1: 'Calls that never wait, one at a time',
  m8: 'Calls that never wait, 8 at a time',
  m64: 'Calls that never wait, 64 at a time',
};
const COLUMNS = 3;
/** Bars that are longer are cut off. */
const LONGEST = 8;
const PANEL = { width: 330, left: 140, bar: 15, top: 24, bottom: 26 };

interface Bar {
  name: string;
  value: number;
  label: string;
}

export function ratioChart({ node, measurements }: Results): string {
  const lines = [
    {
      x: 8,
      y: 16,
      text: `Time beside the same work without buffers: lower is better (Node.js ${node})`,
      bold: true,
      size: 15,
    },
    {
      x: 8,
      y: 36,
      text: 'The dashed line is the chain of plain generators. A bar with an arrow is cut: its number says how long it is.',
    },
    { x: 8, y: 60, text: 'Chains of three steps', bold: true, size: 13 },
  ];
  const panels: Panel[] = [];
  let y0 = 70;
  for (let row = 0; row < Object.keys(RATIOS).length / COLUMNS; row++) {
    const ids = Object.keys(RATIOS).slice(row * COLUMNS, (row + 1) * COLUMNS);
    if (ids.includes('m1')) {
      lines.push({
        x: 8,
        y: y0 + 12,
        text: 'One step that works on several values at once, results in order',
        bold: true,
        size: 13,
      });
      y0 += 22;
    }
    const all = ids.map((id) => barsOf(measurements[id]?.outcomes ?? {}));
    const height = PANEL.top + PANEL.bottom + PANEL.bar * Math.max(...all.map((bars) => bars.length));
    panels.push(
      ...all.map((bars, column) => ({ x0: column * PANEL.width, y0, ...ratioPanel(RATIOS[ids[column]!]!, bars) })),
    );
    y0 += height + 8;
  }
  const width = COLUMNS * PANEL.width;
  return svg(width, y0, [words(width, y0, lines), ...panels]);
}

function ratioPanel(title: string, bars: Bar[]): Plot.PlotOptions {
  const isCut = ({ value }: Bar): boolean => value > LONGEST;
  return {
    width: PANEL.width,
    height: PANEL.top + PANEL.bottom + PANEL.bar * bars.length,
    marginLeft: PANEL.left,
    marginRight: 42,
    marginTop: PANEL.top,
    marginBottom: PANEL.bottom,
    x: { domain: [0, LONGEST], clamp: true, grid: true, ticks: 4, label: null, tickFormat: (at: number) => `${at} ×` },
    y: { domain: bars.map(({ name }) => name), label: null, tickSize: 0 },
    marks: [
      Plot.barX(bars, {
        x: 'value',
        y: 'name',
        fill: ({ name }: Bar) => (name === OURS ? COLORS[OURS]! : PLAIN),
        fillOpacity: ({ name }: Bar) => (isBaseline(name) ? 0.45 : 1),
      }),
      Plot.text(bars.filter(isCut), { x: LONGEST, y: 'name', text: () => '▶', dx: -6, fill: 'white' }),
      Plot.text(bars, { x: 'value', y: 'name', text: 'label', textAnchor: 'start', dx: 4 }),
      Plot.text([title], {
        frameAnchor: 'top-left',
        dx: -PANEL.left + 8,
        dy: -20,
        fontWeight: 'bold',
        fontSize: 12,
        textAnchor: 'start',
      }),
      Plot.ruleX([1], { stroke: 'currentColor', strokeDasharray: '3,3' }),
    ],
  };
}

function isBaseline(name: string): boolean {
  return name === UNBUFFERED || name === BARE || name === LOOP;
}

/** The best first, those without a number last. */
function barsOf(outcomes: Results['measurements'][string]['outcomes']): Bar[] {
  const bars = Object.entries(outcomes).map(([name, outcome]) =>
    'failure' in outcome
      ? { name, value: 0, order: Infinity, label: 'fails' }
      : { name, value: outcome.value, order: outcome.value, label: outcome.value.toFixed(outcome.value < 20 ? 2 : 0) },
  );
  return bars.toSorted((a, b) => a.order - b.order);
}

const GROWTH = { width: 290, height: 270, legend: 150 };
const AXIS_LABELS = { stages: 'number of stages', size: 'bufferSize', pipelines: 'pipelines at once' };

export const axes = Object.keys(AXES) as (keyof typeof AXES)[];

export function growthChart({ node, measurements }: Results): string {
  const width = axes.length * GROWTH.width + GROWTH.legend;
  const height = GROWTH.height + 34;
  let names: string[] = [];
  const panels = axes.map((axis, index): Panel => {
    const { title, points: values } = AXES[axis];
    const points = values.flatMap((at) =>
      Object.entries(measurements[`growth/${axis}/${at}`]?.outcomes ?? {}).flatMap(([name, outcome]) =>
        'failure' in outcome ? [] : [{ at, name, nanoseconds: outcome.value }],
      ),
    );
    names = [...new Set(points.map(({ name }) => name))];
    return {
      x0: index * GROWTH.width,
      y0: 34,
      width: GROWTH.width,
      height: GROWTH.height,
      marginLeft: 52,
      marginRight: 20,
      marginTop: 34,
      marginBottom: 40,
      x: {
        type: 'log',
        label: null,
        grid: true,
        ticks: values,
        tickFormat: (at: number) => at.toLocaleString('en-US'),
      },
      y: { label: null, grid: true, zero: true, nice: true, ticks: 5 },
      color: { domain: names, range: colorsOf(names) },
      marks: [
        Plot.lineY(points, { x: 'at', y: 'nanoseconds', stroke: 'name', strokeWidth: 2, marker: 'dot' }),
        Plot.text([`With ${title}`], {
          frameAnchor: 'top-left',
          dx: -44,
          dy: -26,
          fontSize: 12,
          fontWeight: 'bold',
          textAnchor: 'start',
        }),
        Plot.text([AXIS_LABELS[axis]], { frameAnchor: 'bottom', dy: 34, fontSize: 12 }),
      ],
    };
  });
  const legend: Panel = {
    ...words(width, height, []),
    marks: names.map((name, index) =>
      Plot.text([name], {
        x: axes.length * GROWTH.width + 6,
        y: 80 + index * 18,
        textAnchor: 'start',
        fontWeight: 'bold',
        fill: colorsOf(names)[index]!,
      }),
    ),
  };
  const title = `Nanoseconds per value and stage: lower and flat is better. Each panel has its own scale (Node.js ${node})`;
  return svg(width, height, [
    words(width, height, [{ x: 8, y: 16, text: title, bold: true, size: 14 }]),
    ...panels,
    legend,
  ]);
}

function colorsOf(names: string[]): string[] {
  const others = names.filter((name) => COLORS[name] === undefined);
  return names.map((name) => COLORS[name] ?? OTHERS[others.indexOf(name)]!);
}
