/** Finds the programs of the servers that the examples need, and installs what is missing where that can be done. */
import { execFile } from 'node:child_process';
import { accessSync, constants, readdirSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** As long as a slow mirror may take. */
const INSTALL_HANGS_AFTER = 300_000;
/** Another apt-get may be at work: waits for it, instead of failing. In seconds. */
const WAIT_FOR_LOCK = ['-o', 'DPkg::Lock::Timeout=120'];

let updated: Promise<unknown> | undefined;

/**
 * The path of a program: from the folders, from PATH, or from the Debian package, which is then installed.
 *
 * @param folders - Where servers are that are not on PATH, looked at first; a `*` stands for any name, say a version.
 * @throws Error - when it is not there and cannot be installed: what is missing, and how to get it.
 */
export async function findProgram(name: string, debianPackage: string, folders: string[] = []): Promise<string> {
  const found = look(name, folders);
  if (found !== undefined) return found;
  if (!canInstall()) throw missing(name, debianPackage, folders, 'installing it takes apt-get and the root user');
  console.log(`"${name}" is missing. Installing the package ${debianPackage} with apt-get.`);
  try {
    await install(debianPackage);
  } catch (error) {
    throw missing(name, debianPackage, folders, `apt-get could not install it (${reason(error)})`, error);
  }
  const installed = look(name, folders);
  if (installed === undefined)
    throw missing(name, debianPackage, folders, `the package ${debianPackage} has no such program`);
  return installed;
}

function look(name: string, folders: string[]): string | undefined {
  const path = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  const file = process.platform === 'win32' ? `${name}.exe` : name;
  return [...folders.flatMap(matching), ...path].map((folder) => join(folder, file)).find(isProgram);
}

/** The folders that a pattern stands for, the highest version first. */
function matching(pattern: string): string[] {
  const [before, after] = pattern.split('*', 2) as [string, string | undefined];
  if (after === undefined) return [pattern];
  const names = namesIn(before).toSorted((a, b) => b.localeCompare(a, 'en', { numeric: true }));
  return names.map((entry) => join(before, entry, after));
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function canInstall(): boolean {
  return process.getuid?.() === 0 && look('apt-get', []) !== undefined;
}

async function install(debianPackage: string): Promise<void> {
  const options = {
    timeout: INSTALL_HANGS_AFTER,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    maxBuffer: 2 ** 26,
  };
  await (updated ??= run('apt-get', [...WAIT_FOR_LOCK, 'update'], options));
  await run('apt-get', [...WAIT_FOR_LOCK, 'install', '-y', '--no-install-recommends', debianPackage], options);
}

/** What apt-get said, in a line. */
function reason(error: unknown): string {
  const { stderr = '', message } = error as Error & { stderr?: string };
  return (stderr.trim() || message).replaceAll(/\s*\n\s*/g, '; ');
}

function missing(name: string, debianPackage: string, folders: string[], why: string, cause?: unknown): Error {
  const places = ['PATH', ...folders].join(', ');
  return new Error(
    `The program "${name}" is missing: it is in none of ${places}, and ${why}. ` +
      `On Debian and Ubuntu: apt-get install ${debianPackage}. Elsewhere: install it so that "${name}" is on PATH.`,
    { cause },
  );
}
