/** What libraries take, and what they refuse, where they say in their types what items they want. */
import pMap, { pMapIterable } from 'p-map';

import { bufferedPipeline } from 'buffered-pipeline';

const buffer = bufferedPipeline();
const stage = buffer([1]);
const chunks = buffer([Buffer.from('a')]);

const numbers: number[] = await pMap(stage, async (item) => item + 1, { concurrency: 2 });
for await (const item of pMapIterable(stage, (value) => value.toFixed())) item.toUpperCase();
for await (const word of buffer(pMapIterable(stage, async (value) => `${value}`))) word.toUpperCase();
void numbers;
// @ts-expect-error -- the items are numbers
await pMap(stage, (word: string) => word);
// @ts-expect-error -- the items are numbers
pMapIterable(stage, (word: string) => word);

await new Response(chunks).text();
await fetch('https://example.org', { method: 'POST', body: chunks, duplex: 'half' });
// @ts-expect-error -- undici sends bytes
await new Response(stage).text();
