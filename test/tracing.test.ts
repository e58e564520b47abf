/** What subscribers of the channels of `node:diagnostics_channel` are told. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Readable } from 'node:stream';

import { expect } from 'chai';

import { bufferedPipeline, type Stage, type StageMessage } from '../lib/index.ts';
import { closed, collect, failingAfter, outcomeOf, pass, range, rejection, settle } from './helpers.ts';

const EVENTS = ['start', 'state', 'yield', 'handover', 'error', 'close'] as const;
type Event = (typeof EVENTS)[number];

const channelOf = (event: Event): string => `buffered-pipeline:stage:${event}`;

interface Told extends StageMessage {
  event: Event;
}

/** Subscribes in a test, and to no later than its end. */
class Subscriber {
  readonly told: Told[] = [];
  readonly #listeners = new Map<Event, (message: unknown) => void>();

  constructor(events: readonly Event[] = EVENTS) {
    for (const event of events) {
      const listener = (message: unknown): void => void this.told.push({ event, ...(message as StageMessage) });
      this.#listeners.set(event, listener);
      subscribe(channelOf(event), listener);
    }
  }

  /** `pages: state working`, or `pages: yield 3/2`: produced, taken. */
  get lines(): string[] {
    return this.told.map(({ event, statistics: { name, state, produced, taken } }) => {
      return `${name}: ${event}${event === 'state' ? ` ${state}` : ''}${event === 'yield' || event === 'handover' ? ` ${produced}/${taken}` : ''}`;
    });
  }

  linesOf(...events: Event[]): string[] {
    return this.lines.filter((_, index) => events.includes(this.told[index]!.event));
  }

