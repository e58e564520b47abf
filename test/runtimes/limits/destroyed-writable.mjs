// How pipeline() says that the stream it is to write to is destroyed already.
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

const writable = new Writable({ objectMode: true }).destroy();
await new Promise((resolve) => writable.once('close', resolve));
await pipeline(Readable.from([1]), writable).catch(({ code, name }) =>
  console.log(code === undefined ? `a ${name} without a code` : 'an error with a code'),
);
