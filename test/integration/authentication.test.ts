/**
 * Who may pass a route with a JWT authenticator, over a real gateway; nothing of a refused request
 * reaches the origin.
 */
import { execFileSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { aConfig, JWT_SECRET } from '../support/configs.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess, MAIN_FILE } from '../support/gateway-process.js';
import { rawExchange } from '../support/raw-exchange.js';

const OTHER_SECRET = 'another secret that is long enough for HS512, or so it should be by now';
const SKEW_SECONDS = 30;
const HASHES: ReadonlyMap<unknown, string> = new Map([
  ['HS256', 'sha256'],
  ['HS512', 'sha512'],
]);

let upstream: FakeUpstream;
let gateway: GatewayProcess;
let config: Record<string, unknown>;

beforeAll(async () => {
  upstream = await FakeUpstream.start();
  config = aConfig([upstream.url], {
    top: {
      workers: 2,
      authenticators: {
        users: {
          type: 'jwt',
          algorithms: ['HS256'],
          secret: JWT_SECRET,
          issuer: 'sluice',
          audience: 'api',
          clockSkew: `${SKEW_SECONDS}s`,
        },
        others: { type: 'jwt', algorithms: ['HS512'], secret: OTHER_SECRET },
      },
    },
  });
  config['routes'] = [
    { name: 'users', match: { path: '/users/*' }, upstream: 'api', authenticate: ['users'] },
    { name: 'any', match: { path: '/any/*' }, upstream: 'api', authenticate: ['users', 'others'] },
    { name: 'public', match: { path: '/public/*' }, upstream: 'api' },
  ];
  gateway = await GatewayProcess.start(config);
});

afterAll(async () => {
  await gateway.stop();
  await upstream.close();
});

beforeEach(() => {
  upstream.received.length = 0;
  upstream.headCount = 0;
});

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}

function goodClaims(): Record<string, unknown> {
  return { sub: 'u1', iss: 'sluice', aud: 'api', iat: nowSeconds(), exp: nowSeconds() + 600 };
}

function encode(part: unknown): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}

/** A token made by hand: `header` and `claims` are what they are. */
function sign(
  claims: unknown,
  header: Readonly<Record<string, unknown>> = { alg: 'HS256', typ: 'JWT' },
  secret: string = JWT_SECRET,
): string {
  const text = `${encode(header)}.${encode(claims)}`;
  const hash = HASHES.get(header['alg']);
  const mac = hash === undefined ? '' : createHmac(hash, secret).update(text).digest('base64url');
  return `${text}.${mac}`;
}

function get(path: string, authorization?: string): Promise<Response> {
  const headers = authorization === undefined ? {} : { authorization };
  return fetch(`${gateway.url}${path}`, { headers });
}

async function expectRefused(reply: Response, hasToken: boolean): Promise<void> {
  expect(reply.status).toBe(401);
  const challenge = reply.headers.get('www-authenticate');
  const error = hasToken ? ', error="invalid_token"' : '';
  expect(challenge).toBe(`Bearer realm="sluice"${error}`);
  const problem = (await reply.json()) as Record<string, unknown>;
  expect(problem).toMatchObject({
    title: 'Unauthorized',
    status: 401,
    code: 'GW_UNAUTHORIZED',
    requestId: reply.headers.get('x-request-id'),
  });
  expect(JSON.stringify(problem)).not.toContain(JWT_SECRET);
  expect(upstream.headCount).toBe(0);
}

describe('without a bearer token', () => {
  it.each([
    undefined,
    'Basic dXNlcjpwYXNz',
    'Bearer',
    'Bearer ',
    'Bearer    ',
    'Token abc',
    'BearerX abc',
    'Digest x="Bearer a.b.c"',
  ])('a request is refused: %s', async (authorization) => {
    await expectRefused(await get('/users/1', authorization), false);
  });

  it('in the right place a request is refused', async () => {
    const token = sign(goodClaims());
    const reply = await fetch(`${gateway.url}/users/1?access_token=${token}`, {
      headers: { cookie: `token=${token}`, 'x-authorization': `Bearer ${token}`, token },
    });
    await expectRefused(reply, false);
  });

  it('a public route needs none, and passes on what it gets', async () => {
    expect((await get('/public/1', 'Bearer rubbish')).status).toBe(200);
    expect(upstream.received[0]?.headers['authorization']).toBe('Bearer rubbish');
  });
});

const without = (name: string) => {
  const claims = goodClaims();
  delete claims[name];
  return claims;
};
const [header, payload, signature] = sign(goodClaims()).split('.') as [string, string, string];

