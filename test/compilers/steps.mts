/** Steps of a pipeline of Node's that take other items. The types of Node.js 26 let them pass behind any source. */
import type { Writable } from 'node:stream';
import { pipeline as callbackPipeline } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import { bufferedPipeline } from 'buffered-pipeline';

declare const writable: Writable;
declare function upper(words: AsyncIterable<string>): AsyncGenerator<string>;
declare function count(words: AsyncIterable<string>): Promise<number>;

const numbers = bufferedPipeline()([1]);

// @ts-expect-error -- the items are numbers
await pipeline(numbers, upper, writable);
// @ts-expect-error -- the items are numbers
await pipeline(numbers, count);
// @ts-expect-error -- the items are numbers
callbackPipeline(numbers, upper, writable, () => {});
