/** Fills what is marked in a document, `<!-- growth -->` … `<!-- end -->`: its words, and which tables it has, stand there. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { ROOT } from '../results.ts';

/** @param part - What stands between a mark and `<!-- end -->`, where it is known what the mark asks for. */
export function fill(path: string, part: (mark: string) => string | undefined): void {
  const file = join(ROOT, path);
  const text = readFileSync(file, 'utf8');
  const filled = text.replace(/<!-- (.*) -->\n[^]*?<!-- end -->/g, (old, mark: string) => {
    const made = part(mark);
    return made === undefined ? old : `<!-- ${mark} -->\n\n${made}\n\n<!-- end -->`;
  });
  writeFileSync(file, filled);
  // Found on the path, where `npm run` has put it. Aligns the tables, as the check of the repository wants them.
  execFileSync('oxfmt', [file], { stdio: 'inherit' });
}
