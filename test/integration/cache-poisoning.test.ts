/**
 * Published ways to have a cache store what one client has made, or to have it give away what
 * belongs to another: each from the outside, with the source that describes it. The target does
 * what vulnerable ones do, and shows what it got of the attack.
 */
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';

const KETTLE_2018 = 'Kettle, Practical Web Cache Poisoning (2018)';
const KETTLE_2020 = 'Kettle, Web Cache Entanglement (2020)';
const CPDOS = 'Nguyen et al., Your Cache Has Fallen (CCS 2019)';
const DECEPTION = 'Gil, Web Cache Deception (2017); Mirheidari et al. (USENIX 2020, 2022)';
const DESYNC = 'Kettle, HTTP Desync Attacks (2019); HTTP/2: The Sequel is Always Worse (2021)';
const HOP_BY_HOP = 'Davison, Abusing HTTP hop-by-hop request headers (2019)';

const EVIL = 'evil.example';
let upstream: FakeUpstream;
let gateway: GatewayProcess;
let run = 0;

beforeAll(async () => {
  upstream = await FakeUpstream.start(vulnerable);
  gateway = await GatewayProcess.start({
    workers: 2,
    upstreams: {
      api: {
        targets: [{ url: upstream.url }],
        retry: { attempts: 0 },
        circuitBreaker: { failureThreshold: 1000 },
      },
    },
    routes: [
      {
        name: 'account',
        match: { path: '/account/*' },

        upstream: 'api',
        cache: true,
      },
      {
        name: 'keyed',
        match: { path: '/keyed/*' },

        upstream: 'api',
        cache: { key: { query: ['id'] } },
      },
      {
        name: 'all',
        match: { path: '/*' },

        upstream: 'api',
        cache: true,
      },
    ],
  });
});

afterAll(async () => {
  await gateway.kill();
  await upstream.close();
});

/** Believes every field, makes links of them, and calls each of its replies fresh. */
function vulnerable(
  request: Parameters<FakeUpstream['script']>[0],
  response: Parameters<FakeUpstream['script']>[1],
): void {
  const { headers, url = '', method } = request;
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const body = Buffer.concat(chunks).toString();
    const isRefused = JSON.stringify(headers).includes('\\u0007') || url.includes('refuse');
    const fields: Record<string, string> = { 'cache-control': 'max-age=600' };
    if (url.startsWith('/account/')) {
      fields['cache-control'] = headers.cookie === undefined ? 'max-age=600' : 'private';
    }
    if (headers.range !== undefined) {
      response.writeHead(206, { ...fields, 'content-range': 'bytes 0-0/9' });
      response.end('p');
      return;
    }
    const status = isRefused || headers['x-oversized'] !== undefined ? 400 : 200;
    if (status === 400) fields['cache-control'] = '';
    response.writeHead(status, fields);
    response.end(JSON.stringify({ method, url, headers, body }));
  });
}

function path(prefix = ''): string {
  run += 1;
  return `${prefix}/${run}`;
}

interface Reply {
  readonly status: number;
  readonly body: string;
  readonly said: string;
}

async function ask(at: string, headers: Readonly<Record<string, string>> = {}): Promise<Reply> {
  const response = await fetch(`${gateway.url}${at}`, { headers });
  const said = response.headers.get('cache-status') ?? '';
  return { status: response.status, body: await response.text(), said };
}

/** One request as it is written; the whole of what comes back. */
function raw(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(gateway.port, '127.0.0.1', () => socket.write(text, 'latin1'));
    let all = '';
    socket.on('data', (bytes) => {
      all += bytes.toString('latin1');
    });
    socket.on('end', () => resolve(all));
    socket.on('error', reject);
  });
}

