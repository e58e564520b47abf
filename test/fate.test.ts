/**
 * How far an error reaches: when it is handed to somebody outside, it destroys all stages that there are, and none that
 * are made afterwards. A pipeline that a whole module shares is of use again at once.
 */
import { expect } from 'chai';

import { bufferedPipeline, type BufferedPipeline, type Source, type Stage } from '../lib/index.ts';
import { collect, consumers, failingAfter, outcomeOf, pass, range, rejection, settle, turn } from './helpers.ts';
import { BOOM } from './subject.ts';
import { halfRead, paced, rescuing } from './twins.ts';

const SIZES = [1, 16];
const other = new Error('other');

/** Ways to make a chain of two that gives 1 to 3. */
const fresh: Record<string, (buffer: BufferedPipeline, bufferSize: number) => Stage<number>> = {
  'of generators': (buffer, bufferSize) => buffer(pass(buffer(paced(3), { bufferSize })), { bufferSize }),
  'of source functions': (buffer, bufferSize) =>
    buffer(() => pass(buffer(unlessAborted, { bufferSize })), { bufferSize }),
  'of an array': (buffer, bufferSize) => buffer(pass(buffer(range(3), { bufferSize })), { bufferSize }),
  'of an operator': (buffer, bufferSize) =>
    buffer(
      buffer(paced(3), { bufferSize }).map(async (n) => n, { concurrency: 4 }),
      { bufferSize },
    ),
};

const unlessAborted: Source<number> = async function* ({ signal }) {
  for await (const n of paced(3)) {
    signal.throwIfAborted();
    yield n;
  }
};

/** Lets an error leave. */
const failures: Record<string, (buffer: BufferedPipeline) => Promise<unknown>> = {
  'a loop got an error': (buffer) => rejection(collect(buffer(failingAfter(1, BOOM)))),
  'a loop got an error behind another stage': (buffer) =>
    rejection(collect(buffer(pass(buffer(failingAfter(2, BOOM)))))),
  'a loop got the error of its last stage': (buffer) =>
    rejection(collect(buffer(rescuing(buffer(failingAfter(1, other)), () => failingAfter(1, BOOM))))),
  'a loop got what is falsy': (buffer) => outcomeOf(buffer(failingAfter(1, undefined))),
  'a source function threw': (buffer) =>
    rejection(
      collect(
        buffer<never>(() => {
          throw BOOM;
        }),
      ),
    ),
  'two loops got two errors': (buffer) =>
    Promise.all([outcomeOf(buffer(failingAfter(1, BOOM))), outcomeOf(buffer(failingAfter(1, other)))]),
  'two chains failed one after the other': async (buffer) => {
    await outcomeOf(buffer(pass(buffer(failingAfter(1, BOOM)))));
    await outcomeOf(buffer(pass(buffer(failingAfter(2, other)))));
  },
  'an operator got an error': (buffer) =>
    rejection(
      buffer(failingAfter(1, BOOM))
        .map((n) => n)
        .toArray(),
    ),
};

