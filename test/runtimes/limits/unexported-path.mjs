// What the error says when a package is asked for a file that it does not export.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const folder = mkdtempSync(join(tmpdir(), 'unexported-path-'));
const inner = join(folder, 'node_modules/some-package');
mkdirSync(inner, { recursive: true });
writeFileSync(join(folder, 'package.json'), '{ "dependencies": { "some-package": "*" } }');
writeFileSync(join(inner, 'package.json'), '{ "name": "some-package", "exports": "./index.js" }');
writeFileSync(join(inner, 'index.js'), '');
writeFileSync(join(inner, 'inner.js'), '');
writeFileSync(join(folder, 'program.mjs'), "export const inner = () => import('some-package/inner.js');");

const program = await import(pathToFileURL(join(folder, 'program.mjs')).href);
await program.inner().catch(({ code }) => console.log(code));
rmSync(folder, { recursive: true });
