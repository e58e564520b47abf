/**
 * The rule behind all others, tried on random graphs: whatever reads a stage, in one pipeline, the consumer gets what the
 * same generators without buffers give, and every generator that starts cleans up.
 *
 * A failing run prints its seed and the smallest graph found; `SEED=… npx mocha test/graphs.test.ts` repeats it, `RUNS=…`
 * makes it longer.
 */
import fc from 'fast-check';

import { bufferedPipeline } from '../lib/index.ts';
import { program } from './graphs/arbitrary.ts';
import { compare } from './graphs/compare.ts';
import type { Mode } from './graphs/program.ts';
import { parameters, strays } from './random.ts';

const RUNS = Number(process.env['RUNS'] ?? 10_000);

type Made = Pick<Mode, 'wrap' | 'map'>;

function inOnePipeline(): Made {
  const buffer = bufferedPipeline();
  return {
    wrap: (source, bufferSize, isFunction) => buffer(isFunction ? () => source : source, { bufferSize }),
    map: (source, call, concurrency, bufferSize) => buffer.map(source, call, { concurrency, bufferSize }),
  };
}

/** Where one begins within a step of another, they are nested. */
const inTheirOwn: Made = {
  wrap: (...stage) => inOnePipeline().wrap(...stage),
  map: (...stage) => inOnePipeline().map(...stage),
};

describe('a random graph with buffers', () => {
  const reasons = strays();

  async function holds(mode: () => Mode, runs: number): Promise<void> {
    const property = fc.asyncProperty(program, ({ graph, consumer }) => compare(graph, consumer, mode(), reasons));
    await fc.assert(property, parameters(runs));
  }

  it('gives what the same graph gives without, and closes every generator', async () => {
    await holds(() => ({ ...inOnePipeline(), isPlain: false }), RUNS);
  }).timeout(600_000);

  it('does so as well where each stage has a pipeline of its own', async () => {
    await holds(() => ({ ...inTheirOwn, isPlain: false }), RUNS / 5);
  }).timeout(120_000);
});
