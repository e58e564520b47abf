// Whether an operator that answers with a promise reads within the call.
import { Readable } from 'node:stream';

const stream = new Readable({
  objectMode: true,
  read() {
    console.log('reads');
    this.push(null);
  },
});
const values = stream.toArray();
console.log('is called');
await values;
