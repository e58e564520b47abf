/** Signals of other realms, and the library in a realm of its own, as test runners have it, which may lack what is new in the language. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { type Context, createContext, runInContext } from 'node:vm';

import { expect } from 'chai';
import { buildSync } from 'esbuild';

import { bufferedPipeline, type BufferedPipeline, type Stage } from '../lib/index.ts';
import { collect, failingAfter, outcomeOf, pass, range, recorded, rejection, settle, turn } from './helpers.ts';

const REASON = new Error('reason');
const BOOM = new Error('boom');

/** What a realm has of Node's globals. The language's own it has by itself. */
function newRealm(): Context {
  const names = ['process', 'Buffer', 'queueMicrotask', 'setImmediate', 'setTimeout', 'clearTimeout', 'performance'];
  const events = ['AbortController', 'AbortSignal', 'Event', 'EventTarget', 'DOMException', 'console'];
  return createContext(Object.fromEntries([...names, ...events].map((name) => [name, Reflect.get(globalThis, name)])));
}

/** Controllers as jsdom, happy-dom and polyfills have them: nothing of them is Node's. */
const POLYFILL = `(withReason) => {
  class AbortSignal {
    #listeners = new Map();
    #aborted = false;
    #reason;
    onabort = null;
    get aborted() { return this.#aborted; }
    get reason() { return withReason ? this.#reason : undefined; }
    get count() { return this.#listeners.size; }
    addEventListener(type, listener, options) {
      if (type === 'abort') this.#listeners.set(listener, options);
    }
    removeEventListener(type, listener) {
      if (type === 'abort') this.#listeners.delete(listener);
    }
    dispatch(reason) {
      if (this.#aborted) return;
      this.#aborted = true;
      this.#reason = reason;
      const event = { type: 'abort', target: this };
      for (const [listener, options] of [...this.#listeners]) {
        if (options?.once) this.#listeners.delete(listener);
        if (typeof listener === 'function') listener.call(this, event);
        else listener.handleEvent(event);
      }
    }
  }
  return class AbortController {
    signal = new AbortSignal();
    abort(reason) { this.signal.dispatch(reason); }
  };
}`;

interface Controller {
  signal: AbortSignal & { count: number };
  abort: (reason?: unknown) => void;
}

type ControllerClass = new () => Controller;
type Polyfill = (withReason: boolean) => ControllerClass;

const polyfill = runInContext(POLYFILL, createContext()) as Polyfill;
const controllers: Record<string, ControllerClass> = {
  'of another realm': polyfill(true),
  // oxlint-disable-next-line no-eval -- the same text, evaluated here
  'of a polyfill': ((0, eval)(POLYFILL) as Polyfill)(true),
  'of an old polyfill that knows no reason': polyfill(false),
};

async function* oneThenStuck(): AsyncGenerator<number> {
  yield 1;
  await new Promise(() => {});
}

describe('A signal', function () {
  this.timeout(2000);

  for (const [kind, AnyController] of Object.entries(controllers)) {
    describe(kind, () => {
      const hasReason = !kind.includes('no reason');

      it('destroys the stages when it aborts', async () => {
        const controller = new AnyController();
        const buffer = bufferedPipeline({ signal: controller.signal });
        const first = buffer(oneThenStuck());
        const second = buffer(pass(first));
        const error = rejection(collect(second));
        await settle();
        controller.abort(REASON);
        expect(await error).to.include({ name: 'AbortError', code: 'ABORT_ERR' });
        if (hasReason) expect(await error).to.have.property('cause', REASON);
        expect([first.destroyed, second.destroyed]).to.deep.equal([true, true]);
      });

      it('aborts the signal of a source function', async () => {
        const controller = new AnyController();
        let inner!: AbortSignal;
        const stage = bufferedPipeline({ signal: controller.signal })((context) => {
          inner = context.signal;
          return oneThenStuck();
        });
        await stage[Symbol.asyncIterator]().next();
        controller.abort(REASON);
        expect(inner.aborted).to.equal(true);
        expect(inner).to.be.an.instanceof(AbortSignal);
      });

      it('that is aborted already has nothing start', async () => {
        const controller = new AnyController();
        controller.abort(REASON);
        const log: string[] = [];
        const stage = bufferedPipeline({ signal: controller.signal })(recorded(log, 'source', range(3)));
        expect(await rejection(collect(stage))).to.include({ name: 'AbortError', code: 'ABORT_ERR' });
        expect(log).to.deep.equal([]);
        expect(controller.signal.count).to.equal(0);
      });

      const endings: Record<
        string,
        (stage: Stage<number>, buffer: BufferedPipeline, controller: Controller) => unknown
      > = {
        'the end': (stage) => collect(stage),
        'a break': async (stage) => {
          for await (const _ of stage) break;
        },
        'an error': (_, buffer) => rejection(collect(buffer(failingAfter(1, BOOM)))),
        'destroy()': (stage) => void stage.destroy(),
        disposal: (_, buffer) => buffer[Symbol.asyncDispose](),
        abort: (stage, _, controller) => {
          controller.abort(REASON);
          return rejection(collect(stage));
        },
      };

      for (const [ending, end] of Object.entries(endings)) {
        it(`has no listener left after ${ending}, however many pipelines share it`, async () => {
          const controller = new AnyController();
          const alive = await Promise.all(
            range(50).map(async () => {
              const buffer = bufferedPipeline({ signal: controller.signal });
              const stage = buffer(range(3));
              await stage[Symbol.asyncIterator]().next();
              return { buffer, stage };
            }),
          );
          await Promise.all(alive.map(({ stage, buffer }) => end(stage, buffer, controller)));
          await turn();
          expect(controller.signal.count).to.equal(0);
        });
      }
    });
  }

  const noSignals: Record<string, unknown> = {
    'an empty object': {},
    'an object with half of a signal': { aborted: false },
    'a controller': new AbortController(),
    'a controller of another realm': new controllers['of another realm']!(),
    'an event target': new EventTarget(),
    'a string': 'aborted',
    null: null,
  };
  for (const [name, signal] of Object.entries(noSignals)) {
    it(`is what only a signal can be given as: ${name} is refused`, () => {
      expect(() => bufferedPipeline({ signal: signal as AbortSignal })).to.throw(TypeError, '"signal"');
    });
  }
});

