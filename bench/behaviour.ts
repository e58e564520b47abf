/** What becomes of errors, and of what runs, when a step that works on several values at once fails or is left? */
import { setImmediate as turn } from 'node:timers/promises';

import { LOOP, type Mapper, mappers } from './mappers.ts';
import { counted, only, type Workloads } from './workload.ts';

const CONCURRENCY = 6;
/** The value whose call, or in whose place the source, fails. The calls before it take longer. */
const FAILING = 3;
/** Turns of the event loop: those of that call, of those before it and behind it, and after which nothing more is going to happen. */
const TURNS_TO_FAIL = 12;
const TURNS_OF_CALL = 20;
const TURNS_OF_LAST = 80;
const TURNS_TO_REST = 300;

/** What goes wrong, and how many values the reader takes. What is thrown may be anything, so it is wrapped. */
interface Plan {
  callError?: { error: unknown };
  sourceError?: { error: unknown };
  most?: number;
}

type Run = Awaited<ReturnType<typeof outcomeOf>>;

const BOOM = new Error('boom');
const FAILING_CALL = { callError: { error: BOOM } };
const FAILING_SOURCE = { sourceError: { error: BOOM } };
const LEFT = { most: 2 };

const hasFirst = ({ values, thrown }: Run): boolean => values.join() === '0,1,2' && thrown !== undefined;

/** By their ids: where they are asked, and whether the answer is yes. */
const QUESTIONS: Record<string, [title: string, plan: Plan, answer: (run: Run) => boolean]> = {
  'error-kept': ['a call fails: values before it are kept', FAILING_CALL, hasFirst],
  'error-itself': ['the error itself is told', FAILING_CALL, ({ thrown }) => thrown?.error === BOOM],
  'error-falsy': [
    'a thrown undefined is told',
    { callError: { error: undefined } },
    ({ thrown }) => thrown !== undefined && thrown.error === undefined,
  ],
  'error-closed': ['the source is closed', FAILING_CALL, ({ isClosed }) => isClosed],
  'error-aborted': ['the signal of other calls aborts', FAILING_CALL, ({ areAborted }) => areAborted],
  'source-kept': [
    'the source fails: values before it are kept, and the error itself is told',
    FAILING_SOURCE,
    (run) => hasFirst(run) && run.thrown?.error === BOOM,
  ],
  'break-closed': ['break: the source is closed', LEFT, ({ isClosed }) => isClosed],
  'break-waits': ['break waits for its clean-up', LEFT, ({ isClosedAtOnce }) => isClosedAtOnce],
  'break-aborted': ['the signal of calls under way aborts', LEFT, ({ areAborted }) => areAborted],
  'break-stops': ['the source is asked for no more', LEFT, ({ yieldedLater }) => yieldedLater === 0],
  quiet: ['no unhandled rejection', { ...FAILING_CALL, ...LEFT }, ({ unhandled }) => unhandled === 0],
};

const concurrent = only(
  mappers,
  Object.keys(mappers).filter((name) => name !== LOOP),
);

export const behaviour: Workloads = Object.fromEntries(
  Object.entries(QUESTIONS).map(([id, [title, plan, answer]]) => [
    `map-${id}`,
    counted({ title, unit: 'yes or no' }, concurrent, async (map) => Number(answer(await outcomeOf(map, plan)))),
  ]),
);

/** One run, and what has come of it. The clean-up of the source takes some turns. */
async function outcomeOf(map: Mapper, { callError, sourceError, most = Infinity }: Plan) {
  const values: number[] = [];
  const signals: (AbortSignal | undefined)[] = [];
  let thrown: { error: unknown } | undefined;
  let yielded = 0;
  let isClosed = false;
  let unhandled = 0;
  const onUnhandled = (): void => void unhandled++;
  process.on('unhandledRejection', onUnhandled);

  async function* source(): AsyncGenerator<number> {
    try {
      for (; ; yielded++) {
        if (sourceError !== undefined && yielded === FAILING) throw sourceError.error;
        yield yielded;
      }
    } finally {
      await turns(3);
      isClosed = true;
    }
  }

  /** Behind the value that fails, calls take longest, unless their signal aborts. */
  async function call(value: number, signal?: AbortSignal): Promise<number> {
    if (value < FAILING) await turns(TURNS_OF_CALL);
    if (value === FAILING) await turns(TURNS_TO_FAIL);
    if (value === FAILING && callError !== undefined) throw callError.error;
    if (value < FAILING) return value;
    signals.push(signal);
    const aborted = new Promise<never>((_, reject) =>
      signal?.addEventListener('abort', () => reject(signal.reason as Error)),
    );
    await Promise.race([turns(TURNS_OF_LAST), aborted]);
    return value;
  }

  async function read(): Promise<void> {
    try {
      for await (const value of map(source(), call, CONCURRENCY)) {
        values.push(value);
        if (values.length === most) break;
      }
    } catch (error) {
      thrown = { error };
    }
  }

  await Promise.race([read(), turns(TURNS_TO_REST)]);
  const isClosedAtOnce = isClosed;
  const yieldedAtOnce = yielded;
  await turns(TURNS_TO_REST);
  process.off('unhandledRejection', onUnhandled);
  const areAborted = signals.length > 0 && signals.every((signal) => signal?.aborted);
  const yieldedLater = yielded - yieldedAtOnce;
  return { values, thrown, isClosed, isClosedAtOnce, areAborted, yieldedLater, unhandled };
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}
