/** What old ways of Node's streams do with a stage: `setEncoding`, `wrap`, and readers that only listen for events. */
import { once } from 'node:events';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { finished, pipeline } from 'node:stream/promises';

import { expect } from 'chai';

import { bufferedPipeline, type Stage } from '../lib/index.ts';
import {
  type AnyIterable,
  closed,
  collect,
  ended,
  failingAfter,
  pass,
  range,
  settle,
  stateOf,
  turn,
} from './helpers.ts';
import { BOOM, BUFFER_SIZES } from './subject.ts';

/** Characters of one to four bytes. */
const TEXT = 'aé€😀z'.repeat(3);

/** The bytes, cut into pieces of a length, so that characters and groups of base64 are cut, too. */
function pieces(bytes: Buffer, length: number): Buffer[] {
  const cut: Buffer[] = [];
  for (let start = 0; start < bytes.length; start += length) cut.push(bytes.subarray(start, start + length));
  return cut;
}

/** Makes the stream that is looked at: a stage, or one of Node's own. */
type Make = <T>(source: AnyIterable<T>, bufferSize: number) => Readable;
const node: Make = (source, highWaterMark) => Readable.from(source, { highWaterMark });
const stageOf: Make = (source, bufferSize) => bufferedPipeline()(source, { bufferSize });

const readers: Record<string, (stream: Readable) => Promise<unknown[]>> = {
  'for await': collect,
  'iterator()': (stream) => collect(stream.iterator()),
  'toArray()': (stream) => stream.toArray(),
  'map()': (stream) => collect(stream.map((value: unknown) => value)),
  'filter()': (stream) => collect(stream.filter(() => true)),
  'flatMap()': (stream) => collect(stream.flatMap((value: unknown) => [value])),
  'drop()': (stream) => collect(stream.drop(0)),
  'forEach()': async (stream) => {
    const values: unknown[] = [];
    await stream.forEach((value: unknown) => void values.push(value));
    return values;
  },
  'a generator': (stream) => collect(pass(stream)),
  'a stage that reads it': (stream) => collect(bufferedPipeline()(pass(stream))),
  'Readable.from': (stream) => collect(Readable.from(pass(stream))),
  'pipeline into a function': async (stream) => {
    const values: unknown[] = [];
    await pipeline(stream, async (source: AsyncIterable<unknown>) => {
      for await (const value of source) values.push(value);
    });
    return values;
  },
  "on('data')": async (stream) => {
    const values: unknown[] = [];
    await ended(stream.on('data', (value) => values.push(value)));
    return values;
  },
  'pipe()': (stream) => collect(stream.pipe(new PassThrough({ objectMode: true }))),
  'text()': async (stream) => [await text(stream)],
};

/** An empty string stands where a piece has completed no character; where there is one is not looked at. */
function joined(values: unknown[]): { types: string[]; text: string } {
  return { types: [...new Set(values.map((value) => typeof value))], text: values.join('') };
}

