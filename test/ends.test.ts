/** The end of a stage: one that nobody has taken yet is destroyed as any other stage, and after a loop has taken it all is over at once. */
import { once } from 'node:events';
import { Readable, Writable } from 'node:stream';
import { finished } from 'node:stream/promises';

import { expect } from 'chai';

import { bufferedPipeline, type BufferedPipeline, type Stage } from '../lib/index.ts';
import {
  type AnyIterable,
  collect,
  failingAfter,
  outcomeOf,
  pass,
  range,
  recorded,
  rejection,
  settle,
  stateOf,
  turn,
} from './helpers.ts';
import { orWaits } from './subject.ts';

const BOOM = new Error('boom');
const REASON = new Error('reason');

interface Begun {
  stage: Stage<number>;
  buffer: BufferedPipeline;
  controller: AbortController;
}

/** Takes the values of a stage by `read()`, and does not ask again once it has the last. */
async function readValues(stage: Readable, count: number): Promise<void> {
  for (let taken = 0; taken < count; await turn()) while (taken < count && stage.read() !== null) taken++;
}

/** What has been done with a stage of three values when it has no more to come but its end. */
const beginnings: Record<string, (stage: Stage<number>) => Promise<unknown>> = {
  'read() has taken the last value': (stage) => readValues(stage, 3),
  'next() has taken the last value': async (stage) => {
    const iterator = stage[Symbol.asyncIterator]();
    for (const _ of range(3)) await iterator.next();
  },
  'a data listener has paused at the last value': (stage) =>
    new Promise<void>((resolve) => {
      let taken = 0;
      stage.on('data', () => {
        if (++taken < 3) return;
        stage.pause();
        resolve();
      });
    }),
  'a readable listener has not read on': async (stage) => {
    let taken = 0;
    stage.on('readable', () => {
      while (taken < 3 && stage.read() !== null) taken++;
    });
    while (taken < 3) await turn();
  },
  'a destination that is full is piped into': async (stage) => {
    const taken: unknown[] = [];
    const write = (value: unknown, _: unknown, done: () => void): void => {
      if (taken.push(value) < 3) done();
    };
    stage.pipe(new Writable({ objectMode: true, highWaterMark: 1, write }));
    while (taken.length < 3) await turn();
  },
  'a loop that leaves the stage alone has taken the last value': async (stage) => {
    let taken = 0;
    for await (const _ of stage.iterator({ destroyOnReturn: false })) if (++taken === 3) break;
  },
  'only two values have been taken': (stage) => readValues(stage, 2),
  'only its first read is under way': async (stage) => void stage.read(0),
};

/** The fates that come from elsewhere. */
const fates: Record<string, (begun: Begun) => unknown> = {
  'an abort': ({ controller }) => controller.abort(REASON),
  disposal: ({ buffer }) => buffer[Symbol.asyncDispose](),
  'an error that has left the pipeline': ({ buffer }) => rejection(collect(buffer(failingAfter(0, BOOM)))),
  'destroy()': ({ stage }) => void stage.destroy(),
  'destroy(error)': ({ stage }) => void stage.destroy(BOOM),
};

/** What a stage with that fate says of itself. */
const failures: Record<string, object> = {
  'an abort': { code: 'ABORT_ERR' },
  'an error that has left the pipeline': { message: 'boom' },
  'destroy(error)': { message: 'boom' },
};

const sources: Record<string, () => AnyIterable<number>> = {
  'an array': () => range(3),
  'an async generator': () => pass(range(3)),
  'a generator that waits before its end': async function* () {
    yield* range(3);
    await turn();
  },
};

function begin(source: AnyIterable<number>, bufferSize: number): Begun {
  const controller = new AbortController();
  const buffer = bufferedPipeline({ signal: controller.signal });
  return { stage: buffer(source, { bufferSize }), buffer, controller };
}

