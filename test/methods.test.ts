/** What a stage inherits from Readable: its own ways to leave, share, give back and compose, and their options. */
import { expect } from 'chai';
import { finished as finishedWithCallback, PassThrough, Readable } from 'node:stream';
import { finished } from 'node:stream/promises';

import { bufferedPipeline, type Stage } from '../lib/index.ts';
import {
  collect,
  failingAfter,
  type Outcome,
  outcomeOf,
  pass,
  range,
  recorded,
  rejection,
  deferred,
  settle,
  turn,
} from './helpers.ts';
import { BOOM, BUFFER_SIZES, endless, ignore, made, orWaits, PREMATURE_CLOSE, sink } from './subject.ts';

/** Makes what is compared: a stage, or a Readable of Node's own. */
type Make = (source: AsyncIterable<number>, bufferSize: number, signal?: AbortSignal) => Stage<number>;

const makeStage: Make = (source, bufferSize, signal) => bufferedPipeline({ signal })(source, { bufferSize });
const makeReadable: Make = (source, highWaterMark, signal) =>
  Readable.from(source, { highWaterMark, signal: signal! }) as Stage<number>;

async function* oneThenStuck(): AsyncGenerator<number> {
  yield 1;
  await new Promise(ignore);
}

type Operator = (stage: Stage<number>, options: { signal: AbortSignal }) => Promise<unknown>;

const operators: Record<string, Operator> = {
  map: (stage, options) => collect(stage.map((n) => n, options)),
  'map with concurrency': (stage, { signal }) => collect(stage.map(async (n) => n, { signal, concurrency: 3 })),
  filter: (stage, options) => collect(stage.filter(() => true, options)),
  flatMap: (stage, options) => collect(stage.flatMap((n) => [n], options)),
  take: (stage, options) => collect(stage.take(1000, options)),
  drop: (stage, options) => collect(stage.drop(0, options)),
  toArray: (stage, options) => stage.toArray(options),
  forEach: (stage, options) => stage.forEach(ignore, options),
  some: (stage, options) => stage.some(() => false, options),
  every: (stage, options) => stage.every(() => true, options),
  find: (stage, options) => stage.find(() => false, options),
  reduce: (stage, options) => stage.reduce((sum, n) => sum + n, 0, options),
  compose: (stage, options) => collect(stage.compose(new PassThrough({ objectMode: true }), options)),
};

describe('The signal of an operator', function () {
  this.timeout(2000);

  for (const [name, operate] of Object.entries(operators)) {
    it(`ends ${name} with an AbortError, and closes the generator`, async () => {
      for (const bufferSize of BUFFER_SIZES) {
        const { source, wrap, stage, log } = made(bufferSize);
        const controller = new AbortController();
        const error = rejection(operate(wrap(source(endless())), controller));
        await turn(4);
        controller.abort();
        expect(await error).to.include({ name: 'AbortError', code: 'ABORT_ERR' });
        await settle();
        expect(stage().destroyed).to.equal(true);
        expect(log).to.deep.equal(['source starts', 'source closes']);
      }
    });

    it(`that has aborted before fails ${name}, and leaves the stage as it leaves any Readable`, async () => {
      const destroyed = [];
      for (const make of [makeStage, makeReadable]) {
        const log: string[] = [];
        const stage = make(recorded(log, 'source', endless()), 2);
        // Some throw it at once, others reject.
        const operated = (async () => operate(stage, { signal: AbortSignal.abort() }))();
        expect(await rejection(operated)).to.include({ name: 'AbortError' });
        await settle();
        destroyed.push(stage.destroyed);
        stage.on('error', ignore).destroy();
        await settle();
        expect(log.length).to.be.oneOf([0, 2]);
      }
      expect(destroyed[0]).to.equal(destroyed[1]);
    });

    it(`that does not abort changes nothing for ${name}`, async () => {
      const { signal } = new AbortController();
      const result = await operate(made(2).wrap(pass(range(3))), { signal });
      expect(result).to.deep.equal(await operate(makeReadable(pass(range(3)), 2), { signal }));
    });

    if (name === 'compose') continue;
    it(`is noticed by ${name} when the next value comes, no earlier than of any Readable`, async () => {
      for (const make of [makeStage, makeReadable]) {
        const controller = new AbortController();
        const stage = make(oneThenStuck(), 2);
        const operated = operate(stage, controller);
        await turn(4);
        controller.abort();
        expect(await orWaits(operated)).to.equal('waits');
        // Nothing but the stage itself ends it.
        if (make === makeStage) stage.destroy();
        if (make === makeStage) expect(await rejection(operated)).to.be.an.instanceof(Error);
      }
    });
  }
});

