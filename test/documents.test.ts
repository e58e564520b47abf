import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { assert } from 'chai';

const root = fileURLToPath(new URL('..', import.meta.url));
const HANGS_AFTER = 30_000;

interface Snippet {
  /** What its first line says, `// steps.ts`, if it is a module that others import. */
  module: string | undefined;
  file: string;
  line: number;
  code: string;
  /** What its comments say it prints: `// prints one line`, or `// prints one, then another`. */
  prints: string[];
}

function snippetsIn(markdown: string): Snippet[] {
  return Array.from(markdown.matchAll(/^```(ts|js)\n(.*?)^```$/gms), (match) => {
    const [, language, code] = match as unknown as [string, string, string];
    const line = markdown.slice(0, match.index).split('\n').length;
    const module = /^\/\/ ([\w-]+\.ts)\n/.exec(code)?.[1];
    const prints = Array.from(code.matchAll(/\/\/ prints (.*)$/gm), ([, printed]) => printed!.split(', then ')).flat();
    return { module, file: module ?? `line-${line}.m${language}`, line, code, prints };
  });
}

/** What a snippet prints, line by line, when it is run in a project. */
async function linesOf(file: string, folder: string): Promise<string> {
  const args = ['--import', 'tsx', file];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { cwd: folder, timeout: HANGS_AFTER });
  assert.equal(stderr, '');
  // Bun prints the strings of an array with double quotes.
  return stdout.trimEnd().replaceAll('"', "'");
}

/** Makes a project that depends on the package, and returns its folder. */
async function projectWith(snippets: Snippet[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'buffered-pipeline-'));
  await mkdir(join(folder, 'node_modules/@types'), { recursive: true });
  await symlink(root, join(folder, 'node_modules/buffered-pipeline'), 'junction');
  for (const name of ['@types/node', 'tsx']) {
    await symlink(join(root, 'node_modules', name), join(folder, 'node_modules', name), 'junction');
  }
  // Deno imports only what is declared.
  const dependencies = { 'buffered-pipeline': '*', tsx: '*' };
  await writeFile(join(folder, 'package.json'), JSON.stringify({ type: 'module', dependencies }));
  await Promise.all(snippets.map(({ file, code }) => writeFile(join(folder, file), code)));
  return folder;
}

function slug(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');
}

function headingsOf(markdown: string): string[] {
  return Array.from(markdown.matchAll(/^#+ (.*)$/gm), ([, heading]) => slug(heading!));
}

const withSnippets = [
  'README.md',
  ...['guide', 'api', 'errors-and-clean-up', 'statistics', 'recipes', 'readable'].map((page) => `docs/${page}.md`),
];

for (const document of withSnippets) {
  describe(document, function () {
    this.timeout(HANGS_AFTER + 5_000);

    const markdown = readFileSync(join(root, document), 'utf8');
    const snippets = snippetsIn(markdown);
    let folder: string;

    before('make a project that depends on the package', async () => {
      folder = await projectWith(snippets);
    });

    after(() => rm(folder, { recursive: true, force: true }));

    it('has snippets', () => {
      assert.isNotEmpty(snippets);
    });

    for (const { file, line, prints } of snippets.filter(({ module }) => module === undefined)) {
      it(`prints what it says in the snippet at line ${line}`, async () => {
        assert.isNotEmpty(prints);
        assert.equal(await linesOf(file, folder), prints.join('\n').replaceAll('"', "'"));
      });
    }

    it('has snippets that type-check', async () => {
      const options =
        '--noEmit --allowImportingTsExtensions --strict --types node --target es2023 --lib es2023,esnext.disposable --module nodenext';
      const files = snippets.map(({ file }) => file).filter((file) => file.endsWith('ts'));
      const args = [join(root, 'node_modules/typescript/bin/tsc'), ...options.split(' '), ...files];
      const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: folder, timeout: HANGS_AFTER }).catch(
        (error: { stdout: string }) => error,
      );
      assert.equal(stdout, '');
    });
  });
}

describe('The README', function () {
  this.timeout(HANGS_AFTER + 5_000);

  const readme = readFileSync(join(root, 'README.md'), 'utf8');

  it('has at most 1,500 words', () => {
    assert.isAtMost(readme.trim().split(/\s+/).length, 1500);
  });

  it('shows code before it explains', () => {
    assert.isBelow(
      readme.split('\n').findIndex((line) => line.startsWith('```')),
      6,
    );
  });

  it('shows a change that leaves what its first program prints as it is', async () => {
    const [, unbuffered, buffered] = /^```diff\n-(.*)\n\+(.*)\n```$/m.exec(readme) as unknown as [
      string,
      string,
      string,
    ];
    const [{ code, prints }] = snippetsIn(readme) as [Snippet];
    assert.include(code, buffered);
    const snippet = {
      module: undefined,
      file: 'before.mts',
      line: 0,
      code: code.replace(buffered, unbuffered),
      prints,
    };
    const folder = await projectWith([snippet]);
    try {
      assert.equal(await linesOf(snippet.file, folder), prints.join('\n'));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('states costs that the benchmarks have measured', () => {
    const costs = Array.from(readme.matchAll(/^- (\d+\.\d+) times/gm), ([, cost]) => cost!);
    assert.lengthOf(costs, 3);
    const measured = readFileSync(join(root, 'docs/benchmarks.md'), 'utf8');
    const [row] = /^\| \*\*buffered-pipeline\*\*.*$/m.exec(measured)!;
    for (const cost of costs) assert.include(row, cost);
  });

  it('leads to every page', () => {
    const pages = readdirSync(join(root, 'docs')).filter((file) => file.endsWith('.md'));
    for (const page of pages) assert.include(readme, `](docs/${page})`);
  });
});

/** Those of the root, and of the folders that users read. */
const documents = ['.', 'docs', 'examples'].flatMap((folder) =>
  readdirSync(join(root, folder))
    .filter((file) => file.endsWith('.md'))
    .map((file) => join(folder, file)),
);

for (const document of documents) {
  describe(document, () => {
    it('has no program that is not run', () => {
      const fences = readFileSync(join(root, document), 'utf8').matchAll(/^```(.+)$/gm);
      const languages = Array.from(fences, ([, language]) => language!);
      const run = withSnippets.includes(document) ? ['ts', 'js', 'diff', 'sh'] : ['sh'];
      for (const language of languages) assert.include(run, language);
    });

    it('links to files and headings that exist', () => {
      for (const [, target] of readFileSync(join(root, document), 'utf8').matchAll(/\]\(([^)]+)\)/g)) {
        if (target!.startsWith('https:')) continue;
        const [path, heading] = target!.split('#') as [string, string?];
        const file = path === '' ? document : join(dirname(document), path);
        assert.isTrue(existsSync(join(root, file)), target);
        if (heading !== undefined) assert.include(headingsOf(readFileSync(join(root, file), 'utf8')), heading);
      }
    });
  });
}
