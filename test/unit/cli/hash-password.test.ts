import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { parsePasswordHash } from '../../../src/base/password-hash.js';
import type { TextInput } from '../../../src/cli/command-io.js';
import { type RunCommand, runCommandLine } from '../../../src/cli/command-line.js';
import { isPassword } from '../../../src/filters/authentication/password-hash.js';
import { capturedIo } from './captured-io.js';

const neverRun: RunCommand = () => Promise.reject(new Error('not asked to run'));

async function call(input: string) {
  const io = capturedIo({}, input);
  const code = await runCommandLine(['hash-password'], io, neverRun);
  return { code, out: io.out(), err: io.err() };
}

async function fits(password: string, hash: string): Promise<boolean> {
  const parsed = parsePasswordHash(hash.trim());
  if (typeof parsed === 'string') throw new Error(parsed);
  return isPassword(password, parsed);
}

describe('hash-password', () => {
  it('prints a hash that fits the password that was piped in, and no other', async () => {
    const { code, out, err } = await call('pass: wörd \n');
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/^\$scrypt\$ln=15,r=8,p=1\$[\w+/]{22}\$[\w+/]{43}\n$/);
    expect(await fits('pass: wörd ', out)).toBe(true);
    // However the letters are composed.
    expect(await fits('pass: wo\u0308rd ', out)).toBe(true);
    expect(await fits('pass: wörd', out)).toBe(false);
    expect((await call('pass: wörd \n')).out).not.toBe(out);
  });

  it.each(['', '\n', 'a\nb\n', 'a\0b', `${'x'.repeat(1025)}\n`])(
    'says what is wrong with %j',
    async (input) => {
      const { code, out, err } = await call(input);
      expect([code, out]).toEqual([2, '']);
      expect(err).toMatch(/the password/);
    },
  );

  it('does not show what is typed, and stops at the end of the line', async () => {
    const modes: boolean[] = [];
    const typed = Object.assign(new PassThrough(), {
      isTTY: true,
      setRawMode: (isRaw: boolean) => modes.push(isRaw),
    }) satisfies TextInput;
    typed.write('secreX');
    typed.write('\x7ft\rafter');
    const io = { ...capturedIo(), stdin: typed };
    const code = await runCommandLine(['hash-password'], io, neverRun);
    expect([code, io.err(), modes]).toEqual([0, 'Password: \n', [true, false]]);
    expect(await fits('secret', io.out())).toBe(true);
  });

  it('gives up at Ctrl-C', async () => {
    const typed = Object.assign(new PassThrough(), { isTTY: true });
    typed.write('secr\x03');
    const io = { ...capturedIo(), stdin: typed };
    expect(await runCommandLine(['hash-password'], io, neverRun)).toBe(2);
    expect(io.out()).toBe('');
  });
});
