/**
 * What a runtime cannot do, itself. Each has a program that shows it without this package, in the folder `limits`, and a
 * row in docs/runtimes.md.
 */
import type { RuntimeName } from './runtimes.ts';

export interface Limit {
  program: string;
  /** What the program prints on every version of Node.js. */
  onNode: string;
  /** What it prints on the runtimes that differ. */
  elsewhere: Partial<Record<RuntimeName, string>>;
  /** The tests that fail for this reason where it differs, by their full titles. */
  failing: string[];
}

export const limits: Limit[] = [
  {
    program: 'unexported-path.mjs',
    onNode: 'ERR_PACKAGE_PATH_NOT_EXPORTED',
    elsewhere: { Bun: 'ERR_MODULE_NOT_FOUND', Deno: 'ERR_MODULE_NOT_FOUND' },
    failing: ['the packed package keeps the rest to itself'],
  },
  {
    program: 'garbage-collector.mjs',
    onNode: 'collects all',
    elsewhere: { Bun: 'misses a few' },
    failing: [],
  },
  {
    program: 'destroyed-writable.mjs',
    onNode: 'an error with a code',
    elsewhere: { Deno: 'a TypeError without a code' },
    failing: ['pipeline into a Writable that is destroyed already treats a stage as it treats any Readable'],
  },
  {
    program: 'cancelled-response.mjs',
    onNode: 'is cancelled',
    elsewhere: { Deno: 'fails with a TypeError' },
    failing: [
      'What needs no more of a stage closes its generator: the body of a Response is cancelled',
      'A body of a Response made of the stage itself, the last of 1, is cancelled with a read under way, and the process goes on',
    ],
  },
  {
    program: 'uncaught-exception.mjs',
    onNode: 'ends',
    elsewhere: { Bun: 'ends\nnot yet', Deno: 'ends\nnot yet' },
    failing: [],
  },
  {
    program: 'late-operator.mjs',
    onNode: 'reads\nis called',
    elsewhere: { Bun: 'is called\nreads' },
    failing: ['toArray()', 'forEach()'].map(
      (reader) =>
        `A 'data' listener beside a loop of Node’s own sees all that the loop takes: ${reader}, values at once`,
    ),
  },
];
