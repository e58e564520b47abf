import { execFile } from 'node:child_process';
import { accessSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { assert } from 'chai';

const root = fileURLToPath(new URL('..', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const HANGS_AFTER = 30_000;

interface Snippet {
  file: string;
  line: number;
  code: string;
  /** What its comments say it prints: `// prints one line`, or `// prints one, then another`. */
  prints: string[];
}

const snippets: Snippet[] = Array.from(readme.matchAll(/^```(ts|js)\n(.*?)^```$/gms), (match) => {
  const [, language, code] = match as unknown as [string, string, string];
  const line = readme.slice(0, match.index).split('\n').length;
  const prints = Array.from(code.matchAll(/\/\/ prints (.*)$/gm), ([, text]) => text!.split(', then ')).flat();
  return { file: `line-${line}.m${language}`, line, code, prints };
});

function slug(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');
}

describe('README', function () {
  this.timeout(HANGS_AFTER + 5_000);

  let folder: string;

  before('make a project that depends on the package', async () => {
    folder = await mkdtemp(join(tmpdir(), 'buffered-pipeline-'));
    await mkdir(join(folder, 'node_modules/@types'), { recursive: true });
    await symlink(root, join(folder, 'node_modules/buffered-pipeline'), 'junction');
    for (const name of ['@types/node', 'tsx']) {
      await symlink(join(root, 'node_modules', name), join(folder, 'node_modules', name), 'junction');
    }
    // Deno imports only what is declared.
    await writeFile(join(folder, 'package.json'), '{ "dependencies": { "buffered-pipeline": "*", "tsx": "*" } }');
    await Promise.all(snippets.map(({ file, code }) => writeFile(join(folder, file), code)));
  });

  after(() => rm(folder, { recursive: true, force: true }));

  it('has snippets', () => {
    assert.isNotEmpty(snippets);
  });

  for (const { file, line, prints } of snippets) {
    it(`prints what it says in the snippet at line ${line}`, async () => {
      const args = ['--import', 'tsx', file];
      const { stdout, stderr } = await promisify(execFile)(process.execPath, args, {
        cwd: folder,
        timeout: HANGS_AFTER,
      });
      assert.equal(stderr, '');
      assert.isNotEmpty(prints);
      // Bun prints the strings of an array with double quotes.
      assert.deepEqual(stdout.trimEnd().replaceAll('"', "'"), prints.join('\n').replaceAll('"', "'"));
    });
  }

  it('has snippets that type-check', async () => {
    const options = '--noEmit --strict --types node --target es2023 --lib es2023,esnext.disposable --module nodenext';
    const files = snippets.map(({ file }) => file).filter((file) => file.endsWith('.mts'));
    const args = [join(root, 'node_modules/typescript/bin/tsc'), ...options.split(' '), ...files];
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: folder, timeout: HANGS_AFTER }).catch(
      (error: { stdout: string }) => error,
    );
    assert.equal(stdout, '');
  });

  it('links to files and headings that exist', () => {
    const headings = Array.from(readme.matchAll(/^#+ (.*)$/gm), ([, heading]) => `#${slug(heading!)}`);
    for (const [, target] of readme.matchAll(/\]\(([^)]+)\)/g)) {
      if (target!.startsWith('#')) assert.include(headings, target);
      else if (!target!.startsWith('https:')) assert.doesNotThrow(() => accessSync(join(root, target!)));
    }
  });
});
