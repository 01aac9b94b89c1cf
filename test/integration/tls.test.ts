/**
 * TLS with clients end to end: certificates by name, files that change under load, client
 * certificates down to the target, and the figures of all that.
 */
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { request as requestSecure } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, connect } from 'node:tls';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { InProcessGateway } from '../support/in-process-gateway.js';
import { TestAuthority } from '../support/test-authority.js';
import type { TestCertificate } from '../support/test-certificate.js';

let authority: TestAuthority;
let target: Server;
let folder = '';
let gateway: InProcessGateway | null = null;

beforeAll(async () => {
  authority = new TestAuthority();
  target = createServer((request, response) => response.end(JSON.stringify(request.headers)));
  await new Promise<void>((done) => target.listen(0, '127.0.0.1', done));
});

afterAll(() => {
  authority.remove();
  target.close();
});

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-tls-'));
});

afterEach(async () => {
  await gateway?.stop();
  gateway = null;
  rmSync(folder, { recursive: true });
});

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function pairFiles(name: string, { cert, key }: TestCertificate) {
  return { cert: write(`${name}.pem`, cert), key: write(`${name}.key`, key) };
}

const sign = (name: string, kind: 'ec' | 'rsa' = 'ec') =>
  authority.sign({ names: `DNS:${name}`, subject: `/CN=${name}`, kind });

async function start(tls: object, top: object = {}, route: object = {}): Promise<InProcessGateway> {
  const { port } = target.address() as AddressInfo;
  const upstreams = { api: { targets: [{ url: `http://127.0.0.1:${port}` }] } };
  const routes = [{ name: 'all', match: { path: '/*' }, upstream: 'api', ...route }];
  const listen = { port: 0, engine: 'wire', tls };
  gateway = await InProcessGateway.start({ listen, upstreams, routes, ...top });
  return gateway;
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly cn: string;
}

function get(servername: string, options: ConnectionOptions = {}): Promise<Answer> {
  const port = gateway?.port ?? 0;
  return new Promise((resolve, reject) => {
    const ask = requestSecure(
      { port, host: '127.0.0.1', servername, agent: false, ca: authority.cert, ...options },
      (response) => {
        const cn = Reflect.get(response.socket, 'getPeerCertificate').call(response.socket).subject;
        let body = '';
        response.on('data', (bytes) => {
          body += bytes;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body, cn: cn.CN }));
      },
    );
    ask.on('error', reject);
    ask.end();
  });
}

