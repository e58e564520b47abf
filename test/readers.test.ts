/** Everything of Node's that reads a stage, whichever way the reading ends. */
import { expect } from 'chai';
import { on } from 'node:events';
import { createInterface } from 'node:readline';
import { compose, Duplex, pipeline as pipelineWithCallback, Readable, type Transform } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';

import type { Stage } from '../lib/index.ts';
import {
  closed,
  collect,
  consumers,
  failingAfter,
  outcomeOf,
  pass,
  range,
  rejection,
  settle,
  turn,
} from './helpers.ts';
import {
  BOOM,
  BUFFER_SIZES,
  endless,
  ignore,
  made,
  noting,
  PREMATURE_CLOSE,
  readUpTo,
  sink,
  type Wrap,
} from './subject.ts';

async function* asLines(source: AsyncIterable<number>): AsyncGenerator<string> {
  for await (const n of source) yield `${n}\n`;
}

interface Reader {
  read: (source: AsyncIterable<number>, wrap: Wrap) => AsyncIterable<unknown>;
  /** Set where Node throws away what the reader itself holds as soon as it learns of an error. */
  dropsItsOwn?: true;
  /** How the reader takes it that the stage is destroyed without an error, if not as a premature close. */
  destroyed?: 'ABORT_ERR' | 'end' | 'waits';
  /** Set where Node leaves what it read as it is when the reader is left. */
  leavesOpen?: true;
}

/** The ways to read a stage that are streams or iterables themselves. */
const readers: Record<string, Reader> = {
  'for await': { read: (source, wrap) => wrap(source) },
  'stage.iterator()': { read: (source, wrap) => wrap(source).iterator() },
  'stage.iterator({ destroyOnReturn: true })': {
    read: (source, wrap) => wrap(source).iterator({ destroyOnReturn: true }),
  },
  'stage.iterator({ destroyOnReturn: false })': {
    read: (source, wrap) => wrap(source).iterator({ destroyOnReturn: false }),
    leavesOpen: true,
  },
  'the wrap() of a stream': {
    read: (source, wrap) => new Readable({ objectMode: true, highWaterMark: 1 }).wrap(wrap(source)),
    dropsItsOwn: true,
    leavesOpen: true,
  },
  'Readable.from': { read: (source, wrap) => Readable.from(wrap(source)) },
  'Duplex.from': { read: (source, wrap) => Duplex.from(wrap(source)), dropsItsOwn: true },
  'Readable.toWeb': { read: (source, wrap) => Readable.toWeb(wrap(source)), destroyed: 'ABORT_ERR' },
  'Readable.toWeb, then Readable.fromWeb': {
    read: (source, wrap) => Readable.fromWeb(Readable.toWeb(wrap(source)), { objectMode: true }),
    dropsItsOwn: true,
    destroyed: 'ABORT_ERR',
  },
  'a loop, of a stage that reads Readable.fromWeb': {
    read: (source, wrap) => wrap(Readable.fromWeb(Readable.toWeb(Readable.from(source)), { objectMode: true })),
  },
  'ReadableStream.from': { read: (source, wrap) => ReadableStream.from(wrap(source)) },
  map: { read: (source, wrap) => wrap(source).map((n) => n) },
  filter: { read: (source, wrap) => wrap(source).filter(() => true) },
  flatMap: { read: (source, wrap) => wrap(source).flatMap((n) => [n]) },
  take: { read: (source, wrap) => wrap(source).take(1000) },
  drop: { read: (source, wrap) => wrap(source).drop(0) },
  'map with concurrency': { read: (source, wrap) => wrap(source).map(async (n) => n, { concurrency: 3 }) },
  'stage.compose': { read: (source, wrap) => wrap(source).compose(noting()), dropsItsOwn: true },
  compose: { read: (source, wrap) => compose(wrap(source), noting()), dropsItsOwn: true },
  'pipeline, into a Transform': {
    read: (source, wrap) => pipelineWithCallback(wrap(source), noting(), ignore),
    dropsItsOwn: true,
  },
  'pipeline, before a function': {
    read: (source, wrap) => pipelineWithCallback(wrap(source), pass<number>, noting(), ignore),
    dropsItsOwn: true,
  },
  'pipeline, as what its first function returns': {
    read: (source, wrap) => pipelineWithCallback(() => wrap(source), noting(), ignore),
    dropsItsOwn: true,
    leavesOpen: true,
  },
  'pipeline, as what a function in the middle returns': {
    read: (source, wrap) => pipelineWithCallback(source, (input: typeof source) => wrap(input), noting(), ignore),
    dropsItsOwn: true,
    leavesOpen: true,
  },
  'pipeline, as what its last function returns': {
    read: (source, wrap) =>
      pipelineWithCallback(Readable.from(source), (input: typeof source) => wrap(input), ignore) as Readable,
    dropsItsOwn: true,
  },
  'events.on': {
    read: async function* (source, wrap) {
      const options = { close: ['end', 'close'] };
      for await (const [n] of on(wrap(source), 'data', options)) yield n;
    },
    destroyed: 'end',
    leavesOpen: true,
  },
  readline: {
    read: async function* (source, wrap) {
      const lines = createInterface({ input: wrap(asLines(source)) });
      for await (const line of lines) yield Number(line);
    },
    // It listens for the 'error' and the 'end' of its input, not for its 'close'.
    destroyed: 'waits',
    leavesOpen: true,
  },
};

