/** What becomes of errors, and of what runs, when a step that works on several values at once fails or is left? */
import { setImmediate as turn } from 'node:timers/promises';

import { LOOP, type Mapper, mappers } from './mappers.ts';
import { measured, type Measurements, type Mode } from './measurement.ts';

const CONCURRENCY = 6;
/** The value whose call, or in whose place the source, fails. The calls before it take longer. */
const FAILING = 3;
/** Turns of the event loop: those of that call, of those before it, and after which nothing more is going to happen. */
const TURNS_TO_FAIL = 12;
const TURNS_OF_CALL = 20;
const TURNS_TO_REST = 200;

/** What happened in one run. */
interface Run {
  values: number[];
  /** What came out of the loop. */
  thrown: { error: unknown } | undefined;
  /** Whether the clean-up of the source, which takes some turns, was over when the loop was, and when all had come to rest. */
  isClosedAtOnce: boolean;
  isClosed: boolean;
  /** Values that the source has yielded since the loop was over. */
  yieldedLater: number;
  /** Of the calls that were under way when the loop was over: whether the signal of each has aborted. */
  areAborted: boolean;
  unhandled: unknown[];
}

interface Plan {
  /** Wrapped, as it may be anything. */
  callError?: { error: unknown };
  sourceError?: { error: unknown };
  /** How many values the reader takes. */
  most?: number;
}

const BOOM = new Error('boom');
const hasFirst = ({ values, thrown }: Run): boolean => values.join() === '0,1,2' && thrown !== undefined;

const QUESTIONS: Record<string, { title: string; plan: Plan; answer: (run: Run) => boolean }> = {
  'error-kept': { title: 'a call fails: values before it are kept', plan: failingCall(BOOM), answer: hasFirst },
  'error-itself': {
    title: 'the error itself is told',
    plan: failingCall(BOOM),
    answer: ({ thrown }) => thrown?.error === BOOM,
  },
  'error-falsy': {
    title: 'a thrown undefined is told',
    plan: failingCall(undefined),
    answer: ({ thrown }) => thrown !== undefined && thrown.error === undefined,
  },
  'error-closed': { title: 'the source is closed', plan: failingCall(BOOM), answer: ({ isClosed }) => isClosed },
  'error-aborted': {
    title: 'the signal of other calls aborts',
    plan: failingCall(BOOM),
    answer: ({ areAborted }) => areAborted,
  },
  'source-kept': {
    title: 'the source fails: values before it are kept, and the error itself is told',
    plan: { sourceError: { error: BOOM } },
    answer: (run) => hasFirst(run) && run.thrown?.error === BOOM,
  },
  'break-closed': { title: 'break: the source is closed', plan: { most: 2 }, answer: ({ isClosed }) => isClosed },
  'break-waits': {
    title: 'break waits for its clean-up',
    plan: { most: 2 },
    answer: ({ isClosedAtOnce }) => isClosedAtOnce,
  },
  'break-aborted': {
    title: 'the signal of calls under way aborts',
    plan: { most: 2 },
    answer: ({ areAborted }) => areAborted,
  },
  'break-stops': {
    title: 'the source is asked for no more',
    plan: { most: 2 },
    answer: ({ yieldedLater }) => yieldedLater === 0,
  },
  quiet: {
    title: 'no unhandled rejection',
    plan: { ...failingCall(BOOM), most: 2 },
    answer: ({ unhandled }) => unhandled.length === 0,
  },
};

function failingCall(error: unknown): Plan {
  return { callError: { error } };
}

export async function measure(_id: string, _mode: Mode): Promise<Measurements> {
  const { [LOOP]: _, ...concurrent } = mappers;
  const measurements: Measurements = {};
  for (const [id, { title, plan, answer }] of Object.entries(QUESTIONS))
    measurements[`map-${id}`] = await measured(title, 'yes or no', concurrent, async (map) =>
      Number(answer(await outcomeOf(map, plan))),
    );
  return measurements;
}

async function outcomeOf(map: Mapper, { callError, sourceError, most = Infinity }: Plan): Promise<Run> {
  const outcome: Run = {
    values: [],
    thrown: undefined,
    isClosedAtOnce: false,
    isClosed: false,
    yieldedLater: 0,
    areAborted: false,
    unhandled: [],
  };
  const onUnhandled = (error: unknown): void => void outcome.unhandled.push(error);
  process.on('unhandledRejection', onUnhandled);
  let yielded = 0;
  const signals: (AbortSignal | undefined)[] = [];

  async function* source(): AsyncGenerator<number> {
    try {
      for (; ; yielded++) {
        if (sourceError !== undefined && yielded === FAILING) throw sourceError.error;
        yield yielded;
      }
    } finally {
      await turns(3);
      outcome.isClosed = true;
    }
  }

  /** Behind the value that fails, calls never settle unless their signal aborts. */
  async function call(value: number, signal?: AbortSignal): Promise<number> {
    await turns(value === FAILING ? TURNS_TO_FAIL : value < FAILING ? TURNS_OF_CALL : 0);
    if (value < FAILING) return value;
    if (value === FAILING && callError !== undefined) throw callError.error;
    signals.push(signal);
    return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error)));
  }

  async function read(): Promise<void> {
    for await (const value of map(source(), call, CONCURRENCY)) {
      outcome.values.push(value);
      if (outcome.values.length === most) break;
    }
  }

  const reading = read().catch((error: unknown) => {
    outcome.thrown = { error };
  });
  await Promise.race([reading, turns(TURNS_TO_REST)]);
  outcome.isClosedAtOnce = outcome.isClosed;
  outcome.yieldedLater = -yielded;
  await turns(TURNS_TO_REST);
  outcome.yieldedLater += yielded;
  outcome.areAborted = signals.length > 0 && signals.every((signal) => signal?.aborted);
  process.off('unhandledRejection', onUnhandled);
  return outcome;
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}
