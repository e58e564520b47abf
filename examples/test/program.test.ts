import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect } from 'chai';

import { findProgram } from '../servers/program.ts';

describe('findProgram', () => {
  let folder: string;
  const path = process.env['PATH'];

  async function addProgram(version: string): Promise<string> {
    const program = join(folder, version, 'bin/some-server');
    await mkdir(join(folder, version, 'bin'), { recursive: true });
    await writeFile(program, '#!/bin/sh\n');
    await chmod(program, 0o755);
    return program;
  }

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'find-program-'));
  });
  afterEach(async () => {
    process.env['PATH'] = path;
    await rm(folder, { recursive: true });
  });

  it('finds a program on PATH', async () => {
    const program = await addProgram('1');
    process.env['PATH'] = `/nowhere:${join(folder, '1/bin')}`;
    expect(await findProgram('some-server', 'some-server')).to.equal(program);
  });

  it('prefers the highest version in the folders', async () => {
    await addProgram('9');
    const program = await addProgram('15');
    expect(await findProgram('some-server', 'some-server', [join(folder, '*/bin')])).to.equal(program);
  });

  it('passes over a file that cannot be run', async () => {
    const program = await addProgram('9');
    await chmod(await addProgram('15'), 0o644);
    expect(await findProgram('some-server', 'some-server', [join(folder, '*/bin')])).to.equal(program);
  });

  it('says what is missing and how to get it where nothing can be installed', async () => {
    process.env['PATH'] = folder;
    const error = await findProgram('some-server', 'some-package', ['/opt/*/bin']).catch((reason: Error) => reason);
    expect(error).to.be.an('error');
    expect((error as Error).message).to.equal(
      'The program "some-server" is missing: it is in none of PATH, /opt/*/bin, and installing it takes apt-get and ' +
        'the root user. On Debian and Ubuntu: apt-get install some-package. Elsewhere: install it so that ' +
        '"some-server" is on PATH.',
    );
  });
});
