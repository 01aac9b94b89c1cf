/**
 * Other proxies in front of the gateway, as they are configured by who says no more than he must.
 */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ClientRig, freePort, sha256 } from '../../support/client-rig.js';
import { eventually } from '../../support/eventually.js';
import { ServingProgram } from '../../support/programs.js';

const UPLOAD = Buffer.alloc(500_000, 'u');

let rig: ClientRig;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-proxies-'));
  // Whoever nginx runs as keeps bodies below it.
  chmodSync(folder, 0o755);
  rig = await ClientRig.start();
});

afterAll(async () => {
  await rig.stop();
  rmSync(folder, { recursive: true });
});

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
     events { worker_connections 64; }
     http { access_log off; ${paths} server { listen 127.0.0.1:${port};
       location / { proxy_pass ${rig.url}; } } }`,
  );
  return { port, program: await ServingProgram.start('nginx', ['-c', file], port) };
}

/** HAProxy that asks for a page before it trusts a server: in HTTP/1.0, without Host. */
async function startHaproxy(): Promise<Front> {
  const port = await freePort();
  const file = join(folder, 'haproxy.cfg');
  writeFileSync(
    file,
    `defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
listen front
  bind 127.0.0.1:${port}
  option httpchk GET /healthz
  server gateway 127.0.0.1:${rig.gateway.port} check inter 100 fastinter 100 rise 2
`,
  );
  return { port, program: await ServingProgram.start('haproxy', ['-f', file], port) };
}

describe.each([
  ['nginx', startNginx, []],
  ['HAProxy', startHaproxy, ['/healthz']],
])('%s in front', (_, start, checked) => {
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
    expect([got.status, (await got.json()).line]).toEqual([200, 'GET /a?b']);
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
