/**
 * TLS towards targets, through a whole gateway: what is wrong with a target is named wherever an
 * operator looks, and what is right is used.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createPlainServer, type RequestListener } from 'node:http';
import { createServer as createSecureServer, type ServerOptions } from 'node:https';
import {
  type AddressInfo,
  connect as connectTcp,
  createServer as createTcpServer,
  type Server,
  type Socket,
} from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_CIPHERS, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { TestAuthority } from '../support/test-authority.js';
import { makeCertificate, type TestCertificate } from '../support/test-certificate.js';

const TOKEN = 'the-token-of-the-gateway';
const NAMES = 'DNS:localhost,IP:127.0.0.1';
const PAST = ['20200101000000Z', '20200201000000Z'] as const;
const FUTURE = ['20400101000000Z', '20400201000000Z'] as const;

let authority: TestAuthority;
let other: TestAuthority;
let good: TestCertificate;
let client: TestCertificate;
let folder: string;
let servers: Server[] = [];
let children: ChildProcess[] = [];
let gateway: GatewayProcess | undefined;

beforeAll(() => {
  authority = new TestAuthority();
  other = new TestAuthority('another authority');
  good = authority.sign({ names: NAMES });
  client = authority.sign({ names: 'DNS:gateway.example' });
  folder = mkdtempSync(join(tmpdir(), 'sluice-tls-'));
});

afterAll(() => {
  authority.remove();
  other.remove();
  rmSync(folder, { recursive: true, force: true });
});

afterEach(async () => {
  await gateway?.stop();
  gateway = undefined;
  for (const server of servers) {
    server.close();
    if ('closeAllConnections' in server) (server.closeAllConnections as () => void)();
  }
  servers = [];
  for (const child of children) child.kill();
  children = [];
});

async function listen(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

const say =
  (text: string): RequestListener =>
  (request, response) => {
    request.resume();
    request.on('end', () => response.end(text));
  };

function secure(options: ServerOptions, text = 'ok'): Promise<number> {
  return listen(createSecureServer(options, say(text)));
}

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function pinOf({ cert }: TestCertificate): string {
  const key = new X509Certificate(cert).publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(key).digest('base64');
}

interface Problem {
  readonly status: number;
  readonly code: string;
  readonly proxyStatus: string;
  readonly text: string;
}

async function ask(path = '/a', init: RequestInit = {}): Promise<Problem> {
  const reply = await fetch(`${gateway?.url}${path}`, init);
  const text = await reply.text();
  const code = /"code":"(\w+)"/.exec(text)?.[1] ?? '';
  return { status: reply.status, code, proxyStatus: reply.headers.get('proxy-status') ?? '', text };
}

type Upstream = Readonly<Record<string, unknown>>;

function configOf(upstream: Upstream): Record<string, unknown> {
  return {
    admin: { port: 0, token: TOKEN },
    workers: 1,
    reload: { watch: false },
    upstreams: { api: upstream },
    routes: [{ name: 'all', match: { path: '/*' }, upstream: 'api' }],
  };
}

async function start(upstream: Upstream): Promise<GatewayProcess> {
  gateway = await GatewayProcess.start(configOf(upstream));
  return gateway;
}

function targetsAt(...ports: readonly number[]) {
  return ports.map((port) => ({ url: `https://localhost:${port}` }));
}

/** Takes connections, and ends each in its own way once the client has said something. */
function rude(end: (socket: Socket) => void): Promise<number> {
  return listen(
    createTcpServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => end(socket));
    }),
  );
}

/** `openssl s_server`, which answers a certificate of another authority with an alert. */
async function demanding(): Promise<number> {
  const files = ['-cert', file('s.pem', good.cert), '-key', file('s.key', good.key)];
  const asked = ['-Verify', '1', '-verify_return_error', '-CAfile', file('s-ca.pem', other.cert)];
  const args = ['s_server', '-accept', '127.0.0.1:0', '-www', ...files, ...asked];
  const child = spawn('openssl', args, { stdio: ['ignore', 'pipe', 'ignore'] });
  children.push(child);
  let said = '';
  child.stdout.on('data', (text: Buffer) => {
    said += text.toString();
  });
  const port = () => Number(/ACCEPT .*:(\d+)/.exec(said)?.[1] ?? 0);
  await eventually('it listens', () => port() > 0);
  return port();
}

