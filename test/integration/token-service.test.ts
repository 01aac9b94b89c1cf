/**
 * Tokens that the gateway makes itself: issued, refreshed, taken back, and verified by all of its
 * workers and by anybody else who reads its key set.
 */
import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashPassword } from '../../src/filters/authentication/password-hash.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { InProcessGateway } from '../support/in-process-gateway.js';

let upstream: FakeUpstream;
let gateway: InProcessGateway;

const LOGIN = { authorization: `Basic ${Buffer.from('ada:secret').toString('base64')}` };

beforeAll(async () => {
  upstream = await FakeUpstream.start();
  const users = [{ id: 'ada', passwordHash: await hashPassword('secret'), scopes: ['read'] }];
  const expected = { issuer: 'sluice', audience: 'api' };
  const route = (name: string, path: string, method: string, rest: object) => {
    return { name, match: { path, methods: [method] }, ...rest };
  };
  gateway = await InProcessGateway.start({
    workers: 2,
    tokenService: { ...expected, accessTokenLifetime: '10s', refreshTokenLifetime: '1m' },
    authenticators: {
      people: { type: 'basic', users },
      own: { type: 'jwt', algorithms: ['ES256'], tokenService: true, ...expected, clockSkew: '0s' },
    },
    upstreams: { api: { targets: [{ url: upstream.url }] } },
    routes: [
      route('login', '/auth/token', 'POST', { tokenService: 'issue', authenticate: ['people'] }),
      route('refresh', '/auth/refresh', 'POST', { tokenService: 'refresh' }),
      route('revoke', '/auth/revoke', 'POST', { tokenService: 'revoke' }),
      route('keys', '/auth/keys', 'GET', { tokenService: 'keys' }),
      route('api', '/api/*', 'GET', {
        upstream: 'api',
        authenticate: ['own'],
        authorize: { scopes: ['read'] },
      }),
    ],
  });
});

afterAll(async () => {
  await gateway.stop();
  await upstream.close();
});

type RequestBody = NonNullable<RequestInit['body']>;

interface Tokens {
  readonly access_token: string;
  readonly refresh_token: string;
  readonly [member: string]: unknown;
}

function post(path: string, body: RequestBody | null, headers: Record<string, string> = {}) {
  return fetch(gateway.url + path, { method: 'POST', body, headers });
}

async function login(): Promise<Tokens> {
  const reply = await post('/auth/token', null, LOGIN);
  expect(reply.status).toBe(200);
  return (await reply.json()) as Tokens;
}

const form = (members: Record<string, string>) => new URLSearchParams(members);
const refresh = (token: string) => post('/auth/refresh', form({ refresh_token: token }));

async function statusOf(token: string): Promise<number> {
  const headers = { authorization: `Bearer ${token}` };
  const reply = await fetch(`${gateway.url}/api/x`, { headers });
  await reply.arrayBuffer();
  return reply.status;
}

/** Many at once, so that both workers have some. */
async function statusesOf(token: string): Promise<number[]> {
  const all = await Promise.all(Array.from({ length: 40 }, () => statusOf(token)));
  return [...new Set(all)];
}

async function publishedKeys(): Promise<JSONWebKeySet> {
  const reply = await fetch(`${gateway.url}/auth/keys`);
  expect(reply.headers.get('cache-control')).toBe('max-age=300');
  return (await reply.json()) as JSONWebKeySet;
}

async function expectGrantRefused(reply: Response, error = 'invalid_grant'): Promise<void> {
  expect(reply.status).toBe(400);
  expect(await reply.json()).toMatchObject({ code: 'GW_GRANT_REFUSED', error });
}

