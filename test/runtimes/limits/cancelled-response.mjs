// Whether the body of a Response that is made of a Node stream can be cancelled.
import { Readable } from 'node:stream';

const reader = new Response(Readable.from([new Uint8Array(1), new Uint8Array(1)])).body.getReader();
await reader.read();
await reader.cancel().then(
  () => console.log('is cancelled'),
  ({ name }) => console.log(`fails with a ${name}`),
);