function request(line: string, ...fields: readonly string[]): string {
  const lines = [line, `Host: 127.0.0.1:${gateway.port}`, ...fields, 'Connection: close'];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** What the next client gets holds nothing of the attack, and is a good reply. */
async function expectSound(at: string): Promise<Reply> {
  const victim = await ask(at);
  expect(victim.status).toBe(200);
  expect(victim.body).not.toContain('evil');
  return victim;
}

describe(`unkeyed fields (${KETTLE_2018})`, () => {
  it.each([
    'X-Forwarded-Host',
    'X-Forwarded-Scheme',
    'X-Forwarded-Proto',
    'X-Forwarded-Port',
    'X-Forwarded-Prefix',
    'X-Forwarded-Server',
    'X-Forwarded-SSL',
    'X-Forwarded-For',
    'X-Real-IP',
    'True-Client-IP',
    'Forwarded',
    'X-Original-URL',
    'X-Rewrite-URL',
    'X-HTTP-Method-Override',
    'X-HTTP-Method',
    'X-Method-Override',
    'Proxy',
  ])('%s', async (name) => {
    const at = path();
    await raw(request(`GET ${at} HTTP/1.1`, `${name}: ${EVIL}`));
    await expectSound(at);
  });

  it('Host with a port, in another case, or doubled', async () => {
    const at = path();
    const attacked = await raw(
      `GET ${at} HTTP/1.1\r\nHost: 127.0.0.1:1\r\nConnection: close\r\n\r\n`,
    );
    expect(attacked).toContain('fwd=uri-miss');
    // Another port is another key; a case is none.
    expect((await ask(at)).said).toContain('fwd=uri-miss');
    const named = (host: string) =>
      raw(`GET ${at} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    expect(await named('Api.Example')).toContain('fwd=uri-miss');
    expect(await named('api.eXAMPLE')).toContain('; hit');
    expect(await named(`127.0.0.1:${gateway.port}\r\nHost: ${EVIL}`)).toMatch(/^HTTP\/1.1 400 /);
    const absolute = `GET http://${EVIL}${at} HTTP/1.1\r\nHost: 127.0.0.1:${gateway.port}`;
    await raw(`${absolute}\r\nConnection: close\r\n\r\n`);
    await expectSound(at);
  });
});

describe(`keys (${KETTLE_2020})`, () => {
  it('a GET with a body is not stored, and finds nothing', async () => {
    const at = path();
    const fat = await raw(`${request(`GET ${at} HTTP/1.1`, 'Content-Length: 4')}evil`);
    expect(fat).not.toContain('stored');
    await expectSound(at);
    expect(await raw(`${request(`GET ${at} HTTP/1.1`, 'Content-Length: 4')}evil`)).not.toContain(
      '; hit',
    );
  });

  it('a parameter behind ; is no parameter of its own', async () => {
    const at = path('/keyed');
    await ask(`${at}?id=1;utm=x&id=evil`);
    await expectSound(`${at}?id=1`);
    await ask(`${at}?utm=x;id=evil`);
    await expectSound(at);
  });

  it('a parameter under a coded or doubled name is no other one', async () => {
    const at = path('/keyed');
    await ask(`${at}?id=1&id=evil`);
    await ask(`${at}?id=1&%69d=evil`);
    const victim = await ask(`${at}?id=1`);
    // A name that is spelt otherwise does not count; its target gets it all the same.
    expect(victim.said.includes('; hit') ? victim.body : '').not.toContain('&id=evil');
  });

  it('parts of the key do not run into each other', async () => {
    const at = path();
    await ask(`${at}%0ahttp://${EVIL}`);
    await ask(`${at}%3fa=evil`);
    await expectSound(`${at}?a=1`);
    await expectSound(at);
  });

  it('a coded path is answered as it was asked for', async () => {
    const at = path();
    await ask(`${at}/%65vil`);
    const { body } = await ask(`${at}/x`);
    expect(body).not.toContain('vil');
  });
});

describe(`errors (${CPDOS})`, () => {
  it('an oversized field: what is refused is not stored', async () => {
    const at = path();
    const attacked = await ask(at, { 'x-oversized': 'a'.repeat(9000) });
    expect(attacked.status).toBe(400);
    await expectSound(at);
    expect((await ask(at, { 'x-big': 'a'.repeat(40_000) })).status).toBe(431);
    await expectSound(at);
  });

  it('meta characters: they reach no target', async () => {
    const at = path();
    expect(await raw(request(`GET ${at} HTTP/1.1`, 'X-Meta: a\x07b'))).toMatch(/^HTTP\/1.1 400 /);
    await expectSound(at);
  });

  it('an override of the method: no target hears of it', async () => {
    const at = path();
    const { body } = await ask(at, { 'x-http-method-override': 'DELETE' });
    expect(body).not.toContain('DELETE');
    await expectSound(at);
  });

  it('a range: a part answers nobody else', async () => {
    const at = path();
    expect((await ask(at, { range: 'bytes=0-0' })).status).toBe(206);
    await expectSound(at);
    const far = await ask(at, { range: 'bytes=99999-', 'if-match': '"none"' });
    expect([416, 412]).toContain(far.status);
    await expectSound(at);
  });

  it.each(['expect: 100-continue', 'upgrade: evil', 'transfer-encoding: evil', 'if-match: "evil"'])(
    '%s',
    async (line) => {
      const at = path();
      await raw(request(`GET ${at} HTTP/1.1`, line));
      await expectSound(at);
    },
  );
});

describe(`hop by hop (${HOP_BY_HOP})`, () => {
  it.each(['Cookie', 'Authorization', 'X-Forwarded-For', 'Host', 'Cache-Control'])(
    'Connection: %s makes nothing public that would be private',
    async (name) => {
      const at = path('/account');
      const lines = [
        `Connection: close, ${name}`,
        'Cookie: session=evil',
        'Authorization: Bearer e',
      ];
      await raw(request(`GET ${at} HTTP/1.1`, ...lines));
      const victim = await ask(at);
      expect(victim.said).not.toContain('; hit');
      expect(victim.body).not.toContain('session=evil');
    },
  );
});

describe(`deception (${DECEPTION})`, () => {
  it.each([
    '/x.css',
    '/..%2fx.css',
    '%2fx.css',
    '%3bx.css',
    '%00.css',
    '%0a.css',
    ';x.css',
    '/%2e%2e/x.css',
  ])('what is private stays so under %s', async (suffix) => {
    const at = `${path('/account')}${suffix}`;
    await raw(request(`GET ${at} HTTP/1.1`, 'Cookie: session=victim'));
    const spied = await raw(request(`GET ${at} HTTP/1.1`));
    expect(spied).not.toContain('session=victim');
    expect(spied).not.toContain('; hit');
  });
});

describe(`framing (${DESYNC})`, () => {
  it.each([
    ['both lengths', ['Content-Length: 4', 'Transfer-Encoding: chunked']],
    ['two lengths', ['Content-Length: 0', 'Content-Length: 30']],
    ['a length with a sign', ['Content-Length: +0']],
    ['a coding in disguise', ['Transfer-Encoding: xchunked']],
    ['a blank before the colon', ['Content-Length : 30']],
    ['a folded line', ['X-A: b', ' Transfer-Encoding: chunked']],
  ])('%s: nothing behind the request becomes one', async (_, fields) => {
    const at = path();
    const smuggled = `GET ${at}?evil HTTP/1.1\r\nX: `;
    await raw(`${request(`GET ${at} HTTP/1.1`, ...fields)}${smuggled}`);
    await expectSound(at);
  });

  it('pseudo-fields and field names of HTTP/2', async () => {
    const at = path();
    // The gateway may end the connection of whoever sends such a thing.
    const send = (headers: Record<string, string>): Promise<void> =>
      new Promise((resolve) => {
        const session = connectHttp2(gateway.url);
        session.on('error', () => {});
        const stream = session.request({ ':path': at, ...headers });
        stream.on('error', () => {});
        stream.resume().on('close', () => {
          session.destroy();
          resolve();
        });
      });
    await send({ ':scheme': `http://${EVIL}/?` });
    await send({ ':authority': `127.0.0.1:${gateway.port}`, host: EVIL });
    await send({ ':authority': `127.0.0.1:${gateway.port}@${EVIL}` });
    await expectSound(at);
  });
});