describe('a token that was issued', () => {
  it('is good for all workers, and for whoever reads the key set', async () => {
    const reply = await post('/auth/token', null, LOGIN);
    expect(reply.headers.get('cache-control')).toBe('no-store');
    const tokens = (await reply.json()) as Tokens;
    expect(tokens).toMatchObject({ token_type: 'Bearer', expires_in: 10, scope: 'read' });
    expect(await statusesOf(tokens.access_token)).toEqual([200]);
    const set = createLocalJWKSet(await publishedKeys());
    const options = { issuer: 'sluice', audience: 'api', algorithms: ['ES256'] };
    const { payload } = await jwtVerify(tokens.access_token, set, options);
    expect(payload).toMatchObject({ sub: 'ada', scope: 'read' });
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(10);
  });

  it('needs credentials, and no other method', async () => {
    for (const headers of [{}, { authorization: 'Basic YWRhOng=' }]) {
      expect((await post('/auth/token', null, headers)).status).toBe(401);
    }
    expect((await fetch(`${gateway.url}/auth/token`, { headers: LOGIN })).status).toBe(405);
  });

  it('publishes no private key', async () => {
    const { keys } = await publishedKeys();
    expect(keys.length).toBeGreaterThan(0);
    const names = new Set(keys.flatMap((key) => Object.keys(key)));
    expect([...names].sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
  });
});

describe('a refresh token', () => {
  it('is good once, and each gives the next one', async () => {
    let tokens = await login();
    for (let round = 0; round < 3; round += 1) {
      const reply = await refresh(tokens.refresh_token);
      expect(reply.status).toBe(200);
      const next = (await reply.json()) as Tokens;
      expect(next.refresh_token).not.toBe(tokens.refresh_token);
      expect(await statusesOf(next.access_token)).toEqual([200]);
      tokens = next;
    }
    const json = { 'content-type': 'application/json' };
    const body = JSON.stringify({ refresh_token: tokens.refresh_token });
    expect((await post('/auth/refresh', body, json)).status).toBe(200);
  });

  it('that comes twice ends the session, for the thief and for the owner', async () => {
    const stolen = await login();
    const owner = (await (await refresh(stolen.refresh_token)).json()) as Tokens;
    // In the memory of both workers.
    expect(await statusesOf(owner.access_token)).toEqual([200]);
    await expectGrantRefused(await refresh(stolen.refresh_token));
    expect(await statusesOf(owner.access_token)).toEqual([401]);
    expect(await statusesOf(stolen.access_token)).toEqual([401]);
    await expectGrantRefused(await refresh(owner.refresh_token));
  });

  it('of many at the same time serves one', async () => {
    const { refresh_token: token } = await login();
    const replies = await Promise.all(Array.from({ length: 10 }, () => refresh(token)));
    const statuses = replies.map(({ status }) => status).sort();
    expect(statuses).toEqual([200, ...Array(9).fill(400)]);
  });

  it.each(['', 'x', 'a.b.c', 'x'.repeat(4000)])('that is none is refused: %s', async (token) => {
    await expectGrantRefused(await refresh(token), token === '' ? 'invalid_request' : undefined);
  });

  it('is not an access token, nor the other way round', async () => {
    const tokens = await login();
    expect(await statusOf(tokens.refresh_token)).toBe(401);
    await expectGrantRefused(await refresh(tokens.access_token));
    expect(await statusOf(tokens.access_token)).toBe(200);
  });

  it('must be in a body that can be read', async () => {
    const { refresh_token: token } = await login();
    const json = { 'content-type': 'application/json' };
    const bad: [RequestBody, Record<string, string>][] = [
      [
        new URLSearchParams([
          ['refresh_token', token],
          ['refresh_token', 'x'],
        ]),
        {},
      ],
      [JSON.stringify({ refresh_token: token }), {}],
      [JSON.stringify({ refresh_token: [token] }), json],
      ['null', json],
      ['{', json],
    ];
    for (const [body, headers] of bad) {
      await expectGrantRefused(await post('/auth/refresh', body, headers), 'invalid_request');
    }
    expect((await post('/auth/refresh', 'x'.repeat(20_000))).status).toBe(413);
    // Far more than is read. undici may go on to collect a body whose reply it has, without end.
    let left = 1000;
    const stream = new ReadableStream({
      pull: (controller) => {
        if (left-- > 0) controller.enqueue(Buffer.alloc(4096));
        else controller.close();
      },
    });
    const long = fetch(`${gateway.url}/auth/refresh`, {
      method: 'POST',
      body: stream,
      duplex: 'half',
    } as RequestInit);
    expect((await long.catch(() => ({ status: 413 }))).status).toBe(413);
    expect((await refresh(token)).status).toBe(200);
  });
});

describe('a token that was taken back', () => {
  it.each(['access_token', 'refresh_token'])(
    'by its %s is refused by every worker at once, known or not',
    async (which) => {
      const tokens = await login();
      expect(await statusesOf(tokens.access_token)).toEqual([200]);
      const other = await login();
      const reply = await post('/auth/revoke', form({ token: String(tokens[which]) }));
      expect([reply.status, await reply.text()]).toEqual([200, '']);
      const seen = upstream.headCount;
      expect(await statusesOf(tokens.access_token)).toEqual([401]);
      expect(upstream.headCount).toBe(seen);
      await expectGrantRefused(await refresh(tokens.refresh_token));
      expect(await statusesOf(other.access_token)).toEqual([200]);
    },
  );

  it('stays so for a worker that replaces one that died', async () => {
    const tokens = await login();
    await post('/auth/revoke', form({ token: tokens.access_token }));
    await gateway.gateway.supervisor.laneAt(1).kill();
    await eventually('both lanes are served', async () =>
      (await gateway.stats()).workers.every(({ served }) => served),
    );
    expect(await statusesOf(tokens.access_token)).toEqual([401]);
  });

  it('may be anything: there is nothing to learn', async () => {
    for (const token of ['x', 'a.b.c', 'x'.repeat(5000)]) {
      expect((await post('/auth/revoke', form({ token }))).status).toBe(200);
    }
    await expectGrantRefused(await post('/auth/revoke', form({})), 'invalid_request');
  });
});

describe('signing keys', () => {
  it('have a name that no other key has', async () => {
    const { access_token: token } = await login();
    const { keys } = await publishedKeys();
    expect(keys.map(({ kid }) => kid)).toContain(decodeProtectedHeader(token).kid);
  });
});