describe('What needs no more of a stage', function () {
  this.timeout(2000);

  const leaving: Record<string, (stage: Stage<number>) => Promise<unknown>> = {
    'some finds one': (stage) => stage.some((n) => n === 2),
    'every finds one that is not': async (stage) => !(await stage.every((n) => n !== 2)),
    'find finds it': async (stage) => (await stage.find((n) => n === 2)) === 2,
    'take has enough': async (stage) => (await stage.take(2).toArray()).length === 2,
    'forEach fails': async (stage) => (await rejection(stage.forEach((n) => void failOnTwo(n)))) === BOOM,
    'map fails': async (stage) => (await rejection(stage.map(failOnTwo).toArray())) === BOOM,
    'reduce fails': async (stage) => (await rejection(stage.reduce((_, n) => failOnTwo(n), 0))) === BOOM,
    'the body of a Response is cancelled': async (stage) => {
      const reader = new Response(stage.map((n) => Buffer.from([n]))).body!.getReader();
      await reader.read();
      await reader.cancel();
      return true;
    },
  };

  function failOnTwo(n: number): number {
    if (n === 2) throw BOOM;
    return n;
  }

  for (const [what, leave] of Object.entries(leaving)) {
    it(`closes its generator: ${what}`, async () => {
      for (const bufferSize of BUFFER_SIZES) {
        const { source, wrap, stage, log } = made(bufferSize);
        expect(await leave(wrap(source(endless())))).to.equal(true);
        await settle();
        expect(stage().destroyed).to.equal(true);
        expect(log).to.deep.equal(['source starts', 'source closes']);
      }
    });
  }
});

describe('finished()', function () {
  this.timeout(2000);

  const fates: Record<string, [(stage: Stage<number>) => unknown, code: unknown]> = {
    'is read to its end': [(stage) => stage.resume(), undefined],
    'is read to its end by a loop': [collect, undefined],
    'fails by itself': [
      (stage) =>
        stage
          .map(() => Promise.reject(BOOM))
          .toArray()
          .catch(ignore),
      PREMATURE_CLOSE,
    ],
    'is destroyed': [(stage) => stage.destroy(), PREMATURE_CLOSE],
    'is destroyed with an error': [(stage) => stage.destroy(BOOM), BOOM],
    'is left by a loop': [(stage) => stage[Symbol.asyncIterator]().return!(), PREMATURE_CLOSE],
  };

  for (const [fate, [apply, expected]] of Object.entries(fates)) {
    it(`with cleanup takes its listeners away when a stage ${fate}`, async () => {
      for (const bufferSize of BUFFER_SIZES) {
        const stage = made(bufferSize).wrap(pass(range(3)));
        const end = finished(stage, { cleanup: true }).catch((error: NodeJS.ErrnoException) => error);
        expect(stage.eventNames()).to.include('end');
        await apply(stage);
        const error = await end;
        expect(error === BOOM || error === undefined ? error : error.code).to.equal(expected);
        expect(stage.eventNames()).to.deep.equal([]);
      }
    });
  }

  it('with a callback returns what takes its listeners away', async () => {
    const stage = made(2).wrap(pass(range(3)));
    const calls: unknown[] = [];
    const forget = finishedWithCallback(stage, () => calls.push('called'));
    expect(stage.eventNames()).to.include('end');
    forget();
    expect(stage.eventNames()).to.deep.equal([]);
    await finished(stage.resume());
    expect(calls).to.deep.equal([]);
  });

  it('with a signal stops waiting, and leaves the stage alone', async () => {
    const controller = new AbortController();
    const stage = made(2).wrap(pass(range(3)));
    const error = rejection(finished(stage, { signal: controller.signal, cleanup: true }));
    controller.abort('enough');
    expect(await error).to.include({ name: 'AbortError', cause: 'enough' });
    expect(stage.destroyed).to.equal(false);
    expect(stage.eventNames()).to.deep.equal([]);
    expect(await collect(stage)).to.deep.equal([1, 2, 3]);
  });

  it('with readable: false takes a stage that is destroyed for finished, as it does any Readable', async () => {
    for (const make of [makeStage, makeReadable]) {
      const stage = make(pass(range(3)), 2);
      const end = finished(stage, { readable: false });
      stage.destroy();
      await end;
    }
  });

  const earlier: Record<string, [(stage: Stage<number>) => Promise<unknown>, unknown]> = {
    ended: [(stage) => collect(stage), undefined],
    failed: [async (stage) => rejection(collect(stage.on('error', ignore))), BOOM],
    'been destroyed': [async (stage) => stage.destroy(), PREMATURE_CLOSE],
  };

  for (const [past, [live, expected]] of Object.entries(earlier)) {
    it(`tells of a stage that has ${past} before`, async () => {
      const stage = made(2).wrap(past === 'failed' ? failingAfter(2, BOOM) : pass(range(3)));
      await live(stage);
      await settle();
      const error = await finished(stage).catch((reason: NodeJS.ErrnoException) => reason);
      expect(error === BOOM || error === undefined ? error : error.code).to.equal(expected);
    });
  }
});