async function metrics(): Promise<string> {
  const { port = 0 } = gateway?.gateway.adminAddress ?? {};
  return (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
}

describe('a listener with TLS', () => {
  it('shows each name its certificate, and tells the target of https', async () => {
    const certificates = [pairFiles('a', sign('a.test')), pairFiles('b', sign('b.test', 'rsa'))];
    await start({ certificates });
    const [a, b] = [await get('a.test'), await get('b.test')];
    expect([a.cn, b.cn]).toEqual(['a.test', 'b.test']);
    expect(JSON.parse(a.body)).toMatchObject({ 'x-forwarded-proto': 'https' });
    const text = await metrics();
    expect(text).toMatch(/gateway_tls_handshakes_total\{listener="[^"]+",outcome="done"\} 2/);
    expect(text).toMatch(/gateway_certificate_expiry_timestamp_seconds\{[^}]*name="b.test"/);
  });

  it('takes new files while requests go on, and none of them fails', async () => {
    const files = pairFiles('a', sign('a.test'));
    await start({ certificates: [files] });
    let isLoading = true;
    let done = 0;
    const failures: unknown[] = [];
    const load = Promise.all(
      Array.from({ length: 4 }, async () => {
        while (isLoading) {
          await get('a.test', { checkServerIdentity: () => undefined }).then(
            () => {
              done += 1;
            },
            (error: unknown) => failures.push(error),
          );
        }
      }),
    );
    for (const name of ['one.test', 'two.test']) {
      // The key comes first: for a moment the pair does not fit.
      const next = sign(name);
      writeFileSync(files.key, next.key);
      writeFileSync(files.cert, next.cert);
      await eventually(`the certificate of ${name}`, async () => {
        const { cn } = await get('a.test', { checkServerIdentity: () => undefined });
        return cn === name;
      });
    }
    isLoading = false;
    await load;
    expect(failures).toEqual([]);
    expect(done).toBeGreaterThan(10);
  });

  it('follows links that are switched, as Kubernetes does it', async () => {
    for (const [at, name] of ['old.test', 'new.test'].entries()) {
      mkdirSync(join(folder, `v${at}`));
      const { cert, key } = sign(name);
      write(`v${at}/tls.crt`, cert);
      write(`v${at}/tls.key`, key);
    }
    symlinkSync('v0', join(folder, '..data'));
    for (const name of ['tls.crt', 'tls.key']) {
      symlinkSync(join('..data', name), join(folder, name));
    }
    const [cert, key] = [join(folder, 'tls.crt'), join(folder, 'tls.key')];
    await start({ certificates: [{ cert, key }] });
    expect((await get('old.test')).cn).toBe('old.test');
    symlinkSync('v1', join(folder, '..data_tmp'));
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
    await eventually('the new one', async () => {
      const { cn } = await get('x.test', { checkServerIdentity: () => undefined });
      return cn === 'new.test';
    });
  });

  it('keeps the old pair while the new one does not fit, and says so', async () => {
    const files = pairFiles('a', sign('a.test'));
    await start({ certificates: [files] });
    writeFileSync(files.key, sign('other.test').key);
    await eventually('it is told', async () =>
      (await metrics()).includes('gateway_certificate_refused_total 1'),
    );
    expect((await get('a.test')).cn).toBe('a.test');
  });

  it('refuses unknown names where it is strict', async () => {
    await start({ certificates: [pairFiles('a', sign('a.test'))], strictSni: true });
    await expect(get('b.test')).rejects.toThrow(/unrecognized name/);
    expect((await get('a.test')).status).toBe(200);
  });

  it('changes with the configuration, connections that are open stay', async () => {
    const { port: targetPort } = target.address() as AddressInfo;
    const first = pairFiles('a', sign('a.test'));
    await start({ certificates: [first] });
    const { port = 0 } = gateway ?? {};
    const early = connect({ port, host: '127.0.0.1', servername: 'a.test', ca: authority.cert });
    const ask = async (): Promise<string> => {
      early.write('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
      return new Promise((done) => early.once('data', (bytes) => done(String(bytes))));
    };
    expect(await ask()).toMatch(/^HTTP\/1.1 200/);
    const result = await gateway?.gateway.apply({
      listen: { port: 0, engine: 'wire', tls: { certificates: [pairFiles('n', sign('n.test'))] } },
      admin: { port: 0 },
      logging: { level: 'silent', accessLog: false },
      upstreams: { api: { targets: [{ url: `http://127.0.0.1:${targetPort}` }] } },
      routes: [{ name: 'all', match: { path: '/*' }, upstream: 'api' }],
    } as never);
    expect(result).toMatchObject({ outcome: 'applied' });
    expect((await get('n.test')).cn).toBe('n.test');
    expect(await ask()).toMatch(/^HTTP\/1.1 200/);
    early.destroy();
  });
});

describe('a client certificate', () => {
  const authenticators = {
    mtls: {
      type: 'clientCertificate',
      clients: [{ id: 'billing', spiffeId: 'spiffe://test/billing' }],
      claimHeaders: { 'x-user': 'sub' },
    },
  };

  it('makes a consumer, whom the target knows; nobody can pretend', async () => {
    const clientCertificates = { mode: 'request', ca: write('ca.pem', authority.cert) };
    const certificates = [pairFiles('a', sign('a.test'))];
    await start(
      { certificates, clientCertificates },
      { authenticators },
      { authenticate: ['mtls'] },
    );
    const client = authority.sign({ names: 'URI:spiffe://test/billing', subject: '/CN=billing' });
    const { status, body } = await get('a.test', client);
    expect(status).toBe(200);
    expect(JSON.parse(body)).toMatchObject({
      'x-user': 'billing',
      'x-forwarded-client-cert': expect.stringMatching(
        /^Hash=[0-9a-f]{64};Subject="CN=billing";URI=spiffe:\/\/test\/billing$/,
      ),
    });
    expect((await get('a.test')).status).toBe(401);
    expect((await get('a.test', authority.sign({}))).status).toBe(401);
  });

  it('is needed where the listener says so, and ends with the list of revoked ones', async () => {
    const client = authority.sign({ names: 'URI:spiffe://test/billing' });
    const crl = write('crl.pem', authority.revoke());
    const clientCertificates = { ca: write('ca.pem', authority.cert), crl };
    await start({ certificates: [pairFiles('a', sign('a.test'))], clientCertificates });
    expect((await get('a.test', client)).status).toBe(200);
    await expect(get('a.test')).rejects.toThrow();
    writeFileSync(crl, authority.revoke(client.cert));
    await eventually('it is refused', () =>
      get('a.test', client).then(
        () => false,
        () => true,
      ),
    );
  });

  it('is taken from nobody who only writes it into a field', async () => {
    await start({ certificates: [pairFiles('a', sign('a.test'))] });
    const { port = 0 } = gateway ?? {};
    const socket = connect({ port, host: '127.0.0.1', servername: 'a.test', ca: authority.cert });
    const field = 'X-Forwarded-Client-Cert: Hash=00;URI=spiffe://test/billing';
    socket.write(`GET / HTTP/1.1\r\nHost: a.test\r\n${field}\r\nConnection: close\r\n\r\n`);
    let text = '';
    for await (const bytes of socket) text += bytes;
    expect(text).toMatch(/^HTTP\/1.1 200/);
    expect(text).not.toMatch(/client-cert/i);
  });
});
