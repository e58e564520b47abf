/**
 * Graphs of generators, as data: what reads what and how, and how long everything takes. A graph is a head, which yields
 * values, and the steps they pass through; heads and steps may hold further graphs.
 */
import type { Delay } from './delay.ts';

export type Values = AsyncIterable<string>;

/** What every generator has. Without a delay it does not await at all. */
export interface Timing {
  /** What it awaits before its first read; with one, it is late. */
  first: Delay | undefined;
  /** What it awaits before each value that it yields, in turn. */
  work: Delay | undefined;
  /** What it awaits after each value, before it reads again; with one, it is always late. */
  after: Delay | undefined;
  cleanUp: Delay | undefined;
  /** `undefined`: not wrapped. */
  bufferSize: number | undefined;
  /** Wrapped as a function that returns the generator. */
  isFunction: boolean;
}

export type Numbers = Timing & {
  kind: 'numbers';
  count: number;
  /** The number of what it throws after its values, if it fails; if so, perhaps only when it is made for the first try. */
  thrown: number | undefined;
  isFirstTryOnly: boolean;
};

/** Reads two graphs. */
export type FanIn = Timing & {
  kind: 'concat' | 'zip' | 'merge' | 'race' | 'loser' | 'left open';
  left: Graph;
  right: Graph;
};

/** Reads one graph in several places, or makes it several times. */
export type FanOut = Timing & {
  kind: 'workers' | 'worker stages' | 'leaving worker' | 'neighbours' | 'in turn' | 'retry';
  graph: Graph;
  count: number;
  pause: Delay | undefined;
};

export type Recursion = Timing & { kind: 'recursion'; count: number; thrown: number | undefined };

export type Head = Numbers | FanIn | FanOut | Recursion;

export const TRANSFORMATIONS = ['map', 'filter', 'repeat', 'take', 'throw', 'recover', 'pair'] as const;
export type Transformation = Timing & { kind: (typeof TRANSFORMATIONS)[number]; count: number };

export function isTransformation(step: Transformation | HandReader): step is Transformation {
  return (TRANSFORMATIONS as readonly string[]).includes(step.kind);
}

/** Makes a graph for each value. */
export type Each = Timing & {
  kind: 'each' | 'each: one' | 'each: caught' | 'each: paused' | 'each: beside' | 'each: unread';
  graph: Graph;
  pause: Delay | undefined;
};

/** Generators that read by hand. */
export const HAND_READERS = ['channel', 'ahead', 'batches', 'polling'] as const;
export type HandReader = Timing & { kind: (typeof HAND_READERS)[number]; count: number };

/** Streams between stages. */
export const ADAPTERS = [
  'map',
  'map 4',
  'failing map 4',
  'filter',
  'flatMap',
  'take',
  'iterator',
  'pipeline',
  'Readable.from',
  'ReadableStream.from',
  'Readable.toWeb',
] as const;
export interface Adapter {
  kind: 'adapter';
  name: (typeof ADAPTERS)[number];
  count: number;
  work: Delay | undefined;
}

/** `buffer.map`: calls for several values at once, each of which may run a graph of its own. */
export interface Calls {
  kind: 'calls';
  /** Which call throws, if one does. */
  count: number;
  isFailing: boolean;
  /** What each call awaits, in turn. Without a delay it returns at once, with no promise. */
  works: (Delay | undefined)[];
  /** What each call reads. */
  graph?: Graph;
  concurrency: number;
  bufferSize: number;
}

export type Step = Transformation | Each | HandReader | Adapter | Calls;

export interface Graph {
  head: Head;
  steps: Step[];
}

export const CONSUMERS = ['loop', 'break', 'throw', 'next', 'leave'] as const;
export interface Consumer {
  kind: (typeof CONSUMERS)[number];
  count: number;
  work: Delay | undefined;
}

/** What `test` holds for, in the graph or in one that it holds. */
function some(graph: Graph, test: (part: Head | Step) => boolean): boolean {
  return [graph.head, ...graph.steps].some(
    (part) => test(part) || ['left', 'right', 'graph'].some((key) => key in part && some((part as any)[key], test)),
  );
}

/** Whether there is anything in it that can fail, caught or not. */
export function canFail(graph: Graph): boolean {
  return some(
    graph,
    (part) =>
      part.kind === 'throw' ||
      (part.kind === 'calls' && part.isFailing) ||
      (part.kind === 'adapter' && part.name === 'failing map 4') ||
      ('thrown' in part && part.thrown !== undefined),
  );
}

/** Whether there are generators in it that do not close what they read. */
export function mayLeaveOpen(graph: Graph): boolean {
  return some(graph, ({ kind }) => kind === 'left open' || kind === 'in turn');
}

/** Whether it may go on reading while the generator that it works for is idle. */
function readsInBackground({ kind }: Step): boolean {
  return kind === 'adapter' || kind === 'channel' || kind === 'ahead';
}

/** Whether it makes stages, or awaits something before it reads one. */
function readsUnseen(part: Head | Step): boolean {
  return (
    'graph' in part || 'left' in part || part.kind === 'recursion' || ('first' in part && part.first !== undefined)
  );
}

/** `isReadInBackground`: by who reads the graph. */
export function withKnownReaders({ head, steps }: Graph, isReadInBackground = false): Graph {
  let isBehind = isReadInBackground;
  const wrapped = <T extends Head | Step>(part: T): T => {
    const isUnseen = isBehind && readsUnseen(part);
    const made = isUnseen && 'bufferSize' in part && part.bufferSize === undefined ? { ...part, bufferSize: 1 } : part;
    const isStage = 'bufferSize' in made && made.bufferSize !== undefined;
    isBehind = readsInBackground(made as Step) || (isBehind && !isStage);
    return made;
  };
  const known = steps.toReversed().map(wrapped).toReversed();
  return { head: wrapped(head), steps: known };
}

/** A stream cannot carry what is not truthy. */
export function hasStreams(graph: Graph): boolean {
  return some(graph, (part) => part.kind === 'adapter');
}