describe('An end that nobody has taken yet', function () {
  this.timeout(2000);

  for (const [beginning, start] of Object.entries(beginnings)) {
    for (const [fate, apply] of Object.entries(fates)) {
      for (const [name, source] of Object.entries(sources)) {
        it(`does not keep a stage from ${fate}: ${name}, and ${beginning}`, async () => {
          for (const bufferSize of [1, 2, 16]) {
            const begun = begin(source(), bufferSize);
            const { stage } = begun;
            const errors: unknown[] = [];
            await start(stage);
            await settle();
            // As with Node, read() ends a stream whose end is known when it gives the last value.
            if (stage.readableEnded) continue;
            // No sooner, so that it does not take part in what is looked at.
            stage.on('error', (error) => errors.push(error));
            const end = finished(stage).then(
              () => 'ended',
              () => 'failed',
            );
            await apply(begun);
            expect(stage.destroyed, `destroyed, at size ${bufferSize}`).to.equal(true);
            // All values have been taken, so without an error Node may call it finished.
            const ends = failures[fate] === undefined ? ['failed', 'ended'] : ['failed'];
            expect(await orWaits(end), `finished(), at size ${bufferSize}`).to.be.oneOf(ends);
            expect(stage).to.include({ closed: true, readable: false });
            expect(errors).to.have.lengthOf(failures[fate] === undefined ? 0 : 1);
            if (failures[fate] !== undefined) expect(errors[0]).to.include(failures[fate]);
          }
        });
      }
    }

    it(`is there to be taken still, if ${beginning}`, async () => {
      for (const bufferSize of [1, 2, 16]) {
        const { stage } = begin(range(3), bufferSize);
        await start(stage);
        await settle();
        const end = finished(stage);
        stage.removeAllListeners('data').removeAllListeners('readable');
        stage.unpipe();
        await outcomeOf(stage);
        expect(await stateOf(end)).to.equal('fulfilled');
        expect(stage).to.include({ destroyed: true, readableEnded: true });
      }
    });
  }

  for (const [fate, apply] of Object.entries(fates)) {
    it(`has its stage's consumer told of ${fate}`, async () => {
      const begun = begin(range(3), 4);
      const iterator = begun.stage[Symbol.asyncIterator]();
      for (const _ of range(3)) await iterator.next();
      await settle();
      begun.stage.on('error', () => {});
      await apply(begun);
      expect(await rejection(iterator.next())).to.include(failures[fate] ?? { code: 'ERR_STREAM_PREMATURE_CLOSE' });
      expect(await iterator.next()).to.deep.equal({ done: true, value: undefined });
    });
  }

  it('is that of an empty stage, too', async () => {
    for (const [fate, apply] of Object.entries(fates)) {
      const begun = begin([], 1);
      expect(begun.stage.read(0)).to.equal(null);
      begun.stage.on('error', () => {});
      const end = finished(begun.stage);
      void end.catch(() => {});
      await apply(begun);
      expect(begun.stage.destroyed, fate).to.equal(true);
      expect(await stateOf(end), fate).not.to.equal('pending');
    }
  });

  it('is that of an error in line, too', async () => {
    for (const [fate, apply] of Object.entries(fates)) {
      const begun = begin(failingAfter(3, new Error('in line')), 4);
      await readValues(begun.stage, 2);
      await settle();
      begun.stage.on('error', () => {});
      const end = rejection(finished(begun.stage));
      await apply(begun);
      expect(begun.stage.destroyed, fate).to.equal(true);
      expect(await orWaits(end), fate).to.include(failures[fate] ?? { code: 'ERR_STREAM_PREMATURE_CLOSE' });
    }
  });

  it('is not taken for an end that has been: that one stays complete', async () => {
    for (const [fate, apply] of Object.entries(fates)) {
      const begun = begin(range(3), 4);
      begun.stage.on('error', () => {});
      await collect(begun.stage);
      await apply(begun);
      await settle();
      expect(begun.stage, fate).to.include({ readableEnded: true, closed: true, errored: null });
      await finished(begun.stage);
    }
  });
});