interface BadTarget {
  readonly name: string;
  start(): Promise<number>;
  readonly tls?: () => Upstream;
  readonly code: string;
  readonly proxyError: string;
  readonly cause: RegExp;
  readonly check: string;
}

const EXPLAINED = {
  ...{ method: 'GET', from: '127.0.0.1', consumer: null, repeat: 1 },
  fields: [['host', 'localhost']],
};

const CERTIFICATE = 'tls_certificate_error';
const PROTOCOL = 'tls_protocol_error';

const BAD_TARGETS: readonly BadTarget[] = [
  {
    name: 'a certificate that is signed by itself',
    start: () => secure(makeCertificate()),
    code: 'GW_UPSTREAM_CERTIFICATE_SELF_SIGNED',
    proxyError: CERTIFICATE,
    cause: /signed by itself/,
    check: 'certificateSelfSigned',
  },
  {
    name: 'a certificate that has expired',
    start: () => secure(authority.signBetween(NAMES, ...PAST)),
    code: 'GW_UPSTREAM_CERTIFICATE_EXPIRED',
    proxyError: CERTIFICATE,
    cause: /has expired/,
    check: 'certificateExpired',
  },
  {
    name: 'a certificate that is not valid yet',
    start: () => secure(authority.signBetween(NAMES, ...FUTURE)),
    code: 'GW_UPSTREAM_CERTIFICATE_EXPIRED',
    proxyError: CERTIFICATE,
    cause: /not valid yet/,
    check: 'certificateExpired',
  },
  {
    name: 'a certificate for another name',
    start: () => secure(authority.sign({ names: 'DNS:other.example,IP:127.0.0.1' })),
    code: 'GW_UPSTREAM_CERTIFICATE_NAME',
    proxyError: CERTIFICATE,
    cause: /for other names.*other\.example/,
    check: 'certificateName',
  },
  {
    name: 'a certificate of an authority that is not known',
    start: () => secure(other.sign({ names: NAMES })),
    code: 'GW_UPSTREAM_CERTIFICATE_UNTRUSTED',
    proxyError: CERTIFICATE,
    cause: /no authority that is trusted/,
    check: 'certificateUntrusted',
  },
  {
    name: 'a key that no pin fits',
    start: () => secure(good),
    tls: () => ({ pins: [pinOf(client)] }),
    code: 'GW_UPSTREAM_CERTIFICATE_PIN',
    proxyError: CERTIFICATE,
    cause: /no pin fits/,
    check: 'certificatePin',
  },
  {
    name: 'a key that no pin fits, and nothing else that counts',
    start: () => secure(makeCertificate()),
    tls: () => ({ verify: false, pins: [pinOf(client)] }),
    code: 'GW_UPSTREAM_CERTIFICATE_PIN',
    proxyError: CERTIFICATE,
    cause: /no pin fits/,
    check: 'certificatePin',
  },
  {
    name: 'TLS 1.1 only',
    start: () =>
      secure({
        ...good,
        minVersion: 'TLSv1.1',
        maxVersion: 'TLSv1.1',
        ciphers: `${DEFAULT_CIPHERS}:@SECLEVEL=0`,
      }),
    code: 'GW_UPSTREAM_TLS_ALERT',
    proxyError: 'tls_alert_received',
    cause: /alert: .*protocol version/,
    check: 'tlsAlert',
  },
  {
    name: 'an older version than minVersion',
    start: () => secure({ ...good, maxVersion: 'TLSv1.2' }),
    tls: () => ({ minVersion: 'TLSv1.3' }),
    code: 'GW_UPSTREAM_TLS_ALERT',
    proxyError: 'tls_alert_received',
    cause: /alert: .*protocol version/,
    check: 'tlsAlert',
  },
  {
    name: 'no TLS',
    start: () => listen(createPlainServer(say('plain'))),
    code: 'GW_UPSTREAM_TLS',
    proxyError: PROTOCOL,
    cause: /speaks no TLS/,
    check: 'tlsFailed',
  },
  {
    name: 'a reset in the handshake',
    start: () => rude((socket) => socket.resetAndDestroy()),
    code: 'GW_UPSTREAM_TLS',
    proxyError: PROTOCOL,
    cause: /closed the connection during the handshake/,
    check: 'tlsFailed',
  },
  {
    name: 'an end in the handshake',
    start: () => rude((socket) => socket.end()),
    code: 'GW_UPSTREAM_TLS',
    proxyError: PROTOCOL,
    cause: /closed the connection during the handshake/,
    check: 'tlsFailed',
  },
  {
    name: 'a wish for a certificate, by TLS 1.3',
    start: () => secure({ ...good, ca: authority.cert, requestCert: true, minVersion: 'TLSv1.3' }),
    code: 'GW_UPSTREAM_TLS_ALERT',
    proxyError: 'tls_alert_received',
    cause: /alert: .*certificate required/,
    check: 'tlsAlert',
  },
  {
    name: 'a wish for a certificate, by TLS 1.2',
    start: () => secure({ ...good, ca: authority.cert, requestCert: true, maxVersion: 'TLSv1.2' }),
    code: 'GW_UPSTREAM_TLS_ALERT',
    proxyError: 'tls_alert_received',
    cause: /alert: /,
    check: 'tlsAlert',
  },
  {
    name: 'a wish for another certificate than the one that it gets',
    start: () => demanding(),
    tls: () => ({ cert: client.cert, key: client.key }),
    code: 'GW_UPSTREAM_TLS_ALERT',
    proxyError: 'tls_alert_received',
    cause: /alert: .*(unknown ca|certificate)/,
    check: 'tlsAlert',
  },
];

