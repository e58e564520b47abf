/** What holds in every test runner: pairs of a title and a test, for the `bufferedPipeline` that a spec has loaded. */
const assert = require('node:assert/strict');
const { Readable, Writable } = require('node:stream');
const { pipeline } = require('node:stream/promises');

async function* numbers(count) {
  for (let number = 1; number <= count; number++) yield number;
}

async function* doubled(source) {
  for await (const value of source) yield value * 2;
}

async function collect(iterable, values = []) {
  for await (const value of iterable) values.push(value);
  return values;
}

exports.facts = (bufferedPipeline) => [
  [
    'runs a chain',
    async () => {
      const buffer = bufferedPipeline();
      assert.equal((await collect(buffer(doubled(buffer(numbers(3)))))).join(), '2,4,6');
    },
  ],
  [
    'makes streams of Node.js',
    async () => {
      const stage = bufferedPipeline()(numbers(3));
      assert.ok(stage instanceof Readable);
      const written = [];
      const write = (value, _encoding, done) => done(null, written.push(value));
      await pipeline(stage, new Writable({ objectMode: true, write }));
      assert.equal(written.join(), '1,2,3');
    },
  ],
  [
    'hands on an error behind the values before it',
    async () => {
      const boom = new Error('boom');
      async function* failing() {
        yield 1;
        throw boom;
      }
      const buffer = bufferedPipeline();
      const values = [];
      await assert.rejects(collect(buffer(doubled(buffer(failing()))), values), (error) => error === boom);
      assert.equal(values.join(), '2');
    },
  ],
  [
    'closes its generators when a loop is left',
    async () => {
      let closed = false;
      async function* open() {
        try {
          for (;;) yield 1;
        } finally {
          closed = true;
        }
      }
      const buffer = bufferedPipeline();
      for await (const value of buffer(doubled(buffer(open())))) if (value === 2) break;
      assert.equal(closed, true);
    },
  ],
  [
    'refuses a wrong argument',
    () => assert.throws(() => bufferedPipeline()([1], { bufferSize: 0 }), { code: 'ERR_OUT_OF_RANGE' }),
  ],
  [
    'ends when a signal aborts',
    async () => {
      const controller = new AbortController();
      const buffer = bufferedPipeline({ signal: controller.signal });
      let told;
      async function* waiting({ signal }) {
        told = signal;
        yield 1;
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
      }
      const values = collectUntil(buffer(waiting), () => controller.abort());
      await assert.rejects(values, { name: 'AbortError', code: 'ABORT_ERR' });
      assert.equal(told.aborted, true);
    },
  ],
  [
    'ends when it is disposed of',
    async () => {
      // Where the runner's own realm lacks it, no program there can name it.
      if (Symbol.asyncDispose === undefined) return;
      const buffer = bufferedPipeline();
      const stage = buffer(numbers(3));
      await stage[Symbol.asyncIterator]().next();
      await buffer[Symbol.asyncDispose]();
      assert.equal(stage.destroyed, true);
    },
  ],
];

async function collectUntil(iterable, then) {
  for await (const value of iterable) then(value);
}
