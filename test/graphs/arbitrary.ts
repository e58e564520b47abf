/** Random graphs, and how they print. */
import fc from 'fast-check';

import type { Delay } from './delay.ts';
import {
  ADAPTERS,
  type Adapter,
  type Calls,
  type Consumer,
  CONSUMERS,
  type Each,
  type FanIn,
  type FanOut,
  type Graph,
  HAND_READERS,
  type HandReader,
  type Head,
  type Numbers,
  type Recursion,
  type Step,
  type Transformation,
  TRANSFORMATIONS,
} from './graph.ts';

const delay: fc.Arbitrary<Delay> = fc.record({
  microtasks: fc.nat({ max: 5 }),
  isTurn: fc.constantFrom(false, false, false, false, false, true),
});
const maybe = fc.oneof(
  { withCrossShrink: true },
  { weight: 2, arbitrary: fc.constant(undefined) },
  { weight: 1, arbitrary: delay },
);
const thrown = fc.option(fc.nat({ max: 7 }), { nil: undefined, freq: 1 });
const count = fc.nat({ max: 5 });
const timing = {
  first: maybe,
  work: maybe,
  after: maybe,
  cleanUp: maybe,
  bufferSize: fc.constantFrom(1, 1, undefined, 1, 2, 3, 16),
  isFunction: fc.constantFrom(false, false, false, true),
};

const numbers: fc.Arbitrary<Numbers> = fc.record({
  kind: fc.constant('numbers'),
  count,
  thrown,
  isFirstTryOnly: fc.boolean(),
  ...timing,
});
const recursion: fc.Arbitrary<Recursion> = fc.record({
  kind: fc.constant('recursion'),
  count: fc.nat({ max: 6 }),
  thrown,
  ...timing,
});
const transformation: fc.Arbitrary<Transformation> = fc.record({
  kind: fc.constantFrom(...TRANSFORMATIONS),
  count,
  ...timing,
});
const handReader: fc.Arbitrary<HandReader> = fc.record({ kind: fc.constantFrom(...HAND_READERS), count, ...timing });
const adapter: fc.Arbitrary<Adapter> = fc.record({
  kind: fc.constant('adapter'),
  name: fc.constantFrom(...ADAPTERS),
  count,
  work: maybe,
});

const callParts = {
  kind: fc.constant('calls' as const),
  count,
  isFailing: fc.constantFrom(false, false, true),
  works: fc.array(maybe, { minLength: 1, maxLength: 3 }),
};
const callSizes = fc.tuple(fc.constantFrom(1, 2, 2, 3, 8), fc.constantFrom(0, 0, 1, 3));
const calls: fc.Arbitrary<Calls> = fc.record({ ...callParts, sizes: callSizes }).map(withSizes);

function withSizes<T>({ sizes: [concurrency, more], ...parts }: T & { sizes: [number, number] }) {
  return { ...parts, concurrency, bufferSize: concurrency + more };
}

const depthIdentifier = fc.createDepthIdentifier();
const nested = { depthIdentifier, maxDepth: 3, withCrossShrink: true };
const { graph: anyGraph } = fc.letrec<{
  graph: Graph;
  head: Head;
  step: Step;
  fanIn: FanIn;
  fanOut: FanOut;
  each: Each;
  calls: Calls;
}>((tie) => ({
  graph: fc.record({ head: tie('head'), steps: fc.array(tie('step'), { maxLength: 3, depthIdentifier }) }),
  head: fc.oneof(
    nested,
    { weight: 5, arbitrary: numbers },
    { weight: 1, arbitrary: recursion },
    { weight: 3, arbitrary: tie('fanIn') },
    { weight: 2, arbitrary: tie('fanOut') },
  ),
  step: fc.oneof(
    nested,
    { weight: 5, arbitrary: transformation },
    { weight: 2, arbitrary: handReader },
    { weight: 3, arbitrary: adapter },
    { weight: 2, arbitrary: tie('each') },
    { weight: 3, arbitrary: calls },
    { weight: 1, arbitrary: tie('calls') },
  ),
  fanIn: fc.record({
    kind: fc.constantFrom('concat', 'concat', 'zip', 'zip', 'merge', 'race', 'loser', 'left open'),
    left: tie('graph'),
    right: tie('graph'),
    ...timing,
  }),
  fanOut: fc.record({
    kind: fc.constantFrom('in turn', 'retry', 'workers', 'worker stages', 'leaving worker', 'neighbours'),
    graph: tie('graph'),
    count,
    pause: maybe,
    ...timing,
  }),
  each: fc.record({
    kind: fc.constantFrom('each', 'each: one', 'each: caught', 'each: paused', 'each: beside', 'each: unread'),
    graph: tie('graph'),
    pause: maybe,
    ...timing,
  }),
  calls: fc.record({ ...callParts, sizes: callSizes, graph: tie('graph') }).map(withSizes),
}));
const anyConsumer: fc.Arbitrary<Consumer> = fc.record({
  kind: fc.constantFrom('loop', ...CONSUMERS),
  count: fc.nat({ max: 6 }),
  work: maybe,
});

/** A graph and who reads it. Prints as it reads. */
export const program: fc.Arbitrary<{ graph: Graph; consumer: Consumer }> = fc
  .record({ graph: anyGraph, consumer: anyConsumer })
  .map((described) =>
    Object.assign(described, { [fc.toStringMethod]: () => show(described.graph, described.consumer) }),
  );

function show(graph: Graph, { kind, count: values, work }: Consumer): string {
  return `\n      ${showGraph(graph)}\n   -> ${kind}${kind === 'loop' ? '' : ` ${values}`}${showDelay('work', work)}`;
}

function showGraph(graph: Graph): string {
  return [graph.head, ...graph.steps].map(showPart).join(' | ');
}

function showPart(part: Head | Step): string {
  if (part.kind === 'adapter') return `${part.name}(${part.count})${showDelay('work', part.work)}`;
  if (part.kind === 'calls') return showCalls(part);
  const given: string[] = [];
  if ('count' in part) given.push(String(part.count));
  if ('thrown' in part && part.thrown !== undefined) given.push(`throws ${part.thrown}`);
  if ('isFirstTryOnly' in part && part.isFirstTryOnly && part.thrown !== undefined) given.push('only at the first try');
  for (const key of ['graph', 'left', 'right']) if (key in part) given.push(showGraph((part as any)[key]));
  const delays = [showDelay('first', part.first), showDelay('work', part.work), showDelay('after', part.after)];
  if ('pause' in part) delays.push(showDelay('pause', part.pause));
  delays.push(showDelay('clean-up', part.cleanUp));
  const size = part.bufferSize === undefined ? 'plain ' : `${part.isFunction ? 'function ' : ''}${part.bufferSize} `;
  return `${size}${part.kind}(${given.join(', ')})${delays.join('')}`;
}

function showCalls({ count: failing, isFailing, works, graph, concurrency, bufferSize }: Calls): string {
  const given = [...(isFailing ? [`throws at ${failing}`] : []), ...(graph === undefined ? [] : [showGraph(graph)])];
  const delays = works.map((work) => (work === undefined ? ' at once' : showDelay('work', work)));
  return `${concurrency}/${bufferSize} calls(${given.join(', ')})${delays.join('')}`;
}

function showDelay(name: string, shown: Delay | undefined): string {
  if (shown === undefined) return '';
  return ` ${name}:${shown.microtasks}${shown.isTurn ? 't' : ''}`;
}