interface TargetFigures {
  readonly state: string;
  readonly why: string;
}

describe('a target with', () => {
  it.each(BAD_TARGETS)('$name: the cause is told', async (bad) => {
    const port = await bad.start();
    const upstream = {
      targets: targetsAt(port),
      tls: { ca: authority.cert, ...bad.tls?.() },
      healthCheck: { type: 'http', interval: '200ms', unhealthyThreshold: 1 },
      loadBalancing: { panicThreshold: 100 },
      circuitBreaker: { failureThreshold: 1000 },
    };
    const started = await start(upstream);
    for (const method of ['GET', 'POST']) {
      const body = method === 'POST' ? { body: 'x' } : {};
      const { status, code, proxyStatus, text } = await ask('/a', { method, ...body });
      expect([status, code]).toEqual([502, bad.code]);
      expect(proxyStatus).toContain(`error=${bad.proxyError}`);
      // What the operator is told is not the client's business.
      expect(text).not.toMatch(/example|protocol version|required|pin fits/);
    }
    const records = () => started.find('request').filter((one) => one['status'] === 502);
    await eventually('both are in the log', () => records().length === 2);
    for (const record of records()) expect(record['cause']).toMatch(bad.cause);
    const recent = await fetch(`${started.adminUrl}/recent`);
    expect(await recent.text()).toMatch(bad.cause);
    await eventually('its health check says why', async () => {
      const { targets } = await started.stats<{ targets: TargetFigures[] }>();
      return targets[0]?.why === `healthCheck: ${bad.check}`;
    });
    const explained = await fetch(`${started.adminUrl}/explain`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...EXPLAINED, target: '/a' }),
    });
    expect(await explained.text()).toContain(bad.check);
  });

  it.each([
    ['a certificate that has expired', () => secure(authority.signBetween(NAMES, ...PAST))],
    ['a reset in the handshake', () => rude((socket) => socket.resetAndDestroy())],
    [
      'a wish for a certificate',
      () => secure({ ...good, ca: authority.cert, requestCert: true, minVersion: 'TLSv1.3' }),
    ],
  ])('%s is a connect failure: another one gets the request', async (_name, startBad) => {
    const ports = [await startBad(), await secure(good, 'from the good one')];
    const started = await start({
      targets: targetsAt(...ports),
      tls: { ca: authority.cert },
      retry: { attempts: 1, on: ['connectFailure'] },
      circuitBreaker: { failureThreshold: 3, failureOn: ['connectFailure'] },
    });
    for (let round = 0; round < 8; round++) {
      const { status, text } = await ask('/a', { method: 'POST', body: 'not to be sent twice' });
      expect([status, text]).toEqual([200, 'from the good one']);
    }
    const { targets } = await started.stats<{ targets: TargetFigures[] }>();
    expect(targets[0]?.state).toBe('open');
    const metrics = await (await fetch(`${started.adminUrl}/metrics`)).text();
    expect(metrics).toMatch(/connect_failures_total\{[^}]*\} 3/);
  });
});

