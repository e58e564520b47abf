/** Fills what is marked in a document: `<!-- table: speed -->` … `<!-- end -->`, so that its words are written where they stand. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { ROOT } from '../results.ts';

/** By the words of their marks; a document must have all of them. */
export function fill(path: string, parts: Record<string, string>): void {
  const file = join(ROOT, path);
  let text = readFileSync(file, 'utf8');
  for (const [mark, part] of Object.entries(parts)) {
    const begin = `<!-- ${mark} -->\n`;
    const from = text.indexOf(begin) + begin.length;
    const to = text.indexOf('<!-- end -->', from);
    if (from < begin.length || to < 0)
      throw new Error(`${path} must have a part between "${begin.trim()}" and "<!-- end -->"`);
    text = `${text.slice(0, from)}\n${part}\n\n${text.slice(to)}`;
  }
  writeFileSync(file, text);
  // Found on the path, where `npm run` has put it. Aligns the tables, as the check of the repository wants them.
  execFileSync('oxfmt', [file], { stdio: 'inherit' });
}
