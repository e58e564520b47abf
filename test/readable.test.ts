/** A stage in the hands of code that knows only Node's streams: what its functions return, and what the stage says of itself. */
import { expect } from 'chai';
import { EventEmitter, once } from 'node:events';
import { createServer, get, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline as pipelineWithCallback, Readable, Writable } from 'node:stream';
import { arrayBuffer, blob, buffer as bufferOf, json, text } from 'node:stream/consumers';
import { finished, pipeline } from 'node:stream/promises';

import { bufferedPipeline, type Stage } from '../lib/index.ts';
import { closed, collect, failingAfter, outcomeOf, pass, range, recorded, rejection, settle, turn } from './helpers.ts';
import { HANGS_AFTER, runProgram } from './programs.ts';
import { BOOM, BUFFER_SIZES, endless, ignore, made, PREMATURE_CLOSE, sink } from './subject.ts';

describe('A stage read by a function of Node', function () {
  this.timeout(5000);

  const fromAsync = (Array as { fromAsync?: (values: AsyncIterable<unknown>) => Promise<unknown[]> }).fromAsync?.bind(
    Array,
  );

  /** Each reads all; `calls` notes what a callback was called with. */
  const functions: Record<string, [(stage: Stage<any>, calls: unknown[]) => Promise<unknown>, unknown]> = {
    toArray: [(stage) => stage.toArray(), [1, 2, 3]],
    'Array.fromAsync, where there is one': [(stage) => (fromAsync ?? collect)(stage), [1, 2, 3]],
    forEach: [(stage, calls) => stage.forEach((n) => void calls.push(n)), undefined],
    reduce: [(stage, calls) => stage.reduce((_, n) => calls.push(n), 0), 3],
    some: [(stage, calls) => stage.some((n) => calls.push(n) > 3), false],
    every: [(stage, calls) => stage.every((n) => calls.push(n) > 0), true],
    find: [(stage, calls) => stage.find((n) => calls.push(n) > 3), undefined],
    'map with concurrency': [
      (stage, calls) => stage.map(async (n) => calls.push(n), { concurrency: 2 }).toArray(),
      [1, 2, 3],
    ],
    'pipeline with a callback': [
      (stage, calls) =>
        new Promise<void>((resolve, reject) => {
          pipelineWithCallback(stage, sink(calls), (error) => (error ? reject(error) : resolve()));
        }),
      undefined,
    ],
    text: [(stage) => text(stage.map(String)), '123'],
    json: [(stage) => json(stage.map(String)), 123],
    buffer: [async (stage) => (await bufferOf(stage.map((n) => Buffer.from([n])))).join(), '1,2,3'],
    arrayBuffer: [async (stage) => (await arrayBuffer(stage.map((n) => Buffer.from([n])))).byteLength, 3],
    blob: [async (stage) => (await blob(stage.map(String))).size, 3],
    'new Response': [(stage) => new Response(stage.map((n) => Buffer.from(`${n}`))).text(), '123'],
  };

  for (const [name, [read, expected]] of Object.entries(functions)) {
    const callsBack = read.length === 2;

    for (const bufferSize of BUFFER_SIZES) {
      it(`gives ${name} all values at size ${bufferSize}`, async () => {
        const { source, wrap } = made(bufferSize);
        expect(await read(wrap(source(range(3))), [])).to.deep.equal(expected);
      });

      it(`fails ${name} with its error, itself, after all values at size ${bufferSize}`, async () => {
        const { wrap, stage } = made(bufferSize);
        const calls: unknown[] = [];
        expect(await rejection(read(wrap(failingAfter(3, BOOM)), calls))).to.equal(BOOM);
        if (callsBack) expect(calls).to.deep.equal([1, 2, 3]);
        await closed(stage());
      });

      it(`fails ${name} when it is destroyed or aborted at size ${bufferSize}`, async () => {
        for (const [fate, code] of [
          ['destroy', PREMATURE_CLOSE],
          ['abort', 'ABORT_ERR'],
        ] as const) {
          const { source, wrap, stage, controller, log } = made(bufferSize);
          const error = rejection(read(wrap(source(endless())), []));
          await turn(3);
          if (fate === 'destroy') stage().destroy();
          else controller.abort();
          expect(await error).to.include({ code });
          await settle();
          expect(log).to.deep.equal(['source starts', 'source closes']);
        }
      });
    }
  }

  it('Array.fromAsync is there from Node.js 22 on', () => {
    expect(typeof fromAsync).to.equal(Number.parseInt(process.versions.node, 10) < 22 ? 'undefined' : 'function');
  });

  it('new Response takes a stage of bytes as it is', async () => {
    const bytes = bufferedPipeline()([Buffer.from('by'), Buffer.from('tes')]);
    expect(await new Response(bytes).text()).to.equal('bytes');
  });

  it('events.once gets its events, and fails with its error', async () => {
    const [ends, fails] = [made(1).wrap(pass(range(2))), made(1).wrap(failingAfter(2, BOOM))];
    expect(await once(ends.resume(), 'end')).to.deep.equal([]);
    expect(await rejection(once(fails.resume(), 'end'))).to.equal(BOOM);
  });
});

