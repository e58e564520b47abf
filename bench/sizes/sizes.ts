/** Makes docs/buffer-size.md and its picture, and checks what they rest on with fewer values. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { ROOT } from '../results.ts';
import { sizesChart } from './chart.ts';
import { document } from './document.ts';
import { experiment } from './experiment.ts';

const VALUES = 1000;
/** In a check. */
const FEW = 40;

export async function writeSizes(): Promise<void> {
  const results = await experiment(VALUES);
  const complaints = results.flatMap((result) => result.complaints);
  if (complaints.length > 0) throw new Error(complaints.join('\n'));
  writeFileSync(join(ROOT, 'docs', 'buffer-size.svg'), sizesChart(results));
  const path = join(ROOT, 'docs', 'buffer-size.md');
  writeFileSync(path, document(results, VALUES));
  // Found on the path, where `npm run` has put it. Aligns the tables, as the check of the repository wants them.
  execFileSync('oxfmt', [path], { stdio: 'inherit' });
}

export async function sizesComplaints(): Promise<string[]> {
  return (await experiment(FEW, 1)).flatMap(({ complaints }) => complaints.map((text) => `sizes, ${text}`));
}
