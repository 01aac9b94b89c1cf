/**
 * Clients of the command line, as people and scripts use them.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ClientRig, DOORS, type Echo, sha256 } from '../../support/client-rig.js';
import { type ProgramResult, runProgram } from '../../support/programs.js';

const UPLOAD = Buffer.alloc(3_000_000, 'Sluice');

describe.each(DOORS)('commands, %s', (door) => {
  let rig: ClientRig;
  let folder: string;
  let file: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-clients-'));
    file = join(folder, 'upload');
    writeFileSync(file, UPLOAD);
    rig = await ClientRig.start(door);
  });

  afterAll(async () => {
    await rig.stop();
    rmSync(folder, { recursive: true });
  });

  beforeEach(() => rig.reset());

  /** Runs a program that trusts the gateway. */
  function run(command: string, args: readonly string[]): Promise<ProgramResult> {
    return runProgram(command, args, { env: rig.files.trust });
  }

  describe('curl', () => {
    /** Its exit code, the status, and what the origin says of the request. */
    async function curl(...args: readonly string[]): Promise<[number | null, string, Echo | null]> {
      const { code, stdout } = await run('curl', ['-s', '-w', '\n%{http_code}', ...args]);
      const mark = stdout.lastIndexOf('\n');
      const body = stdout.slice(0, mark);
      return [code, stdout.slice(mark + 1), body === '' ? null : (JSON.parse(body) as Echo)];
    }

    it.each([
      ['1.0', ['-0']],
      ['1.1', []],
      ['1.1, one connection for two requests', ['-o', '/dev/null', '--next', '-s']],
    ])('in HTTP/%s', async (_, args) => {
      const both = args.includes('--next');
      const url = `${rig.url}/a?b=c`;
      const { code, stdout } = await run('curl', [
        ...['-s', ...(both ? [...args.slice(0, 2), url, ...args.slice(2)] : args)],
        ...['-w', ' %{http_code} %{num_connects}', url],
      ]);
      expect(code).toBe(0);
      expect(stdout).toContain('"line":"GET /a?b=c"');
      expect(stdout).toMatch(both ? / 200 0$/ : / 200 1$/);
    });

    it('with the gateway as its proxy', async () => {
      const found = await curl(
        '-x',
        rig.url,
        '--proxy-cacert',
        rig.files.ca,
        'http://api.example/x?y',
      );
      expect(found).toMatchObject([0, '200', { line: 'GET /x?y', host: 'api.example' }]);
    });

    it.each([
      ['-T, which waits for 100 Continue', ['-H', 'Expect: 100-continue']],
      ['-T in chunks', ['-H', 'Transfer-Encoding: chunked']],
      ['-T in HTTP/1.0', ['-0']],
      ['an odd spelling of Expect', ['-H', 'Expect: 100-Continue']],
    ])('uploads with %s', async (_, args) => {
      const found = await curl(...args, '-T', file, `${rig.url}/up`);
      const echo = { line: 'PUT /up', bytes: UPLOAD.length, sha256: sha256(UPLOAD) };
      expect(found).toMatchObject([0, '200', echo]);
    });

    it('uploads forms, and asks HEAD, OPTIONS * and long targets', async () => {
      expect(await curl('-F', `a=@${file}`, `${rig.url}/form`)).toMatchObject([0, '200', {}]);
      expect(await curl('-I', '-o', '/dev/null', `${rig.url}/a`)).toEqual([0, '200', null]);
      const star = ['-X', 'OPTIONS', '--request-target', '*', '-o', '/dev/null'];
      const [code, status] = await curl(...star, rig.url);
      expect(code).toBe(0);
      expect(Number(status)).toBeLessThan(500);
      const long = `/${'x'.repeat(7000)}`;
      expect(await curl(`${rig.url}${long}`)).toMatchObject([0, '200', { line: `GET ${long}` }]);
    });

    it('sees the reply that comes before the end of its upload', async () => {
      rig.upstream.script = (_request, response) => {
        response.writeHead(401, { 'content-type': 'application/json' });
        response.end('{"line":"who are you"}');
      };
      // Over HTTP/2 curl 7 stops an upload of unknown length at such a reply, and now and then
      // forgets to look for the reply's end, which it has been sent.
      const inChunks = ['--http1.1', '-H', 'Transfer-Encoding: chunked'];
      for (const args of [[], ['-H', 'Expect:'], inChunks]) {
        const found = await curl(...args, '-T', file, `${rig.url}/early`);
        expect(found).toMatchObject([0, '401', { line: 'who are you' }]);
      }
    });

    it('is told what is wrong, and can go on', async () => {
      const [code, status, problem] = await curl('-H', 'Host: a b', `${rig.url}/`);
      expect([code, status]).toEqual([0, '400']);
      expect(problem).toMatchObject({ code: 'GW_HOST_INVALID' });
    });
  });

  describe('wget', () => {
    it('gets, posts, and asks without a body', async () => {
      const got = await run('wget', ['-q', '-O', '-', `${rig.url}/a%20b`]);
      expect([got.code, JSON.parse(got.stdout)]).toMatchObject([0, { line: 'GET /a%20b' }]);
      const posted = await run('wget', [
        ...['-q', '-O', '-', `--post-file=${file}`, `${rig.url}/post`],
      ]);
      const echo = { line: 'POST /post', sha256: sha256(UPLOAD) };
      expect([posted.code, JSON.parse(posted.stdout)]).toMatchObject([0, echo]);
      const spider = await run('wget', ['-q', '--spider', `${rig.url}/a`]);
      expect(spider.code).toBe(0);
    });
  });

  describe('ab', () => {
    /** Newer versions are not offered unless they are named. */
    const versions = door === 'tls' ? ['-f', 'TLS1.3'] : [];

    it.each([
      ['HTTP/1.0 without keep-alive', []],
      ['HTTP/1.0 with keep-alive', ['-k']],
    ])('in %s', async (_, args) => {
      const { code, stdout, stderr } = await run('ab', [
        ...['-q', '-n', '200', '-c', '8', ...versions, ...args, `${rig.url}/ab`],
      ]);
      expect([code, stderr]).toEqual([0, '']);
      expect(stdout).toMatch(/Complete requests:\s+200\n/);
      expect(stdout).toMatch(/Failed requests:\s+0\n/);
      expect(stdout).not.toContain('Non-2xx');
      if (args.includes('-k')) expect(stdout).toMatch(/Keep-Alive requests:\s+(?!0\n)\d+\n/);
      expect(rig.upstream.received).toHaveLength(200);
    });
  });
});
