/** Two runs of the same steps, one above the other on one axis of time. */
import * as Plot from '@observablehq/plot';

import type { StageState } from 'buffered-pipeline';

import { svg } from '../report/charts.ts';
import type { Lane, Run, Span } from './runs.ts';

const WIDTH = 830;
const MARGIN = { left: 66, right: 14, bottom: 24 };

/** Pixels. */
const HEADING = 26;
const LANE = 26;
/** Under the lane of its stage. */
const BUFFER = 10;
const GAP = 10;
const BETWEEN = 18;

/** Readable on white and on black. */
const WORK = '#4c8bf5';
const SLOW = '#e8590c';
const HELD = { fill: '#2f9e6e' };
const STARVED = { fill: 'currentColor', fillOpacity: 0.09 };
const BLOCKED = { fill: '#e0a100', fillOpacity: 0.42 };

const START = { textAnchor: 'start' } as const;
const SIGN = { fill: 'white', fontSize: 12, fontWeight: 'bold' } as const;
const EDGES = { x1: 'x1', x2: 'x2', y1: 'y1', y2: 'y2' } as const;

/** A rectangle: seconds across, pixels down. */
interface Box {
  x1: number;
  x2: number;
  y1: number;
  y2: number;
  text?: string;
}

interface Panel {
  heading: string;
  run: Run;
  hasBuffers: boolean;
  top: number;
}

export function timelineChart(unbuffered: Run, buffered: Run, slowValue: number): string {
  const first = { heading: 'Unbuffered', run: unbuffered, hasBuffers: false, top: 0 };
  const second = { heading: 'Buffered', run: buffered, hasBuffers: true, top: bottomOf(first) + BETWEEN };
  const longest = Math.max(unbuffered.total, buffered.total) / 1000;
  const bottom = bottomOf(second) + 4;
  const height = bottom + MARGIN.bottom;
  const plot = {
    x0: 0,
    y0: 0,
    width: WIDTH,
    height,
    marginLeft: MARGIN.left,
    marginRight: MARGIN.right,
    marginTop: 0,
    marginBottom: MARGIN.bottom,
    x: { domain: [0, longest], label: null, ticks: 7, tickFormat: (at: number) => `${at} s` },
    y: { type: 'identity', axis: null },
    marks: [
      ...[first, second].flatMap((panel) => panelMarks(panel, slowValue)),
      ...legend(second.top + HEADING, buffered.total / 1000 + 0.2, slowValue),
    ],
  } as const;
  return svg(WIDTH, height, [{ ...plot, marks: [...plot.marks] }]);
}

function laneHeight(hasBuffers: boolean): number {
  return LANE + (hasBuffers ? BUFFER : 0) + GAP;
}

function bottomOf({ run, hasBuffers, top }: Panel): number {
  return top + HEADING + run.lanes.length * laneHeight(hasBuffers) - GAP;
}

function panelMarks({ heading, run, hasBuffers, top }: Panel, slowValue: number): Plot.Markish[] {
  const total = run.total / 1000;
  const tops = run.lanes.map((_, index) => top + HEADING + index * laneHeight(hasBuffers));
  const bottom = bottomOf({ heading, run, hasBuffers, top });
  return [
    Plot.text([`${heading}: ${total.toFixed(1)} s`], { x: 0, y: top + 12, ...START, fontSize: 14, fontWeight: 'bold' }),
    ...run.lanes.flatMap((lane, index) => [
      ...laneMarks(lane, tops[index]!, slowValue),
      ...(hasBuffers ? bufferMarks(lane, tops[index]! + LANE + 2) : []),
    ]),
    Plot.ruleX([total], { y1: top + HEADING - 4, y2: bottom + 4, stroke: 'currentColor', strokeWidth: 2 }),
  ];
}

function laneMarks({ name, segments }: Lane, top: number, slowValue: number): Plot.Markish[] {
  const y = top + LANE / 2;
  const of = (state: StageState): Box[] =>
    segments.filter((segment) => segment.state === state).map((segment) => box(segment, top, LANE));
  const fill = ({ text }: Box): string => (text === `${slowValue}` ? SLOW : WORK);
  return [
    Plot.text([name], { frameAnchor: 'left', dx: -8, y, textAnchor: 'end', fontSize: 13 }),
    Plot.rect(of('starved'), { ...EDGES, ...STARVED }),
    Plot.rect(of('blocked'), { ...EDGES, ...BLOCKED }),
    Plot.rect(of('working'), { ...EDGES, rx: 2, insetLeft: 0.5, insetRight: 0.5, fill }),
    Plot.text(of('working'), { x: middleOf, y, text: 'text', ...SIGN }),
  ];
}

/** When the buffer was empty, and when a value waited in it. */
function bufferMarks({ segments, held }: Lane, top: number): Plot.Markish[] {
  const life = { from: segments[0]!.from, to: segments.at(-1)!.to };
  const y = top + BUFFER / 2 - 1;
  return [
    Plot.text(['buffer'], { frameAnchor: 'left', dx: -8, y, textAnchor: 'end', fontSize: 10, fillOpacity: 0.7 }),
    Plot.rect([box({ ...life, value: 0 }, top + 3, BUFFER - 8)], { ...EDGES, ...STARVED }),
    Plot.rect(
      held.map((span) => box(span, top, BUFFER - 2)),
      { ...EDGES, ...HELD, rx: 2 },
    ),
  ];
}

function middleOf({ x1, x2 }: Box): number {
  return (x1 + x2) / 2;
}

function box({ from, to, value }: Span, top: number, height: number): Box {
  return { x1: from / 1000, x2: to / 1000, y1: top, y2: top + height, text: `${value}` };
}

/** Stands where the shorter run has left room. */
function legend(top: number, left: number, slowValue: number): Plot.Markish[] {
  const entries: [style: object, sign: string, text: string, inset: number][] = [
    [{ fill: WORK }, 'n', 'works on value n', 0],
    [{ fill: SLOW }, `${slowValue}`, `the same on value ${slowValue}, which is slow to look up`, 0],
    [STARVED, '', 'starved: waits for the step before it', 0],
    [BLOCKED, '', 'blocked: waits for the step after it', 0],
    [HELD, '', 'a value waits in the buffer', 5],
  ];
  return entries.flatMap(([style, sign, text, inset], index) => {
    const y = top + index * 23;
    const patch = { x1: left, x2: left + 0.1, y1: y + inset, y2: y + 18 - inset };
    return [
      Plot.rect([patch], { ...EDGES, ...style, rx: 2 }),
      Plot.text([sign], { x: middleOf(patch), y: y + 9, ...SIGN }),
      Plot.text([text], { x: patch.x2, dx: 8, y: y + 9, ...START, fontSize: 13 }),
    ];
  });
}
