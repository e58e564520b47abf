/**
 * Runs an example with the servers it needs, which live as long as it does.
 *
 * Run: npm run example 06 [arguments of the example], or npm run example, which lists them
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

interface Server {
  url: string;
  stop(): Promise<void>;
}

/** What a kind of server is called, the variable that names it to the example, and how it is started. */
const servers: Record<string, { name: string; variable: string; start: () => Promise<Server> }> = {
  postgres: {
    name: 'PostgreSQL',
    variable: 'DATABASE_URL',
    start: async () => (await import('./servers/postgres.ts')).startPostgres(),
  },
  nats: {
    name: 'NATS',
    variable: 'NATS_URL',
    start: async () => (await import('./servers/nats.ts')).startNats(),
  },
};

/** The servers that each example needs; those that are not here need none. */
const needs: Record<string, string[]> = { '06': ['postgres'], '07': ['postgres'], '10': ['nats'] };

/** What an example takes after its number: the name of each argument, and what is wrong with one, if anything is. */
const takes: Record<string, [name: string, complaint: (argument: string) => string | undefined][]> = {
  '04': [['folder', missing]],
  '05': [['file', () => undefined]],
  '06': [['folder', missing]],
  '07': [['file.csv.gz', missing]],
  '10': [
    ['command', (argument) => (commands.includes(argument) ? undefined : `must be one of ${commands.join(', ')}`)],
    ['argument', () => undefined],
  ],
};
const commands = ['measure', 'fill', 'worker'];

/** Where npm was called: what arguments are relative to. */
const folder = process.env['INIT_CWD'] ?? process.cwd();

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

const here = fileURLToPath(new URL('.', import.meta.url));
const programs = new Map(
  readdirSync(here)
    .filter((file) => /^\d\d-.*\.ts$/.test(file))
    .map((file) => [file.slice(0, 2), file]),
);

const running: Server[] = [];
let child: ChildProcess | undefined;
let interrupted: NodeJS.Signals | undefined;
for (const signal of SIGNALS)
  process.on(signal, () => {
    interrupted = signal;
    child?.kill(signal);
  });

try {
  process.exitCode = await run(process.argv[2], process.argv.slice(3));
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
} finally {
  await Promise.all(running.map((server) => server.stop()));
}

async function run(given: string | undefined, args: string[]): Promise<number> {
  if (given === undefined) {
    console.log(list());
    return 0;
  }
  const number = given.padStart(2, '0');
  const program = programs.get(number);
  if (program === undefined) {
    const known = [...programs.keys()].join(', ');
    throw new Error(`The number of an example must be one of ${known}, got ${given}: npm run example 01`);
  }
  checkArguments(number, args);
  const environment: Record<string, string> = {};
  for (const kind of needs[number] ?? []) environment[servers[kind]!.variable] = await urlOf(kind);
  return interrupted === undefined ? await runProgram(program, args, environment) : codeOf(interrupted);
}

/** The numbers, and the titles that the table of the README gives them. */
function list(): string {
  const rows = readFileSync(join(here, 'README.md'), 'utf8').matchAll(/^\| \[(.+?)\]\((\d\d)-/gm);
  return Array.from(rows, ([, title, number]) => `npm run example ${number}  ${title}`).join('\n');
}

/** Before a server is started for nothing. */
function checkArguments(number: string, args: string[]): void {
  const names = takes[number] ?? [];
  const usage = `npm run example ${[number, ...names.map(([name]) => `[${name}]`)].join(' ')}`;
  for (const [index, argument] of args.entries()) {
    const [name, complaint] = names[index] ?? [];
    if (complaint === undefined || argument.startsWith('-'))
      throw new Error(`Example ${number} does not take ${argument}: ${usage}`);
    const wrong = complaint(argument);
    if (wrong !== undefined) throw new Error(`"${name}" ${wrong}, got ${argument}: ${usage}`);
  }
}

function missing(path: string): string | undefined {
  return existsSync(resolve(folder, path)) ? undefined : 'must exist';
}

/** Whoever has set the variable has a server. */
async function urlOf(kind: string): Promise<string> {
  const { name, variable, start } = servers[kind]!;
  const given = process.env[variable];
  if (given) return given;
  console.log(`Starting ${name} for this example. Set ${variable} to use your own.`);
  const server = await start();
  running.push(server);
  return server.url;
}

/** The example is in a process group of its own, so that a Ctrl-C in the terminal reaches it once: through this program. */
async function runProgram(program: string, args: string[], environment: Record<string, string>): Promise<number> {
  child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), join(here, program), ...args], {
    cwd: folder,
    env: { ...process.env, ...environment },
    stdio: 'inherit',
    detached: true,
  });
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  return code ?? codeOf(signal!);
}

/** What a shell says of a program that a signal has ended. */
function codeOf(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}