describe('A stage that a loop has read to its end', function () {
  this.timeout(2000);

  /** Makes the stream that is looked at: a stage, or one of Node's own. */
  type Make = (source: AnyIterable<number>, bufferSize: number) => Readable;
  const makers: Record<string, Make> = {
    'Node’s own': (source, highWaterMark) => Readable.from(source, { highWaterMark }),
    'a stage': (source, bufferSize) => bufferedPipeline()(source, { bufferSize }),
  };

  const loops: Record<string, (stream: Readable) => Promise<unknown>> = {
    'for await': async (stream) => {
      for await (const _ of stream);
    },
    'next()': async (stream) => {
      const iterator = stream[Symbol.asyncIterator]();
      while (!(await iterator.next()).done);
    },
    'a loop that is away for a while': async (stream) => {
      for await (const _ of stream) await turn(3);
    },
    'a loop that takes the rest after read()': async (stream) => {
      await once(stream, 'readable');
      stream.read();
      for await (const _ of stream);
    },
    'a loop that takes the rest after a paused listener': async (stream) => {
      await new Promise<void>((resolve) => {
        stream.on('data', function take() {
          stream.off('data', take).pause();
          resolve();
        });
      });
      for await (const _ of stream);
    },
    'a generator': (stream) => collect(pass(stream)),
  };

  const ended = { readableEnded: true, destroyed: true, closed: true, readable: false };

  const failed = { readableEnded: false, destroyed: true, errored: BOOM, readable: false };

  for (const [maker, make] of Object.entries(makers)) {
    for (const [loop, read] of Object.entries(loops)) {
      for (const [name, source] of Object.entries(sources)) {
        it(`is over when the loop is: ${maker}, ${loop}, ${name}`, async () => {
          for (const bufferSize of [1, 2, 16]) {
            const stream = make(source(), bufferSize);
            await read(stream);
            const { readableEnded, destroyed, closed, readable } = stream;
            expect({ readableEnded, destroyed, closed, readable }).to.deep.equal(ended);
          }
        });
      }
    }

    it(`is over when the loop is, if it was empty: ${maker}`, async () => {
      const stream = make([], 1);
      for await (const _ of stream);
      const { readableEnded, destroyed, closed, readable } = stream;
      expect({ readableEnded, destroyed, closed, readable }).to.deep.equal(ended);
    });

    it(`has told its end, and then that it closes: ${maker}`, async () => {
      const events: string[] = [];
      const stream = make(range(3), 2);
      for (const event of ['end', 'close']) stream.on(event, () => events.push(event));
      for await (const _ of stream);
      await turn();
      expect(events).to.deep.equal(['end', 'close']);
    });

    it(`tells the truth to those who ask later: ${maker}`, async () => {
      const stream = make(range(3), 2);
      for await (const _ of stream);
      await finished(stream);
      expect(await collect(stream).catch((error: NodeJS.ErrnoException) => error.code)).to.deep.equal([]);
      expect(stream.read()).to.equal(null);
      expect(stream).to.include({ errored: null, readableAborted: false, readableLength: 0, readableDidRead: true });
      expect(Readable.isReadable(stream)).to.equal(false);
      expect(Readable.isErrored(stream)).to.equal(false);
      expect(Readable.isDisturbed(stream)).to.equal(true);
    });

    it(`is over when the loop is told of its error: ${maker}`, async () => {
      const stream = make(pass(failingAfter(0, BOOM)), 1);
      stream.on('error', () => {});
      await rejection(collect(stream));
      const { readableEnded, destroyed, errored, readable } = stream;
      expect({ readableEnded, destroyed, errored, readable }).to.deep.equal(failed);
    });
  }

  it('is over when the loop is, with all that it has read', async () => {
    const buffer = bufferedPipeline();
    const log: string[] = [];
    const first = buffer(recorded(log, 'first', range(3)));
    const second = buffer(recorded(log, 'second', first));
    for await (const _ of second);
    for (const { readableEnded, destroyed, closed, readable } of [first, second])
      expect({ readableEnded, destroyed, closed, readable }).to.deep.equal(ended);
    expect(log).to.deep.equal(['second starts', 'first starts', 'first closes', 'second closes']);
  });
});
