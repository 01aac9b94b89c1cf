import { jwtVerify } from 'jose';
import { describe, expect, it } from 'vitest';
import { type RunCommand, runCommandLine } from '../../../src/cli/command-line.js';
import { capturedIo } from './captured-io.js';
import { configFolder, SAMPLE } from './config-folder.js';

const writeFile = configFolder();
const file = writeFile(SAMPLE);
const neverRun: RunCommand = () => Promise.reject(new Error('not asked to run'));

async function call(...argv: readonly string[]) {
  const io = capturedIo();
  const code = await runCommandLine(['token', '-c', file, ...argv], io, neverRun);
  return { code, out: io.out(), err: io.err() };
}

function verify(token: string, secret: string) {
  const options = { issuer: 'sluice', audience: 'api', algorithms: ['HS256'] };
  return jwtVerify(token.trim(), new TextEncoder().encode(secret), options);
}

const USERS_SECRET = '0123456789abcdef0123456789abcdef';

describe('token', () => {
  it('prints a token alone, which the first authenticator accepts for an hour', async () => {
    const { code, out, err } = await call('--sub', 'ada');
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    const { payload, protectedHeader } = await verify(out, USERS_SECRET);
    expect(protectedHeader).toEqual({ alg: 'HS256', typ: 'JWT' });
    expect(payload).toMatchObject({ sub: 'ada', iss: 'sluice', aud: 'api' });
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(3600);
    expect(Math.abs((payload.iat ?? 0) - Date.now() / 1000)).toBeLessThan(60);
  });

  it('is valid as long as it is told', async () => {
    const { payload } = await verify(
      (await call('--sub', 'a', '--expires', '90s')).out,
      USERS_SECRET,
    );
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(90);
  });

  it('takes further claims, as JSON or as text', async () => {
    const claims = ['scope=read write', 'admin=true', 'level=3', 'roles=["a","b"]', 'note=a=b'];
    const argv = claims.flatMap((claim) => ['--claim', claim]);
    const { payload } = await verify((await call('--sub', 'a', ...argv)).out, USERS_SECRET);
    expect(payload).toMatchObject({
      scope: 'read write',
      admin: true,
      level: 3,
      roles: ['a', 'b'],
      note: 'a=b',
    });
  });

  it('is made for the authenticator that is named', async () => {
    const { out } = await call('--sub', 'a', '--authenticator', 'staff');
    const secret = new TextEncoder().encode('0123456789abcdef'.repeat(4));
    const { payload, protectedHeader } = await jwtVerify(out.trim(), secret);
    expect(protectedHeader.alg).toBe('HS512');
    expect(Object.keys(payload).sort()).toEqual(['exp', 'iat', 'sub']);
  });

  it.each([
    [[], 'token needs --sub ID'],
    [['--sub', ''], 'the option --sub needs a value: --sub ID'],
    [
      ['--sub', 'a', '--expires', 'soon'],
      '--expires must be a duration from 1s to 365d, not "soon"',
    ],
    [['--sub', 'a', '--expires', '999ms'], '--expires must be a duration'],
    [['--sub', 'a', '--expires', '8761h'], '--expires must be a duration'],
    [['--sub', 'a', '--claim', 'x'], '--claim must be NAME=VALUE, not "x"'],
    [['--sub', 'a', '--claim', '=x'], '--claim must be NAME=VALUE'],
    [['--sub', 'a', '--claim', 'exp=1'], 'the claim exp is set by the other options'],
    [
      ['--sub', 'a', '--authenticator', 'user'],
      'unknown authenticator "user", did you mean "users"?',
    ],
  ])('%j exits with 2 and says why', async (argv, message) => {
    const { code, out, err } = await call(...argv);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(message);
  });

  it('says that a configuration has no authenticator', async () => {
    const io = capturedIo();
    const open = writeFile(
      'upstreams: { a: { targets: [{ url: "http://127.0.0.1:1" }] } }\n' +
        'routes: [{ name: r, match: { path: / }, upstream: a }]\n',
      'open.yaml',
    );
    expect(await runCommandLine(['token', '-c', open, '--sub', 'a'], io, neverRun)).toBe(2);
    expect(io.err()).toContain('the configuration has no jwt authenticator');
  });
});