describe('setEncoding()', function () {
  this.timeout(2000);

  const encodings: BufferEncoding[] = ['utf8', 'utf16le', 'base64', 'hex', 'latin1'];

  for (const [reader, read] of Object.entries(readers)) {
    for (const encoding of encodings) {
      it(`decodes characters that are cut between values, as Node's own: ${reader}, ${encoding}`, async () => {
        const bytes = Buffer.from(TEXT, encoding === 'utf16le' ? encoding : 'utf8');
        for (const length of [1, 2, 3, 5, bytes.length]) {
          for (const bufferSize of BUFFER_SIZES) {
            const [expected, seen] = [node, stageOf].map(async (make) => {
              return joined(await read(make(pieces(bytes, length), bufferSize).setEncoding(encoding)));
            });
            expect(await expected).to.deep.equal({ types: ['string'], text: bytes.toString(encoding) });
            expect(await seen).to.deep.equal(await expected);
          }
        }
      });
    }

    it(`ends with a replacement for a character that is never completed: ${reader}`, async () => {
      const bytes = [Buffer.from('ab'), Buffer.from('€').subarray(0, 2)];
      const [expected, seen] = [node, stageOf].map(async (make) => {
        return joined(await read(make(bytes, 1).setEncoding('utf8')));
      });
      expect(await expected).to.deep.equal({ types: ['string'], text: 'ab\ufffd' });
      expect(await seen).to.deep.equal(await expected);
    });

    it(`gives whole pieces one by one: ${reader}`, async () => {
      const source = ['one', 'two', 'three'].map((word) => Buffer.from(word));
      const [expected, seen] = [node, stageOf].map((make) => read(make(source, 1).setEncoding('utf8')));
      expect(await seen).to.deep.equal(await expected);
    });
  }

  it('is done where values come one at a time, from a source that is awaited', async () => {
    async function* slowly(): AsyncGenerator<Buffer> {
      for (const piece of pieces(Buffer.from(TEXT), 1)) {
        await turn();
        yield piece;
      }
    }
    const stage = bufferedPipeline()(slowly(), { bufferSize: 2 }).setEncoding('utf8');
    expect(joined(await collect(stage))).to.deep.equal({ types: ['string'], text: TEXT });
  });

  it('is done for values that wait in the buffer already', async () => {
    const stage = bufferedPipeline()(pieces(Buffer.from(TEXT), 2), { bufferSize: 4 });
    const first = await stage[Symbol.asyncIterator]().next();
    expect(first.value).to.deep.equal(Buffer.from(TEXT).subarray(0, 2));
    await settle();
    stage.setEncoding('utf8');
    expect(joined(await collect(stage))).to.deep.equal({
      types: ['string'],
      text: Buffer.from(TEXT).subarray(2).toString(),
    });
  });

  it('is done for all that next() and read() take in turns', async () => {
    const stage = bufferedPipeline()(pieces(Buffer.from(TEXT), 2), { bufferSize: 4 }).setEncoding('utf8');
    const iterator = stage[Symbol.asyncIterator]();
    const values: unknown[] = [];
    for (;;) {
      const { done, value } = await iterator.next();
      if (done) break;
      values.push(value);
      await turn();
      const chunk: unknown = stage.read();
      if (chunk !== null) values.push(chunk);
    }
    expect(joined(values)).to.deep.equal({ types: ['string'], text: TEXT });
  });

  it('decodes bytes of any kind', async () => {
    const bytes = pieces(Buffer.from(TEXT), 3).map((piece) => new Uint8Array(piece));
    const [expected, seen] = [node, stageOf].map(async (make) => {
      return joined(await collect(make(bytes, 1).setEncoding('utf8')));
    });
    expect(await seen).to.deep.equal(await expected);
  });

  it('leaves strings as they are', async () => {
    expect(await collect(stageOf(['aé', '€'], 1).setEncoding('utf8'))).to.deep.equal(['aé', '€']);
  });

  it('is told by the stage', () => {
    expect(stageOf([Buffer.from('a')], 1).setEncoding('utf8').readableEncoding).to.equal('utf8');
  });

  it('does not bring an error forward', async () => {
    async function* failing(): AsyncGenerator<Buffer> {
      yield* pieces(Buffer.from('a€b'), 1);
      throw BOOM;
    }
    const values: unknown[] = [];
    let error: unknown;
    try {
      for await (const value of bufferedPipeline()(failing(), { bufferSize: 16 }).setEncoding('utf8')) {
        values.push(value);
        await turn();
      }
    } catch (thrown) {
      error = thrown;
    }
    expect(joined(values)).to.deep.equal({ types: ['string'], text: 'a€b' });
    expect(error).to.equal(BOOM);
  });
});

describe('A Readable that wraps a stage', function () {
  this.timeout(2000);

  const sources: Record<string, () => AnyIterable<number>> = {
    'an array': () => range(9),
    'an empty array': () => [],
    *'a generator'() {
      yield* range(9);
    },
    'an async generator': () => pass(range(9)),
    async *'a generator that awaits'() {
      for (const n of range(9)) {
        await turn();
        yield n;
      }
    },
    'a generator that fails at once': () => failingAfter(0, BOOM),
    'a generator that fails behind a value, and waits before': async function* () {
      yield 1;
      await settle();
      throw BOOM;
    },
  };
  const ways: Record<string, (stream: Readable, take: (value: unknown) => void) => Promise<unknown>> = {
    'a loop': async (stream, take) => {
      for await (const value of stream) take(value);
    },
    'a data listener': (stream, take) => ended(stream.on('data', take)),
    'an operator': (stream, take) => stream.forEach(take),
  };

  for (const [name, source] of Object.entries(sources)) {
    for (const [way, read] of Object.entries(ways)) {
      it(`sees and ends as over Node's own: ${name}, read by ${way}`, async () => {
        for (const bufferSize of BUFFER_SIZES) {
          const seen = [];
          for (const make of [node, stageOf]) {
            const wrapped = make(source(), bufferSize);
            const stream = new Readable({ objectMode: true }).wrap(wrapped);
            const values: unknown[] = [];
            const error: unknown = await read(stream, (value) => values.push(value)).then(
              () => 'ends',
              (thrown: unknown) => thrown,
            );
            seen.push({ values, error });
          }
          expect(seen[1]).to.deep.equal(seen[0]);
        }
      });
    }
  }
});