describe('what is right', () => {
  it('is used: name, authority, own certificate, pin, version', async () => {
    const seen: string[] = [];
    const server = createSecureServer(
      { ...authority.sign({ names: 'DNS:inner.example' }), ca: authority.cert, requestCert: true },
      (request, response) => {
        const socket = request.socket as TLSSocket;
        const names = new X509Certificate(client.cert).subjectAltName;
        const shown = socket.getPeerX509Certificate()?.subjectAltName;
        seen.push(`${socket.getProtocol()} ${String(Reflect.get(socket, 'servername'))}`);
        response.end(String(shown === names));
      },
    );
    const port = await listen(server);
    await start({
      targets: [{ url: `https://127.0.0.1:${port}`, tls: { serverName: 'inner.example' } }],
      tls: {
        ca: file('ca.pem', authority.cert),
        cert: file('client.pem', client.cert),
        key: file('client.key', client.key),
        minVersion: 'TLSv1.3',
      },
    });
    expect((await ask()).text).toBe('true');
    expect(seen).toEqual(['TLSv1.3 inner.example']);
  });

  it('may be a pin alone: a certificate that is signed by itself', async () => {
    const own = makeCertificate('DNS:whoever.example');
    const port = await secure(own);
    const started = await start({
      targets: targetsAt(port),
      tls: { verify: false, pins: [pinOf(client), pinOf(own)] },
    });
    expect((await ask()).text).toBe('ok');
    expect(started.find('gateway started')).toHaveLength(1);
    expect(started.records().filter(({ level }) => level === 'warn')).toEqual([]);
  });

  it('may be anything where nothing is verified, which the log warns of', async () => {
    const port = await secure(makeCertificate('DNS:whoever.example'));
    const started = await start({ targets: targetsAt(port), tls: { verify: false } });
    expect((await ask()).text).toBe('ok');
    const warnings = started.records().filter(({ level }) => level === 'warn');
    expect(warnings).toMatchObject([{ upstream: 'api' }]);
    expect(warnings[0]?.msg).toContain('are not verified');
  });

  it('is taken up again: connections resume the session, for an hour at most', async () => {
    let resumed = 0;
    const server = createSecureServer(good, (request, response) => {
      if ((request.socket as TLSSocket).isSessionReused()) resumed += 1;
      response.setHeader('connection', 'close');
      response.end('ok');
    });
    const port = await listen(server);
    await start({ targets: targetsAt(port), tls: { ca: authority.cert } });
    for (let round = 0; round < 6; round++) expect((await ask()).text).toBe('ok');
    expect(resumed).toBeGreaterThanOrEqual(4);
  });
});

