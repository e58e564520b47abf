/** The generators of a graph. */
import { type Delay, pass } from './delay.ts';
import { concat, leavingWorker, loser, merge, passed, race, zip } from './fan.ts';
import {
  type Calls,
  canFail,
  type Each,
  type FanIn,
  type FanOut,
  type Graph,
  hasStreams,
  type Head,
  isTransformation,
  type Numbers,
  type Recursion,
  type Step,
  type Timing,
  type Transformation,
  type Values,
  withKnownReaders,
} from './graph.ts';
import { readByHand } from './readers.ts';
import { adapted, unadapted } from './streams.ts';
import { isThrown, nameOf, THROWN, TRUTHY } from './thrown.ts';

/** Makes a stage, or nothing: then streams between stages are plain generators, too. */
export interface Mode {
  wrap: (source: AsyncGenerator<string>, bufferSize: number, isFunction: boolean) => Values;
  /** `buffer.map`, or the plain loop that it stands for. */
  map: (source: Values, call: Call, concurrency: number, bufferSize: number) => Values;
  isPlain: boolean;
}

type Call = (value: string) => string | Promise<string>;

function isStage(part: Head | Step): boolean {
  return part.kind !== 'adapter' && part.bufferSize !== undefined;
}

/** How many generators of one kind have started and have cleaned up. */
export interface Life {
  started: number;
  cleaned: number;
}

/** Where a graph is, for the names of its values and generators, and the number of the try that it is made for. */
interface Place {
  path: string;
  attempt: number;
}

export class Program {
  readonly lives: Map<string, Life> = new Map();
  readonly #mode: Mode;
  readonly #graph: Graph;
  readonly #errorCount: number;

  constructor(graph: Graph, mode: Mode) {
    this.#graph = graph;
    this.#mode = mode;
    this.#errorCount = hasStreams(graph) ? TRUTHY : THROWN.length;
  }

  get running(): number {
    return this.#sum(({ started, cleaned }) => started - cleaned);
  }

  /** How often a generator has started or ended. */
  get events(): number {
    return this.#sum(({ started, cleaned }) => started + cleaned);
  }

