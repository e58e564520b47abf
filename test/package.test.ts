import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { assert } from 'chai';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const HANGS_AFTER = 60_000;

/** Prints `1,2`. */
const PRINT = 'bufferedPipeline()([1, 2]).toArray().then((values) => console.log(values.join()));';

/** On Windows, npm is a script. */
function needsShell(file: string): boolean {
  return process.platform === 'win32' && file === 'npm';
}

/** Runs a program to its end; rejects with what it printed when it fails or hangs. */
async function run(folder: string, file: string, ...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(file, args, {
    cwd: folder,
    timeout: HANGS_AFTER,
    shell: needsShell(file),
  }).catch((error: Error & { stdout: string; stderr: string }) => {
    throw new Error(`${error.message}\n${error.stdout}\n${error.stderr}`);
  });
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
      const names = ['dist/$1', 'dist/cjs/$1'].map((name) => path.replace(/^lib\/(.*)\.ts$/, name));
      return names.flatMap((name) => [`${name}.js`, `${name}.js.map`, `${name}.d.ts`, `${name}.d.ts.map`]);
    });
    const texts = ['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json', 'dist/cjs/package.json'];
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

  it('is the same for import and require', async () => {
    const printed = await runFile(
      'both.mjs',
      `import { createRequire } from 'node:module';
       import { bufferedPipeline } from 'buffered-pipeline';
       const required = createRequire(import.meta.url)('buffered-pipeline');
       console.log(required.bufferedPipeline === bufferedPipeline);`,
    );
    assert.equal(printed, 'true\n');
  });

  it('is bundled once, whatever mix of import and require', async () => {
    const outfile = join(folder, 'mixed.cjs');
    const contents = `
      import { bufferedPipeline } from 'buffered-pipeline';
      console.log(require('buffered-pipeline').bufferedPipeline === bufferedPipeline);`;
    const stdin = { contents, resolveDir: folder };
    await build({ stdin, outfile, format: 'cjs', bundle: true, platform: 'node', logLevel: 'silent' });
    assert.equal(await run(folder, process.execPath, outfile), 'true\n');
  });

  it('works where an ES module cannot be required', async () => {
    const printed = await runFile(
      'old-tool.cjs',
      `const { bufferedPipeline } = require('./node_modules/buffered-pipeline/dist/cjs/index.js');
       bufferedPipeline()([1, 2, 3]).toArray().then(console.log);`,
    );
    assert.equal(printed, '[ 1, 2, 3 ]\n');
  });

  it('keeps the types of Node.js in its declarations, for projects that name none', async () => {
    for (const entry of ['dist/index.d.ts', 'dist/cjs/index.d.ts']) {
      const declarations = await readFile(join(folder, 'node_modules/buffered-pipeline', entry), 'utf8');
      assert.match(declarations, /^\/\/\/ <reference types="node" preserve="true" \/>$/m, entry);
    }
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

  it('works under conditions that it does not know', async () => {
    await writeFile(join(folder, 'conditions.mjs'), `import { bufferedPipeline } from 'buffered-pipeline';\n${PRINT}`);
    assert.equal(await run(folder, process.execPath, '--conditions=development', 'conditions.mjs'), '1,2\n');
  });

  for (const format of ['esm', 'cjs'] as const) {
    it(`works bundled and minified as ${format}, and leaves nothing behind where it is not used`, async () => {
      const outfile = join(folder, `bundled.${format === 'esm' ? 'mjs' : 'cjs'}`);
      const bundle = (contents: string): Promise<{ warnings: object[] }> =>
        build({
          stdin: { contents, resolveDir: folder },
          outfile,
          format,
          bundle: true,
          minify: true,
          platform: 'node',
          target: 'node20.19',
          logLevel: 'silent',
        });
      const { warnings } = await bundle(`import { bufferedPipeline } from 'buffered-pipeline';\n${PRINT}`);
      assert.isEmpty(warnings);
      assert.equal(await run(folder, process.execPath, outfile), '1,2\n');
      await bundle(`import { bufferedPipeline } from 'buffered-pipeline';`);
      assert.isBelow((await readFile(outfile, 'utf8')).length, 50);
    });
  }

  it('has source maps that lead to sources which it holds', async () => {
    const installed = join(folder, 'node_modules/buffered-pipeline');
    const paths = packed.files.map(({ path }) => path);
    const maps = paths.filter((path) => path.endsWith('.map'));
    assert.isNotEmpty(maps);
    for (const map of maps) {
      const { sources, sourceRoot = '' } = JSON.parse(await readFile(join(installed, map), 'utf8')) as {
        sources: string[];
        sourceRoot?: string;
      };
      const resolved = sources.map((source) => posix.join(posix.dirname(map), sourceRoot, source));
      assert.lengthOf(resolved, 1);
      assert.include(paths, resolved[0]);
    }
  });

  it('can be published without a word of warning', async () => {
    const copy = join(folder, 'published');
    await cp(join(folder, 'node_modules/buffered-pipeline'), copy, { recursive: true });
    // Under a version that no registry has, so that it stays true after a release, and without asking one.
    const manifest = (await readFile(join(copy, 'package.json'), 'utf8')).replace(
      /("version": )"[^"]+"/,
      '$1"999.0.0"',
    );
    await writeFile(join(copy, 'package.json'), manifest);
    const options = ['--dry-run', '--ignore-scripts', '--registry=http://localhost:9', '--fetch-retries=0'];
    const { stderr } = await promisify(execFile)('npm', ['publish', ...options], {
      cwd: copy,
      timeout: HANGS_AFTER,
      shell: needsShell('npm'),
    });
    // What npm says of the machine: nobody is logged in, and settings it does not know.
    const warnings = stderr.split('\n').filter((line) => line.startsWith('npm warn'));
    assert.isEmpty(warnings.filter((line) => !/logged in|Unknown (user|env|project) config/.test(line)));
  });

  describe('from TypeScript', () => {
    before('lend it the types of Node', async () => {
      await mkdir(join(folder, 'node_modules/@types'));
      await symlink(join(root, 'node_modules/@types/node'), join(folder, 'node_modules/@types/node'), 'junction');
    });

    /** Type-checks a file as a strict project does that also checks the declarations of its packages. */
    async function check(name: string, code: string): Promise<string> {
      await writeFile(join(folder, name), code);
      const options = '--noEmit --strict --exactOptionalPropertyTypes --skipLibCheck false';
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
