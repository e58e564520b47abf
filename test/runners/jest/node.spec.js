const { bufferedPipeline } = require('buffered-pipeline');

const { facts } = require('../facts.cjs');

for (const [title, fact] of facts(bufferedPipeline)) test(title, fact);
