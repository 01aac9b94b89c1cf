/** `sluice replay`, as it is called. */
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { runCommandLine } from '../../../src/cli/command-line.js';
import { capturedIo } from './captured-io.js';
import { configFolder } from './config-folder.js';

const writeFile = configFolder();

const config = (limit: number): string => `
upstreams: { api: { targets: [{ url: "http://10.0.0.5:8001" }] } }
routes:
  - { name: api, match: { path: /api/* }, upstream: api, rateLimit: { limit: ${limit}, window: 1m } }
`;
const line = (second: number): string =>
  `192.0.2.7 - - [28/Nov/2026:10:00:0${second} +0000] "GET /api/a HTTP/1.1" 200 5 "-" "x\\x1b[31m"`;
const LOG = `${[1, 2, 3, 4].map(line).join('\n')}\n`;

async function call(argv: readonly string[], input = '') {
  const io = capturedIo({}, input);
  const code = await runCommandLine(['replay', ...argv], io, async () => 0);
  return { code, out: io.out(), err: io.err() };
}

const old = writeFile(config(10), 'old.yaml');
const now = writeFile(config(2), 'new.yaml');
const log = writeFile(LOG, 'access.log');

describe('replay', () => {
  it('reports what is different', async () => {
    const { code, out } = await call(['-c', now, '--against', old, log]);
    expect(code).toBe(0);
    expect(out).toContain('4 requests over 3 s; something is different for 2');
    expect(out).toContain('refused now: 2');
    expect(out).toContain('route api: upstream api → route api: 429 GW_RATE_LIMITED');
    expect(out).toContain('the first: GET /api/a');
  });

  it('fails where more is different than is tolerated', async () => {
    const argv = ['-c', now, '--against', old, log];
    expect((await call([...argv, '--tolerate', '1'])).code).toBe(1);
    expect((await call([...argv, '--tolerate', '2'])).code).toBe(0);
    expect((await call(['-c', old, '--against', old, log, '--tolerate', '0'])).code).toBe(0);
  });

  it('prints JSON', async () => {
    const { out } = await call(['-c', now, log, '--json']);
    expect(JSON.parse(out)).toMatchObject({
      requests: 4,
      changed: 2,
      outcomes: { forwarded: 2, GW_RATE_LIMITED: 2 },
      routes: { api: 4 },
    });
  });

  it('reads several files, compressed ones, and standard input', async () => {
    const gz = writeFile('', 'access.log.gz');
    const { writeFileSync } = await import('node:fs');
    writeFileSync(gz, gzipSync(LOG));
    const { out } = await call(['-c', old, log, gz, '-', '--json'], LOG.trimEnd());
    expect(JSON.parse(out)).toMatchObject({ requests: 12 });
  });

  it('shows no control characters of strangers', async () => {
    const { out } = await call(['-c', old, writeFile(`oops \u001b[31m\n${LOG}`, 'odd.log')]);
    expect(out).toContain('oops \\u001b[31m');
    expect(out).not.toContain('\u001b');
  });

  it.each([
    [[], 'replay takes access logs'],
    [[log, '--tolerate', 'few'], '--tolerate must be a number of requests'],
    [[log, '--toleratd', '1'], 'replay has no option "--toleratd"'],
  ])('%j is wrong usage', async (argv, said) => {
    const { code, err } = await call(['-c', old, ...argv]);
    expect([code, err]).toEqual([2, expect.stringContaining(said)]);
  });

  it.each([
    ['/no/such.log', 'there is no such file'],
    [writeFile('one\ntwo\n', 'none.log'), 'there is no access record in'],
    [writeFile('not compressed', 'plain.gz'), 'cannot be read: incorrect header check'],
  ])('%s cannot be replayed', async (file, said) => {
    const { code, err } = await call(['-c', old, file]);
    expect([code, err]).toEqual([2, expect.stringContaining(said)]);
  });

  it('tells what is wrong with either configuration', async () => {
    const wrong = writeFile('routes: 5', 'wrong.yaml');
    expect((await call(['-c', wrong, log])).code).toBe(2);
    expect(await call(['-c', old, '--against', wrong, log])).toMatchObject({
      code: 2,
      err: expect.stringContaining('wrong.yaml'),
    });
  });
});
