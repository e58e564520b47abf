// Refuses to publish a package.json that does not say whose the package is and where its source is. Only its owner knows.
import { readFileSync } from 'node:fs';

const EXAMPLES = {
  repository: { type: 'git', url: 'git+https://github.com/OWNER/buffered-pipeline.git' },
  homepage: 'https://github.com/OWNER/buffered-pipeline#readme',
  bugs: 'https://github.com/OWNER/buffered-pipeline/issues',
  author: 'NAME (https://example.org)',
};

const manifest = JSON.parse(readFileSync('package.json', 'utf8'));

/** The examples, copied as they are, say nothing either. */
function isMissing(field) {
  const value = JSON.stringify(manifest[field]);
  return value === undefined || value === '""' || value === 'null' || /\b(OWNER|NAME)\b/.test(value);
}

const missing = Object.keys(EXAMPLES).filter(isMissing);
if (missing.length > 0) {
  const lines = missing.map((field) => `  ${JSON.stringify(field)}: ${JSON.stringify(EXAMPLES[field])},`);
  console.error(`Not published: package.json does not say its ${missing.join(', ')}. Fill in, with names of your own:`);
  console.error(lines.join('\n'));
  process.exitCode = 1;
}