describe('A stage that is made after an error has left', function () {
  this.timeout(2000);

  for (const bufferSize of SIZES) {
    for (const [kind, make] of Object.entries(fresh)) {
      for (const [what, fail] of Object.entries(failures)) {
        it(`starts afresh: ${what}, ${kind}, size ${bufferSize}`, async () => {
          const buffer = bufferedPipeline();
          await fail(buffer);
          expect(await collect(make(buffer, bufferSize))).to.deep.equal(range(3));
        });
      }
    }

    for (const [consumer, consume] of consumers) {
      it(`starts afresh when "${consumer}" got the error, and is read by it, size ${bufferSize}`, async () => {
        const buffer = bufferedPipeline();
        for (let round = 0; round < 3; round++) {
          const failed = await consume(buffer(pass(buffer(failingAfter(2, BOOM), { bufferSize })), { bufferSize }));
          expect(failed).to.include({ failed: true, error: BOOM });
          const { values, failed: hasFailed } = await consume(buffer(pass(buffer(paced(3), { bufferSize }))));
          expect({ values, hasFailed }).to.deep.equal({ values: range(3), hasFailed: false });
        }
      });
    }

    it(`has a fate of its own, size ${bufferSize}`, async () => {
      const buffer = bufferedPipeline();
      for (const error of [BOOM, other, 0, new Error('third')]) {
        const sibling = await halfRead(buffer);
        const { values, error: seen } = await outcomeOf(buffer(pass(buffer(failingAfter(2, error), { bufferSize }))));
        expect(values).to.deep.equal([1, 2]);
        expect(seen).to.equal(error);
        expect((await outcomeOf(sibling)).error).to.equal(error);
      }
    });

    it(`starts afresh though the failed ones are still being read, size ${bufferSize}`, async () => {
      const buffer = bufferedPipeline();
      const siblings = [await halfRead(buffer), await halfRead(buffer)];
      await rejection(collect(buffer(failingAfter(1, BOOM), { bufferSize })));
      const later = buffer(pass(buffer(paced(3), { bufferSize })), { bufferSize });
      const seen = collect(later);
      for (const sibling of siblings) expect((await outcomeOf(sibling)).error).to.equal(BOOM);
      expect(await seen).to.deep.equal(range(3));
    });

    it(`starts afresh in the catch of the loop that got the error, size ${bufferSize}`, async () => {
      const buffer = bufferedPipeline();
      const seen: number[] = [];
      try {
        for await (const n of buffer(failingAfter(1, BOOM), { bufferSize })) seen.push(n);
      } catch {
        for await (const n of buffer(pass(buffer(paced(3), { bufferSize })), { bufferSize })) seen.push(n);
      }
      expect(seen).to.deep.equal([1, 1, 2, 3]);
    });

    it(`starts afresh in a listener of 'error', size ${bufferSize}`, async () => {
      const buffer = bufferedPipeline();
      const failing = buffer(failingAfter(1, BOOM), { bufferSize });
      const seen = new Promise((resolve) => {
        failing.on('error', () => resolve(collect(buffer(paced(3), { bufferSize })))).resume();
      });
      expect(await seen).to.deep.equal(range(3));
    });

    it(`starts afresh in the clean-up of those that the error destroys, size ${bufferSize}`, async () => {
      const buffer = bufferedPipeline();
      const seen: number[] = [];
      const source = async function* (): AsyncGenerator<number> {
        try {
          yield* range(9);
        } finally {
          for await (const n of buffer(pass(buffer(paced(3), { bufferSize })), { bufferSize })) seen.push(n);
        }
      };
      await buffer(source(), { bufferSize })[Symbol.asyncIterator]().next();
      await settle();
      await rejection(collect(buffer(failingAfter(1, BOOM))));
      await settle();
      expect(seen).to.deep.equal(range(3));
    });
  }

  it('is of use to every request of a server, whichever of them fail', async () => {
    const buffer = bufferedPipeline();
    const answer = (id: number): Promise<unknown> =>
      outcomeOf(buffer(pass(buffer(id % 3 ? paced(2) : failingAfter(1, BOOM)))));
    for (let id = 0; id < 12; id++) {
      const expected =
        id % 3 ? { values: [1, 2], failed: false, error: undefined } : { values: [1], failed: true, error: BOOM };
      expect(await answer(id)).to.deep.equal(expected);
    }
  });
});

describe('A stage that was there when an error left', function () {
  this.timeout(2000);

  it('is destroyed with it, read or not, related or not', async () => {
    const buffer = bufferedPipeline();
    const started: string[] = [];
    const input = buffer(range(9));
    const stages = {
      unread: buffer(() => {
        started.push('unread');
        return [1];
      }),
      'half read': await halfRead(buffer),
      input,
      'waiting for input': buffer(pass(input)),
    };
    await rejection(collect(buffer(failingAfter(1, BOOM))));
    for (const [name, stage] of Object.entries(stages)) {
      const { error } = await outcomeOf(stage);
      expect(error, name).to.equal(BOOM);
    }
    expect(started).to.deep.equal([]);
  });

  it('does not take those made later with it when it is read afterwards', async () => {
    const buffer = bufferedPipeline();
    const [first, second] = [buffer(range(3)), buffer(pass(buffer(range(3))))];
    await rejection(collect(buffer(failingAfter(1, BOOM))));
    const later = await halfRead(buffer);
    for (const stage of [first, second]) expect((await outcomeOf(stage)).error).to.equal(BOOM);
    await settle();
    expect(await collect(later)).to.deep.equal([2, 3]);
  });
});

