/**
 * `sluice reload` and `sluice rollback` against an admin listener that answers as the test says.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCommandLine } from '../../src/cli/command-line.js';
import { capturedIo } from '../unit/cli/captured-io.js';
import { configFolder, SAMPLE } from '../unit/cli/config-folder.js';

const writeFile = configFolder();

async function call(argv: readonly string[], env: Record<string, string> = {}) {
  const io = capturedIo(env);
  const code = await runCommandLine(argv, io, async () => 0);
  return { code, out: io.out(), err: io.err() };
}

describe('reload and rollback', () => {
  let server: Server;
  let url = '';
  const asked: string[] = [];
  let status = 200;
  let body = '';

  beforeAll(async () => {
    server = createServer((request, response) => {
      asked.push(`${request.method} ${request.url} ${request.headers.authorization}`);
      response.writeHead(status).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => server.close());

  function answer(nextStatus: number, nextBody: unknown): void {
    asked.length = 0;
    status = nextStatus;
    body = typeof nextBody === 'string' ? nextBody : JSON.stringify(nextBody);
  }

  const TOKEN = { GATEWAY_ADMIN_TOKEN: 'the-token-of-the-gateway' };

  it('ask the address of the file, with its token', async () => {
    const port = new URL(url).port;
    const admin = `admin: { port: ${port}, token: a-token-of-the-file }\n`;
    const file = writeFile(admin + SAMPLE, 'with-admin.yaml');
    answer(200, { epoch: 3, changes: ['~ routes.users: timeout: (none) -> 5s'] });
    expect(await call(['reload', '-c', file])).toEqual({
      code: 0,
      out: 'in force as version 3\n~ routes.users: timeout: (none) -> 5s\n',
      err: '',
    });
    expect(asked).toEqual(['POST /reload Bearer a-token-of-the-file']);
  });

  it('ask another address, with the token of the environment', async () => {
    answer(200, { epoch: 4, changes: [] });
    const { code, out } = await call(['rollback', '--admin', url], TOKEN);
    expect([code, out]).toEqual([0, 'in force as version 4\n']);
    expect(asked).toEqual(['POST /rollback Bearer the-token-of-the-gateway']);
  });

  it('say how to do without a file that cannot be used here', async () => {
    const file = writeFile('routes: [', 'broken.yaml');
    answer(200, { epoch: 4, changes: [] });
    const { code, err } = await call(['rollback', '-c', file], TOKEN);
    expect(code).toBe(2);
    expect(err).toContain('not valid YAML');
    expect(err).toContain('with GATEWAY_ADMIN_TOKEN and --admin URL this command needs no file');
    expect(asked).toEqual([]);
  });

  it('exit with 2 and every reason when the configuration is refused', async () => {
    answer(409, { reasons: ['a.yaml:3:4: wrong', 'and more'] });
    expect(await call(['reload', '--admin', url], TOKEN)).toEqual({
      code: 2,
      out: '',
      err: 'refused, nothing has changed\na.yaml:3:4: wrong\nand more\n',
    });
  });

  it('exit with 1 when the gateway does not let them, is something else, or is not there', async () => {
    answer(401, { detail: 'send the token' });
    const refused = await call(['reload', '--admin', url], TOKEN);
    expect(refused.code).toBe(1);
    expect(refused.err).toMatch(/answered 401: send the token; set GATEWAY_ADMIN_TOKEN/);
    answer(200, '<html>');
    expect((await call(['reload', '--admin', url], TOKEN)).code).toBe(1);
    const gone = await call(['reload', '--admin', 'http://127.0.0.1:1'], TOKEN);
    expect(gone.code).toBe(1);
    expect(gone.err).toMatch(/^sluice: no answer from the gateway at http:\/\/127\.0\.0\.1:1: /);
  });

  it('tell what became of the trial that was asked for, whatever has come into force since', async () => {
    const begun = { epoch: 5, endsInMs: 3000 };
    const ended = (outcome: string, reasons: string[]) => ({
      ...{ epoch: 6, trial: null, last_reload: { trigger: 'rollback', outcome: 'applied' } },
      last_trial: { epoch: 5, outcome, reasons },
    });
    answer(202, { ...begun, configuration: ended('refused', ['it was worse']) });
    const taken = await call(['reload', '--wait', '--admin', url], TOKEN);
    expect([taken.code, taken.err]).toEqual([2, 'refused, nothing has changed\nit was worse\n']);
    answer(202, { ...begun, configuration: ended('applied', []) });
    const kept = await call(['reload', '--wait', '--admin', url], TOKEN);
    expect([kept.code, kept.out]).toEqual([0, 'in force as version 5\n']);
  });

  it('never show a token that no request can carry', async () => {
    answer(200, { epoch: 4, changes: [] });
    for (const token of ['the-first-line\nthe-second-line', 'the-first-line-\u03c0']) {
      const { code, out, err } = await call(['reload', '--admin', url], {
        GATEWAY_ADMIN_TOKEN: token,
      });
      expect([code, out, asked]).toEqual([2, '', []]);
      expect(err).toContain('GATEWAY_ADMIN_TOKEN');
      expect(err).not.toContain('the-first-line');
    }
    // As a file with a secret has it.
    const ended = { GATEWAY_ADMIN_TOKEN: `${TOKEN.GATEWAY_ADMIN_TOKEN}\n` };
    expect((await call(['reload', '--admin', url], ended)).code).toBe(0);
    expect(asked).toEqual(['POST /reload Bearer the-token-of-the-gateway']);
  });

  it('exit with 2 when they are not told enough', async () => {
    const file = writeFile(SAMPLE, 'plain.yaml');
    const zero = writeFile(
      `admin: { port: 0, token: a-token-of-the-file }\n${SAMPLE}`,
      'zero.yaml',
    );
    for (const [argv, word] of [
      [['reload'], '-c FILE'],
      [['reload', '-c', file], 'admin.token'],
      [['reload', '-c', zero], '--admin URL'],
      [['reload', '--admin', url], 'GATEWAY_ADMIN_TOKEN'],
      [['reload', '--admin', 'no sense'], 'http://127.0.0.1:9901'],
    ] as const) {
      const { code, err } = await call(argv);
      expect([code, err.includes(word)], err).toEqual([2, true]);
    }
  });

  it('stand beside status, which needs no token, and exits with 1 where no gateway is ready', async () => {
    const configuration = { source: 'a.yaml', epoch: 1, in_force_since: 'T' };
    answer(200, { status: 'draining', configuration });
    const { code, out } = await call(['status', '--admin', url]);
    expect([code, out.split(' ', 1)[0]]).toEqual([1, 'draining:']);
    expect(asked).toEqual(['GET /readyz undefined', 'GET /stats undefined']);
    const { out: json } = await call(['status', '--admin', url, '--json']);
    expect(JSON.parse(json)).toMatchObject({ readiness: 'draining', troubles: [] });
    answer(503, { status: 'no configuration', configuration: { provider: 'etcd' } });
    const waiting = await call(['status', '--admin', url]);
    expect([waiting.code, waiting.out, waiting.err]).toEqual([
      1,
      `no configuration: the gateway at ${url} waits for its first one out of a store (etcd)\n`,
      '',
    ]);
    const { out: waitingJson } = await call(['status', '--admin', url, '--json']);
    expect(JSON.parse(waitingJson)).toMatchObject({ readiness: 'no configuration', stats: null });
    answer(404, { detail: 'no such page' });
    const other = await call(['status', '--admin', url]);
    expect([other.code, other.err]).toEqual([1, expect.stringContaining('/stats answered 404')]);
    const gone = await call(['status', '--admin', 'http://127.0.0.1:1']);
    expect([gone.code, gone.err]).toEqual([1, expect.stringContaining('no answer')]);
    expect((await call(['status', '--to', 'x'])).code).toBe(2);
  });
});