describe('unpipe()', function () {
  this.timeout(2000);

  /** Each reads what is left. */
  const readers: Record<string, (stage: Stage<number>, taken: unknown[]) => Promise<unknown>> = {
    'a loop': async (stage, taken) => taken.push(...(await collect(stage))),
    pipe: (stage, taken) => finished(stage.pipe(sink(taken))),
    data: (stage, taken) => finished(stage.on('data', (n) => taken.push(n)).resume()),
    readable: (stage, taken) =>
      finished(
        stage.on('readable', () => {
          for (let n = stage.read(); n !== null; n = stage.read()) taken.push(n);
        }),
      ),
    toArray: async (stage, taken) => taken.push(...(await stage.toArray())),
  };

  for (const [name, read] of Object.entries(readers)) {
    it(`stops the stage, of which ${name} then loses nothing`, async () => {
      for (const bufferSize of BUFFER_SIZES) {
        const { source, wrap, stage, log } = made(bufferSize);
        const [taken, events]: [unknown[], string[]] = [[], []];
        const writable = sink(taken).on('unpipe', () => events.push('unpipe'));
        wrap(source(range(40))).pipe(writable);
        while (taken.length < 3) await turn();
        stage().unpipe(writable);
        await settle();
        const before = taken.length;
        expect(before).to.be.below(10);
        expect(stage()).to.include({ readableFlowing: false, destroyed: false, readableLength: bufferSize });
        expect({ events, ended: writable.writableEnded }).to.deep.equal({ events: ['unpipe'], ended: false });
        await read(stage(), taken);
        expect(taken).to.deep.equal(range(40));
        expect(log).to.deep.equal(['source starts', 'source closes']);
      }
    });
  }

  it('of one of two leaves the other', async () => {
    const stage = made(2).wrap(pass(range(20)));
    const [first, second]: [unknown[], unknown[]] = [[], []];
    const [leaver, stayer] = [sink(first), sink(second)];
    stage.pipe(leaver);
    stage.pipe(stayer);
    while (first.length < 2) await turn();
    stage.unpipe(leaver);
    await finished(stayer);
    expect(second).to.deep.equal(range(20));
    expect(first).to.deep.equal(range(first.length)).and.to.have.length.below(20);
  });

  it('of all leaves no listener', async () => {
    const stage = made(2).wrap(endless());
    stage.pipe(sink([]));
    stage.pipe(sink([]));
    await turn(3);
    stage.unpipe();
    expect(stage.eventNames()).to.deep.equal([]);
    stage.destroy();
  });
});

describe('unshift()', function () {
  this.timeout(2000);

  it('gives a value back to read(), which gets it first', async () => {
    for (const bufferSize of BUFFER_SIZES) {
      const stage = made(bufferSize).wrap(pass(range(3)));
      const seen: number[] = [];
      stage.on('readable', () => {
        for (let n = stage.read(); n !== null; n = stage.read()) if (seen.push(n) === 2) stage.unshift(20);
      });
      await finished(stage);
      expect(seen).to.deep.equal([1, 2, 20, 3]);
    }
  });

  it('gives a value back to data events', async () => {
    for (const bufferSize of BUFFER_SIZES) {
      const stage = made(bufferSize).wrap(pass(range(3)));
      const seen: number[] = [];
      stage.on('data', (n) => seen.push(n) === 2 && stage.unshift(20));
      await finished(stage);
      expect(seen).to.have.members([1, 2, 20, 3]).and.to.have.length(4);
    }
  });

  it('gives a value back to a loop that reads on behind read()', async () => {
    for (const bufferSize of BUFFER_SIZES) {
      const stage = made(bufferSize).wrap(pass(range(3)));
      await new Promise((resolve) => stage.once('readable', resolve));
      const first = stage.read();
      stage.unshift(first);
      expect(await collect(stage)).to.deep.equal([1, 2, 3]);
    }
  });

  /** Each takes the first value by a loop, gives one back, and reads on. */
  const loops: Record<string, (stage: Stage<number>) => Promise<number[]>> = {
    'next()': async (stage) => {
      const first = (await stage[Symbol.asyncIterator]().next()).value as number;
      stage.unshift(20);
      return [first, ...(await collect(stage))];
    },
    'a loop, in its body': async (stage) => {
      const values: number[] = [];
      for await (const n of stage) if (values.push(n) === 1) stage.unshift(20);
      return values;
    },
    'an operator': async (stage) => {
      const first = (await stage[Symbol.asyncIterator]().next()).value as number;
      await settle();
      stage.unshift(20);
      return [first, ...(await stage.toArray())];
    },
  };

  for (const [name, read] of Object.entries(loops)) {
    it(`gives a value back to ${name}, as of any Readable`, async () => {
      for (const make of [makeReadable, makeStage]) {
        for (const bufferSize of BUFFER_SIZES) {
          const stage = make(pass(range(3)), bufferSize);
          expect(await read(stage)).to.deep.equal([1, 20, 2, 3]);
          await settle();
          expect(stage).to.include({ readableEnded: true, closed: true });
        }
      }
    });
  }

  it('gives a value to a loop that reads nothing before', async () => {
    for (const make of [makeReadable, makeStage]) {
      const stage = make(pass(range(3)), 2);
      stage.unshift(20);
      expect(await collect(stage)).to.deep.equal([20, 1, 2, 3]);
    }
  });

  it('gives a value to a loop that waits', async () => {
    for (const make of [makeReadable, makeStage]) {
      const hold = deferred();
      async function* late(): AsyncGenerator<number> {
        await hold.promise;
        yield 1;
      }
      const stage = make(late(), 1);
      const values = collect(stage);
      await settle();
      stage.unshift(20);
      await settle();
      hold.resolve();
      expect(await values).to.deep.equal([20, 1]);
    }
  });

  it('is refused after the end as by any Readable', async () => {
    const codes: unknown[] = [];
    for (const make of [makeStage, makeReadable]) {
      const stage = make(pass(range(3)), 2).resume();
      await finished(stage);
      stage.on('error', (error: NodeJS.ErrnoException) => codes.push(error.code));
      stage.unshift(1);
      await settle();
    }
    expect(codes[0]).to.equal(codes[1]);
  });
});

