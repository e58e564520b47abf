/** Checks arguments: what is wrong is refused at once, by name, with the rule and the kind of thing that came. */
import { outOfRange, unknownOption, wrongType } from './errors.ts';
import { isSignal } from './signal.ts';
import { isIterable } from './source.ts';

/** What other packages, and Node, call our options. */
const SYNONYMS: Readonly<Record<string, string>> = {
  highwatermark: 'bufferSize',
  size: 'bufferSize',
  limit: 'concurrency',
  parallel: 'concurrency',
  abortsignal: 'signal',
  stats: 'statistics',
};

const NO_OPTIONS: object = Object.freeze({});

/** The options, if all properties of the object are options of `of`. What is undefined was not given. */
export function checkOptions<T extends object>(options: T | undefined, of: string, known: readonly string[]): T {
  if (options === undefined) return NO_OPTIONS as T;
  if (typeof options !== 'object' || options === null) throw wrongType('options', 'an object', options);
  let isEmpty = true;
  for (const name in options) {
    isEmpty = false;
    if (known.includes(name) || options[name] === undefined) continue;
    refuseOthers(options);
    // An AbortController is an object with a signal, and inherits other things.
    if (Object.hasOwn(options, name)) throw unknownOption(name, of, known, hintFor(name, of, known));
  }
  if (isEmpty) refuseOthers(options);
  return options;
}

/** What else may be given in the place of options. */
function refuseOthers(options: object): void {
  if (isSignal(options)) throw wrongType('options', 'an object', options, 'pass { signal }');
  if (isIterable(options)) throw wrongType('options', 'an object', options);
}

function hintFor(name: string, of: string, known: readonly string[]): string | undefined {
  const meant = meantBy(name, known);
  if (meant !== undefined) return `did you mean "${meant}"?`;
  if (meantBy(name, ['concurrency']) !== undefined) return 'it is an option of buffer.map()';
  if (of !== BUFFER && meantBy(name, ['bufferSize', 'name']) !== undefined) return `it is an option of ${BUFFER}`;
  if (meantBy(name, ['signal', 'statistics']) !== undefined) return `it is an option of ${PIPELINE}`;
  return undefined;
}

export const PIPELINE = 'bufferedPipeline()';
export const BUFFER = 'buffer()';
export const MAP = 'buffer.map()';

function meantBy(name: string, known: readonly string[]): string | undefined {
  const lower = name.toLowerCase();
  const synonym = SYNONYMS[lower];
  if (synonym !== undefined && known.includes(synonym)) return synonym;
  return known.find((option) => isTypingError(lower, option.toLowerCase()));
}

/** Whether two names differ by one letter that is missing, added or another, or by two that have changed places. */
function isTypingError(one: string, other: string): boolean {
  if (Math.abs(one.length - other.length) > 1) return false;
  let start = 0;
  while (start < one.length && one[start] === other[start]) start++;
  const [rest, otherRest] = [one.slice(start), other.slice(start)];
  const areSwapped = rest[0] === otherRest[1] && rest[1] === otherRest[0] && rest.slice(2) === otherRest.slice(2);
  return (
    areSwapped || rest.slice(1) === otherRest || rest === otherRest.slice(1) || rest.slice(1) === otherRest.slice(1)
  );
}

export function checkSignal(signal: unknown): AbortSignal | undefined {
  if (signal === undefined || isSignal(signal)) return signal;
  const hint = isSignal(Object(signal).signal) ? 'pass its signal' : undefined;
  throw wrongType('signal', 'an AbortSignal', signal, hint);
}

export function checkBoolean(name: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw wrongType(name, 'a boolean', value);
  return value;
}

export function checkName(name: unknown): string | undefined {
  if (name !== undefined && typeof name !== 'string') throw wrongType('name', 'a string', name);
  return name;
}

export function checkFunction(name: string, value: unknown): void {
  if (typeof value !== 'function') throw wrongType(name, 'a function', value);
}

/** @param least - The least that it may be, and what that is called, if it has a name. */
export function checkInteger(name: string, value: unknown, least = 1, called?: string): number {
  if (Number.isSafeInteger(value) && (value as number) >= least) return value as number;
  const rule = `an integer >= ${called === undefined ? least : `${called} (${least})`}`;
  throw typeof value === 'number' ? outOfRange(name, rule, value) : wrongType(name, rule, value);
}
