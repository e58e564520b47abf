/** What keeps the project in order: what is installed, what CI runs, and what may be published. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { assert } from 'chai';

const root = fileURLToPath(new URL('..', import.meta.url));

for (const folder of ['.', 'bench', 'test/compilers', 'test/runners', 'test/runtimes']) {
  const path = join(folder, 'package-lock.json');

  describe(path, () => {
    const { packages } = JSON.parse(readFileSync(join(root, path), 'utf8')) as {
      packages: Record<string, { link?: boolean; integrity?: string; resolved?: string }>;
    };
    const installed = Object.entries(packages).filter(([name, { link }]) => name.includes('node_modules/') && !link);

    it('has the integrity of every package, those of other platforms included', () => {
      const without = installed.filter(([, { integrity }]) => integrity === undefined);
      assert.deepEqual(
        without.map(([name]) => name),
        [],
      );
    });

    it('leaves it to npm where a package comes from', () => {
      const bound = installed.filter(([, { resolved }]) => resolved !== undefined);
      assert.deepEqual(
        bound.map(([name]) => name),
        [],
      );
    });
  });
}

describe('the workflows', () => {
  const folder = join(root, '.github/workflows');

  for (const file of readdirSync(folder)) {
    it(`take actions of others by their hash in ${file}`, () => {
      const workflow = readFileSync(join(folder, file), 'utf8');
      for (const [, action] of workflow.matchAll(/uses: (\S+)/g))
        assert.match(action!, /^(\.\/.*|[\w-]+\/[\w-]+@[0-9a-f]{40})$/);
    });
  }
});

describe('npm publish', function () {
  this.timeout(20_000);

  const owned = {
    repository: { type: 'git', url: 'git+https://example.org/somebody/buffered-pipeline.git' },
    homepage: 'https://example.org',
    bugs: 'https://example.org/issues',
    author: 'Somebody',
  };
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'buffered-pipeline-'));
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** Runs what npm runs before it publishes a package with these fields. */
  function check(fields: object): { status: number | null; stderr: string } {
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'buffered-pipeline', ...fields }));
    const args = [join(root, '.ci/check-owner.mjs')];
    return spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8', timeout: 10_000 });
  }

  it('asks first whether the owner has filled in what only an owner knows', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    assert.equal(scripts['prepublishOnly'], 'node .ci/check-owner.mjs');
  });

  it('goes on if so', () => {
    const { status, stderr } = check(owned);
    assert.equal(stderr, '');
    assert.equal(status, 0);
  });

  it('stops if not, and says what to fill in', () => {
    const { status, stderr } = check({});
    assert.equal(status, 1);
    assert.include(stderr, 'repository, homepage, bugs, author');
    for (const field of Object.keys(owned)) assert.match(stderr, new RegExp(`^  "${field}": .+,$`, 'm'));
  });

  it('asks for no more than is missing', () => {
    const { status, stderr } = check({ ...owned, bugs: '' });
    assert.equal(status, 1);
    assert.notInclude(stderr, 'homepage');
    assert.match(stderr, /^ {2}"bugs": /m);
  });

  it('stops at an example that was copied as it is', () => {
    const { status, stderr } = check({ ...owned, author: 'NAME (https://example.org)' });
    assert.equal(status, 1);
    assert.match(stderr, /^ {2}"author": /m);
  });
});