describe('stage.compose(function)', function () {
  this.timeout(5000);

  type Fate = 'end' | 'error' | 'destroy' | 'destroy with an error' | 'abort' | 'leave';

  const expected: Record<Fate, unknown> = {
    end: 'end',
    error: BOOM,
    destroy: PREMATURE_CLOSE,
    'destroy with an error': BOOM,
    abort: 'ABORT_ERR',
    leave: 'left',
  };
  const sources: Partial<Record<Fate, () => AsyncIterable<number>>> = {
    end: () => pass(range(3)),
    error: () => failingAfter(3, BOOM),
  };

  interface Composed {
    values: unknown[];
    end: unknown;
    destroyed: boolean;
    log: string[];
  }

  /** Reads through a function, and lets the fate come after two values. */
  async function composed(make: Make, bufferSize: number, fate: Fate): Promise<Composed> {
    const log: string[] = [];
    const controller = new AbortController();
    const stage = make(recorded(log, 'source', (sources[fate] ?? endless)()), bufferSize, controller.signal);
    const fates: Partial<Record<Fate, () => void>> = {
      destroy: () => stage.destroy(),
      'destroy with an error': () => stage.destroy(BOOM),
      abort: () => controller.abort(),
    };
    const values: number[] = [];
    const read = outcomeOf(untilTwo(stage.compose(pass<number>), values, fate === 'leave', fates[fate]));
    const end = endOf(await orWaits(read), fate);
    await settle();
    const { destroyed } = stage;
    stage.on('error', ignore).destroy();
    await settle();
    return { values, end, destroyed, log };
  }

  async function* untilTwo(
    source: AsyncIterable<number>,
    values: number[],
    leaves: boolean,
    act: (() => void) | undefined,
  ): AsyncGenerator<void> {
    for await (const n of source) {
      if (values.push(n) !== 2) continue;
      act?.();
      if (leaves) break;
    }
  }

  function endOf(outcome: Outcome<void> | 'waits', fate: Fate): unknown {
    if (outcome === 'waits') return outcome;
    if (!outcome.failed) return fate === 'leave' ? 'left' : 'end';
    return outcome.error === BOOM ? BOOM : (outcome.error as NodeJS.ErrnoException).code;
  }

  for (const fate of Object.keys(expected) as Fate[]) {
    for (const bufferSize of BUFFER_SIZES) {
      it(`takes ${fate} at size ${bufferSize} as it should, or as it takes it of no Readable`, async () => {
        const stage = await composed(makeStage, bufferSize, fate);
        expect(stage.values).to.deep.equal(range(stage.values.length));
        if (fate === 'end') expect(stage.values).to.deep.equal([1, 2, 3]);
        expect(stage.log).to.deep.equal(['source starts', 'source closes']);

        const readable = await composed(makeReadable, bufferSize, fate);
        // Where Node waits for ever, it does so for any Readable.
        if (stage.end === 'waits') expect(readable.end).to.equal('waits');
        else expect(stage.end).to.equal(expected[fate]);
        expect(stage.destroyed).to.equal(readable.destroyed);
      });
    }
  }
});
