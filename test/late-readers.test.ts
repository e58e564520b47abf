/**
 * Generators that await something of their own before they read, the first time or each time. Their reads come from
 * nowhere. What the consumer gets, and what a `break` closes, must not depend on that.
 */
import { expect } from 'chai';

import { bufferedPipeline, type BufferedPipeline, type Stage } from '../lib/index.ts';
import {
  collect,
  deferred,
  failingAfter,
  microtasks,
  outcomeOf,
  pass,
  range,
  rejection,
  settle,
  turn,
} from './helpers.ts';
import { BOOM, orWaits } from './subject.ts';
import {
  buffered,
  bufferedFunctions,
  expectAsPlain,
  halfRead,
  type Kit,
  paced,
  type Program,
  rescuing,
  slowly,
} from './twins.ts';

const SIZES = [1, 16];
const never = new Promise<never>(() => {});

/** What a generator may await before it reads. */
const pauses: Record<string, () => Promise<unknown>> = {
  'a microtask': () => Promise.resolve(),
  'some microtasks': () => microtasks(5),
  'a turn': () => turn(),
  'some turns': () => turn(3),
};

type Late = <T>(source: AsyncIterable<T>, pause: () => Promise<unknown>) => AsyncGenerator<T>;

async function* lateOnce<T>(source: AsyncIterable<T>, pause: () => Promise<unknown>): AsyncGenerator<T> {
  await pause();
  yield* pass(source);
}

async function* acknowledging<T>(source: AsyncIterable<T>, pause: () => Promise<unknown>): AsyncGenerator<T> {
  await pause();
  for await (const value of source) {
    yield value;
    await pause();
  }
}

/** Never makes a request in the job in which it was resumed, and never twice by the same iterator method call. */
async function* byHand<T>(source: AsyncIterable<T>, pause: () => Promise<unknown>): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]();
  try {
    for (;;) {
      await pause();
      const answer = await iterator.next();
      if (answer.done) return;
      await pause();
      yield answer.value;
    }
  } finally {
    await iterator.return?.();
  }
}

async function* delegating<T>(source: AsyncIterable<T>, pause: () => Promise<unknown>): AsyncGenerator<T> {
  await pause();
  yield* source;
}

const lates: Record<string, Late> = {
  'awaits before its first read': lateOnce,
  'awaits before every read': acknowledging,
  'reads by hand': byHand,
  'awaits and delegates': delegating,
};

const failing = (): AsyncGenerator<number> => paced(5, BOOM);

