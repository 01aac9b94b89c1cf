/**
 * Every kind of authenticator, alone and together, over a real gateway: who is let in as whom, what
 * the upstream gets to know, and what never leaves the gateway.
 */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { hashPassword } from '../../src/filters/authentication/password-hash.js';
import { JWT_SECRET } from '../support/configs.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { signHs256 } from '../support/hs256-token.js';
import { rawExchange } from '../support/raw-exchange.js';

const KEY = 'an API key that nobody guesses';
const PASSWORD = 'correct horse battery staple';
const CLIENT_SECRET = 'what the gateway says to the server';

let upstream: FakeUpstream;
let service: FakeUpstream;
let gateway: GatewayProcess;

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const now = () => Math.floor(Date.now() / 1000);

beforeAll(async () => {
  upstream = await FakeUpstream.start();
  service = await FakeUpstream.start();
  const claimHeaders = { 'x-user': 'sub', 'X-Roles': 'realm.roles' };
  gateway = await GatewayProcess.start({
    workers: 1,
    authenticators: {
      users: { type: 'jwt', algorithms: ['HS256'], secret: JWT_SECRET, claimHeaders },
      partners: {
        type: 'apiKey',
        header: 'X-Api-Key',
        keys: [{ id: 'acme', sha256: sha256(KEY).toUpperCase(), scopes: ['orders:read'] }],
        claimHeaders: { 'x-user': 'sub' },
      },
      people: { type: 'basic', users: [{ id: 'ada', passwordHash: await hashPassword(PASSWORD) }] },
      opaque: {
        type: 'introspection',
        url: `${service.url}/introspect`,
        clientId: 'gateway',
        clientSecret: CLIENT_SECRET,
        cache: '0s',
      },
      asked: {
        type: 'forwardAuth',
        url: `${service.url}/check?from=gateway`,
        timeout: '300ms',
        responseHeaders: ['X-Tenant'],
        consumerHeader: 'x-consumer',
      },
    },
    upstreams: {
      api: { targets: [{ url: upstream.url }] },
      other: { targets: [{ url: upstream.url.replace('127.0.0.1', 'localhost') }] },
    },
    routes: [
      { name: 'public', match: { path: '/public' }, upstream: 'api' },
      { name: 'elsewhere', match: { path: '/elsewhere' }, upstream: 'other' },
      { name: 'users', match: { path: '/users' }, upstream: 'api', authenticate: ['users'] },
      { name: 'keys', match: { path: '/keys' }, upstream: 'api', authenticate: ['partners'] },
      { name: 'people', match: { path: '/people' }, upstream: 'api', authenticate: ['people'] },
      { name: 'opaque', match: { path: '/opaque' }, upstream: 'api', authenticate: ['opaque'] },
      {
        name: 'written',
        match: { path: '/written' },
        upstream: 'api',
        authenticate: ['users'],
        rewrite: {
          path: '/of/${claims.sub}/x',
          query: { set: { by: '${claims.sub}' } },
          headers: {
            set: {
              'x-sub': 'is ${claims.sub}',
              'x-object': '${claims.object}',
              'x-list': '${claims.list}',
              'x-long': '${claims.long}',
              'x-none': '${claims.none}',
            },
          },
        },
      },
      { name: 'asked', match: { path: '/asked' }, upstream: 'api', authenticate: ['asked'] },
      {
        name: 'any',
        match: { path: '/any' },
        upstream: 'api',
        authenticate: ['users', 'partners', 'people'],
      },
      {
        name: 'orders',
        match: { path: '/orders' },
        upstream: 'api',
        authenticate: ['users', 'partners'],
        authorize: { scopes: ['orders:read'] },
      },
      {
        name: 'admin',
        match: { path: '/admin' },
        upstream: 'api',
        authenticate: ['users'],
        authorize: { claims: { 'realm.roles': ['admin', 'owner'], level: 3 } },
      },
      {
        name: 'limited',
        match: { path: '/limited' },
        upstream: 'api',
        authenticate: ['users', 'partners'],
        rateLimit: { limit: 2, window: '1h', key: 'consumer' },
      },
    ],
  });
});

