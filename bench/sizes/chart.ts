/** What was predicted beside what was saved: one dot for each chain and size. */
import * as Plot from '@observablehq/plot';

import { type Panel, svg, words } from '../report/charts.ts';
import type { Kind } from './cases.ts';
import { LARGEST, type Prediction, type Result } from './experiment.ts';

/** Readable on white and on black. */
const COLORS: Record<Kind, string> = { constant: '#868e96', random: '#4c8bf5', bursts: '#e8590c' };
const NAMES: Record<Kind, string> = {
  constant: 'each step always takes the same time, or two in turns',
  random: 'random times',
  bursts: 'bursts, or rare slow values',
};
/** Percent, at both axes. */
const LONGEST = 50;
const WIDTH = 860;
const HEIGHT = 500;
const TOP = 92;

interface Dot {
  kind: Kind;
  predicted: number;
  saved: number;
}

export function sizesChart(results: Result[]): string {
  const dots = (of: (result: Result) => Prediction[]): Dot[] =>
    results.flatMap((result) =>
      of(result).map(({ predicted, saved }) => ({ kind: result.kind, predicted: predicted * 100, saved: saved * 100 })),
    );
  const legend = (Object.keys(NAMES) as Kind[]).map((kind, index) => ({ kind, x: [16, 380, 500][index]!, y: 62 }));
  return svg(WIDTH, HEIGHT, [
    words(WIDTH, HEIGHT, [
      {
        x: 8,
        y: 18,
        text: 'How much time do larger buffers save, and can the statistics tell beforehand?',
        bold: true,
        size: 15,
      },
      {
        x: 8,
        y: 40,
        text: 'A dot is a chain of two or three steps. 0% is its time with all buffers of size 1. Dots on the dashed line: saved as predicted.',
      },
      ...legend.map(({ kind, x, y }) => ({ x: x + 10, y, text: NAMES[kind] })),
    ]),
    {
      ...words(WIDTH, HEIGHT, []),
      marks: [Plot.dot(legend, { x: 'x', y: 'y', r: 4.5, fill: ({ kind }: Dot) => COLORS[kind] })],
    },
    panel(
      0,
      `One buffer raised to ${LARGEST}: never more than predicted`,
      'predicted: the most that can be saved',
      dots(({ alone }) => alone),
    ),
    panel(
      WIDTH / 2,
      'All buffers raised to b = 2, 4, … 64',
      'predicted: (b − 1)/(b + 1) of the most',
      dots(({ all }) => all),
    ),
  ]);
}

function panel(x0: number, title: string, label: string, dots: Dot[]): Panel {
  const axis = {
    domain: [-1, LONGEST],
    ticks: 6,
    grid: true,
    label: null,
    tickFormat: (percent: number) => `${percent}%`,
  };
  return {
    x0,
    y0: TOP,
    width: WIDTH / 2,
    height: HEIGHT - TOP,
    marginTop: 34,
    marginLeft: 56,
    marginRight: 16,
    marginBottom: 50,
    x: axis,
    y: axis,
    marks: [
      Plot.line(
        [
          [0, 0],
          [LONGEST, LONGEST],
        ],
        { stroke: 'currentColor', strokeOpacity: 0.5, strokeDasharray: '4,4' },
      ),
      Plot.dot(dots, { x: 'predicted', y: 'saved', r: 4.5, fill: ({ kind }: Dot) => COLORS[kind], fillOpacity: 0.75 }),
      Plot.text([title], { frameAnchor: 'top', dy: -20, fontSize: 13, fontWeight: 'bold' }),
      Plot.text([label], { frameAnchor: 'bottom', dy: 40, fontSize: 12 }),
      Plot.text(['saved'], { frameAnchor: 'top-left', dx: 6, dy: 4, fontSize: 12 }),
    ],
  };
}
