/**
 * The errors of the package. Codes and names are those of Node's own streams, so that code which tells Node's errors
 * apart works unchanged. What a user's code throws is never wrapped on its way to a loop.
 */
import { isNativeError, isPromise } from 'node:util/types';

const PREMATURE_CLOSE = 'ERR_STREAM_PREMATURE_CLOSE';

function withCode<E extends Error>(error: E, code: string): E & { code: string } {
  return Object.assign(error, { code });
}

/** What kind of thing a value is. Its contents may be secret, and looking at them may throw. */
function kindOf(value: unknown): string {
  if (value === null || ['undefined', 'number', 'boolean'].includes(typeof value)) return String(value);
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return 'a function';
  if (typeof value !== 'object') return `a ${typeof value}`;
  if (isPromise(value)) return 'a promise';
  try {
    if (Array.isArray(value)) return 'an array';
    const { name } = value.constructor;
    return typeof name !== 'string' || ['', 'Object'].includes(name) ? 'an object' : `an instance of ${name}`;
  } catch {
    return 'an object';
  }
}

/** An argument of the wrong kind. The hint says how to mend a common mistake. */
export function wrongType(name: string, rule: string, value: unknown, hint?: string): TypeError {
  const message = `"${name}" must be ${rule}, got ${kindOf(value)}${hint === undefined ? '' : `: ${hint}`}`;
  return withCode(new TypeError(message), 'ERR_INVALID_ARG_TYPE');
}

/** What a generator function gets that was passed to `buffer()` itself, and reads its argument. */
export function contextIterated(): TypeError {
  const message =
    'A source function is called with { signal }, which cannot be iterated: call a generator function yourself, as in buffer(step(source))';
  return withCode(new TypeError(message), 'ERR_INVALID_ARG_TYPE');
}

/** An option that there is not, which would have no effect. */
export function unknownOption(name: string, of: string, known: readonly string[], hint: string | undefined): TypeError {
  const rule = known.map((option) => `"${option}"`).join(', ');
  const message = `"${name}" is no option of ${of}: ${hint ?? `its options are ${rule}`}`;
  return withCode(new TypeError(message), 'ERR_INVALID_ARG_VALUE');
}

/** A source that does not keep to the iteration protocol, where `for await` would throw, too. */
export function wrongResult(method: string, rule: string, value: unknown): TypeError {
  return withCode(
    new TypeError(`The source's ${method} must return ${rule}, got ${kindOf(value)}`),
    'ERR_INVALID_RETURN_VALUE',
  );
}

/** An argument of the right kind with a value that cannot be. */
export function outOfRange(name: string, rule: string, value: unknown): RangeError {
  return withCode(new RangeError(`"${name}" must be ${rule}, got ${kindOf(value)}`), 'ERR_OUT_OF_RANGE');
}

/** What a pipeline answers that was not told to measure its stages. */
export function statisticsOff(): Error {
  const message = 'This pipeline has no statistics: make it with bufferedPipeline({ statistics: true })';
  return withCode(new Error(message), 'ERR_INVALID_STATE');
}

/** What the reader of a stage gets that was destroyed, without an error, before its source ended. */
export function prematureClose(): Error {
  return withCode(new Error('The stage was destroyed before its source ended'), PREMATURE_CLOSE);
}

/** What takes the place of a `null` where a stage is read as a stream: there, `null` means the end. */
export function nullValue(): TypeError {
  return withCode(
    new TypeError('A stream cannot carry null: read the stage with "for await", or map null to another value'),
    'ERR_STREAM_NULL_VALUES',
  );
}

/** What consumers get, and the reason a stage's own signal aborts with: Node's `AbortError`, which it does not export. */
export function abortError(options?: ErrorOptions): Error {
  const error = new Error('The operation was aborted', options);
  error.name = 'AbortError';
  return withCode(error, 'ABORT_ERR');
}

export function isAbortError(error: unknown): boolean {
  try {
    return isNativeError(error) && error.name === 'AbortError';
  } catch {
    return false;
  }
}

/** Whether an error says that work was cut short: by a signal, or because a stream was destroyed. */
export function isInterruption(error: unknown): boolean {
  try {
    return isAbortError(error) || (isNativeError(error) && 'code' in error && error.code === PREMATURE_CLOSE);
  } catch {
    return false;
  }
}

/** Whether an error is `cause`, or was made of it: an error around another one says so in its `cause`. */
export function isCausedBy(error: unknown, cause: unknown): boolean {
  try {
    for (let at = error, depth = 0; depth < MAX_CAUSES; depth++) {
      if (at === cause) return true;
      if (!hasCause(at)) return false;
      at = at.cause;
    }
  } catch {
    // What cannot be looked at says nothing.
  }
  return false;
}

/** An error without a cause is not one that was made of `undefined`. */
function hasCause(error: unknown): error is Error {
  return isNativeError(error) && 'cause' in error;
}

export function causeOf(error: unknown): unknown {
  try {
    return isNativeError(error) ? error.cause : undefined;
  } catch {
    return undefined;
  }
}

/** So many causes are looked at: they may form a circle. */
export const MAX_CAUSES = 16;

/**
 * Something that was thrown: any value, `undefined` and `null` included, hence the object around it.
 */
export class Failure {
  readonly error: unknown;
  /** Whether a consumer was told of it. Kept for what a clean-up throws. */
  isTold = false;
  /** Whether it was handed to somebody outside the pipeline, which has ended all stages that there were. */
  hasLeft = false;
  #eventError: Error | undefined;

  constructor(error: unknown) {
    this.error = error;
  }

  /** What was thrown, for `destroy()` and `'error'` events, which take what is falsy for no error at all. */
  get eventError(): Error {
    if (this.error && isReadable(this.error)) return this.error as Error;
    return (this.#eventError ??= new Error(`The source threw ${kindOf(this.error)}`, { cause: this.error }));
  }
}

/** Whether Node can look at an error as it does: `destroy()` reads the `stack`, `pipeline()` the others, and a getter may throw. */
function isReadable(error: unknown): boolean {
  try {
    const { stack, name, code } = error as NodeJS.ErrnoException;
    void [stack, name, code];
    return true;
  } catch {
    return false;
  }
}