/** Made when the test runs, so that their times are right. */
const BAD_TOKENS: Readonly<Record<string, () => string>> = {
  'another secret': () => sign(goodClaims(), { alg: 'HS256' }, OTHER_SECRET),
  'an empty secret': () => sign(goodClaims(), { alg: 'HS256' }, ''),
  'an algorithm that is not allowed': () => sign(goodClaims(), { alg: 'HS512' }),
  'alg none': () => sign(goodClaims(), { alg: 'none' }),
  'alg None and a dot less': () => sign(goodClaims(), { alg: 'None' }).slice(0, -1),
  'alg nOnE': () => sign(goodClaims(), { alg: 'nOnE' }),
  'alg hs256': () => sign(goodClaims(), { alg: 'hs256' }),
  'alg RS256': () => sign(goodClaims(), { alg: 'RS256' }),
  'no alg': () => sign(goodClaims(), { typ: 'JWT' }),
  'alg of an object': () => sign(goodClaims(), { alg: { HS256: 1 } }),
  'alg constructor': () => sign(goodClaims(), { alg: 'constructor' }),
  'alg __proto__': () => sign(goodClaims(), JSON.parse('{"alg":"__proto__"}')),
  'a critical extension that nobody knows': () =>
    sign(goodClaims(), { alg: 'HS256', crit: ['x'], x: 1 }),
  'a payload that is not encoded': () =>
    sign(goodClaims(), { alg: 'HS256', crit: ['b64'], b64: false }),
  'an exp that has passed': () => sign({ ...goodClaims(), exp: nowSeconds() - SKEW_SECONDS - 1 }),
  'an nbf that is to come': () => sign({ ...goodClaims(), nbf: nowSeconds() + SKEW_SECONDS + 60 }),
  'no exp': () => sign(without('exp')),
  'an exp of text': () => sign({ ...goodClaims(), exp: String(nowSeconds() + 600) }),
  'an exp of null': () => sign({ ...goodClaims(), exp: null }),
  'another issuer': () => sign({ ...goodClaims(), iss: 'evil' }),
  'several issuers': () => sign({ ...goodClaims(), iss: ['sluice', 'evil'] }),
  'no issuer': () => sign(without('iss')),
  'another audience': () => sign({ ...goodClaims(), aud: 'other' }),
  'other audiences': () => sign({ ...goodClaims(), aud: ['other', 'api2'] }),
  'no audience': () => sign(without('aud')),
  'a payload that is a list': () => sign([goodClaims()]),
  'a payload that is text': () => sign('sub'),
  'no signature': () => `${header}.${payload}.`,
  'no third part': () => `${header}.${payload}`,
  'a fourth part': () => `${header}.${payload}.${signature}.x`,
  'five parts': () => `${header}.${payload}.${signature}.x.y`,
  'a part of another token': () =>
    `${header}.${encode({ ...goodClaims(), sub: 'root' })}.${signature}`,
  'dots only': () => '..',
  'a comma behind it': () => `${sign(goodClaims())},`,
  'a space in it': () => sign(goodClaims()).replace('.', '. '),
  'an = behind it': () => `${sign(goodClaims())}=`,
  'rubbish behind the signature': () => `${sign(goodClaims())}!`,
  'standard base64': () => {
    // 43 characters of base64url stand for 32 bytes; standard base64 pads them.
    return `${sign(goodClaims())}=`.replaceAll('-', '+').replaceAll('_', '/');
  },
  'another spelling of the same signature': () => respell(sign(goodClaims())),
};

/** The last character of 43 has two bits that no byte takes: another one decodes to the same. */
function respell(token: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const last = alphabet.indexOf(token.slice(-1));
  const other = `${token.slice(0, -1)}${alphabet[last ^ 1]}`;
  const bytesOf = (text: string) => Buffer.from(text.split('.')[2] ?? '', 'base64url');
  expect(bytesOf(other)).toEqual(bytesOf(token));
  return other;
}

describe('a token is refused', () => {
  it.each(Object.keys(BAD_TOKENS))('with %s', async (name) => {
    const token = BAD_TOKENS[name]?.() ?? '';
    await expectRefused(await get('/users/1', `Bearer ${token}`), true);
    // Once more: what was refused is not remembered as good.
    await expectRefused(await get('/users/1', `Bearer ${token}`), true);
  });

  it('that comes twice, be they good or bad', async () => {
    const good = sign(goodClaims());
    for (const other of [good, 'x', 'Basic x']) {
      const reply = await rawExchange(
        gateway.port,
        [
          `GET /users/1 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${good}\r\n` +
            `Authorization: ${other}\r\nConnection: close\r\n\r\n`,
        ],
        { waitMsMax: 8000 },
      );
      expect(reply.status).toBe(401);
      expect(reply.text).toMatch(/^WWW-Authenticate: Bearer /m);
    }
    expect(upstream.headCount).toBe(0);
  });

  it('with the body of the request as well', async () => {
    const reply = await fetch(`${gateway.url}/users/1`, { method: 'POST', body: 'x'.repeat(9000) });
    await expectRefused(reply, false);
  });

  it('also for HEAD, without a body', async () => {
    const reply = await fetch(`${gateway.url}/users/1`, { method: 'HEAD' });
    expect(reply.status).toBe(401);
    expect(reply.headers.get('www-authenticate')).toBe('Bearer realm="sluice"');
    expect(upstream.headCount).toBe(0);
  });

  it('under every other spelling of the path', async () => {
    for (const path of ['/users', '//users/1', '/%75sers/1', '/public/../users/1', '/users/./1']) {
      const reply = await rawExchange(
        gateway.port,
        [`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`],
        { waitMsMax: 8000 },
      );
      expect([path, reply.status]).toEqual([path, 401]);
    }
    expect(upstream.headCount).toBe(0);
  });
});