afterAll(async () => {
  await gateway.stop();
  await upstream.close();
  await service.close();
});

beforeEach(() => {
  upstream.received.length = 0;
  upstream.headCount = 0;
  service.received.length = 0;
});

type Headers = Record<string, string>;

const get = (path: string, headers: Headers = {}) => fetch(gateway.url + path, { headers });
const bearer = (claims: Record<string, unknown> = {}) => ({
  authorization: `Bearer ${signHs256({ sub: 'u1', exp: now() + 600, ...claims })}`,
});
const basic = (text: string) => ({
  authorization: `Basic ${Buffer.from(text).toString('base64')}`,
});

/** What the upstream got with its only request. */
function received(): Record<string, unknown> {
  expect(upstream.received).toHaveLength(1);
  return upstream.received[0]?.headers ?? {};
}

async function expectRefused(reply: Response, status: number, code: string): Promise<void> {
  const problem = (await reply.json()) as Record<string, unknown>;
  expect([reply.status, problem['code']]).toEqual([status, code]);
  expect(upstream.headCount).toBe(0);
  const text = JSON.stringify(problem) + JSON.stringify([...reply.headers]);
  for (const secret of [JWT_SECRET, KEY, sha256(KEY), PASSWORD, CLIENT_SECRET]) {
    expect(text).not.toContain(secret);
  }
}

async function consumerOf(reply: Response): Promise<string> {
  const id = reply.headers.get('x-request-id');
  let consumer: unknown;
  await eventually('the access record', () => {
    const record = gateway.find('request').find(({ requestId }) => requestId === id);
    consumer = record?.['consumer'];
    return record !== undefined;
  });
  return String(consumer);
}

describe('an API key', () => {
  it('lets its holder in and goes no further', async () => {
    const reply = await get('/keys', { 'x-api-key': KEY });
    expect(reply.status).toBe(200);
    expect(received()).not.toHaveProperty('x-api-key');
    expect(received()['x-user']).toBe('acme');
    expect(await consumerOf(reply)).toBe('acme');
  });

  it.each([
    {},
    { 'x-api-key': '' },
    { 'x-api-key': KEY.slice(1) },
    { 'x-api-key': `${KEY}x` },
    { 'x-api-key': sha256(KEY) },
    { apikey: KEY },
    { authorization: `Bearer ${KEY}` },
  ])('is needed: %o', async (headers) => {
    const reply = await get('/keys', headers as Headers);
    expect(reply.headers.get('www-authenticate')).toMatch(/^ApiKey realm="sluice"/);
    await expectRefused(reply, 401, 'GW_UNAUTHORIZED');
  });

  it('is not looked for in the query', async () => {
    await expectRefused(
      await get(`/keys?x-api-key=${encodeURIComponent(KEY)}`),
      401,
      'GW_UNAUTHORIZED',
    );
  });

  it('that comes twice is refused', async () => {
    for (const other of [KEY, 'x']) {
      const text =
        `GET /keys HTTP/1.1\r\nHost: a\r\nX-Api-Key: ${KEY}\r\n` +
        `X-Api-Key: ${other}\r\nConnection: close\r\n\r\n`;
      const reply = await rawExchange(gateway.port, [text], { waitMsMax: 8000 });
      expect(reply.status).toBe(401);
    }
    expect(upstream.headCount).toBe(0);
  });
});

describe('a user name and a password', () => {
  it('let the user in, and the password goes no further', async () => {
    for (const round of [1, 2]) {
      upstream.received.length = 0;
      const reply = await get('/people', basic(`ada:${PASSWORD}`));
      expect([round, reply.status]).toEqual([round, 200]);
      expect(received()).not.toHaveProperty('authorization');
      expect(await consumerOf(reply)).toBe('ada');
    }
  });

  it.each(['ada:', 'ada:wrong', `bob:${PASSWORD}`, `:${PASSWORD}`, 'ada', ''])(
    'must be right: %s',
    async (pair) => {
      const reply = await get('/people', basic(pair));
      expect(reply.headers.get('www-authenticate')).toBe('Basic realm="sluice", charset="UTF-8"');
      await expectRefused(reply, 401, 'GW_UNAUTHORIZED');
    },
  );
});