/** The library, evaluated in a realm of its own. */
class Realm {
  readonly context: Context = newRealm();
  readonly bufferedPipeline: typeof bufferedPipeline;

  constructor(code: string) {
    const { exports } = this.evaluate(
      `((require) => { const module = { exports: {} }; ((exports) => { ${code}\n })(module.exports); return module; })`,
      createRequire(import.meta.url),
    );
    this.bufferedPipeline = exports.bufferedPipeline;
  }

  /** Calls a function of the realm, given as text. */
  evaluate(text: string, ...given: unknown[]): any {
    return runInContext(text, this.context)(...given);
  }
}

describe('The library in a realm of its own', function () {
  this.timeout(2000);
  let code: string;
  let realm: Realm;

  before(function () {
    this.timeout(20_000);
    const entryPoint = fileURLToPath(new URL('../lib/index.ts', import.meta.url));
    const { outputFiles } = buildSync({
      entryPoints: [entryPoint],
      bundle: true,
      platform: 'node',
      target: 'node20',
      format: 'cjs',
      write: false,
    });
    code = outputFiles[0]!.text;
  });

  beforeEach(() => {
    realm = new Realm(code);
  });

  /** How generators of the realm and of the outside are put together. */
  const numbers = `() => (async function* () { try { yield 1; yield 2; yield 3; } finally { globalThis.closed = true; } })()`;

  it('is not that of the tests', () => {
    expect(realm.bufferedPipeline).not.to.equal(bufferedPipeline);
    expect(realm.evaluate('() => Promise')).not.to.equal(Promise);
  });

  it('can be loaded without a Symbol.dispose and a Symbol.asyncDispose', () => {
    const context = newRealm();
    runInContext(
      `Symbol = Object.assign(Object.create(null), Object.fromEntries(
        Object.getOwnPropertyNames(Symbol).filter((name) => typeof Symbol[name] === 'symbol' && !/[dD]ispose/.test(name))
          .map((name) => [name, Symbol[name]])), { for: Symbol.for, prototype: Symbol.prototype })`,
      context,
    );
    const load = runInContext(
      `((require) => { const module = { exports: {} }; ((exports) => { ${code}\n })(module.exports); return module.exports; })`,
      context,
    ) as (require: unknown) => object;
    expect(load(createRequire(import.meta.url)))
      .to.have.property('bufferedPipeline')
      .that.is.a('function');
  });

  const sources: Record<string, () => AsyncIterable<number> | Iterable<number>> = {
    'a generator of the realm': () => realm.evaluate(numbers),
    'a generator of another realm': () => pass(range(3)),
    'an array of the realm': () => realm.evaluate('() => [1, 2, 3]'),
    'an array of another realm': () => range(3),
    'an array of promises of another realm': () => range(3).map((n) => Promise.resolve(n)) as unknown as number[],
    'a stage of the realm': () => realm.bufferedPipeline()(range(3)),
    'a stage of another realm': () => bufferedPipeline()(range(3)),
    'a web stream': () =>
      new ReadableStream<number>({
        start(controller) {
          for (const n of range(3)) controller.enqueue(n);
          controller.close();
        },
      }),
  };
  const signals: Record<string, () => { signal?: AbortSignal }> = {
    'without a signal': () => ({}),
    'with a signal': () => ({ signal: new AbortController().signal }),
  };

  for (const [name, source] of Object.entries(sources)) {
    for (const [kind, options] of Object.entries(signals)) {
      it(`gives all values, and ends: ${name}, ${kind}`, async () => {
        const buffer = realm.bufferedPipeline(options());
        expect(await collect(buffer(pass(buffer(source(), { bufferSize: 2 }))))).to.deep.equal([1, 2, 3]);
        await settle();
      });

      it(`gives all values as a stream: ${name}, ${kind}`, async () => {
        const buffer = realm.bufferedPipeline(options());
        expect(await buffer(source()).toArray()).to.deep.equal([1, 2, 3]);
        await settle();
      });

      it(`closes at a break: ${name}, ${kind}`, async () => {
        const stage = realm.bufferedPipeline(options())(source());
        for await (const _ of stage) break;
        await settle();
        expect(stage).to.include({ destroyed: true, closed: true });
      });

      it(`closes when it is destroyed: ${name}, ${kind}`, async () => {
        const stage = realm.bufferedPipeline(options())(pass(source()));
        await stage[Symbol.asyncIterator]().next();
        stage.destroy();
        await settle();
        expect(stage).to.include({ destroyed: true, closed: true });
      });
    }
  }

  for (const [kind, options] of Object.entries(signals)) {
    it(`tells an error in its place, itself: ${kind}`, async () => {
      const buffer = realm.bufferedPipeline(options());
      const outcome = await outcomeOf(buffer(pass(buffer(failingAfter(2, BOOM)))));
      expect(outcome).to.deep.equal({ values: [1, 2], failed: true, error: BOOM });
      await settle();
    });

    it(`gives a source function a signal that aborts: ${kind}`, async () => {
      let signal!: AbortSignal;
      const stage = realm.bufferedPipeline(options())((context) => {
        ({ signal } = context);
        return range(3);
      });
      for await (const _ of stage) break;
      expect(signal.aborted).to.equal(true);
    });

    it(`keeps the async context of the first read: ${kind}`, async () => {
      const storage = new AsyncLocalStorage<string>();
      async function* noting(): AsyncGenerator<string | undefined> {
        for (;;) yield storage.getStore();
      }
      const iterator = realm.bufferedPipeline(options())(noting())[Symbol.asyncIterator]();
      const read = (): Promise<IteratorResult<unknown>> => iterator.next();
      expect((await storage.run('first', read)).value).to.equal('first');
      expect((await storage.run('second', read)).value).to.equal('first');
      await iterator.return!();
    });
  }

  const signalKinds: Record<string, () => { signal: AbortSignal; abort: (reason: unknown) => void }> = {
    "Node's own": () => {
      const controller = new AbortController();
      return { signal: controller.signal, abort: (reason) => controller.abort(reason) };
    },
    ...Object.fromEntries(
      Object.entries(controllers).map(([kind, AnyController]) => [
        kind,
        () => {
          const controller = new AnyController();
          return { signal: controller.signal, abort: (reason: unknown) => controller.abort(reason) };
        },
      ]),
    ),
  };

  for (const [kind, make] of Object.entries(signalKinds)) {
    it(`ends at an abort: a signal, ${kind}`, async () => {
      const { signal, abort } = make();
      const stage = realm.bufferedPipeline({ signal })(oneThenStuck());
      const error = rejection(collect(stage));
      await settle();
      abort(REASON);
      expect(await error).to.include({ name: 'AbortError', code: 'ABORT_ERR' });
      await settle();
    });

    it(`starts nothing after an abort: a signal, ${kind}`, async () => {
      const { signal, abort } = make();
      abort(REASON);
      const log: string[] = [];
      const stage = realm.bufferedPipeline({ signal })(recorded(log, 'source', range(3)));
      expect(await rejection(collect(stage))).to.include({ name: 'AbortError', code: 'ABORT_ERR' });
      expect(log).to.deep.equal([]);
    });
  }

  it('is disposed by the Symbol.asyncDispose of the realm, if that has one', async () => {
    const buffer = realm.bufferedPipeline();
    const stage = buffer(recorded([], 'source', range(9)));
    await stage[Symbol.asyncIterator]().next();
    const symbol: symbol | undefined = realm.evaluate('() => Symbol.asyncDispose');
    if (symbol === undefined) stage.destroy();
    else await Reflect.get(buffer, symbol)();
    await settle();
    expect(stage.closed).to.equal(true);
  });

  it('puts nothing under a name that a missing symbol would give', () => {
    expect(realm.bufferedPipeline()).not.to.have.property('undefined');
  });

  it('refuses wrong input by errors of its own', () => {
    const refuse = (): unknown => realm.bufferedPipeline()(1 as never);
    expect(refuse).to.throw(realm.evaluate('() => TypeError'), '"source"');
  });
});