/** The chains; `late` hands on what it reads. */
function programsWith(late: <T>(source: AsyncIterable<T>) => AsyncGenerator<T>): Record<string, Program> {
  return {
    'that ends': ({ wrap }) => wrap(late(wrap(paced(5)))),
    'that fails at once': ({ wrap }) => wrap(late(wrap(paced(0, BOOM)))),
    'that fails': ({ wrap }) => wrap(late(wrap(failing()))),
    'that fails without a wait': ({ wrap }) => wrap(late(wrap(failingAfter(5, BOOM)))),
    'that fails above three of them': ({ wrap }) => wrap(late(wrap(late(wrap(late(wrap(failing()))))))),
    'that fails above an unbuffered one': ({ wrap }) => wrap(pass(late(late(wrap(failing()))))),
    'that fails above others': ({ wrap }) => wrap(pass(wrap(late(wrap(pass(wrap(failing()))))))),
    'that fails in one of them': ({ wrap }) =>
      wrap(
        late(
          wrap(
            (async function* () {
              yield* late(wrap(paced(3)));
              throw BOOM;
            })(),
          ),
        ),
      ),
    'whose error it catches': ({ wrap }) => wrap(rescuing(late(wrap(failing())), () => [0])),
    'whose error another catches': ({ wrap }) => wrap(rescuing(wrap(late(wrap(failing()))), () => [0])),
    'whose error one far down catches': ({ wrap }) =>
      wrap(late(wrap(rescuing(late(wrap(late(wrap(pass(wrap(failing())))))), () => [0])))),
    'whose error is caught for a new stage': ({ wrap }) =>
      wrap(rescuing(wrap(late(wrap(failing()))), () => late(wrap(late(wrap(paced(3))))))),
    'that reads one after the other': ({ wrap }) => {
      const [first, second] = [wrap(paced(2)), wrap(paced(2, BOOM))];
      return wrap(
        (async function* () {
          yield* first;
          yield* second;
        })(),
      );
    },
    'that reads one after the other, late': ({ wrap }) => {
      const [first, second] = [wrap(late(wrap(paced(2)))), wrap(late(wrap(paced(2, BOOM))))];
      return wrap(
        (async function* () {
          yield* late(first);
          yield* late(second);
        })(),
      );
    },
    'that reads three after each other and catches': ({ wrap }) => {
      const parts = [wrap(paced(2, BOOM)), wrap(late(wrap(paced(2, BOOM)))), wrap(paced(2))];
      return wrap(
        (async function* () {
          for (const part of parts) yield* rescuing(late(part), () => [0]);
        })(),
      );
    },
    'that makes a stage for each value': ({ wrap }) =>
      wrap(
        (async function* () {
          for await (const n of wrap(paced(5))) yield* late(wrap(paced(n, n === 2 ? BOOM : undefined)));
        })(),
      ),
    'that makes a chain for each value and catches': ({ wrap }) =>
      wrap(
        (async function* () {
          for await (const n of late(wrap(paced(5)))) {
            const inner = wrap(late(wrap(paced(n, n % 2 ? BOOM : undefined))));
            yield* rescuing(late(inner), () => [-n]);
          }
        })(),
      ),
    'that zips two, value by value': ({ wrap }) => zipped(wrap, late(wrap(failing())), late(wrap(paced(9)))),
    'that zips two, the second fails': ({ wrap }) => zipped(wrap, late(wrap(paced(9))), late(wrap(failing()))),
    'that zips two, asked at once': ({ wrap }) =>
      zippedAtOnce(wrap, wrap(late(wrap(paced(9)))), wrap(late(wrap(failing())))),
    'that zips two and catches': ({ wrap }) =>
      wrap(rescuing(late(zippedAtOnce(wrap, wrap(failing()), wrap(late(wrap(paced(9)))))), () => [[0]])),
    'that is tried again after a pause': ({ wrap }) => wrap(late(retried(wrap, late))),
    'that is tried again by a stage in a stage': ({ wrap }) => wrap(late(wrap(retried(wrap, late)))),
    'that runs a pipeline in a step': ({ wrap, another }) =>
      wrap(
        (async function* () {
          for await (const n of late(wrap(paced(4)))) {
            const inner = another();
            const chain = inner.wrap(late(inner.wrap(paced(n, n % 2 ? BOOM : undefined))));
            yield* rescuing(late(chain), () => [-n]);
          }
          yield* late(wrap(failing()));
        })(),
      ),
    'that reads a stage of another pipeline': ({ wrap, another }) => {
      const outer = another();
      return outer.wrap(late(outer.wrap(rescuing(late(wrap(late(wrap(failing())))), () => [0]))));
    },
  };
}

function zipped(wrap: Kit['wrap'], ...sides: AsyncIterable<number>[]): AsyncIterable<number[]> {
  return wrap(
    (async function* () {
      const iterators = sides.map((side) => side[Symbol.asyncIterator]());
      for (;;) {
        const row: number[] = [];
        for (const iterator of iterators) {
          const { done, value } = await iterator.next();
          if (done) return;
          row.push(value);
        }
        yield row;
      }
    })(),
  );
}