/** nginx as it is installed, with TLS and the files of this test. */
async function nginx(certificate: TestCertificate): Promise<number> {
  const port = await listen(createTcpServer());
  await new Promise((resolve) => servers.pop()?.close(resolve));
  const base = mkdtempSync(join(folder, 'nginx-'));
  file('n.pem', certificate.cert);
  file('n.key', certificate.key);
  const text = `
    daemon off; master_process off; error_log stderr; pid ${base}/pid;
    events {}
    http {
      access_log off; client_body_temp_path ${base}/a; proxy_temp_path ${base}/b;
      fastcgi_temp_path ${base}/c; uwsgi_temp_path ${base}/d; scgi_temp_path ${base}/e;
      server {
        listen 127.0.0.1:${port} ssl; server_name localhost;
        ssl_certificate ${folder}/n.pem; ssl_certificate_key ${folder}/n.key;
        ssl_client_certificate ${file('n-ca.pem', authority.cert)}; ssl_verify_client optional;
        client_max_body_size 1k;
        location / { return 200 "$ssl_client_verify $ssl_protocol $ssl_session_reused"; }
        location /large { root ${base}; }
      }
    }`;
  writeFileSync(join(base, 'large'), Buffer.alloc(3_000_000, 'x'));
  const child = spawn('nginx', ['-c', file('nginx.conf', text), '-p', base], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  children.push(child);
  await eventually('nginx listens', async () => {
    const socket = connectTcp(port, '127.0.0.1');
    const isThere = await new Promise<boolean>((resolve) => {
      socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    });
    socket.destroy();
    return isThere;
  });
  return port;
}

describe('nginx as a target', () => {
  it('is reached by TLS: own certificate, resumed sessions, long replies, early refusals', async () => {
    const port = await nginx(good);
    await start({
      targets: targetsAt(port),
      tls: { ca: authority.cert, cert: client.cert, key: client.key },
    });
    expect((await ask()).text).toMatch(/^SUCCESS TLSv1\.[23] \.$/);
    const large = await ask('/large');
    expect([large.status, large.text.length]).toEqual([200, 3_000_000]);
    // More than nginx takes: it answers at once, and closes behind that.
    for (let round = 0; round < 10; round++) {
      const body = Buffer.alloc(900_000);
      expect((await ask('/large', { method: 'POST', body })).status).toBe(413);
    }
    expect((await ask()).text).toMatch(/^SUCCESS TLSv1\.[23] r$/);
  });
});

describe('a reload', () => {
  it('takes files that were replaced, and lets connections under the old ones go', async () => {
    const names = new Map<Socket, string>();
    const server = createSecureServer(
      { ...good, ca: [authority.cert, other.cert], requestCert: true },
      (request, response) => {
        const socket = request.socket as TLSSocket;
        names.set(socket, socket.getPeerX509Certificate()?.subjectAltName ?? '');
        response.end(names.get(socket));
      },
    );
    const port = await listen(server);
    const [cert, key] = [file('own.pem', client.cert), file('own.key', client.key)];
    const started = await start({
      targets: targetsAt(port),
      tls: { ca: authority.cert, cert, key },
    });
    expect((await ask()).text).toBe('DNS:gateway.example');
    const next = other.sign({ names: 'DNS:renewed.example' });

    file('own.pem', next.cert);
    const torn = await started.post('/reload', TOKEN);
    expect(torn.status).toBe(409);
    expect(JSON.stringify(torn.body)).toContain(
      `the key (${key}) does not belong to the certificate (${cert})`,
    );
    expect((await ask()).text).toBe('DNS:gateway.example');

    file('own.key', next.key);
    expect((await started.post('/reload', TOKEN)).status).toBe(200);
    await eventually('the new one is shown', async () => {
      return (await ask()).text === 'DNS:renewed.example';
    });
    for (let round = 0; round < 5; round++) expect((await ask()).text).toBe('DNS:renewed.example');
    await eventually('the old connections are gone', () =>
      [...names].every(([socket, name]) => name.includes('renewed') || socket.destroyed),
    );
  });

  it('comes by itself when the files are replaced, and not while they do not fit', async () => {
    const server = createSecureServer(
      { ...good, ca: [authority.cert, other.cert], requestCert: true },
      (request, response) => {
        const { socket } = request;
        response.end((socket as TLSSocket).getPeerX509Certificate()?.subjectAltName ?? '');
      },
    );
    const port = await listen(server);
    const [cert, key] = [file('kept.pem', client.cert), file('kept.key', client.key)];
    const upstream = { targets: targetsAt(port), tls: { ca: authority.cert, cert, key } };
    gateway = await GatewayProcess.start({ ...configOf(upstream), reload: { watch: true } });
    expect((await ask()).text).toBe('DNS:gateway.example');
    const next = other.sign({ names: 'DNS:renewed.example' });
    file('kept.pem', next.cert);
    const isRefused = (): boolean =>
      gateway?.stdout.includes('does not belong to the certificate') === true;
    await eventually('the pair is found not to fit', isRefused);
    expect((await ask()).text).toBe('DNS:gateway.example');
    file('kept.key', next.key);
    await eventually('the new one is shown', async () => {
      return (await ask()).text === 'DNS:renewed.example';
    });
  });

  it('that trusts another authority uses no connection of before', async () => {
    const port = await secure(good);
    const targets = targetsAt(port);
    const started = await start({ targets, tls: { ca: authority.cert } });
    expect((await ask()).status).toBe(200);
    started.rewrite(configOf({ targets, tls: { ca: other.cert } }));
    expect((await started.post('/reload', TOKEN)).status).toBe(200);
    await eventually('it is not trusted', async () => (await ask()).status === 502);
    expect((await ask()).code).toBe('GW_UPSTREAM_CERTIFICATE_UNTRUSTED');
  });
});