describe('why a token was refused', () => {
  it('is told by the access record, and by neither the reply nor its fields', async () => {
    const reply = await get('/users/1', `Bearer ${sign({ ...goodClaims(), aud: 'elsewhere' })}`);
    const text = `${await reply.text()} ${JSON.stringify([...reply.headers])}`;
    expect(reply.status).toBe(401);
    expect(text).not.toMatch(/elsewhere|\baud\b/);
    await eventually('the record says why', () =>
      gateway
        .records()
        .some(({ cause }) => String(cause).endsWith(': aud is "elsewhere", expected "api"')),
    );
  });
});

describe('a token is accepted', () => {
  it('up to the largest head, which is 16 KiB by default', async () => {
    const long = sign({ ...goodClaims(), pad: 'x'.repeat(10_000) });
    expect(long.length).toBeGreaterThan(13_000);
    expect((await get('/users/1', `Bearer ${long}`)).status).toBe(200);
    expect(upstream.received[0]?.headers['authorization']).toBe(`Bearer ${long}`);
    const longer = sign({ ...goodClaims(), pad: 'x'.repeat(13_000) });
    expect((await get('/users/1', `Bearer ${longer}`)).status).toBe(431);
  });

  it.each(['Bearer', 'bearer', 'BEARER'])('behind %s', async (scheme) => {
    const token = sign(goodClaims());
    expect((await get('/users/1', `${scheme} ${token}`)).status).toBe(200);
    // And from memory.
    expect((await get('/users/1', `${scheme} ${token}`)).status).toBe(200);
    expect(upstream.received[0]?.headers['authorization']).toBe(`${scheme} ${token}`);
  });

  it('within the clock skew, at both ends', async () => {
    const late = sign({ ...goodClaims(), exp: nowSeconds() - SKEW_SECONDS / 2 });
    expect((await get('/users/1', `Bearer ${late}`)).status).toBe(200);
    const early = sign({ ...goodClaims(), nbf: nowSeconds() + SKEW_SECONDS / 2 });
    expect((await get('/users/1', `Bearer ${early}`)).status).toBe(200);
  });

  it('when one of its audiences fits', async () => {
    const token = sign({ ...goodClaims(), aud: ['other', 'api'] });
    expect((await get('/users/1', `Bearer ${token}`)).status).toBe(200);
  });

  it('by the second authenticator of a route, and only there', async () => {
    const claims = { sub: 'u2', exp: nowSeconds() + 60 };
    const token = sign(claims, { alg: 'HS512' }, OTHER_SECRET);
    expect((await get('/any/1', `Bearer ${token}`)).status).toBe(200);
    upstream.headCount = 0;
    await expectRefused(await get('/users/1', `Bearer ${token}`), true);
    // The secret of one with the algorithm of the other.
    const mixed = sign(goodClaims(), { alg: 'HS256' }, OTHER_SECRET);
    await expectRefused(await get('/any/1', `Bearer ${mixed}`), true);
  });

  it('from memory until it expires, and not longer', async () => {
    const exp = nowSeconds() - SKEW_SECONDS + 2;
    const token = sign({ ...goodClaims(), exp });
    expect((await get('/users/1', `Bearer ${token}`)).status).toBe(200);
    let status = 200;
    while (status === 200) {
      ({ status } = await get('/users/1', `Bearer ${token}`));
      if (status === 200) expect(Date.now() / 1000).toBeLessThan(exp + SKEW_SECONDS + 30);
    }
    expect(status).toBe(401);
    expect(Date.now() / 1000).toBeGreaterThanOrEqual(exp + SKEW_SECONDS);
  });

  it('of `sluice token`', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-token-'));
    try {
      const file = join(folder, 'sluice.json');
      writeFileSync(file, JSON.stringify(config));
      const args = [MAIN_FILE, 'token', '--sub', 'u3', '--expires', '5m', '-c', file];
      const token = execFileSync(process.execPath, args, { encoding: 'utf8' }).trim();
      const reply = await get('/users/1', `Bearer ${token}`);
      expect(reply.status).toBe(200);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