describe('An error that has not left', function () {
  this.timeout(2000);

  for (const bufferSize of SIZES) {
    it(`leaves alone what its stage does not read, size ${bufferSize}`, async () => {
      const buffer = bufferedPipeline();
      const [sibling, unread, shared] = [await halfRead(buffer), buffer(range(3)), await halfRead(buffer)];
      const own = buffer(paced(9), { bufferSize });
      const failing = buffer(
        (async function* () {
          yield* (await own[Symbol.asyncIterator]().next()).done ? [] : [1];
          await turn(2);
          throw BOOM;
        })(),
        { bufferSize },
      );
      expect(
        await collect(
          buffer(
            rescuing(failing, () => [0]),
            { bufferSize },
          ),
        ),
      ).to.deep.equal([1, 0]);
      await settle();
      expect(own).to.have.property('destroyed', true);
      expect(await collect(sibling)).to.deep.equal([2, 3]);
      expect(await collect(unread)).to.deep.equal(range(3));
      expect(await collect(shared)).to.deep.equal([2, 3]);
    });

    it(`waits in line and harms nobody, size ${bufferSize}`, async () => {
      const buffer = bufferedPipeline();
      const failing = buffer(pass(buffer(failingAfter(1, BOOM), { bufferSize })), { bufferSize });
      const iterator = failing[Symbol.asyncIterator]();
      await iterator.next();
      await settle();
      expect(await collect(buffer(pass(buffer(paced(3), { bufferSize }))))).to.deep.equal(range(3));
      const sibling = await halfRead(buffer);
      expect(await rejection(iterator.next())).to.equal(BOOM);
      expect((await outcomeOf(sibling)).error).to.equal(BOOM);
      expect(await collect(buffer(paced(3)))).to.deep.equal(range(3));
    });

    it(`is left behind by a break, and harms nobody, size ${bufferSize}`, async () => {
      const buffer = bufferedPipeline();
      const sibling = await halfRead(buffer);
      for await (const _ of buffer(pass(buffer(failingAfter(1, BOOM), { bufferSize })), { bufferSize })) {
        await settle();
        break;
      }
      await settle();
      expect(await collect(sibling)).to.deep.equal([2, 3]);
      expect(await collect(buffer(paced(3)))).to.deep.equal(range(3));
    });
  }
});

describe('A pipeline ends for good', function () {
  this.timeout(2000);

  /** Makes a stage that must not start, and reads it. */
  async function readLater(buffer: BufferedPipeline): Promise<{ error: unknown; hasStarted: boolean }> {
    let hasStarted = false;
    const stage = buffer(() => {
      hasStarted = true;
      return [1];
    });
    const { values, error } = await outcomeOf(stage);
    expect(values).to.deep.equal([]);
    return { error, hasStarted };
  }

  it('when its signal aborts', async () => {
    const controller = new AbortController();
    const buffer = bufferedPipeline(controller);
    await halfRead(buffer);
    controller.abort(BOOM);
    const { error, hasStarted } = await readLater(buffer);
    expect(error).to.include({ name: 'AbortError', code: 'ABORT_ERR', cause: BOOM });
    expect(hasStarted).to.equal(false);
  });

  it('when its signal aborts after an error has left', async () => {
    const controller = new AbortController();
    const buffer = bufferedPipeline(controller);
    await rejection(collect(buffer(failingAfter(1, BOOM))));
    const sibling = await halfRead(buffer);
    controller.abort(other);
    expect((await outcomeOf(sibling)).error).to.include({ code: 'ABORT_ERR', cause: other });
    expect(await readLater(buffer)).to.have.nested.property('error.code', 'ABORT_ERR');
  });

  it('when it is disposed of', async () => {
    const buffer = bufferedPipeline();
    await halfRead(buffer);
    await buffer[Symbol.asyncDispose]();
    const { error, hasStarted } = await readLater(buffer);
    expect(error).to.be.an('error');
    expect(hasStarted).to.equal(false);
  });

  it('when it is disposed of after an error has left', async () => {
    const buffer = bufferedPipeline();
    await rejection(collect(buffer(failingAfter(1, BOOM))));
    await halfRead(buffer);
    await buffer[Symbol.asyncDispose]();
    const { error, hasStarted } = await readLater(buffer);
    expect(error).to.be.an('error').and.to.not.equal(BOOM);
    expect(hasStarted).to.equal(false);
  });
});

describe('A stage in a step', function () {
  this.timeout(2000);

  it('is destroyed with one that was made after it but before it started: it cannot be what reads that', async () => {
    const buffer = bufferedPipeline();
    const stuck = buffer(
      (async function* () {
        yield await new Promise<number>(() => {});
      })(),
    );
    const failing = buffer(failingAfter(1, BOOM));
    await turn();
    const read = rejection(stuck[Symbol.asyncIterator]().next());
    await turn();
    expect(await rejection(collect(failing))).to.equal(BOOM);
    expect(await read).to.equal(BOOM);
  });
});