function zippedAtOnce(wrap: Kit['wrap'], ...sides: AsyncIterable<number>[]): AsyncIterable<number[]> {
  return wrap(
    (async function* () {
      const iterators = sides.map((side) => side[Symbol.asyncIterator]());
      for (;;) {
        const answers = await Promise.all(iterators.map((iterator) => iterator.next()));
        if (answers.some(({ done }) => done)) return;
        yield answers.map(({ value }) => value as number);
      }
    })(),
  );
}

/** Reads fresh stages until one does not fail; gives up after six, so that a wrong outcome ends, too. */
async function* retried(
  wrap: Kit['wrap'],
  late: <T>(source: AsyncIterable<T>) => AsyncGenerator<T>,
): AsyncGenerator<number> {
  for (let attempt = 1; ; attempt++) {
    try {
      yield* late(wrap(late(wrap(paced(attempt, attempt < 4 ? BOOM : undefined)))));
      return;
    } catch (error) {
      if (attempt === 6) throw error;
      await turn(2);
    }
  }
}

for (const [how, late] of Object.entries(lates)) {
  for (const [pauseName, pause] of Object.entries(pauses)) {
    describe(`A chain with a generator that ${how} (${pauseName})`, function () {
      this.timeout(2000);
      const programs = programsWith((source) => late(source, pause));

      for (const bufferSize of SIZES) {
        for (const [what, program] of Object.entries(programs)) {
          it(`${what} gives what it gives unbuffered at size ${bufferSize}`, async () => {
            await expectAsPlain(program, () => buffered(bufferSize));
            await expectAsPlain(program, () => bufferedFunctions(bufferSize));
          });
        }

        it(`leaves a sibling alone as long as the error is caught at size ${bufferSize}`, async () => {
          const buffer = bufferedPipeline();
          const { wrap } = buffered(bufferSize, pass, buffer);
          const sibling = await halfRead(buffer);
          const rescue = rescuing(late(wrap(late(wrap(failing()), pause)), pause), () => [0]);
          expect(await collect(wrap(rescue))).to.deep.equal([...range(5), 0]);
          await settle();
          expect(await collect(sibling)).to.deep.equal([2, 3]);
        });
      }
    });
  }
}

