/** @jest-environment jsdom */
const { bufferedPipeline } = require('buffered-pipeline');

const { facts } = require('../facts.cjs');

test('is in a browser', () => {
  expect(document.createElement('p').tagName).toBe('P');
});

for (const [title, fact] of facts(bufferedPipeline)) test(title, fact);
