/**
 * Routes that let in whoever has no credentials: who is nobody, who is refused all the same, what
 * the target is told, and what each kind of caller is counted by.
 */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Explanation } from '../../src/explain/explanation.js';
import { hashPassword } from '../../src/filters/authentication/password-hash.js';
import { JWT_SECRET } from '../support/configs.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { signHs256 } from '../support/hs256-token.js';

const KEY = 'an API key that nobody guesses';

let upstream: FakeUpstream;
let service: FakeUpstream;
let gateway: GatewayProcess;

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

function aRoute(name: string, authenticate: readonly string[], more: object = {}): object {
  const match = { path: `/${name}` };
  return { name, match, upstream: 'api', authenticate, anonymous: 'allow', ...more };
}

beforeAll(async () => {
  upstream = await FakeUpstream.start();
  // Knows a session and an opaque token, and sends everybody else to a login page.
  service = await FakeUpstream.start((request, response) => {
    if (request.url === '/introspect') {
      let body = '';
      request.on('data', (chunk: Buffer) => {
        body += chunk.toString();
      });
      request.on('end', () => {
        const active = body.includes('token=good');
        response.writeHead(200, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ active, sub: 'opaque' }));
      });
      return;
    }
    const isKnown = request.headers.cookie === 'session=good';
    response.writeHead(isKnown ? 200 : 302, isKnown ? { 'x-user': 'ada' } : { location: '/in' });
    response.end();
  });
  const claimHeaders = { 'x-user': 'sub' };
  gateway = await GatewayProcess.start({
    workers: 2,
    authenticators: {
      users: { type: 'jwt', algorithms: ['HS256'], secret: JWT_SECRET, claimHeaders },
      keys: { type: 'apiKey', keys: [{ id: 'acme', sha256: sha256(KEY) }], claimHeaders },
      people: {
        type: 'basic',
        users: [{ id: 'ada', passwordHash: await hashPassword('right') }],
        claimHeaders,
      },
      opaque: {
        type: 'introspection',
        url: `${service.url}/introspect`,
        clientId: 'gateway',
        clientSecret: 'secret',
        claimHeaders,
      },
      asked: {
        type: 'forwardAuth',
        url: `${service.url}/check`,
        timeout: '5s',
        responseHeaders: ['x-user'],
        consumerHeader: 'x-user',
      },
      lost: { type: 'forwardAuth', url: 'http://127.0.0.1:1/', responseHeaders: ['x-user'] },
    },
    upstreams: { api: { targets: [{ url: upstream.url }] } },
    routes: [
      aRoute('users', ['users']),
      aRoute('keys', ['keys']),
      aRoute('people', ['people']),
      aRoute('opaque', ['opaque']),
      aRoute('asked', ['asked']),
      aRoute('lost', ['lost']),
      aRoute('any', ['users', 'keys', 'asked'], { cors: { origins: ['https://app.example'] } }),
      aRoute('counted', ['users'], {
        rateLimit: [
          { name: 'all', limit: 100, window: '1h', key: 'route' },
          { name: 'few', limit: 2, window: '1h', callers: 'anonymous' },
          { name: 'many', limit: 4, window: '1h', key: 'consumer', callers: 'identified' },
        ],
      }),
      aRoute('named', ['users'], { rateLimit: { limit: 1, window: '1h', key: 'consumer' } }),
      aRoute('guessed', ['users'], { rateLimit: { limit: 3, window: '1h' } }),
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
  service.headCount = 0;
});

type Headers = Record<string, string>;

const get = (path: string, headers: Headers = {}) => fetch(gateway.url + path, { headers });
const token = (sub: string, exp = Date.now() / 1000 + 600) => ({
  authorization: `Bearer ${signHs256({ sub, exp: Math.floor(exp) })}`,
});
const basic = (text: string) => ({
  authorization: `Basic ${Buffer.from(text).toString('base64')}`,
});

async function statusesOf(path: string, times: number, headers: Headers = {}): Promise<number[]> {
  const statuses: number[] = [];
  for (let nth = 0; nth < times; nth++) {
    const reply = await get(path, headers);
    await reply.arrayBuffer();
    statuses.push(reply.status);
  }
  return statuses;
}

/** What the limits that are for this caller say, by name, key and what is left. */
async function limitsOf(target: string, headers: Headers): Promise<unknown> {
  const fields = [['host', 'localhost'], ...Object.entries(headers)];
  const asked = { method: 'GET', target, from: '127.0.0.1', consumer: null, repeat: 1, fields };
  const reply = await fetch(`${gateway.adminUrl}/explain`, {
    method: 'POST',
    body: JSON.stringify(asked),
  });
  const { limits } = (await reply.json()) as Explanation;
  return limits.map(({ limit, key, remaining }) => [limit, key, remaining]);
}

describe('a route that lets anonymous callers in', () => {
  it.each(['/users', '/keys', '/people', '/opaque', '/asked', '/lost', '/any'])(
    'tells the target nothing of a caller without credentials: %s',
    async (path) => {
      const reply = await get(path, { 'x-user': 'forged' });
      expect(reply.status).toBe(200);
      expect(upstream.received.map(({ headers }) => headers['x-user'])).toEqual([undefined]);
    },
  );

  it.each([
    ['/users', token('u1'), 'u1'],
    ['/keys', { apikey: KEY }, 'acme'],
    ['/people', basic('ada:right'), 'ada'],
    ['/opaque', { authorization: 'Bearer good' }, 'opaque'],
    ['/asked', { cookie: 'session=good' }, 'ada'],
    ['/any', { cookie: 'session=good' }, 'ada'],
  ])('knows who has credentials: %s %o', async (path, headers, user) => {
    const reply = await get(path, headers as unknown as Headers);
    expect(reply.status).toBe(200);
    expect(upstream.received[0]?.headers['x-user']).toBe(user);
  });

  it.each([
    ['/users', { authorization: 'Bearer nonsense' }],
    ['/users', token('u1', 1)],
    ['/users', basic('ada:right')],
    ['/users', { authorization: 'Bearer' }],
    ['/people', basic('ada:wrong')],
    ['/people', token('u1')],
    ['/opaque', { authorization: 'Bearer bad' }],
    ['/keys', { apikey: `${KEY}x` }],
  ])('refuses wrong credentials: %s %o', async (path, headers) => {
    const reply = await get(path, headers as unknown as Headers);
    expect(reply.status).toBe(401);
    expect(reply.headers.get('www-authenticate')).not.toBeNull();
    expect(upstream.received).toEqual([]);
  });

  it('hands on what the service says to credentials that it does not take', async () => {
    const headers = { cookie: 'session=old' };
    const reply = await fetch(`${gateway.url}/asked`, { headers, redirect: 'manual' });
    expect([reply.status, reply.headers.get('location')]).toEqual([302, '/in']);
    expect((await get('/lost', headers)).status).toBe(503);
    const wrong = { ...token('u1', 1), apikey: 'x' };
    const other = await fetch(`${gateway.url}/any`, { headers: wrong, redirect: 'manual' });
    expect(other.status).toBe(302);
    expect(upstream.received).toEqual([]);
  });

  it('does not ask a service about who has nothing to be known by', async () => {
    await get('/asked', { accept: 'text/html', 'x-requested-with': 'x' });
    expect(service.headCount).toBe(0);
  });

  it('answers preflights as ever', async () => {
    const reply = await fetch(`${gateway.url}/any`, {
      method: 'OPTIONS',
      headers: { origin: 'https://app.example', 'access-control-request-method': 'GET' },
    });
    expect([reply.status, reply.headers.get('access-control-allow-origin')]).toEqual([
      204,
      'https://app.example',
    ]);
  });
});

describe('limits for some callers', () => {
  it('count each request once by each limit that is for its caller', async () => {
    expect(await statusesOf('/counted', 3)).toEqual([200, 200, 429]);
    expect(await statusesOf('/counted', 5, token('u1'))).toEqual([200, 200, 200, 200, 429]);
    expect(await statusesOf('/counted', 4, token('u2'))).toEqual([200, 200, 200, 200]);
    expect(await statusesOf('/counted', 1, { authorization: 'Bearer nonsense' })).toEqual([401]);
    // All thirteen, those that were refused as well.
    expect(await limitsOf('/counted', {})).toEqual([
      ['all', 'route', 87],
      ['few', 'clientIp=127.0.0.1', 0],
    ]);
    expect(await limitsOf('/counted', token('u2'))).toEqual([
      ['all', 'route', 87],
      ['many', 'consumer=u2', 0],
    ]);
  });

  it('count anonymous callers by address where others have a name', async () => {
    expect(await statusesOf('/named', 2)).toEqual([200, 429]);
    expect(await statusesOf('/named', 2, token('u1'))).toEqual([200, 429]);
    expect(await limitsOf('/named', {})).toEqual([['named', 'clientIp=127.0.0.1', 0]]);
  });

  it('still end guesses', async () => {
    const wrong = { authorization: 'Bearer nonsense' };
    expect(await statusesOf('/guessed', 4, wrong)).toEqual([401, 401, 401, 429]);
    expect(await statusesOf('/guessed', 1)).toEqual([429]);
  });
});