describe('pipeline', function () {
  this.timeout(2000);

  it('into a Writable that is destroyed already treats a stage as it treats any Readable', async () => {
    const outcomes = [];
    for (const make of [(source: AsyncIterable<number>) => bufferedPipeline()(source), Readable.from]) {
      const writable = new Writable({ objectMode: true }).destroy();
      await closed(writable as unknown as Readable);
      const log: string[] = [];
      const stage = make(recorded(log, 'source', range(5)));
      const error = (await rejection(pipeline(stage, writable))) as NodeJS.ErrnoException;
      const { destroyed } = stage;
      stage.destroy();
      await closed(stage);
      outcomes.push({ code: error.code, destroyed, isClean: log.length % 2 === 0 });
    }
    expect(outcomes[0]).to.deep.equal(outcomes[1]);
    expect(outcomes[0]).to.include({ isClean: true });
    expect(outcomes[0]!.code).to.be.oneOf([PREMATURE_CLOSE, 'ERR_STREAM_UNABLE_TO_PIPE']);
  });

  it('into a Writable that is destroyed meanwhile closes the generator', async () => {
    const { source, wrap, log } = made(2);
    const writable = sink([]);
    const error = rejection(pipeline(wrap(source(endless())), writable));
    await turn(3);
    writable.destroy();
    expect(await error).to.include({ code: PREMATURE_CLOSE });
    await settle();
    expect(log).to.deep.equal(['source starts', 'source closes']);
  });
});

