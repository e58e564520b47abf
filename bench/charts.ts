/** Measurements as pictures that can be read on light and on dark pages. */
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';

import { BARE, OURS, UNBUFFERED } from './contenders.ts';
import { LOOP } from './mappers.ts';
import type { Results } from './results.ts';
import { AXES } from './throughput.ts';
import type { Outcome } from './workload.ts';

/** Readable on white and on black. */
export const COLORS = { grey: '#868e96', blue: '#4c8bf5', orange: '#e8590c', green: '#2f9e6e', violet: '#a56ad6' };
const STYLE = `svg { color: #24292f; } @media (prefers-color-scheme: dark) { svg { color: #e6edf3; } }`;

export interface Panel extends Plot.PlotOptions {
  x0: number;
  y0: number;
}

/** A picture that stands alone: a heading, lines below it, and plots, each at its place in pixels. */
export function svg(width: number, height: number, [heading, ...lines]: string[], panels: Panel[]): string {
  const { document } = parseHTML('<html><body></body></html>');
  const plots = panels.map(({ x0, y0, ...options }) => {
    const plot = Plot.plot({ ...options, document, style: { background: 'transparent', fontSize: '11px' } });
    plot.setAttribute('x', `${x0}`);
    plot.setAttribute('y', `${y0}`);
    return plot.outerHTML as string;
  });
  const words = lines.map((line, index) => `<text x="8" y="${38 + index * 18}" font-size="12">${line}</text>`);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" fill="currentColor"><style>${STYLE}</style>
<text x="8" y="18" font-size="15" font-weight="bold">${heading ?? ''}</text>
${[...words, ...plots].join('\n')}
</svg>
`;
}

/** The heading of a panel. */
export function title(text: string, left = 0): Plot.Markish {
  return Plot.text([text], {
    facet: 'super',
    frameAnchor: 'top-left',
    dx: left,
    dy: -18,
    fontSize: 12,
    fontWeight: 'bold',
  });
}

/** In words; each stands beside what it is compared with. */
const RATIOS: Record<string, string> = {
  a1: 'Long chains that never wait',
  b: 'Each step waits for the event loop',
  c: 'Each step computes for 2 µs',
  d: 'Built for 10 values, read to the end',
  e: 'Built, 3 values taken, left, all closed',
  many: '5,000 chains of 20 values at once',
  m1: 'buffer.map: calls never wait, 1 at a time',
  m8: 'buffer.map: calls never wait, 8 at a time',
  m64: 'buffer.map: calls never wait, 64 at a time',
};
const COLUMNS = 3;
/** Bars that are longer are cut off. */
const LONGEST = 8;
const PANEL = { width: 330, left: 140, bar: 15, margins: 50 };

export function ratioChart({ node, outcomes }: Results): string {
  const panels: Panel[] = [];
  let y0 = 60;
  const all = Object.entries(RATIOS).map(([id, text]) => ({ text, bars: barsOf(outcomes[id] ?? {}) }));
  for (let start = 0; start < all.length; start += COLUMNS) {
    const row = all.slice(start, start + COLUMNS);
    panels.push(...row.map(({ text, bars }, column) => ({ x0: column * PANEL.width, y0, ...ratioPanel(text, bars) })));
    y0 += PANEL.margins + PANEL.bar * Math.max(...row.map(({ bars }) => bars.length)) + 8;
  }
  return svg(
    COLUMNS * PANEL.width,
    y0,
    [
      `Time beside the same work without buffers: lower is better (Node.js ${node})`,
      'The dashed line is the same work by plain generators. A bar with an arrow is cut: its number says how long it is.',
    ],
    panels,
  );
}

interface Bar {
  name: string;
  value: number;
  label: string;
}

/** The best first, those without a number last. */
function barsOf(outcomes: Record<string, Outcome>): Bar[] {
  const order = (outcome: Outcome): number => ('failure' in outcome ? Infinity : outcome.value);
  return Object.entries(outcomes)
    .toSorted(([, a], [, b]) => order(a) - order(b))
    .map(([name, outcome]) => {
      if ('failure' in outcome) return { name, value: 0, label: 'fails' };
      return { name, value: outcome.value, label: outcome.value.toFixed(outcome.value < 20 ? 2 : 0) };
    });
}

function ratioPanel(text: string, bars: Bar[]): Plot.PlotOptions {
  const isBaseline = ({ name }: Bar): boolean => [UNBUFFERED, BARE, LOOP].includes(name);
  return {
    width: PANEL.width,
    height: PANEL.margins + PANEL.bar * bars.length,
    marginLeft: PANEL.left,
    marginRight: 42,
    marginTop: 24,
    marginBottom: 26,
    x: { domain: [0, LONGEST], clamp: true, grid: true, ticks: 4, label: null, tickFormat: (at: number) => `${at} ×` },
    y: { domain: bars.map(({ name }) => name), label: null, tickSize: 0 },
    marks: [
      Plot.barX(bars, {
        x: 'value',
        y: 'name',
        fill: ({ name }: Bar) => (name === OURS ? COLORS.orange : COLORS.grey),
        fillOpacity: (bar: Bar) => (isBaseline(bar) ? 0.45 : 1),
      }),
      Plot.text(
        bars.filter(({ value }) => value > LONGEST),
        { x: LONGEST, y: 'name', text: () => '▶', dx: -6, fill: 'white' },
      ),
      Plot.text(bars, { x: 'value', y: 'name', text: 'label', textAnchor: 'start', dx: 4 }),
      title(text, 8 - PANEL.left),
      Plot.ruleX([1], { stroke: 'currentColor', strokeDasharray: '3,3' }),
    ],
  };
}

const GROWTH: Record<string, string> = {
  stages: 'number of stages',
  size: 'bufferSize',
  pipelines: 'pipelines at once',
};
const WIDTH = 290;
const HEIGHT = 290;

export function growthChart({ node, outcomes }: Results): string {
  const panels = Object.entries(AXES).map(([axis, values], index): Panel => {
    const points = values.flatMap((at) =>
      Object.entries(outcomes[`growth-${axis}-${at}`] ?? {}).flatMap(([name, outcome]) =>
        'failure' in outcome ? [] : [{ at, name, nanoseconds: outcome.value }],
      ),
    );
    const last = points.filter(({ at }) => at === values.at(-1));
    const isNamed = index === Object.keys(AXES).length - 1;
    return {
      x0: index * WIDTH,
      y0: 24,
      width: WIDTH + (isNamed ? 130 : 0),
      height: HEIGHT,
      marginLeft: 52,
      marginRight: isNamed ? 150 : 20,
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
      color: {
        domain: [
          OURS,
          UNBUFFERED,
          ...last.map(({ name }) => name).filter((name) => name !== OURS && name !== UNBUFFERED),
        ],
        range: [COLORS.orange, COLORS.grey, COLORS.blue, COLORS.green],
      },
      marks: [
        Plot.lineY(points, { x: 'at', y: 'nanoseconds', stroke: 'name', strokeWidth: 2, marker: 'dot' }),
        Plot.text(isNamed ? last : [], {
          x: 'at',
          y: 'nanoseconds',
          text: 'name',
          fill: 'name',
          textAnchor: 'start',
          dx: 8,
          fontWeight: 'bold',
        }),
        title(`By ${GROWTH[axis]}`),
        Plot.text([GROWTH[axis]!], { frameAnchor: 'bottom', dy: 34, fontSize: 12 }),
      ],
    };
  });
  const heading = `Nanoseconds per value and stage: lower and flat is better. Each panel has its own scale (Node.js ${node})`;
  return svg(panels.length * WIDTH + 130, HEIGHT + 24, [heading], panels);
}