describe('a token that a server is asked about', () => {
  it('is good as long as the server says so', async () => {
    let active = true;
    service.script = (request, response) => {
      service.keep(request, () => response.end(JSON.stringify({ active, sub: 'olga' })));
    };
    const headers = { authorization: 'Bearer opaque-1' };
    const reply = await get('/opaque', headers);
    expect(reply.status).toBe(200);
    expect(await consumerOf(reply)).toBe('olga');
    upstream.headCount = 0;
    active = false;
    await expectRefused(await get('/opaque', headers), 401, 'GW_UNAUTHORIZED');
  });

  it('is refused with 503 while the server fails', async () => {
    service.script = (request, response) => {
      request.resume();
      response.writeHead(500).end();
    };
    const reply = await get('/opaque', { authorization: 'Bearer opaque-2' });
    expect(reply.headers.get('retry-after')).toBe('1');
    await expectRefused(reply, 503, 'GW_AUTHENTICATION_UNAVAILABLE');
  });
});

describe('a service that is asked about each request', () => {
  it('hears what it is about, and says who calls', async () => {
    service.script = (request, response) => {
      service.keep(request, () => {
        response.writeHead(200, { 'x-tenant': 'blue', 'x-consumer': 'cleo', 'x-other': 'no' });
        response.end('ignored');
      });
    };
    const reply = await get('/asked?a=1', {
      authorization: 'Custom abc',
      cookie: 'session=1',
      'x-tenant': 'red',
      'x-secret': 'not for the service',
    });
    expect(reply.status).toBe(200);
    const [asked] = service.received;
    expect(asked).toMatchObject({ method: 'GET', url: '/check?from=gateway' });
    expect(asked?.headers).toMatchObject({
      authorization: 'Custom abc',
      cookie: 'session=1',
      'x-forwarded-method': 'GET',
      'x-forwarded-uri': '/asked?a=1',
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'http',
    });
    expect(asked?.headers).not.toHaveProperty('x-secret');
    expect(received()['x-tenant']).toBe('blue');
    expect(received()).not.toHaveProperty('x-other');
    expect(await consumerOf(reply)).toBe('cleo');
  });

  it('decides about the path that the upstream gets, not about another spelling of it', async () => {
    service.script = (request, response) => {
      service.keep(request, () => response.writeHead(200).end());
    };
    const path = '/open/..//%61sked?a=/../b';
    const request = `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
    expect((await rawExchange(gateway.port, [request])).status).toBe(200);
    expect(service.received[0]?.headers['x-forwarded-uri']).toBe('/asked?a=/../b');
    expect(upstream.received[0]?.url).toBe('/asked?a=/../b');
  });

  it.each([500, 503, 304])('whose answer is %i means that nobody is let in', async (status) => {
    service.script = (request, response) => {
      request.resume();
      response.writeHead(status, { location: 'http://127.0.0.1:1/' }).end();
    };
    await expectRefused(await get('/asked'), 503, 'GW_AUTHENTICATION_UNAVAILABLE');
  });

  it.each([302, 401, 403, 404])('whose answer is %i answers the client itself', async (status) => {
    service.script = (request, response) => {
      request.resume();
      response.writeHead(status, { location: 'http://127.0.0.1:1/', 'x-internal': '1' });
      response.end('the reason');
    };
    const reply = await fetch(`${gateway.url}/asked`, { redirect: 'manual' });
    expect(reply.status).toBe(status);
    expect(reply.headers.get('location')).toBe('http://127.0.0.1:1/');
    expect(reply.headers.get('x-internal')).toBeNull();
    expect(reply.headers.has('www-authenticate')).toBe(status === 401);
    expect(await reply.text()).toBe('the reason');
    expect(upstream.received).toEqual([]);
  });

  it('lets nobody in when it is silent, breaks off or speaks nonsense', async () => {
    const scripts: FakeUpstream['script'][] = [
      () => {},
      (request) => request.socket.destroy(),
      (request) => request.socket.end('HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n'),
      (request) => request.socket.end('hello\r\n\r\n'),
      (_, response) => response.writeHead(200, { 'content-length': 10 }).write('abc'),
    ];
    for (const script of scripts) {
      service.script = script;
      await expectRefused(await get('/asked'), 503, 'GW_AUTHENTICATION_UNAVAILABLE');
    }
  });
});

describe('several authenticators', () => {
  it('are tried in order, and each lets its own in', async () => {
    const cases: [Headers, string][] = [
      [bearer(), 'u1'],
      [{ 'x-api-key': KEY }, 'acme'],
      [basic(`ada:${PASSWORD}`), 'ada'],
      [{ ...bearer(), 'x-api-key': KEY }, 'u1'],
      [{ authorization: 'Bearer rubbish', 'x-api-key': KEY }, 'acme'],
    ];
    for (const [headers, consumer] of cases) {
      upstream.received.length = 0;
      const reply = await get('/any', headers);
      expect([consumer, reply.status]).toEqual([consumer, 200]);
      expect(await consumerOf(reply)).toBe(consumer);
      // A key goes no further even when somebody else has let the caller in.
      expect(received()).not.toHaveProperty('x-api-key');
      // Nor does what passes for a token, unless it is what let the caller in.
      expect(received()['authorization'] ?? '').not.toContain('rubbish');
      expect('authorization' in received()).toBe(consumer === 'u1');
    }
  });

  it('say what each of them wants', async () => {
    const reply = await get('/any');
    const challenge = reply.headers.get('www-authenticate') ?? '';
    for (const scheme of ['Bearer realm=', 'ApiKey realm=', 'Basic realm=']) {
      expect(challenge).toContain(scheme);
    }
    await expectRefused(reply, 401, 'GW_UNAUTHORIZED');
  });
});

describe('claims', () => {
  it('go to the upstream as fields, and take the place of what the client says', async () => {
    const claims = { sub: 'ü\r\nx-evil: 1', realm: { roles: ['a', 'b,c'] } };
    const forged = { 'x-user': 'root', 'x-roles': 'admin', 'X-USER': 'root' };
    expect((await get('/users', { ...forged, ...bearer(claims) })).status).toBe(200);
    expect(received()).toMatchObject({
      'x-user': '%C3%BC%0D%0Ax-evil: 1',
      'x-roles': 'a,b%2Cc',
    });
    expect(received()).not.toHaveProperty('x-evil');
  });

  it('put into path, query and fields stay inside of them, whatever they hold', async () => {
    const claims = {
      sub: 'ü\r\nx-evil: 1 日/../?a=1&b#\0\ud800',
      object: { a: '\r\nx-evil: 2', é: ['"'] },
      list: ['a', '\nb'],
      long: '日'.repeat(400),
      none: null,
    };
    const forged = { 'x-sub': 'root', 'x-none': 'root', 'x-evil-not': 'kept' };
    expect((await get('/written?by=root', { ...forged, ...bearer(claims) })).status).toBe(200);
    const [{ url, rawHeaders } = { url: '', rawHeaders: [] }] = upstream.received;
    const sub = '%C3%BC%0D%0Ax-evil%3A%201%20%E6%97%A5%2F..%2F%3Fa%3D1%26b%23%00%EF%BF%BD';
    expect(url).toBe(`/of/${sub}/x?by=${sub}`);
    expect(received()).toMatchObject({
      'x-sub': 'is %C3%BC%0D%0Ax-evil: 1 %E6%97%A5/../?a=1&b#%00%EF%BF%BD',
      'x-object': '{"a":"\\r\\nx-evil: 2","%C3%A9":["\\""]}',
      'x-list': 'a %0Ab',
      'x-long': '%E6%97%A5'.repeat(400),
      'x-evil-not': 'kept',
    });
    expect(received()).not.toHaveProperty('x-none');
    const names = rawHeaders.filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase());
    expect(names).not.toContain('x-evil');
    expect(names.filter((name) => name === 'x-sub')).toHaveLength(1);
  });

  it.each(['..', '.', ''])('make no other path: "%s"', async (sub) => {
    await expectRefused(await get('/written', bearer({ sub })), 400, 'GW_REWRITE_FAILED');
  });

  it('that are not there leave no room for what the client says', async () => {
    const text =
      'GET /users HTTP/1.1\r\nHost: a\r\nX-Roles: admin\r\nConnection: close, x-user\r\n' +
      `X-User: root\r\nx-user: root\r\nAuthorization: ${bearer().authorization}\r\n\r\n`;
    expect((await rawExchange(gateway.port, [text], { waitMsMax: 8000 })).status).toBe(200);
    expect(received()).not.toHaveProperty('x-roles');
    expect(received()['x-user']).toBe('u1');
  });

  it('cannot be forged over a public route to the same upstream', async () => {
    await get('/public', { 'x-user': 'root', 'x-roles': 'admin', 'x-tenant': 'red' });
    for (const name of ['x-user', 'x-roles', 'x-tenant']) {
      expect(received()).not.toHaveProperty(name);
    }
    upstream.received.length = 0;
    await get('/elsewhere', { 'x-user': 'theirs' });
    expect(received()['x-user']).toBe('theirs');
  });
});

describe('authorization', () => {
  it('lets in who has the scope', async () => {
    const good = [{ scope: 'a orders:read' }, { scope: ['orders:read'] }, { scp: ['orders:read'] }];
    for (const claims of good) expect((await get('/orders', bearer(claims))).status).toBe(200);
    expect((await get('/orders', { 'x-api-key': KEY })).status).toBe(200);
  });

  it.each([{}, { scope: 'orders:readx' }, { scope: 'orders' }, { scope: { 'orders:read': 1 } }])(
    'answers 403 to others: %o',
    async (claims) => {
      const reply = await get('/orders', bearer(claims));
      expect(reply.headers.get('www-authenticate')).toBe(
        'Bearer realm="sluice", error="insufficient_scope", scope="orders:read"',
      );
      await expectRefused(reply, 403, 'GW_FORBIDDEN');
      expect(await consumerOf(reply)).toBe('u1');
    },
  );

  it('goes by claims as well: all of them, one value of each', async () => {
    const good = { realm: { roles: ['x', 'owner'] }, level: 3 };
    expect((await get('/admin', bearer(good))).status).toBe(200);
    upstream.headCount = 0;
    const bad = [
      {},
      { ...good, level: '3' },
      { ...good, level: undefined },
      { ...good, realm: { roles: ['x'] } },
      { ...good, realm: { roles: 'own' } },
      { ...good, realm: 'owner' },
      { level: 3, realm: { roles: [['owner']] } },
    ];
    for (const claims of bad) {
      await expectRefused(await get('/admin', bearer(claims)), 403, 'GW_FORBIDDEN');
    }
  });
});

describe('a consumer', () => {
  it('has a limit of its own, whatever its credentials are', async () => {
    const status = async (headers: Headers) => (await get('/limited', headers)).status;
    const other = bearer({ sub: 'u2' });
    expect(await status(bearer())).toBe(200);
    expect(await status(bearer({ jti: 'another token' }))).toBe(200);
    expect(await status(bearer({ jti: 'a third' }))).toBe(429);
    expect(await status(other)).toBe(200);
    expect(await status({ 'x-api-key': KEY })).toBe(200);
  });
});

describe('the log', () => {
  it('holds no secret', async () => {
    const stats = JSON.stringify(await gateway.stats());
    const text = gateway.stdout + gateway.stderr + stats;
    for (const secret of [JWT_SECRET, KEY, sha256(KEY), PASSWORD, CLIENT_SECRET, 'opaque-1']) {
      expect(text).not.toContain(secret);
    }
  });

  it('counts who was turned away', async () => {
    const { problems } = (await gateway.stats()) as { problems: Record<string, number> };
    for (const code of ['GW_FORBIDDEN', 'GW_AUTHENTICATION_UNAVAILABLE']) {
      expect([code, problems[code] ?? 0]).not.toEqual([code, 0]);
    }
  });
});
