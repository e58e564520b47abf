/** Programs of their own, for what ends a process or would disturb other tests. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

/** After so long, a program is ended. A test that waits for one needs more. */
export const HANGS_AFTER = 20_000;

const LIBRARY = JSON.stringify(new URL('../lib/index.ts', import.meta.url));

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs a program to its end; it has `bufferedPipeline`. From a file, as every runtime can. */
export async function runProgram(program: string): Promise<Ended> {
  const folder = await mkdtemp(join(tmpdir(), 'buffered-pipeline-'));
  try {
    const file = join(folder, 'program.mjs');
    await writeFile(file, `import { bufferedPipeline } from ${LIBRARY};\n${program}`);
    // Its copies of the modules are compiled in another way, so that their coverage would be taken for that of other lines.
    const env = { ...process.env, NODE_V8_COVERAGE: '' };
    const child = spawn(process.execPath, ['--import', 'tsx', file], { timeout: HANGS_AFTER, env });
    const [[code], stdout, stderr] = await Promise.all([once(child, 'close'), text(child.stdout), text(child.stderr)]);
    return { code: code as number | null, stdout, stderr };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