  stop(): void {
    for (const [event, listener] of this.#listeners) unsubscribe(channelOf(event), listener);
    this.#listeners.clear();
  }
}

describe('The channels of stages', function () {
  this.timeout(2000);
  let subscribers: Subscriber[] = [];
  const listen = (events?: readonly Event[]): Subscriber => {
    const subscriber = new Subscriber(events);
    subscribers.push(subscriber);
    return subscriber;
  };
  afterEach(() => {
    for (const subscriber of subscribers) subscriber.stop();
    subscribers = [];
  });

  it('tell the life of a stage that is read by a loop, in order', async () => {
    const subscriber = listen();
    const stage = bufferedPipeline()(range(2), { name: 'numbers' });
    for await (const _ of stage) await settle();
    await closed(stage);
    expect(subscriber.lines).to.deep.equal([
      'numbers: start',
      'numbers: state working',
      'numbers: yield 1/0',
      'numbers: handover 1/1',
      'numbers: yield 2/1',
      'numbers: state blocked',
      'numbers: handover 2/2',
      'numbers: state working',
      'numbers: state ended',
      'numbers: close',
    ]);
  });

  it('tell the life of a chain, in order', async () => {
    const subscriber = listen();
    const buffer = bufferedPipeline();
    const last = buffer(pass(buffer(range(1), { name: 'first' })), { name: 'second' });
    await collect(last);
    await closed(last);
    expect(subscriber.lines).to.deep.equal([
      'second: start',
      'second: state working',
      'second: state starved',
      'first: start',
      'first: state working',
      'first: yield 1/0',
      'first: handover 1/1',
      'second: state working',
      'first: state ended',
      'second: yield 1/0',
      'second: handover 1/1',
      'first: close',
      'second: state ended',
      'second: close',
    ]);
  });

  it('tell of what a stream takes', async () => {
    const subscriber = listen(['yield', 'handover']);
    const stage = bufferedPipeline()(range(2), { name: 'numbers' });
    stage.on('readable', () => {});
    await settle();
    stage.read();
    expect(subscriber.lines).to.deep.equal(['numbers: yield 1/0', 'numbers: handover 1/1']);
    await settle();
    expect(subscriber.lines.slice(2)).to.deep.equal(['numbers: yield 2/1']);
    stage.destroy();
  });

  it('tell of each value that a loop has left when a stream takes it', async () => {
    const subscriber = listen(['handover']);
    const stage = bufferedPipeline()(range(4), { bufferSize: 4 });
    await stage[Symbol.asyncIterator]().next();
    await settle();
    stage.on('data', () => {});
    await closed(stage);
    expect(subscriber.told.map(({ statistics: { taken } }) => taken)).to.deep.equal(range(4));
  });

  it('tell of a value as held when it is yielded, unless a reader waits for it', async () => {
    const subscriber = listen(['yield']);
    const iterator = bufferedPipeline()(range(4), { bufferSize: 3 })[Symbol.asyncIterator]();
    await iterator.next();
    await settle();
    expect(subscriber.told.map(({ statistics: { held } }) => held)).to.deep.equal([0, 1, 2, 3]);
  });

  it('hand over the stage, and how it has done so far', async () => {
    const subscriber = listen();
    const buffer = bufferedPipeline({ statistics: true });
    const stage = buffer(range(3), { bufferSize: 2 });
    await collect(stage);
    await closed(stage);
    expect(subscriber.told.every((message) => message.stage === (stage as Readable))).to.equal(true);
    expect(subscriber.told.at(-1)!.statistics).to.deep.equal(buffer.statistics()[0]);
  });

  it('name a stage by its number where it has no name', async () => {
    const subscriber = listen(['start']);
    const buffer = bufferedPipeline();
    await collect(buffer(pass(buffer(range(1)))));
    expect(subscriber.lines).to.deep.equal(['stage 2: start', 'stage 1: start']);
  });

  for (const thrown of [new Error('boom'), undefined, null, 'text']) {
    it(`tell of ${String(thrown)} that a source throws, once for each stage that fails`, async () => {
      const subscriber = listen();
      const buffer = bufferedPipeline();
      const first = buffer(failingAfter(1, thrown), { name: 'first' });
      const last = buffer(pass(first), { name: 'second' });
      await outcomeOf(last);
      await Promise.all([closed(first), closed(last)]);
      const errors = subscriber.told.filter(({ event }) => event === 'error');
      expect(errors.map(({ statistics, error }) => [statistics.name, error])).to.deep.equal([
        ['first', thrown],
        ['second', thrown],
      ]);
      expect(errors.every((message) => 'error' in message)).to.equal(true);
      expect(subscriber.linesOf('close')).to.have.members(['first: close', 'second: close']);
    });
  }

  it('say at each error, and in the state that follows, whether it happened in the stage', async () => {
    const subscriber = listen(['error', 'state']);
    const buffer = bufferedPipeline();
    const boom = new Error('boom');
    const first = buffer(failingAfter(0, boom), { name: 'first' });
    await outcomeOf(buffer(pass(first), { name: 'second' }));
    const told = subscriber.told
      .filter(({ event, statistics }) => event === 'error' || ['failed', 'ended'].includes(statistics.state))
      .map(({ event, statistics: { name, state, error } }) => [name, event, state, error]);
    expect(told.filter(([name]) => name === 'first')).to.deep.equal([
      ['first', 'error', 'failed', boom],
      ['first', 'state', 'failed', boom],
    ]);
    expect(told.filter(([name, event]) => name === 'second' && event === 'state')).to.deep.equal([
      ['second', 'state', 'ended', undefined],
    ]);
  });

  it('tell of the error that a stage is destroyed with', async () => {
    const subscriber = listen(['error', 'close']);
    const stage = bufferedPipeline()(range(9), { name: 'numbers' });
    await stage[Symbol.asyncIterator]().next();
    const boom = new Error('boom');
    stage.on('error', () => {}).destroy(boom);
    await closed(stage);
    expect(subscriber.lines).to.deep.equal(['numbers: error', 'numbers: close']);
    expect(subscriber.told[0]!.error).to.equal(boom);
  });

  it('tell of no error, but of the end, where a loop is left', async () => {
    const subscriber = listen();
    const stage = bufferedPipeline()(range(9), { name: 'numbers' });
    for await (const _ of stage) break;
    await closed(stage);
    expect(subscriber.linesOf('error')).to.deep.equal([]);
    expect(subscriber.lines.slice(-2)).to.deep.equal(['numbers: state ended', 'numbers: close']);
  });

  it('tell of an abort', async () => {
    const subscriber = listen(['error']);
    const controller = new AbortController();
    const stage = bufferedPipeline(controller)(range(9));
    await stage[Symbol.asyncIterator]().next();
    controller.abort();
    expect(await rejection(stage[Symbol.asyncIterator]().next())).to.equal(subscriber.told[0]!.error);
    expect(subscriber.told[0]!.error).to.include({ code: 'ABORT_ERR' });
  });

  it('tell of the close when the generator has cleaned up', async () => {
    const subscriber = listen(['close']);
    async function* closing(): AsyncGenerator<number> {
      try {
        yield* range(9);
      } finally {
        await settle();
        subscriber.told.push({ event: 'error' } as Told);
      }
    }
    const stage = bufferedPipeline()(closing());
    await stage[Symbol.asyncIterator]().next();
    await settle();
    stage.destroy();
    await closed(stage);
    expect(subscriber.told.map(({ event }) => event)).to.deep.equal(['error', 'close']);
  });

  it('tell of what a clean-up throws', async () => {
    const subscriber = listen(['error']);
    const boom = new Error('boom');
    async function* failingToClose(): AsyncGenerator<number> {
      try {
        yield* range(9);
      } finally {
        // oxlint-disable-next-line no-unsafe-finally -- what the test is about
        throw boom;
      }
    }
    const leave = async (stage: Stage<number>): Promise<void> => {
      for await (const _ of stage) break;
    };
    expect(await rejection(leave(bufferedPipeline()(failingToClose())))).to.equal(boom);
    await settle();
    expect(subscriber.told.map(({ error }) => error)).to.deep.equal([boom]);
  });

  it('tell nothing of a stage that nobody has read', async () => {
    const subscriber = listen();
    const buffer = bufferedPipeline({ statistics: true });
    const stage = buffer(range(3));
    stage.destroy();
    await closed(stage);
    expect(subscriber.lines).to.deep.equal([]);
  });

  it('tell nothing of a stage that was read before somebody listened', async () => {
    const iterator = bufferedPipeline({ statistics: true })(range(3))[Symbol.asyncIterator]();
    await iterator.next();
    const subscriber = listen();
    for (let i = 0; i < 3; i++) await iterator.next();
    expect(subscriber.lines).to.deep.equal([]);
  });

  it('tell of a stage from its first read on, though it was made before somebody listened', async () => {
    const stage = bufferedPipeline()(range(1));
    const subscriber = listen();
    await collect(stage);
    expect(subscriber.linesOf('start', 'yield')).to.deep.equal(['stage 1: start', 'stage 1: yield 1/0']);
  });

  it('tell nothing more when nobody listens any longer', async () => {
    const subscriber = listen();
    const iterator = bufferedPipeline()(range(9))[Symbol.asyncIterator]();
    await iterator.next();
    await settle();
    const count = subscriber.told.length;
    expect(count).to.be.above(0);
    subscriber.stop();
    await iterator.next();
    await settle();
    expect(subscriber.told).to.have.lengthOf(count);
  });

  for (const event of EVENTS) {
    it(`tell of "${event}" those who listen to nothing else`, async () => {
      const subscriber = listen([event]);
      const stage = bufferedPipeline()(failingAfter(2, new Error('boom')));
      await outcomeOf(stage);
      await closed(stage);
      expect(subscriber.told).to.have.length.above(0);
    });
  }

  it("do not have the source called of a stage that a listener destroys at 'start'", async () => {
    let called = false;
    const destroy = (message: unknown): void => void (message as StageMessage).stage.destroy();
    subscribe(channelOf('start'), destroy);
    try {
      const stage = bufferedPipeline()(() => {
        called = true;
        return [1];
      });
      expect(await rejection(collect(stage))).to.have.property('code', 'ERR_STREAM_PREMATURE_CLOSE');
      expect(called).to.equal(false);
    } finally {
      unsubscribe(channelOf('start'), destroy);
    }
  });

  it("have no false end told where a listener destroys a stage at 'handover', before an error", async () => {
    const destroy = (message: unknown): void => {
      const { stage, statistics } = message as StageMessage;
      if (statistics.taken === 2) stage.destroy();
    };
    subscribe(channelOf('handover'), destroy);
    try {
      const stage = bufferedPipeline()(failingAfter(2, new Error('boom')), { bufferSize: 3 });
      const iterator = stage[Symbol.asyncIterator]();
      await iterator.next();
      await settle();
      expect(await iterator.next()).to.deep.equal({ done: false, value: 2 });
      expect(await rejection(iterator.next())).to.have.property('code', 'ERR_STREAM_PREMATURE_CLOSE');
    } finally {
      unsubscribe(channelOf('handover'), destroy);
    }
  });

  it('leave a stage as it is that a listener destroys', async () => {
    for (const event of ['start', 'state', 'yield', 'handover'] as const) {
      const destroy = (message: unknown): void => void (message as StageMessage).stage.destroy();
      subscribe(channelOf(event), destroy);
      try {
        const stage = bufferedPipeline()(range(9), { bufferSize: 4 });
        const { failed, error, values } = await outcomeOf(stage);
        await closed(stage);
        expect(failed, event).to.equal(true);
        expect(error, event).to.include({ code: 'ERR_STREAM_PREMATURE_CLOSE' });
        expect(values, event).to.have.length.below(2);
        expect(stage.readableLength, event).to.equal(0);
      } finally {
        unsubscribe(channelOf(event), destroy);
      }
    }
  });
});
