import { bufferedPipeline } from 'buffered-pipeline';

import { facts } from '../facts.cjs';

for (const [title, fact] of facts(bufferedPipeline)) test(title, fact);

test('is the same for import and import()', async () => {
  expect((await import('buffered-pipeline')).bufferedPipeline).toBe(bufferedPipeline);
});
