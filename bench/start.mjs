/** Installs what the benches need, compiles them, and runs them: what is measured is plain JavaScript, as users run it. */
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';

const folder = import.meta.dirname;
const lock = join(folder, 'package-lock.json');
const installed = join(folder, 'node_modules', '.package-lock.json');

if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(lock).mtimeMs) {
  run('npm', ['ci', '--prefix', folder, '--no-audit', '--no-fund']);
}
run('tsc', ['--project', folder]);
run(process.execPath, [join(folder, 'dist', 'main.js'), ...process.argv.slice(2)]);

/** Finds `npm` and `tsc` where `npm run` has put them: on the path. */
function run(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit' });
  if (error !== undefined) throw error;
  if (status !== 0) process.exit(status ?? 1);
}