  #sum(of: (life: Life) => number): number {
    return Array.from(this.lives.values()).reduce((sum, life) => sum + of(life), 0);
  }

  thrown(index: number): unknown {
    return THROWN[index % this.#errorCount];
  }

  /**
   * The last generator has a stage always: what reads a stage from outside its pipeline and catches an error goes on
   * with a pipeline that is destroyed, and so sees what the unbuffered program does not have.
   */
  build(): Values {
    const { head, steps } = this.#graph;
    const last = steps.findLastIndex(({ kind }) => kind !== 'adapter');
    const isLast = (index: number): boolean => index === last;
    const wrapped = <T extends Head | Step>(part: T): T =>
      'bufferSize' in part && part.bufferSize === undefined ? { ...part, bufferSize: 1 } : part;
    return this.#build(
      {
        head: last === -1 ? wrapped(head) : head,
        steps: steps.map((step, index) => (isLast(index) ? wrapped(step) : step)),
      },
      { path: '', attempt: 0 },
    );
  }

  /**
   * What makes stages, or is late, is a stage itself where it is read in the background: else a stage that it reads first while
   * the generator that it works for is idle looks like one that is read from outside.
   */
  #build(graph: Graph, place: Place, isReadInBackground?: boolean): Values {
    const { head, steps } = withKnownReaders(graph, isReadInBackground);
    let last = this.#stage(head, this.#head(head, place), `${place.path}:`);
    for (const [index, step] of steps.entries()) {
      const inputCanFail = canFail({ head, steps: steps.slice(0, index) });
      if (step.kind === 'adapter') {
        const error = this.thrown(step.count);
        last = this.#mode.isPlain ? unadapted(last, step, error) : adapted(last, step, error, inputCanFail);
      } else if (step.kind === 'calls') {
        last = this.#mode.map(last, this.#call(step, place), step.concurrency, step.bufferSize);
      } else {
        const mayReject = inputCanFail || !isStage(steps[index - 1] ?? head);
        last = this.#stage(step, this.#step(step, last, mayReject, place), `${place.path}:${index}`);
      }
    }
    return last;
  }

  #inner(graph: Graph, { path, attempt }: Place, letter: string, isReadInBackground?: boolean): Values {
    return this.#build(graph, { path: path + letter, attempt }, isReadInBackground);
  }

  #stage(part: Exclude<Head | Step, { kind: 'adapter' | 'calls' }>, body: AsyncGenerator<string>, key: string): Values {
    const generator = this.#recorded(key, body, part);
    return part.bufferSize === undefined ? generator : this.#mode.wrap(generator, part.bufferSize, part.isFunction);
  }

  async *#recorded(key: string, body: AsyncGenerator<string>, { first, cleanUp }: Timing): AsyncGenerator<string> {
    const life = this.lives.get(key) ?? { started: 0, cleaned: 0 };
    this.lives.set(key, life);
    life.started++;
    try {
      if (first !== undefined) await pass(first);
      yield* body;
    } finally {
      if (cleanUp !== undefined) await pass(cleanUp);
      life.cleaned++;
    }
  }

  #head(head: Head, place: Place): AsyncGenerator<string> {
    switch (head.kind) {
      case 'numbers':
        return this.#numbers(head, place);
      case 'recursion':
        return this.#recursion(head, place, '');
      case 'workers':
      case 'worker stages':
      case 'leaving worker':
      case 'neighbours':
      case 'in turn':
      case 'retry':
        return this.#fanOut(head, place);
      default:
        return this.#fanIn(head, place);
    }
  }

  async *#numbers({ count, thrown, isFirstTryOnly, work }: Numbers, { path, attempt }: Place): AsyncGenerator<string> {
    for (let i = 0; i < count; i++) {
      if (work !== undefined) await pass(work);
      yield `${path}${i}`;
    }
    if (thrown === undefined || (isFirstTryOnly && attempt > 0)) return;
    if (work !== undefined) await pass(work);
    throw this.thrown(thrown);
  }

  /** A tree of stages, each with two below it, of which each is one smaller. */
  async *#recursion(head: Recursion, place: Place, name: string): AsyncGenerator<string> {
    yield `${place.path}(${name})`;
    for (const branch of ['a', 'b'].slice(0, 3 - name.length)) {
      if (head.after !== undefined) await pass(head.after);
      const below = name + branch;
      yield* this.#stage(head, this.#recursion(head, place, below), `${place.path}:${below}`);
    }
    if (head.thrown !== undefined && name.length === head.count) throw this.thrown(head.thrown);
  }

  // Fan-in

  #fanIn(head: FanIn, place: Place): AsyncGenerator<string> {
    const left = this.#inner(head.left, place, 'l');
    // Read on, where the generator goes on without it.
    const right = this.#inner(head.right, place, 'r', ['loser', 'left open'].includes(head.kind));
    const isCertain = !canFail(head.left) || !canFail(head.right);
    switch (head.kind) {
      case 'concat':
        return concat(left, right, head);
      case 'zip':
        return zip(this.#handedOn(head.left, left), this.#handedOn(head.right, right), head, isCertain);
      case 'merge':
        return merge([left, right], head.after);
      case 'race':
        return race([left, right]);
      default:
        return loser(this.#handedOn(head.left, left), right, head);
    }
  }

  /**
   * By a stage, if it is a stream, or a plain generator that can fail. When it fails while the generator that reads it waits for
   * the other side, too, and is left, its error cannot be told from one of that generator's clean-up.
   */
  #handedOn(graph: Graph, side: Values): Values {
    const last = graph.steps.at(-1) ?? graph.head;
    const hasNoStage = last.kind === 'adapter' || (!isStage(last) && canFail(graph));
    return hasNoStage ? this.#mode.wrap(passed(side), 1, false) : side;
  }

  // Fan-out

  #fanOut(head: FanOut, place: Place): AsyncGenerator<string> {
    if (head.kind === 'retry') return this.#retry(head, place);
    const shared = this.#shared(head, place);
    if (head.kind === 'in turn') return this.#inTurn(head, place, shared);
    // Two reads of one generator come to their ends in order.
    if (head.kind === 'neighbours') return zip(shared, shared, head, true);
    if (head.kind === 'leaving worker' && !canFail(head.graph)) return leavingWorker(shared, head);
    const workers = Array.from({ length: 3 }, (_, index) => {
      if (head.kind !== 'worker stages') return shared;
      return this.#stage(head, this.#worker(shared, head), `${place.path}:worker ${index}`);
    });
    return merge(workers, head.after);
  }

  /** Several read it, which only generators and stages allow. */
  #shared(head: FanOut, place: Place): Values {
    return this.#stage(head, passed(this.#inner(head.graph, place, 's')), `${place.path}:shared`);
  }

  async *#worker(source: Values, { pause }: FanOut): AsyncGenerator<string> {
    if (pause !== undefined) await pass(pause);
    yield* passed(source);
  }

  /** One step takes a few values, by hand; when it is over, another takes the rest. */
  async *#inTurn(head: FanOut, { path }: Place, shared: Values): AsyncGenerator<string> {
    yield* this.#stage(head, this.#firstFew(shared, head), `${path}:few`);
    if (head.after !== undefined) await pass(head.after);
    yield* this.#stage(head, this.#worker(shared, head), `${path}:rest`);
  }

  async *#firstFew(source: Values, { count, pause }: FanOut): AsyncGenerator<string> {
    if (pause !== undefined) await pass(pause);
    const iterator = source[Symbol.asyncIterator]();
    for (let i = 0; i < count; i++) {
      const result = await iterator.next();
      if (result.done) return;
      yield `few ${result.value}`;
    }
  }

  async *#retry({ graph, count, pause }: FanOut, { path }: Place): AsyncGenerator<string> {
    for (let attempt = 0; ; attempt++) {
      try {
        yield* this.#build(graph, { path: `${path}t`, attempt });
        return;
      } catch (error) {
        if (attempt >= count % 3 || !isThrown(error)) throw error;
        if (pause !== undefined) await pass(pause);
      }
    }
  }

  // Steps

  #step(
    step: Exclude<Step, { kind: 'adapter' | 'calls' }>,
    source: Values,
    mayReject: boolean,
    place: Place,
  ): AsyncGenerator<string> {
    if ('graph' in step) return this.#each(step, source, place);
    return isTransformation(step) ? this.#transformed(step, source) : readByHand(source, step, mayReject);
  }

  /** Calls begin in the order of the values, so that it is known which of them fails. */
  #call({ count, isFailing, works, graph }: Calls, place: Place): Call {
    let index = 0;
    return (value) => {
      const call = index++;
      const result = (): string => {
        if (isFailing && call === count) throw this.thrown(count);
        return `called(${value})`;
      };
      const work = works[call % works.length];
      if (graph !== undefined) return this.#callInner(graph, work, result, place);
      return work === undefined ? result() : pass(work).then(result);
    };
  }

  async #callInner(graph: Graph, work: Delay | undefined, result: () => string, place: Place): Promise<string> {
    const values: string[] = [];
    if (work !== undefined) await pass(work);
    for await (const value of this.#inner(graph, place, 'c')) values.push(value);
    return `${result()}[${values.join()}]`;
  }

  async *#transformed({ kind, count, work, after }: Transformation, source: Values): AsyncGenerator<string> {
    let index = 0;
    let previous = '';
    try {
      for await (const value of source) {
        if (work !== undefined) await pass(work);
        if (kind === 'throw' && index === count) throw this.thrown(count);
        if (kind === 'take' && index === count) return;
        index++;
        if (kind === 'filter' && index % 3 === count % 3) continue;
        if (kind === 'map') yield `${count}(${value})`;
        else if (kind === 'pair') yield `${previous},${value}`;
        else yield value;
        if (kind === 'repeat') yield value;
        previous = value;
        if (after !== undefined) await pass(after);
      }
    } catch (error) {
      if (kind !== 'recover' || !isThrown(error)) throw error;
      yield `recovered from ${nameOf(error)}`;
    }
  }

  async *#each(step: Each, source: Values, place: Place): AsyncGenerator<string> {
    for await (const value of source) {
      yield value;
      yield* this.#innerOf(step, place);
      if (step.after !== undefined) await pass(step.after);
    }
  }

  async *#innerOf({ kind, graph, pause }: Each, place: Place): AsyncGenerator<string> {
    const inner = this.#inner(graph, place, 'e');
    if (kind === 'each: unread') return;
    if (pause !== undefined && kind === 'each: paused') await pass(pause);
    if (kind === 'each: one') {
      for await (const value of inner) {
        yield value;
        return;
      }
    } else if (kind === 'each: caught') {
      try {
        for await (const value of inner) yield value;
      } catch (error) {
        if (!isThrown(error)) throw error;
        yield `caught ${nameOf(error)}`;
      }
    } else if (kind === 'each: beside') {
      yield* merge([inner, this.#inner(graph, place, 'f')], pause);
    } else {
      yield* inner;
    }
  }
}
