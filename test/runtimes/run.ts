/**
 * Runs all tests on every runtime, and for what a runtime cannot do itself the programs that show it. A test may fail only
 * where `limits.ts` names it, and must then fail; none is left out.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

import { limits } from './limits.ts';
import { inTwoLanes, run } from './program.ts';
import { folder, root, type Runtime, runtimes } from './runtimes.ts';

/** Several times what the slowest takes, on two cores. */
const SUITE_HANGS_AFTER = 240_000;
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

const problems: string[] = [];
/** How many tests there are: on each runtime as many as on the first. */
let expectedTotal: number | undefined;
let passedInAll = 0;

function problem(where: string, what: string): void {
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

async function runTests({ name, title, binary, flags, mocha }: Runtime): Promise<void> {
  const program = name === 'Node.js' ? [mocha] : [...flags, mocha];
  const args = [...program, '--reporter', 'json-stream', 'test/**/*.test.ts'];
  const { stdout, stderr, hung, seconds } = await run(binary, args, root, SUITE_HANGS_AFTER);
  const { total, passed, failed, ended } = parse(stdout);
  const ownLimits = limits.filter(({ elsewhere }) => name in elsewhere).flatMap(({ failing }) => failing);
  const unexpected = failed.filter(({ fullTitle }) => !ownLimits.includes(fullTitle));
  const limited = failed.length - unexpected.length;
  console.log(`${title}: ${passed.length} of ${total} passed, ${limited} cannot pass there, ${seconds} s`);
  passedInAll += passed.length;

  for (const { fullTitle, err, stack } of unexpected) problem(title, `${fullTitle}\n${err}\n${stack}`);
  for (const test of ownLimits) if (passed.includes(test)) problem(title, `passes by now, so it is no limit: ${test}`);
  if (hung) problem(title, `did not end within ${SUITE_HANGS_AFTER / 1000} s, last test: ${passed.at(-1)}\n${stderr}`);
  else if (!ended) problem(title, `did not come to its end, last test: ${passed.at(-1)}\n${stderr}`);
  expectedTotal ??= total;
  if (total !== expectedTotal || passed.length + failed.length !== total)
    problem(title, `ran ${passed.length + failed.length} of ${total} tests, where another ran ${expectedTotal}`);
}

/** Checks that each limit is the runtime's own and still there, and that Node.js does not have it. */
async function runPrograms({ name, title, binary, flags }: Runtime): Promise<void> {
  for (const { program, onNode, elsewhere } of limits) {
    const expected = elsewhere[name] ?? onNode;
    const { stdout, stderr } = await run(binary, [...flags, `${folder}limits/${program}`], root, PROGRAM_HANGS_AFTER);
    if (stdout.trim() !== expected)
      problem(title, `${program} was expected to print ${expected}, and printed ${stdout}\n${stderr}`);
  }
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
    problem('docs/runtimes.md', `has the rows\n${rows.join('\n')}\ninstead of\n${expected.join('\n')}`);
}

install();
checkDocs();
await inTwoLanes(runtimes(), async (runtime) => {
  await runTests(runtime);
  await runPrograms(runtime);
});
console.log(`${passedInAll} passed, ${problems.length} failed`);
process.exitCode = problems.length === 0 ? 0 : 1;
