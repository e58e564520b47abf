/**
 * How a pipeline ends, told by its generators: an error, a break, an abort in the middle of a step, a block that is left.
 *
 * Run after npm run build: node --import tsx examples/03-when-things-end.ts
 */
import { setTimeout as sleep } from 'node:timers/promises';

import { bufferedPipeline } from 'buffered-pipeline';

async function* numbers(last = Infinity) {
  try {
    for (let value = 1; value <= last; value++) yield value;
    throw new Error(`there is no ${last + 1}`);
  } finally {
    console.log('  numbers: cleaned up');
  }
}

async function* squares(source: AsyncIterable<number>) {
  try {
    for await (const value of source) yield value ** 2;
  } finally {
    await sleep(50);
    console.log('  squares: cleaned up, which took a while');
  }
}

async function* oneThenStuck(signal: AbortSignal) {
  yield 1;
  console.log('  stuck: in a step that never settles');
  signal.addEventListener('abort', () => console.log('  stuck: told by its signal'));
  await new Promise(() => {});
}

console.log('error: the values before it arrive first, even with a reader this slow');
{
  const buffer = bufferedPipeline();
  try {
    for await (const value of buffer(squares(buffer(numbers(3), { bufferSize: 16 })))) {
      await sleep(5);
      console.log(`  reader: ${value}`);
    }
  } catch (error) {
    console.log(`  reader: ${(error as Error).message}`);
  }
}

console.log('break: the loop is left when the generators that wait at a yield have cleaned up');
{
  const buffer = bufferedPipeline();
  for await (const value of buffer(squares(buffer(numbers())))) {
    console.log(`  reader: ${value}`);
    await sleep(20); // By now both have run ahead and wait. One in the middle of a step would clean up after the loop.
    break;
  }
  console.log('  reader: left the loop');
}

console.log('abort: the reader is let go at once, also from a step that never settles');
{
  const controller = new AbortController();
  const buffer = bufferedPipeline({ signal: controller.signal });
  const stage = buffer(({ signal }) => oneThenStuck(signal));
  setTimeout(() => controller.abort(new Error('closing time')), 20);
  try {
    for await (const value of stage) console.log(`  reader: ${value}`);
  } catch (error) {
    const { name, cause } = error as Error;
    console.log(`  reader: ${name}, because: ${(cause as Error).message}`);
  }
}

console.log('await using: leaving the block cleans up what was left half read');
{
  await using buffer = bufferedPipeline();
  const stage = buffer(squares(buffer(numbers())));
  const first = await stage[Symbol.asyncIterator]().next();
  console.log(`  reader: ${first.value}, and leaves without another word`);
}
console.log('  reader: out of the block');
