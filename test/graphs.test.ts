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

type Wrap = Mode['wrap'];

function inOnePipeline(): Wrap {
  const buffer = bufferedPipeline();
  return (source, bufferSize, isFunction) => buffer(isFunction ? () => source : source, { bufferSize });
}

/** Where one begins within a step of another, they are nested. */
const inTheirOwn: Wrap = (...stage) => inOnePipeline()(...stage);

describe('a random graph with buffers', () => {
  const reasons = strays();

  async function holds(mode: () => Mode, runs: number): Promise<void> {
    const property = fc.asyncProperty(program, ({ graph, consumer }) => compare(graph, consumer, mode(), reasons));
    await fc.assert(property, parameters(runs));
  }

  it('gives what the same graph gives without, and closes every generator', async () => {
    await holds(() => ({ wrap: inOnePipeline(), isPlain: false }), RUNS);
  }).timeout(600_000);

  it('does so as well where each stage has a pipeline of its own', async () => {
    await holds(() => ({ wrap: inTheirOwn, isPlain: false }), RUNS / 5);
  }).timeout(120_000);
});