describe('A break while late generators wait for their input', function () {
  this.timeout(2000);

  /** A chain of late generators above which nothing comes after some values. */
  interface Stuck {
    stages: Stage<number>[];
    signals: AbortSignal[];
    cleanedUp: number[];
    last: Stage<number>;
    buffer: BufferedPipeline;
  }

  /** Says when its `finally` runs: each generator waits for nothing but what it reads. */
  async function* noted<T>(source: AsyncIterable<T>, cleanedUp: number[], index: number): AsyncGenerator<T> {
    try {
      yield* source;
    } finally {
      cleanedUp.push(index);
    }
  }

  function stuckAfter(
    values: number,
    late: (source: AsyncIterable<number>) => AsyncGenerator<number>,
    bufferSize: number,
    length = 3,
  ): Stuck {
    const buffer = bufferedPipeline();
    const signals: AbortSignal[] = [];
    const cleanedUp: number[] = [];
    const source = async function* (): AsyncGenerator<number> {
      yield* range(values);
      await never;
    };
    const stages = [
      buffer(
        ({ signal }) => {
          signals.push(signal);
          return source();
        },
        { bufferSize },
      ),
    ];
    for (let index = 1; index <= length; index++) {
      const input = stages.at(-1)!;
      const stage = buffer(
        ({ signal }) => {
          signals.push(signal);
          return noted(late(input), cleanedUp, index);
        },
        { bufferSize },
      );
      stages.push(stage);
    }
    return { stages, signals, cleanedUp, last: stages.at(-1)!, buffer };
  }

  const leaving: Record<string, (last: Stage<number>) => Promise<unknown>> = {
    break: async (last) => {
      for await (const _ of last) {
        await settle();
        break;
      }
    },
    'break at once, while the last may still acknowledge': async (last) => {
      for await (const _ of last) break;
    },
    'throw in the loop body': (last) =>
      rejection(
        (async () => {
          for await (const _ of last) {
            await settle();
            throw BOOM;
          }
        })(),
      ),
    'return() of the iterator': async (last) => {
      const iterator = last[Symbol.asyncIterator]();
      await iterator.next();
      await settle();
      await iterator.return!();
    },
    'destroy()': async (last) => {
      await last[Symbol.asyncIterator]().next();
      await settle();
      last.destroy();
    },
  };

  for (const [how, late] of Object.entries(lates)) {
    for (const [pauseName, pause] of Object.entries(pauses)) {
      for (const bufferSize of SIZES) {
        for (const [way, leave] of Object.entries(leaving)) {
          it(`by ${way} closes them and all inputs: each ${how} (${pauseName}), size ${bufferSize}`, async () => {
            // One value, so that in the end each generator waits for the next.
            const { stages, signals, cleanedUp, last } = stuckAfter(1, (source) => late(source, pause), bufferSize);
            await leave(last);
            await settle();
            await settle();
            expect(stages.map(({ destroyed }) => destroyed)).to.deep.equal([true, true, true, true]);
            expect(signals.map(({ aborted }) => aborted)).to.deep.equal([true, true, true, true]);
            expect(cleanedUp).to.have.members([1, 2, 3]);
          });
        }

        it(`closes all in their first read, too: each ${how} (${pauseName}), size ${bufferSize}`, async () => {
          const { stages, signals, cleanedUp, last } = stuckAfter(0, (source) => late(source, pause), bufferSize);
          const iterator = last[Symbol.asyncIterator]();
          const read = iterator.next();
          await settle();
          expect(await orWaits(iterator.return!())).to.not.equal('waits');
          expect(await orWaits(read)).to.deep.equal({ done: true, value: undefined });
          await settle();
          expect(stages.map(({ destroyed }) => destroyed)).to.deep.equal([true, true, true, true]);
          expect(signals.map(({ aborted }) => aborted)).to.deep.equal([true, true, true, true]);
          expect(cleanedUp).to.have.members([1, 2, 3]);
        });

        it(`leaves others of the pipeline alone: each ${how} (${pauseName}), size ${bufferSize}`, async () => {
          const { last, buffer } = stuckAfter(1, (source) => late(source, pause), bufferSize);
          const sibling = await halfRead(buffer);
          for await (const _ of last) {
            await settle();
            break;
          }
          await settle();
          expect(await collect(sibling)).to.deep.equal([2, 3]);
        });
      }
    }
  }
});

describe('A generator that is left before its first read', function () {
  this.timeout(2000);

  for (const [pauseName, pause] of Object.entries(pauses)) {
    for (const bufferSize of SIZES) {
      for (const [of, length] of Object.entries({ 'a chain': 3, 'one stage': 1 })) {
        it(`reads on after ${pauseName}, and catches what a stage throws, beside ${of}, size ${bufferSize}`, async () => {
          const buffer = bufferedPipeline();
          const { wrap } = buffered(bufferSize, pass, buffer);
          let input: AsyncIterable<number> = failingAfter(1, BOOM);
          for (let made = 0; made < length; made++) input = wrap(pass(input));
          const sibling = wrap(paced(3));
          const both = buffer(
            (async function* () {
              await pause();
              const answers = await Promise.allSettled([collect(input), collect(sibling)]);
              yield answers.map((answer) => (answer.status === 'fulfilled' ? answer.value : answer.reason));
            })(),
            { bufferSize },
          );
          const iterator = both[Symbol.asyncIterator]();
          const read = iterator.next();
          await iterator.return!();
          expect(await read).to.deep.equal({ done: false, value: [BOOM, range(3)] });
        });
      }
    }
  }
});

