/**
 * Clients that wait for 100 (Continue) before they send a body: they get it when the body is
 * wanted, and a refusal in its place when it is not.
 */
import { connect } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../../support/client-rig.js';
import { FakeUpstream } from '../../support/fake-upstream.js';
import { GatewayProcess } from '../../support/gateway-process.js';
import { runProgram } from '../../support/programs.js';

const KIB = 1024;
const LARGE = 900 * KIB;
const SMALL = 10 * KIB;

let upstream: FakeUpstream;
let gateway: GatewayProcess;

beforeAll(async () => {
  upstream = await FakeUpstream.start();
  const nobody = `http://127.0.0.1:${await freePort()}`;
  gateway = await GatewayProcess.start(
    {
      workers: 1,
      limits: { bodyBytes: '1MiB' },
      authenticators: { keys: { type: 'apiKey', keys: [{ id: 'ann', sha256: 'a'.repeat(64) }] } },
      upstreams: {
        api: { targets: [{ url: upstream.url }] },
        nobody: { targets: [{ url: nobody }], retry: { attempts: 1 } },
      },
      routes: [
        { name: 'key', match: { path: '/key' }, upstream: 'api', authenticate: ['keys'] },
        { name: 'ip', match: { path: '/ip' }, upstream: 'api', ipFilter: { deny: ['127.0.0.1'] } },
        {
          name: 'limited',
          match: { path: '/limited' },
          upstream: 'api',
          rateLimit: { limit: 1, window: '24h', key: 'route' },
        },
        { name: 'fixed', match: { path: '/fixed' }, respond: { status: 202, body: 'fixed' } },
        { name: 'nobody', match: { path: '/nobody' }, upstream: 'nobody' },
        { name: 'up', match: { path: '/up' }, upstream: 'api' },
      ],
    },
    { GATEWAY_ENGINE: 'wire' },
  );
});

afterAll(async () => {
  await gateway.stop();
  expect(gateway.find('internal error')).toEqual([]);
  await upstream.close();
});

beforeEach(() => {
  upstream.received.length = 0;
  upstream.script = (request, response) =>
    upstream.keep(request, ({ body }) => response.end(`got ${body.length}`));
});

/** Exit code, status, and bytes of the body that were sent. */
async function curl(
  path: string,
  bytes: number,
): Promise<readonly [number | null, string, number]> {
  const script = `head -c ${bytes} /dev/zero | curl -s -S -o /dev/null --expect100-timeout 30 \
    -H 'Expect: 100-continue' -w '%{http_code} %{size_upload}' --data-binary @- \
    ${gateway.url}${path}`;
  const { code, stdout } = await runProgram('sh', ['-c', script]);
  const [status = '', sent = ''] = stdout.split(' ');
  return [code, status, Number(sent)];
}

const PYTHON = `
import http.client, socket, sys
port, path, size = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
c = http.client.HTTPConnection('127.0.0.1', port, timeout=30)
c.putrequest('POST', path)
c.putheader('Expect', '100-continue')
c.putheader('Content-Length', str(size))
c.endheaders()
# http.client skips 100 where it reads a reply: the status is looked at before that.
line = c.sock.recv(12, socket.MSG_PEEK)
sent = 0
if line.endswith(b'100'):
    c.send(b'x' * size)
    sent = size
r = c.getresponse()
print(r.status, sent, len(r.read()) > 0, r.getheader('Connection'))
`;

async function python(path: string, bytes: number): Promise<string> {
  const args = ['-c', PYTHON, String(gateway.port), path, String(bytes)];
  const { stdout, stderr } = await runProgram('python3', args);
  return (stdout + stderr).trim();
}

describe.each([SMALL, LARGE])('a body of %i bytes', (bytes) => {
  it('is sent when its target takes it', async () => {
    expect(await curl('/up', bytes)).toEqual([0, '200', bytes]);
    expect(await python('/up', bytes)).toBe(`200 ${bytes} True None`);
    expect(upstream.received.map(({ body }) => body.length)).toEqual([bytes, bytes]);
  });

  it.each([
    ['/key', '401'],
    ['/ip', '403'],
    ['/nothing', '404'],
    ['/fixed', '202'],
  ])('is not sent to %s, which says %s', async (path, status) => {
    expect(await curl(path, bytes)).toEqual([0, status, 0]);
    expect(await python(path, bytes)).toBe(`${status} 0 True close`);
    expect(upstream.received).toEqual([]);
  });

  it('is not sent over a limit', async () => {
    await fetch(`${gateway.url}/limited`);
    expect(await curl('/limited', bytes)).toEqual([0, '429', 0]);
  });
});

it('a body that is too long is not sent', async () => {
  expect(await curl('/up', 2 * KIB * KIB)).toEqual([0, '413', 0]);
});

it('a body that streams is not sent while no target can be reached', async () => {
  expect(await curl('/nobody', LARGE)).toEqual([0, '502', 0]);
});

it('a target that says 100 by itself does not say it to the client as well', async () => {
  upstream.script = (request, response) => {
    response.writeContinue();
    upstream.keep(request, () => response.end('ok'));
  };
  const text = await sendWhenAsked('/up', 'hello');
  expect(text.match(/^HTTP\/1\.1 \d+/gm)).toEqual(['HTTP/1.1 100', 'HTTP/1.1 200']);
  expect(text).toMatch(/ok$/);
});

/** All that comes back for a request whose body is sent when 100 has come. */
function sendWhenAsked(path: string, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(gateway.port, '127.0.0.1').setEncoding('latin1');
    let text = '';
    let isSent = false;
    socket.write(
      `POST ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\n` +
        `Content-Length: ${body.length}\r\n\r\n`,
    );
    socket.on('data', (more: string) => {
      text += more;
      if (!isSent && text.startsWith('HTTP/1.1 100')) socket.write(body);
      isSent = true;
    });
    socket.on('end', () => resolve(text)).on('error', reject);
  });
}
