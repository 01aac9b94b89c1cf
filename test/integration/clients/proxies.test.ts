/**
 * Other proxies in front of the gateway, as they are configured by who says no more than he must.
 */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { SERVER_NAME } from '../../support/client-files.js';
import {
  ClientRig,
  DOORS,
  type Door,
  type DoorOptions,
  freePort,
  sha256,
} from '../../support/client-rig.js';
import { eventually } from '../../support/eventually.js';
import { runProgram, ServingProgram } from '../../support/programs.js';

const UPLOAD = Buffer.alloc(500_000, 'u');

let rig: ClientRig;
let folder: string;

beforeEach(() => rig.reset());

interface Front {
  readonly port: number;
  readonly program: ServingProgram;
}

/** nginx with `proxy_pass` and nothing else: it speaks HTTP/1.0. */
async function startNginx(): Promise<Front> {
  const port = await freePort();
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const paths = temporary.map((name) => `${name}_temp_path ${join(folder, name)};`).join(' ');
  const file = join(folder, 'nginx.conf');
  writeFileSync(
    file,
    `daemon off; pid ${join(folder, 'nginx.pid')}; error_log ${join(folder, 'nginx.log')};
     events { worker_connections 512; }
     http { access_log off; ${paths} server { listen 127.0.0.1:${port};
       location / { proxy_pass ${rig.url}; ${rig.door === 'tls' ? nginxTls() : ''} } } }`,
  );
  return { port, program: await ServingProgram.start('nginx', ['-c', file], port) };
}

/** It verifies the gateway by a name that it sends, and has a certificate itself. */
function nginxTls(): string {
  const { ca, client } = rig.files;
  return `proxy_ssl_verify on; proxy_ssl_trusted_certificate ${ca}; proxy_ssl_server_name on;
    proxy_ssl_name ${SERVER_NAME}; proxy_ssl_protocols TLSv1.2 TLSv1.3;
    proxy_ssl_certificate ${client.cert}; proxy_ssl_certificate_key ${client.key};`;
}

/**
 * HAProxy that asks for a page before it trusts a server: in HTTP/1.0, without Host. `words`: of its
 * server line.
 */
async function startHaproxy(words = ''): Promise<Front> {
  const port = await freePort();
  const file = join(folder, 'haproxy.cfg');
  const tls = `ssl verify required ca-file ${rig.files.ca} sni str(${SERVER_NAME})`;
  const checks = 'check inter 100 fastinter 100 rise 2';
  writeFileSync(
    file,
    `defaults
  mode http
  timeout connect 5s
  timeout check 5s
  timeout client 30s
  timeout server 30s
listen front
  bind 127.0.0.1:${port}
  option httpchk GET /healthz
  server gateway 127.0.0.1:${rig.port} ${checks} ${rig.door === 'tls' ? tls : ''} ${words}
`,
  );
  return { port, program: await ServingProgram.start('haproxy', ['-f', file], port) };
}

async function startRig(door: Door, options: DoorOptions = {}): Promise<void> {
  folder = mkdtempSync(join(tmpdir(), 'sluice-proxies-'));
  // Whoever nginx runs as keeps bodies below it.
  chmodSync(folder, 0o755);
  rig = await ClientRig.start(door, options);
}

async function stopRig(): Promise<void> {
  await rig.stop();
  rmSync(folder, { recursive: true });
}

const FRONTS = [
  ['nginx', startNginx, []],
  ['HAProxy', startHaproxy, ['/healthz']],
] as const;

describe.each(DOORS)('a proxy in front, %s', (door) => {
  beforeAll(() => startRig(door, door === 'tls' ? { clientCertificates: 'request' } : {}));

  afterAll(stopRig);

  describe.each(FRONTS)('%s', (_, start, checked) => {
    let front: Front;

    beforeAll(async () => {
      front = await start();
    });

    afterAll(async () => {
      await front.program.stop();
    });

    it('forwards requests, uploads and replies', async () => {
      const url = `http://127.0.0.1:${front.port}`;
      await eventually('the gateway is trusted', async () => (await fetch(`${url}/a`)).ok);
      const got = await fetch(`${url}/a?b`);
      const scheme = door === 'tls' ? 'https' : 'http';
      expect([got.status, await got.json()]).toMatchObject([200, { line: 'GET /a?b', scheme }]);
      const sent = await fetch(`${url}/up`, { method: 'POST', body: UPLOAD });
      expect([sent.status, (await sent.json()).sha256]).toEqual([200, sha256(UPLOAD)]);
      const replies = await Promise.all(
        Array.from({ length: 30 }, (_, at) => fetch(`${url}/many/${at}`)),
      );
      expect(replies.map(({ status }) => status)).toEqual(new Array(30).fill(200));
      for (const path of checked) {
        const checks = () => rig.upstream.received.filter((one) => one.url === path).length;
        await eventually('it goes on to check', () => checks() > 5);
        expect((await fetch(`${url}/after`)).status).toBe(200);
      }
    });
  });
});

describe.each(DOORS)('HAProxy that names its client in a PROXY header, %s', (door) => {
  beforeAll(() =>
    startRig(door, { listen: { proxyProtocol: 'any', trustedProxies: ['127.0.0.1'] } }),
  );

  afterAll(stopRig);

  it.each(['send-proxy', 'send-proxy-v2', 'send-proxy-v2-ssl-cn'])('%s', async (words) => {
    const front = await startHaproxy(`${words} check-send-proxy`);
    try {
      const url = `http://127.0.0.1:${front.port}`;
      await eventually('the gateway is trusted', async () => (await fetch(`${url}/a`)).ok);
      // Another address of this machine than the proxy's own.
      const got = await runProgram('curl', ['-s', '--interface', '127.0.0.7', `${url}/who`]);
      expect(JSON.parse(got.stdout)).toMatchObject({ line: 'GET /who', client: '127.0.0.7' });
      const sent = await fetch(`${url}/up`, { method: 'POST', body: UPLOAD });
      expect([sent.status, (await sent.json()).sha256]).toEqual([200, sha256(UPLOAD)]);
    } finally {
      await front.program.stop();
    }
  });
});
