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

/** How many of a thousand are left. */
async function left() {
  references.length = 0;
  for (let i = 0; i < 1000; i++) await beginAndDrop();
  for (let round = 0; round < 3; round++) {
    await turn();
    await turn();
    globalThis.gc();
  }
  return references.filter((reference) => reference.deref() !== undefined).length;
}

// What is found on the stack is a matter of chance, so many batches are made; the first that is not empty says it.
let missed = 0;
for (let batch = 0; batch < 200 && missed === 0; batch++) missed = await left();
console.log(missed === 0 ? 'collects all' : missed < 500 ? 'misses a few' : 'collects little');