interface Listening {
  input: Stage<number>;
  stage: Stage<unknown>;
  log: string[];
  controller: AbortController;
  dispose: () => Promise<void>;
}

/** How a generator may wait for its input without ever asking its iterator. */
const waits: Record<string, (input: Readable) => Promise<unknown>> = {
  "for 'error'": (input) => new Promise((_, reject) => input.once('error', reject)),
  "for 'close'": (input) => new Promise((resolve) => input.once('close', resolve)),
  "for 'error' and 'close'": (input) =>
    new Promise<void>((resolve, reject) => {
      input.once('error', reject).once('close', resolve);
    }),
  'for once(data)': (input) => once(input, 'data'),
  'for once(readable)': (input) => once(input, 'readable'),
  'for finished()': (input) => finished(input),
  'for pipeline() into a stream': (input) => pipeline(input.resume(), new PassThrough({ objectMode: true }).resume()),
};

/** A stage whose generator takes one value of its input, and then waits for an event of it. */
async function listening(wait: (input: Readable) => Promise<unknown>): Promise<Listening> {
  const log: string[] = [];
  const controller = new AbortController();
  const buffer = bufferedPipeline({ signal: controller.signal });
  async function* source({ signal }: { signal: AbortSignal }): AsyncGenerator<number> {
    yield 1;
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
  }
  const input = buffer(source);
  async function* reader(): AsyncGenerator<unknown> {
    try {
      yield (await once(input, 'data'))[0];
      await wait(input);
      log.push('goes on');
      yield 2;
    } finally {
      log.push('closes');
    }
  }
  const stage = buffer(reader());
  return { input, stage, log, controller, dispose: () => buffer[Symbol.asyncDispose]() };
}

describe('A generator that waits for events of its input', function () {
  this.timeout(2000);

  const endings: Record<string, (listened: Listening) => unknown> = {
    'a break': async ({ stage }) => {
      for await (const _ of stage) {
        await settle();
        break;
      }
    },
    'destroy()': async ({ stage }) => {
      await stage[Symbol.asyncIterator]().next();
      await settle();
      stage.destroy();
    },
    abort: async ({ stage, controller }) => {
      await stage[Symbol.asyncIterator]().next();
      await settle();
      controller.abort();
    },
    disposal: async ({ stage, dispose }) => {
      await stage[Symbol.asyncIterator]().next();
      await settle();
      void dispose();
    },
  };

  for (const [wait, waitFor] of Object.entries(waits)) {
    for (const [ending, end] of Object.entries(endings)) {
      it(`${wait} is let go by ${ending}`, async () => {
        const listened = await listening(waitFor);
        await end(listened);
        await settle();
        expect(listened.log.filter((line) => line === 'closes')).to.deep.equal(['closes']);
        expect(await stateOf(listened.dispose())).to.equal('fulfilled');
        await Promise.all([closed(listened.input), closed(listened.stage)]);
      });
    }
  }

  it('is told an error', async () => {
    const errors: unknown[] = [];
    const listened = await listening(async (input) => {
      await new Promise<void>((resolve) => {
        input.once('error', (error) => {
          errors.push(error);
          resolve();
        });
      });
    });
    await endings['a break']!(listened);
    await settle();
    expect(errors).to.have.lengthOf(1);
    expect(errors[0]).to.be.an.instanceof(Error).with.property('code', 'ERR_STREAM_PREMATURE_CLOSE');
  });
});
