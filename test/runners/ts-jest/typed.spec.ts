import { expect, test } from '@jest/globals';
import { bufferedPipeline, type Stage } from 'buffered-pipeline';

async function* numbers(): AsyncGenerator<number> {
  yield 1;
  yield 2;
}

async function* fixed(source: AsyncIterable<number>): AsyncGenerator<string> {
  for await (const value of source) yield value.toFixed(1);
}

async function* upper(source: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const text of source) yield text.toUpperCase();
}

test('runs a chain whose types it knows', async () => {
  const buffer = bufferedPipeline();
  const stage: Stage<string> = buffer(upper(buffer(fixed(buffer(numbers())))));
  expect(await stage.toArray()).toEqual(['1.0', '2.0']);
});

test('refuses a stage of other items', () => {
  const buffer = bufferedPipeline();
  // @ts-expect-error -- the items are numbers
  expect(typeof upper(buffer(numbers())).next).toBe('function');
});
