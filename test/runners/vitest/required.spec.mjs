import { createRequire } from 'node:module';

import { bufferedPipeline } from 'buffered-pipeline';
import { expect, test } from 'vitest';

test('is the same for import and require()', () => {
  expect(createRequire(import.meta.url)('buffered-pipeline').bufferedPipeline).toBe(bufferedPipeline);
});