describe('An HTTP response', function () {
  this.timeout(5000);

  /** Answers one request with a stage; `how` is what the client does, and the result how `pipeline` ended. */
  async function answer(
    source: AsyncIterable<string>,
    how: (response: IncomingMessage) => Promise<unknown>,
  ): Promise<{ seen: unknown; end: unknown }> {
    let end!: Promise<unknown>;
    const server = createServer((_, response: ServerResponse) => {
      end = pipeline(bufferedPipeline()(source), response).then(
        () => 'end',
        (error: unknown) => error,
      );
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    try {
      const request = get({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', agent: false });
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      return { seen: await how(response), end: await end };
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }

  async function* words(log: string[], count: number, error?: unknown): AsyncGenerator<string> {
    for await (const n of recorded(log, 'source', range(count))) {
      yield `${n} `;
      await turn();
    }
    if (error !== undefined) throw error;
  }

  it('is a stage of text, to the end', async () => {
    expect(await answer(words([], 3), text)).to.deep.equal({ seen: '1 2 3 ', end: 'end' });
  });

  it('does not look complete when the stage fails', async () => {
    const { seen, end } = await answer(words([], 3, BOOM), (response) => rejection(text(response)));
    expect(end).to.equal(BOOM);
    expect(seen).to.include({ code: 'ECONNRESET' });
  });

  it('closes the generator when its client goes away', async () => {
    const log: string[] = [];
    const { end } = await answer(words(log, 1e5), async (response) => {
      await once(response, 'data');
      response.destroy();
    });
    expect(end).to.include({ code: PREMATURE_CLOSE });
    await settle();
    expect(log).to.deep.equal(['source starts', 'source closes']);
  });
});

describe('The state of a stage', function () {
  this.timeout(2000);

  it('says in readableFlowing who reads: nobody or a loop, data, a pause, readable', async () => {
    const { wrap, stage } = made(1);
    wrap(endless());
    expect(stage().readableFlowing).to.equal(null);
    await stage()[Symbol.asyncIterator]().next();
    expect(stage().readableFlowing).to.equal(null);
    stage().on('data', ignore);
    expect(stage().readableFlowing).to.equal(true);
    expect(stage().pause()).to.include({ readableFlowing: false });
    expect(stage().isPaused()).to.equal(true);
    stage().removeAllListeners('data').on('readable', ignore);
    expect(stage().readableFlowing).to.equal(false);
    stage().destroy();
  });

  it('has no listener of a loop, not even while it runs', async () => {
    const stage = made(1).wrap(pass(range(3)));
    for await (const _ of stage) expect(stage.eventNames()).to.deep.equal([]);
  });

  it('tells a null that stage.iterator() meets as a stream does', async () => {
    const { values, error } = await outcomeOf(bufferedPipeline()([1, null, 2]).iterator());
    expect({ values, code: (error as NodeJS.ErrnoException).code }).to.deep.equal({
      values: [1],
      code: 'ERR_STREAM_NULL_VALUES',
    });
  });

  it('loses nothing when stage.iterator({ destroyOnReturn: false }) is left, and pipe goes on', async () => {
    for (const bufferSize of BUFFER_SIZES) {
      const taken: unknown[] = [];
      const stage = made(bufferSize).wrap(pass(range(5)));
      for await (const n of stage.iterator({ destroyOnReturn: false })) if (taken.push(n) === 2) break;
      await finished(stage.pipe(sink(taken)));
      expect(taken).to.deep.equal(range(5));
    }
  });

  it('does not take a stage for ended that is destroyed with values in its buffer, though its source has ended', async () => {
    const { wrap, stage } = made(16);
    wrap(pass(range(3)));
    await once(stage(), 'readable');
    expect(stage().read()).to.equal(1);
    await settle();
    expect(stage().readableLength).to.equal(2);
    const end = rejection(finished(stage()));
    stage().destroy();
    expect(await end).to.include({ code: PREMATURE_CLOSE });
    expect(stage()).to.include({ readableEnded: false, readableAborted: true });
  });

  it('is destroyed by its own await using, which waits for the clean-up', async () => {
    const { source, wrap, log, stage } = made(1);
    const iterator = wrap(source(range(5)))[Symbol.asyncIterator]();
    await iterator.next();
    await stage()[Symbol.asyncDispose]();
    expect(log).to.deep.equal(['source starts', 'source closes']);
    expect(stage().destroyed).to.equal(true);
  });

  for (const [fate, destroy, expected] of [
    ['destroy()', (stage) => stage.destroy(), ['close']],
    ['destroy(error)', (stage) => stage.destroy(BOOM), ['error', 'close']],
    ['the end, then destroy(error)', (stage) => stage.on('close', () => stage.destroy(BOOM)), ['end', 'close']],
  ] as [string, (stage: Stage<number>) => unknown, string[]][]) {
    it(`shows in its events, on ${fate}: ${expected.join(', then ')}`, async () => {
      const { wrap, stage } = made(1);
      const events: string[] = [];
      wrap(pass(range(3))).resume();
      for (const name of ['end', 'error', 'close']) stage().on(name, () => events.push(name));
      destroy(stage());
      await settle();
      expect(events).to.deep.equal(expected);
    });
  }
});

describe('A data handler', function () {
  this.timeout(HANGS_AFTER + 5_000);

  it('that throws ends the process as an uncaught exception, and nothing but its own value if that is survived', async () => {
    const program = `
      const log = [];
      process.on('uncaughtException', (error) => log.push('uncaught ' + error.message));
      process.on('unhandledRejection', () => log.push('unhandled rejection'));
      const stage = bufferedPipeline()([1, 2, 3]);
      stage.on('data', (n) => {
        log.push(n);
        if (n === 1) throw new Error('handler');
      });
      stage.on('close', () => console.log(log.join()));`;
    expect(await runProgram(program)).to.deep.equal({ code: 0, stdout: '1,uncaught handler,2,3\n', stderr: '' });
  });

  it('gets the error of a stage that is destroyed between its last value and its end', async () => {
    const events: string[] = [];
    const stage = bufferedPipeline()([1]);
    for (const event of ['error', 'end', 'close']) stage.on(event, () => events.push(event));
    stage.on('data', () => process.nextTick(() => stage.destroy(BOOM)));
    await closed(stage);
    await turn();
    expect(events).to.deep.equal(['error', 'close']);
  });

  it('that rejects destroys the stage with its error where captureRejections is on', async () => {
    const { source, wrap, log, stage } = made(1);
    EventEmitter.captureRejections = true;
    try {
      wrap(source(endless()));
    } finally {
      EventEmitter.captureRejections = false;
    }
    const reject: () => unknown = () => Promise.reject(BOOM);
    stage().on('data', reject);
    expect(await rejection(once(stage(), 'close'))).to.equal(BOOM);
    await settle();
    expect(log).to.deep.equal(['source starts', 'source closes']);
  });

  it('that throws crashes the process, and the source has not failed', async () => {
    const program = `
      const stage = bufferedPipeline()(async function* () { yield 1; yield 2; });
      process.on('uncaughtExceptionMonitor', (error) => console.log('crash by', error.message, stage.destroyed));
      stage.on('error', () => console.log('the source failed'));
      // Only once: Bun and Deno go on for a while.
      stage.once('data', () => { throw new Error('handler'); });
    `;
    const { code, stdout } = await runProgram(program);
    expect({ code, stdout }).to.deep.equal({ code: 1, stdout: 'crash by handler false\n' });
  });
});
