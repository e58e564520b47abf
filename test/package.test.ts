import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { assert } from 'chai';

const root = fileURLToPath(new URL('..', import.meta.url));
const HANGS_AFTER = 60_000;

/** Runs a program to its end; rejects with what it printed when it fails or hangs. */
async function run(folder: string, file: string, ...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(file, args, { cwd: folder, timeout: HANGS_AFTER }).catch(
    (error: Error & { stdout: string; stderr: string }) => {
      throw new Error(`${error.message}\n${error.stdout}\n${error.stderr}`);
    },
  );
  return stdout;
}

interface Packed {
  filename: string;
  files: { path: string }[];
}

/** The JSON of `npm pack` is a list, or by newer versions of npm an object with the names of the packages as keys. */
function packedOf(json: string): Packed {
  const [packed] = Object.values(JSON.parse(json) as Record<string, Packed>);
  assert.isDefined(packed);
  return packed;
}

describe('the packed package', function () {
  this.timeout(HANGS_AFTER + 5_000);

  let folder: string;
  let packed: Packed;

  before('pack it and install it in an empty folder', async () => {
    folder = await mkdtemp(join(tmpdir(), 'buffered-pipeline-'));
    packed = packedOf(await run(root, 'npm', 'pack', '--json', '--ignore-scripts', '--pack-destination', folder));
    await writeFile(join(folder, 'package.json'), '{ "private": true }');
    await run(folder, 'npm', 'install', '--offline', '--no-audit', '--no-fund', join(folder, packed.filename));
  });

  after(() => rm(folder, { recursive: true, force: true }));

  async function runFile(name: string, code: string): Promise<string> {
    await writeFile(join(folder, name), code);
    return run(folder, process.execPath, name);
  }

  it('holds the built library, its sources, and the texts, nothing else', async () => {
    const paths = packed.files.map(({ path }) => path);
    const sources = paths.filter((path) => /^lib\/[\w-]+\.ts$/.test(path));
    const built = sources.flatMap((path) => {
      const name = path.replace(/^lib\/(.*)\.ts$/, 'dist/$1');
      return [`${name}.js`, `${name}.js.map`, `${name}.d.ts`, `${name}.d.ts.map`];
    });
    const texts = ['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json'];
    assert.include(sources, 'lib/index.ts');
    assert.sameMembers(paths, [...texts, ...sources, ...built]);
  });

  it('brings no dependency and no script that runs on installation', async () => {
    const manifest = JSON.parse(
      await readFile(join(folder, 'node_modules/buffered-pipeline/package.json'), 'utf8'),
    ) as Record<string, object | undefined>;
    assert.isUndefined(manifest['dependencies']);
    assert.isUndefined(manifest['peerDependencies']);
    assert.notInclude(Object.keys(manifest['scripts'] ?? {}).join(), 'install');
  });

  it('works from an ES module', async () => {
    const printed = await runFile(
      'module.mjs',
      `import { bufferedPipeline } from 'buffered-pipeline';
       for await (const value of bufferedPipeline()([1, 2, 3])) console.log(value);`,
    );
    assert.equal(printed, '1\n2\n3\n');
  });

  it('works from CommonJS', async () => {
    const printed = await runFile(
      'script.cjs',
      `const { bufferedPipeline } = require('buffered-pipeline');
       bufferedPipeline()([1, 2, 3]).toArray().then(console.log);`,
    );
    assert.equal(printed, '[ 1, 2, 3 ]\n');
  });

  it('exports bufferedPipeline and its package.json', async () => {
    const printed = await runFile(
      'exports.mjs',
      `import * as exported from 'buffered-pipeline';
       import manifest from 'buffered-pipeline/package.json' with { type: 'json' };
       console.log(Object.keys(exported).join(), manifest.name);`,
    );
    assert.equal(printed, 'bufferedPipeline buffered-pipeline\n');
  });

  it('keeps the rest to itself', async () => {
    const printed = await runFile(
      'inner.mjs',
      `await import('buffered-pipeline/dist/pipeline.js').catch(({ code }) => console.log(code));`,
    );
    assert.equal(printed, 'ERR_PACKAGE_PATH_NOT_EXPORTED\n');
  });

  describe('from TypeScript', () => {
    before('lend it the types of Node', async () => {
      await mkdir(join(folder, 'node_modules/@types'));
      await symlink(join(root, 'node_modules/@types/node'), join(folder, 'node_modules/@types/node'), 'junction');
    });

    /** Type-checks a file as a strict project does that also checks the declarations of its packages. */
    async function check(name: string, code: string): Promise<string> {
      await writeFile(join(folder, name), code);
      const options = '--noEmit --strict --exactOptionalPropertyTypes --skipLibCheck false --types node';
      const target = '--target es2023 --lib es2023,esnext.disposable --module nodenext';
      return run(
        folder,
        process.execPath,
        join(root, 'node_modules/typescript/bin/tsc'),
        ...`${options} ${target}`.split(' '),
        name,
      );
    }

    const use = `
      const buffer = bufferedPipeline({ signal: AbortSignal.timeout(1) });
      async function* lengths(source: AsyncIterable<string>) { for await (const text of source) yield text.length; }
      const stage: Stage<number> = buffer(lengths(buffer(['a'])), { bufferSize: 2 });
      export const total: Promise<number> = stage.reduce((sum: number, length) => sum + length, 0);`;

    it('type-checks in an ES module', async () => {
      assert.equal(
        await check('module.mts', `import { bufferedPipeline, type Stage } from 'buffered-pipeline';${use}`),
        '',
      );
    });

    it('type-checks in CommonJS', async () => {
      assert.equal(
        await check('script.cts', `import { bufferedPipeline, type Stage } from 'buffered-pipeline';${use}`),
        '',
      );
    });

    it('does not compile where the item type is wrong', async () => {
      const code = `
        import { bufferedPipeline, type Stage } from 'buffered-pipeline';
        export const stage: Stage<string> = bufferedPipeline()([1]);`;
      const outcome = await check('wrong.mts', code).catch((error: Error) => error.message);
      assert.match(outcome, /wrong\.mts\(3,\d+\): error TS/);
    });
  });
});