describe('A late generator that is left when an operator has an error for it', function () {
  this.timeout(2000);

  async function* first<T>(source: AsyncIterable<T>, count: number): AsyncGenerator<T> {
    let taken = 0;
    for await (const value of source) {
      if (taken++ === count) return;
      yield value;
    }
  }

  for (const [pauseName, pause] of Object.entries(pauses)) {
    it(`tells nobody of it, since the step had run ahead (${pauseName})`, async () => {
      const program: Program = ({ wrap, read }) => {
        const input = read(wrap(failingAfter(1, BOOM)));
        const slow = wrap(paced(9));
        const pairs = async function* (): AsyncGenerator<[number, number]> {
          await pause();
          const sides = [input, slow].map((side) => side[Symbol.asyncIterator]());
          try {
            for (;;) {
              const [left, right] = await Promise.all(sides.map((side) => side.next()));
              yield [left!.value as number, right!.value as number];
            }
          } finally {
            for (const side of sides) await side.return?.();
          }
        };
        return wrap(first(wrap(pairs()), 1));
      };
      const twice = <T>(stage: Stage<T>): AsyncIterable<T> => stage.flatMap((value) => [value, value]);
      expect((await slowly(program(buffered(1, twice)))).values).to.deep.equal([[1, 1]]);
      expect((await slowly(program(buffered(1, twice)))).error).to.equal(undefined);
    });
  }
});

describe('A loop that shares a stage with a generator', function () {
  this.timeout(2000);

  async function* gated<T>(gate: Promise<void>, source: AsyncIterable<T>): AsyncGenerator<T> {
    await gate;
    yield* source;
  }

  const generators: Record<string, (source: AsyncIterable<number>) => AsyncGenerator<number>> = {
    'reads at once': pass,
    'awaits before its first read': (source) => lateOnce(source, turn),
    'awaits before every read': (source) => acknowledging(source, turn),
  };

  for (const [how, read] of Object.entries(generators)) {
    for (const bufferSize of SIZES) {
      it(`ends the pipeline when it gets the error, though the other waits, too; it ${how}, size ${bufferSize}`, async () => {
        const buffer = bufferedPipeline();
        const gate = deferred();
        const shared = buffer(gated(gate.promise, failingAfter(0, BOOM)), { bufferSize });
        const sibling = await halfRead(buffer);
        const outside = rejection(shared[Symbol.asyncIterator]().next());
        const generator = outcomeOf(buffer(read(shared), { bufferSize }));
        await settle();
        gate.resolve();
        expect(await outside).to.equal(BOOM);
        expect(sibling).to.have.property('errored', BOOM);
        expect(await rejection(collect(sibling))).to.equal(BOOM);
        await generator;
      });

      it(`is told the error behind the other's value; it ${how}, size ${bufferSize}`, async () => {
        const buffer = bufferedPipeline();
        const gate = deferred();
        const shared = buffer(gated(gate.promise, failingAfter(1, BOOM)), { bufferSize });
        const generator = outcomeOf(buffer(read(shared), { bufferSize }));
        await settle();
        const outside = rejection(shared[Symbol.asyncIterator]().next());
        gate.resolve();
        expect(await outside).to.equal(BOOM);
        expect((await generator).values).to.deep.equal([1]);
      });

      it(`is told the end when the other gets the error and catches it; it ${how}, size ${bufferSize}`, async () => {
        const buffer = bufferedPipeline();
        const gate = deferred();
        const shared = buffer(gated(gate.promise, failingAfter(0, BOOM)), { bufferSize });
        const sibling = await halfRead(buffer);
        const rescue = rescuing(read(shared), () => [0]);
        const generator = collect(buffer(rescue, { bufferSize }));
        await settle();
        const outside = shared[Symbol.asyncIterator]().next();
        gate.resolve();
        expect(await generator).to.deep.equal([0]);
        expect(await outside).to.deep.equal({ done: true, value: undefined });
        expect(await collect(sibling)).to.deep.equal([2, 3]);
      });
    }
  }
});
