/** What keeps the project in order: what is installed. */
import { readFileSync } from 'node:fs';
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
