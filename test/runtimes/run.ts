/**
 * Runs the tests on every runtime, and for what a runtime cannot do itself the programs that show it. A test may fail only
 * where `limits.ts` names it, and must then fail.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';

import { limits } from './limits.ts';
import { type Ran, run } from './program.ts';
import { folder, root, type Runtime, runtimes } from './runtimes.ts';

/** Several times what the slowest takes, on two cores. */
const SUITE_HANGS_AFTER = 600_000;
const PROGRAM_HANGS_AFTER = 30_000;

interface Failed {
  fullTitle: string;
  err: string;
  stack: string;
}

/** What mocha's reporter `json-stream` says. */
interface Report {
  total: number;
  passed: string[];
  failed: Failed[];
  ended: boolean;
}

/** The tests of random programs and of memory are run in full by `npm test`; here, each is run on eight runtimes. */
const AMOUNTS = { RUNS: '300', VALUES: '50000', STAGES: '1000' };

/** The snippets of the documents are programs of their own, most of which need no other runtime than that of `npm test`. */
const LEFT_OUT = ['test/documents.test.ts'];
const MEMORY = ['test/forgotten.test.ts', 'test/load.test.ts', 'test/memory.test.ts'];

/** What is to be said of a runtime, once those before it have had their say. */
interface Finding {
  title: string;
  hasMemoryTests: boolean;
  report: Report;
  summary: string;
  problems: string[];
}

const problems: string[] = [];

function tell(where: string, what: string): void {
  problems.push(`${where}: ${what}`);
  console.log(`  ${where}: ${what}`);
}

function install(): void {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new Error(`The runtimes are there for Linux on x64, not for ${process.platform} on ${process.arch}`);
  const options = ['--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  execFileSync('npm', ['install', ...options], { cwd: folder, stdio: 'inherit', timeout: 300_000 });
}

function parse(stdout: string): Report {
  const report: Report = { total: 0, passed: [], failed: [], ended: false };
  for (const line of stdout.split('\n').filter((text) => text.startsWith('["'))) {
    const [event, data] = JSON.parse(line) as [string, Failed & { total: number }];
    if (event === 'start') report.total = data.total;
    else if (event === 'pass') report.passed.push(data.fullTitle);
    else if (event === 'fail') report.failed.push(data);
    else if (event === 'end') report.ended = true;
  }
  return report;
}

async function tryOut(runtime: Runtime): Promise<Finding> {
  const { title, hasMemoryTests } = runtime;
  const { stdout, stderr, hung, seconds } = await runSuite(runtime);
  const report = parse(stdout);
  const { total, passed, failed, ended } = report;
  const cannotPass = limits.filter(({ elsewhere }) => runtime.name in elsewhere).flatMap(({ failing }) => failing);
  const unexpected = failed.filter(({ fullTitle }) => !cannotPass.includes(fullTitle));
  const expected = failed.length - unexpected.length;
  const found = unexpected.map(({ fullTitle, err, stack }) => `${fullTitle}\n${err}\n${stack}`);

  for (const test of cannotPass) if (passed.includes(test)) found.push(`passes by now, so it is no limit: ${test}`);
  if (hung) found.push(`did not end within ${SUITE_HANGS_AFTER / 1000} s, last test: ${passed.at(-1)}\n${stderr}`);
  else if (!ended) found.push(`did not come to its end, last test: ${passed.at(-1)}\n${stderr}`);
  found.push(...(await wrongPrograms(runtime)));
  const summary = `${passed.length} of ${total} passed, ${expected} cannot pass there, ${seconds} s`;
  return { title, hasMemoryTests, report, summary, problems: found };
}

function runSuite({ name, binary, flags, mocha, hasMemoryTests }: Runtime): Promise<Ran> {
  const program = name === 'Node.js' ? [mocha] : [...flags, mocha];
  const ignored = [...LEFT_OUT, ...(hasMemoryTests ? [] : MEMORY)].flatMap((file) => ['--ignore', file]);
  const args = [...program, '--reporter', 'json-stream', ...ignored, 'test/**/*.test.ts'];
  return run(binary, args, { cwd: root, env: { ...process.env, ...AMOUNTS }, milliseconds: SUITE_HANGS_AFTER });
}

/** Checks that each limit is the runtime's own and still there, and that Node.js does not have it. */
async function wrongPrograms({ name, binary, flags }: Runtime): Promise<string[]> {
  const wrong: string[] = [];
  for (const { program, onNode, elsewhere } of limits) {
    const expected = elsewhere[name] ?? onNode;
    const args = [...flags, `${folder}limits/${program}`];
    const { stdout, stderr } = await run(binary, args, { cwd: root, milliseconds: PROGRAM_HANGS_AFTER });
    if (stdout.trim() !== expected)
      wrong.push(`${program} was expected to print ${expected}, and printed ${stdout}\n${stderr}`);
  }
  return wrong;
}

/** Checks that the table in the docs has a row for each limit, with the runtimes that have it, and no other. */
function checkDocs(): void {
  const docs = readFileSync(`${root}docs/runtimes.md`, 'utf8');
  const rows = Array.from(
    docs.matchAll(/^\| ([^|]+) \|.*limits\/([\w-]+\.mjs).*$/gm),
    ([, names, program]) => `${program}: ${names!.trim()}`,
  );
  const expected = limits.map(({ program, elsewhere }) => `${program}: ${Object.keys(elsewhere).join(', ')}`);
  if (rows.join('\n') !== expected.join('\n'))
    tell('docs/runtimes.md', `has the rows\n${rows.join('\n')}\ninstead of\n${expected.join('\n')}`);
}

install();
checkDocs();
let passedInAll = 0;
/** How many tests there are, with those of memory and without: on each runtime as many as on the first. */
const totals = new Map<boolean, number>();
const findings: AsyncIterable<Finding> = Readable.from(runtimes()).map(tryOut, { concurrency: 2 });
for await (const { title, hasMemoryTests, summary, report, problems: found } of findings) {
  console.log(`${title}: ${summary}`);
  for (const what of found) tell(title, what);
  const { total, passed, failed } = report;
  const expectedTotal = totals.get(hasMemoryTests) ?? total;
  totals.set(hasMemoryTests, expectedTotal);
  if (total !== expectedTotal || passed.length + failed.length !== total)
    tell(title, `ran ${passed.length + failed.length} of ${total} tests, where another ran ${expectedTotal}`);
  passedInAll += passed.length;
}
console.log(`${passedInAll} passed, ${problems.length} failed`);
process.exitCode = problems.length === 0 ? 0 : 1;
