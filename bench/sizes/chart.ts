/** What was predicted beside what was saved: one dot for each chain and size. */
import * as Plot from '@observablehq/plot';

import { svg } from '../report/svg.ts';
import type { Kind } from './cases.ts';
import { LARGEST, type Prediction, type Result } from './experiment.ts';

/** Readable on white and on black. */
const COLORS: Record<Kind, string> = { constant: '#868e96', random: '#4c8bf5', bursts: '#e8590c' };
const NAMES: Record<Kind, string> = {
  constant: 'regular times',
  random: 'random times',
  bursts: 'bursts, rare slow values',
};
/** Percent, at both axes. */
const LONGEST = 50;

const ALONE = `One buffer raised to ${LARGEST}: at most`;
const ALL = 'All buffers of size b: estimate';

interface Dot {
  panel: string;
  kind: Kind;
  predicted: number;
  saved: number;
}

export function sizesChart(results: Result[]): string {
  const dots = results.flatMap(({ kind, alone, all }) => [
    ...alone.map((prediction) => dot(ALONE, kind, prediction)),
    ...all.map((prediction) => dot(ALL, kind, prediction)),
  ]);
  const panels = [ALONE, ALL];
  const axis = { domain: [-1, LONGEST], ticks: 6, grid: true, tickFormat: (percent: number) => `${percent}%` };
  return svg({
    width: 830,
    height: 410,
    marginTop: 34,
    marginLeft: 56,
    marginRight: 22,
    marginBottom: 70,
    x: { ...axis, label: null },
    y: { ...axis, label: null },
    fx: { domain: panels, label: null, axis: null, padding: 0.12 },
    marks: [
      Plot.line(
        panels.flatMap((panel) => [0, LONGEST].map((at) => ({ panel, at }))),
        {
          fx: 'panel',
          x: 'at',
          y: 'at',
          z: 'panel',
          stroke: 'currentColor',
          strokeOpacity: 0.5,
          strokeDasharray: '4,4',
        },
      ),
      Plot.dot(dots, {
        fx: 'panel',
        x: 'predicted',
        y: 'saved',
        r: 4.5,
        fill: ({ kind }: Dot) => COLORS[kind],
        fillOpacity: 0.75,
      }),
      ...panels.flatMap(caption),
      ...(Object.keys(NAMES) as Kind[]).flatMap(legendEntry),
    ],
  });
}

function dot(panel: string, kind: Kind, { predicted, saved }: Prediction): Dot {
  return { panel, kind, predicted: predicted * 100, saved: saved * 100 };
}

function caption(panel: string): Plot.Markish[] {
  const text = { fx: 'panel', text: 'text' } as const;
  return [
    Plot.text([{ panel, text: panel }], { ...text, frameAnchor: 'top', dy: -20, fontSize: 13, fontWeight: 'bold' }),
    Plot.text([{ panel, text: 'predicted at size 1' }], { ...text, frameAnchor: 'bottom', dy: 36, fontSize: 12 }),
    Plot.text([{ panel, text: 'saved' }], { ...text, frameAnchor: 'top-left', dx: 6, dy: 4, fontSize: 12 }),
  ];
}

/** Under the axes, in one line. */
function legendEntry(kind: Kind, index: number): Plot.Markish[] {
  const place = { fx: 'panel', frameAnchor: 'bottom-left', dy: 60 } as const;
  const dx = 110 + index * 140;
  const entry = [{ panel: ALONE, text: NAMES[kind] }];
  return [
    Plot.dot(entry, { ...place, dx, dy: 56, r: 4.5, fill: COLORS[kind], fillOpacity: 0.75 }),
    Plot.text(entry, { ...place, dx: dx + 9, text: 'text', textAnchor: 'start', fontSize: 12 }),
  ];
}
