// Whether the collector finds every object that nothing refers to. Run with gc() exposed.
import { setImmediate as turn } from 'node:timers/promises';

async function* numbers() {
  for (let n = 1; n <= 9; n++) yield n;
}

async function* relay(source) {
  yield* source;
}

const references = [];

async function beginAndDrop() {
  const generator = relay(numbers());
  references.push(new WeakRef(generator));
  await generator.next();
}

let left = 0;
for (let batch = 0; batch < 10; batch++) {
  references.length = 0;
  for (let i = 0; i < 1000; i++) await beginAndDrop();
  for (let round = 0; round < 3; round++) {
    await turn();
    await turn();
    globalThis.gc();
  }
  left += references.filter((reference) => reference.deref() !== undefined).length;
}
console.log(left === 0 ? 'collects all' : left < 1000 ? 'misses a few' : 'collects little');
