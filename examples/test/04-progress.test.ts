/** Runs the live view without a terminal, and in one. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify, stripVTControlCharacters } from 'node:util';

import { spawn } from '@lydell/node-pty';
import { expect } from 'chai';

const root = fileURLToPath(new URL('../..', import.meta.url));
const HANGS_AFTER = 60_000;
const FILES = 60;
const STAGES = ['files', 'contents', 'compressed', 'stored'];

// What a terminal is told.
const UP_THREE_LINES = '\u001b[3A';
const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';

const program = ['--import', 'tsx', 'examples/04-progress.ts'];

/** What the example prints in a terminal, with all that moves the cursor. */
function printedInTerminal(args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let printed = '';
    const terminal = spawn(process.execPath, [...program, ...args], { cwd: root, cols: 120, rows: 40 });
    terminal.onData((text) => (printed += text));
    terminal.onExit(({ exitCode }) => (exitCode === 0 ? resolve(printed) : reject(new Error(printed))));
  });
}

describe('04-progress', function () {
  this.timeout(HANGS_AFTER + 5_000);
  let folder: string;

  before('make files, those in a folder below included', async () => {
    folder = await mkdtemp(join(tmpdir(), 'files-'));
    await mkdir(join(folder, 'below'));
    for (let i = 0; i < FILES; i++) {
      await writeFile(join(folder, i % 2 === 0 ? '' : 'below', String(i)), randomBytes(100_000));
    }
  });
  after(() => rm(folder, { recursive: true }));

  /** The table and what follows it. */
  function expectSummary(lines: string[]): void {
    const rows = STAGES.map((stage) => lines.find((line) => line.includes(`'${stage}'`)));
    for (const row of rows) expect(row).to.match(new RegExp(`│ ${FILES} +│ '\\d+ of \\d+' +│( '\\d+ %' +│){3}$`));
    const [bottleneck, bytes] = lines.slice(-2);
    expect(bottleneck).to.match(
      /^The bottleneck is "(files|contents|compressed|stored)": it works \d+ % of its life\.$/,
    );
    expect(Number(bytes!.split(' ')[0])).to.be.above(FILES * 100_000);
  }

  it('prints plain lines where there is no terminal', async () => {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [...program, folder], {
      cwd: root,
      timeout: HANGS_AFTER,
    });
    expect(stderr).to.equal('');
    expect(stdout).to.equal(stripVTControlCharacters(stdout));
    const lines = stdout.trimEnd().split('\n');
    for (const stage of STAGES) {
      const own = lines.filter((line) => line.startsWith(stage));
      expect(own.at(-1)).to.match(new RegExp(`\\] 0/\\d+ held, ${FILES} values, \\d+/s, ended$`));
    }
    expectSummary(lines);
  });

  it('draws bars over those before in a terminal, and gives the cursor back', async () => {
    const printed = await printedInTerminal([folder]);
    expect(printed).to.include(UP_THREE_LINES).and.to.include(HIDE_CURSOR);
    expect(printed.lastIndexOf(SHOW_CURSOR)).to.be.above(printed.lastIndexOf(HIDE_CURSOR));
    expectSummary(stripVTControlCharacters(printed).trimEnd().split('\r\n'));
  });
});