for (const [name, { read, dropsItsOwn, destroyed = PREMATURE_CLOSE, leavesOpen }] of Object.entries(readers)) {
  describe(`A stage read through ${name}`, function () {
    this.timeout(5000);

    for (const bufferSize of BUFFER_SIZES) {
      it(`gives all values, ends and closes at size ${bufferSize}`, async () => {
        const { source, wrap, log, stage } = made(bufferSize);
        expect(await collect(read(source(range(8)), wrap))).to.deep.equal(range(8));
        await closed(stage());
        expect(log).to.deep.equal(['source starts', 'source closes']);
      });

      it(`fails with the error itself, ${dropsItsOwn ? 'behind' : 'after all'} values at size ${bufferSize}`, async () => {
        const { source, wrap, stage } = made(bufferSize);
        const { values, error } = await outcomeOf(read(source(failingAfter(3, BOOM)), wrap));
        expect(error).to.equal(BOOM);
        if (dropsItsOwn) expect(values).to.deep.equal(range(values.length));
        else expect(values).to.deep.equal([1, 2, 3]);
        await closed(stage());
      });

      it(`${leavesOpen ? 'is left open' : 'is closed'} when the reader leaves at size ${bufferSize}`, async () => {
        const { source, wrap, log, stage } = made(bufferSize);
        for await (const _ of read(source(endless()), wrap)) break;
        await settle();
        expect(stage().destroyed).to.equal(!leavesOpen);
        stage().destroy();
        await settle();
        expect(log).to.deep.equal(['source starts', 'source closes']);
      });

      it(`ends as it should when it is destroyed at size ${bufferSize}`, async () => {
        const { source, wrap, log, stage } = made(bufferSize);
        const { values, end } = await readUpTo(read(source(endless()), wrap), () => stage().destroy());
        expect(values).to.deep.equal(range(values.length));
        if (typeof end === 'string') expect(end).to.equal(destroyed);
        else expect(end.error).to.include({ code: destroyed });
        await settle();
        expect(log).to.deep.equal(['source starts', 'source closes']);
      });

      it(`fails with an AbortError when it is aborted at size ${bufferSize}`, async () => {
        const { source, wrap, log, controller } = made(bufferSize);
        const { values, end } = await readUpTo(read(source(endless()), wrap), () => controller.abort());
        expect(values).to.deep.equal(range(values.length));
        expect(end).to.have.property('error').that.includes({ name: 'AbortError', code: 'ABORT_ERR' });
        await settle();
        expect(log).to.deep.equal(['source starts', 'source closes']);
      });
    }
  });
}

for (const [name, consume] of consumers) {
  describe(`A stage in the middle of which "${name}" is`, function () {
    this.timeout(2000);

    for (const bufferSize of BUFFER_SIZES) {
      it(`fails when it is destroyed or aborted, and closes its generator, at size ${bufferSize}`, async () => {
        for (const [fate, code] of [
          ['destroy', PREMATURE_CLOSE],
          ['abort', 'ABORT_ERR'],
        ] as const) {
          const { source, wrap, stage, controller, log } = made(bufferSize);
          const outcome = consume(wrap(source(endless())));
          await turn(4);
          if (fate === 'destroy') stage().destroy();
          else controller.abort();
          const { values, error } = await outcome;
          expect(values).to.deep.equal(range(values.length)).and.to.have.length.above(0);
          expect(error).to.include({ code });
          await settle();
          expect(log).to.deep.equal(['source starts', 'source closes']);
        }
      });
    }
  });
}

describe('A Transform behind a stage', function () {
  this.timeout(2000);

  const connections: Record<string, (stage: Stage<number>, into: Transform) => Promise<unknown>> = {
    pipeline: (stage, into) => pipeline(stage, into, sink([])),
    pipe: (stage, into) => {
      stage.pipe(into).resume();
      return finished(stage);
    },
    'stage.compose': (stage, into) => finished(stage.compose(into).resume()),
    compose: (stage, into) => finished((compose(stage, into) as Readable).resume()),
  };

  for (const [name, connect] of Object.entries(connections)) {
    for (const bufferSize of BUFFER_SIZES) {
      it(`is handed all values before the error by ${name} at size ${bufferSize}`, async () => {
        const handed: unknown[] = [];
        const { wrap } = made(bufferSize);
        expect(await rejection(connect(wrap(failingAfter(3, BOOM)), noting(handed)))).to.equal(BOOM);
        expect(handed).to.deep.equal([1, 2, 3]);
      });
    }
  }
});
