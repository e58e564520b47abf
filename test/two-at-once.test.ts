/**
 * Generators that wait for a stage and for something else at once, and are left meanwhile. The stage is destroyed, so that
 * their read of it fails. What they throw then need not come from their clean-up: it may be what the other thing has come to,
 * which the unbuffered chain would not have begun.
 */
import { expect } from 'chai';

import { bufferedPipeline } from '../lib/index.ts';
import { microtasks, pass, range, turn } from './helpers.ts';
import { BOOM } from './subject.ts';

type Values = AsyncIterable<unknown>;
type Wrap = (source: Values) => Values;

async function* numbers(count: number, pause = 0): Values {
  for (const n of range(count)) {
    await turn(pause);
    yield n;
  }
  await turn(pause);
}

/** The ways to read two at once. */
const READERS: Record<string, (left: Values, right: Values) => Values> = {
  async *'in step'(left, right) {
    const iterators = [left, right].map((side) => side[Symbol.asyncIterator]());
    try {
      for (;;) {
        const [one, other] = await Promise.all(iterators.map((iterator) => iterator.next()));
        if (one!.done || other!.done) return;
        yield [one!.value, other!.value];
      }
    } finally {
      await Promise.all(iterators.map((iterator) => iterator.return!()));
    }
  },
  async *'the one, while the other is under way'(left, right) {
    const iterator = right[Symbol.asyncIterator]();
    iterator.next().catch(() => {});
    try {
      yield* left;
    } finally {
      await iterator.return!();
    }
  },
};

/** Plain generators that throw after their first value, or their second, which the reader never asks for unbuffered. */
function lefts(wrap: Wrap, before: number, late: number): Record<string, Values> {
  async function* throwing(last: Values): Values {
    for await (const value of wrap(numbers(1))) {
      yield value;
      await microtasks(before);
      yield* last;
    }
  }
  async function* failing(after: number): Values {
    await turn(after);
    throw BOOM;
  }
  async function* failingAt(source: Values, last: unknown): Values {
    await microtasks(before);
    for await (const value of source) {
      await turn(late);
      if (value === last) throw BOOM;
      yield value;
      await microtasks(before);
    }
  }
  return {
    'an error of its own': throwing(failing(late)),
    'an error of a stage that it makes': throwing({
      [Symbol.asyncIterator]: () => wrap(failing(late))[Symbol.asyncIterator](),
    }),
    'an error at the second value': failingAt(wrap(numbers(3)), 2),
  };
}

/** What stands between the generator and the loop. */
const BEHIND: Record<string, (wrap: Wrap, source: Values) => Values> = {
  'no other': (_, source) => source,
  'a stage': (wrap, source) => wrap(pass(source)),
  'two stages': (wrap, source) => wrap(pass(wrap(pass(source)))),
};

async function leave(values: Values): Promise<unknown[]> {
  const seen: unknown[] = [];
  try {
    for await (const value of values) {
      seen.push(value);
      break;
    }
  } catch (error) {
    seen.push(error);
  }
  await turn(8);
  return seen;
}

describe('A generator that is left while it waits for a stage and something else', function () {
  this.timeout(20_000);

  const cases = [0, 1, 2].flatMap((late) =>
    [0, 1, 3].flatMap((before) =>
      [0, 1, 3].flatMap((count) => [0, 1, 2].map((pause) => ({ late, before, count, pause }))),
    ),
  );

  for (const [how, reader] of Object.entries(READERS)) {
    for (const left of Object.keys(lefts(pass, 0, 0))) {
      for (const [where, behind] of Object.entries(BEHIND)) {
        it(`has nobody told of ${left}: it reads ${how}, with ${where} behind it`, async () => {
          const run = async (wrap: Wrap, { late, before, count, pause }: (typeof cases)[0]): Promise<unknown[]> => {
            const right = wrap(pass(wrap(numbers(count, pause))));
            return leave(behind(wrap, wrap(reader(lefts(wrap, before, late)[left]!, right))));
          };
          for (const timing of cases) {
            // What comes when its other read has failed cannot be told from an error of its clean-up, which must not be lost.
            if (how !== 'in step' && timing.late > 0) continue;
            const expected = await run((source) => source, timing);
            expect(expected).not.to.include(BOOM);
            expect(await run(bufferedPipeline() as Wrap, timing), JSON.stringify(timing)).to.deep.equal(expected);
          }
        });
      }
    }
  }
});

describe('What one of two stages throws in its clean-up, when the generator that reads both is left', function () {
  this.timeout(20_000);

  async function* cleaning(source: Values): Values {
    try {
      yield* source;
    } finally {
      // oxlint-disable-next-line no-unsafe-finally -- what the test is about
      throw BOOM;
    }
  }

  for (const side of ['left', 'right']) {
    for (const [where, behind] of Object.entries(BEHIND)) {
      it(`reaches the loop, though it was handed a value by the other: the ${side} one, with ${where} behind it`, async () => {
        const run = async (wrap: Wrap, pause: number): Promise<unknown[]> => {
          const one = wrap(cleaning(wrap(numbers(9, pause))));
          const other = wrap(pass(wrap(numbers(9))));
          const sides: [Values, Values] = side === 'left' ? [one, other] : [other, one];
          return leave(behind(wrap, wrap(READERS['in step']!(...sides))));
        };
        for (const pause of [0, 1, 2, 3]) {
          expect(await run((source) => source, pause)).to.deep.equal([[1, 1], BOOM]);
          expect(await run(bufferedPipeline() as Wrap, pause)).to.deep.equal([[1, 1], BOOM]);
        }
      });
    }
  }
});
