import { createHash, generateKeyPairSync } from 'node:crypto';
import { SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { entriesOf, NO_FIELDS } from '../../../../src/base/field-block.js';
import type { Jwk } from '../../../../src/base/json-web-key.js';
import { ApiKeyAuthenticator } from '../../../../src/filters/authentication/api-key-authenticator.js';
import { BasicAuthenticator } from '../../../../src/filters/authentication/basic-authenticator.js';
import { ForwardAuthenticator } from '../../../../src/filters/authentication/forward-authenticator.js';
import { IntrospectionAuthenticator } from '../../../../src/filters/authentication/introspection-authenticator.js';
import { JwtAuthenticator } from '../../../../src/filters/authentication/jwt-authenticator.js';
import type {
  CompiledIntrospectionAuthenticator,
  CompiledJwtAuthenticator,
} from '../../../../src/filters/authentication/options.js';
import { hashPassword } from '../../../../src/filters/authentication/password-hash.js';
import { WorkQueue } from '../../../../src/filters/authentication/work-queue.js';
import { describeAuthenticator } from '../../../contract/authenticator.contract.js';
import { aRequest } from '../../../support/authentication-request.js';
import { JWT_SECRET } from '../../../support/configs.js';
import { FakeUpstream } from '../../../support/fake-upstream.js';

const NO_FEED = {
  subscribe: () => () => {},
  askNewer: () => null,
  isRevoked: () => false,
};
const NOTHING = async () => {};

function common(name: string) {
  return {
    index: 0,
    name,
    claimHeaders: [['x-user', 'sub']] as const,
    forwardCredentials: false,
  };
}

function jwtConfig(wish: Partial<CompiledJwtAuthenticator> = {}): CompiledJwtAuthenticator {
  return {
    ...common('jwt'),
    type: 'jwt',
    from: [{ kind: 'header', name: 'authorization' }],
    forwardPlaces: false,
    algorithms: ['HS256'],
    secret: JWT_SECRET,
    keys: [],
    keySource: null,
    issuer: 'idp',
    audiences: ['api'],
    clockSkewMs: 30_000,
    requiredClaims: ['exp'],
    consumerClaim: 'sub',
    binding: 'verify',
    dpop: 'bound',
    dpopWindowMs: 60_000,
    dpopMemory: 'gateway',
    dpopNonceMs: 0,
    ...wish,
  };
}

const nowSeconds = () => Math.floor(Date.now() / 1000);

function token(claims: Record<string, unknown>, secret = JWT_SECRET): Promise<string> {
  const base = { sub: 'ada', iss: 'idp', aud: 'api', scope: 'read', exp: nowSeconds() + 600 };
  return new SignJWT({ ...base, ...claims })
    .setProtectedHeader({ alg: 'HS256' })
    .sign(new TextEncoder().encode(secret));
}

const bearer = (text: string) => ({ authorization: `Bearer ${text}` });

describeAuthenticator({
  name: 'jwt',
  async create() {
    return {
      authenticator: await JwtAuthenticator.create(jwtConfig(), NO_FEED),
      good: bearer(await token({})),
      wrong: {
        'another secret': bearer(await token({}, JWT_SECRET.toUpperCase())),
        'another issuer': bearer(await token({ iss: 'x' })),
        rubbish: bearer('a.b.c'),
      },
      secrets: [JWT_SECRET],
      close: NOTHING,
    };
  },
});

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const apiKey = (...keys: string[]) => ({
  fields: keys.map((key) => ['x-api-key', key] as const),
});

describeAuthenticator({
  name: 'apiKey',
  async create() {
    const keys = Array.from({ length: 200 }, (_, at) => ({
      id: `k${at}`,
      sha256: sha256(`key ${at}`),
      scopes: [],
    }));
    const ada = { id: 'ada', sha256: sha256('the key of ada'), scopes: ['read'] };
    return {
      authenticator: new ApiKeyAuthenticator({
        ...common('apiKey'),
        type: 'apiKey',
        from: [{ kind: 'header', name: 'x-api-key' }],
        forwardPlaces: false,
        isManaged: false,
        keys: [...keys, ada],
      }),
      good: apiKey('the key of ada'),
      wrong: {
        'another key': apiKey('the key of bob'),
        'the hash instead of the key': apiKey(sha256('the key of ada')),
        'the key twice': apiKey('the key of ada', 'the key of ada'),
        'a good and a bad one': apiKey('the key of ada', 'x'),
        'a bad and a good one': apiKey('x', 'the key of ada'),
        'a long one': apiKey('x'.repeat(5000)),
      },
      secrets: [sha256('the key of ada')],
      close: NOTHING,
    };
  },
});

const basic = (text: string) => ({
  authorization: `Basic ${Buffer.from(text).toString('base64')}`,
});

describeAuthenticator({
  name: 'basic',
  async create() {
    const passwordHash = await hashPassword('pass:wörd');
    return {
      authenticator: new BasicAuthenticator({
        ...common('basic'),
        type: 'basic',
        users: [{ id: 'ada', passwordHash, scopes: ['read'] }],
      }),
      good: basic('ada:pass:wörd'),
      wrong: {
        'another password': basic('ada:password'),
        'no password': basic('ada:'),
        'another user': basic('bob:pass:wörd'),
        'no user': basic(':pass:wörd'),
        'no colon': basic('ada'),
        'a long one': basic(`ada:${'x'.repeat(5000)}`),
      },
      secrets: [passwordHash],
      close: NOTHING,
    };
  },
});

it('basic checks the same credentials once, however many requests bring them at once', async () => {
  const passwordHash = await hashPassword('right');
  const authenticator = new BasicAuthenticator({
    ...common('basic'),
    type: 'basic',
    users: [{ id: 'ada', passwordHash, scopes: [] }],
  });
  const ask = (text: string) => authenticator.authenticate(aRequest(basic(text)), 0);
  const results = await Promise.all(Array.from({ length: 50 }, () => ask('ada:right')));
  expect(results.map(({ verdict }) => verdict)).toEqual(Array(50).fill('accepted'));
  const wrong = await Promise.all(Array.from({ length: 50 }, () => ask('ada:wrong')));
  expect(wrong.map(({ verdict }) => verdict)).toEqual(Array(50).fill('refused'));
});

const CLIENT_SECRET = 'what the gateway says to the server';

function introspectionConfig(
  url: string,
  wish: Partial<CompiledIntrospectionAuthenticator> = {},
): CompiledIntrospectionAuthenticator {
  return {
    ...common('introspection'),
    type: 'introspection',
    from: [{ kind: 'header', name: 'authorization' }],
    forwardPlaces: false,
    url: `${url}/introspect`,
    clientId: 'gate way',
    clientSecret: CLIENT_SECRET,
    issuer: '',
    audiences: ['api'],
    clockSkewMs: 0,
    requiredClaims: [],
    binding: 'verify',
    ...{ dpop: 'bound', dpopWindowMs: 60_000, dpopMemory: 'gateway', dpopNonceMs: 0 },
    timeoutMs: 5000,
    cacheMs: 30_000,
    consumerClaim: 'sub',
    ...wish,
  };
}

/** Knows the token `good`; answers as RFC 7662 has it. */
async function introspectionServer(): Promise<FakeUpstream> {
  const server = await FakeUpstream.start();
  server.script = (request, response) => {
    server.keep(request, ({ body }) => {
      const asked = new URLSearchParams(body.toString()).get('token');
      const good = { active: true, sub: 'ada', scope: 'read', aud: ['api'] };
      const answers: Readonly<Record<string, unknown>> = {
        good,
        'other-audience': { ...good, aud: 'other' },
        expired: { ...good, exp: 1 },
        'active-as-text': { ...good, active: 'true' },
      };
      response.end(JSON.stringify(answers[asked ?? ''] ?? { active: false }));
    });
  };
  return server;
}

describeAuthenticator({
  name: 'introspection',
  async create() {
    const server = await introspectionServer();
    return {
      authenticator: new IntrospectionAuthenticator(introspectionConfig(server.url)),
      good: bearer('good'),
      wrong: {
        unknown: bearer('made-up'),
        'another audience': bearer('other-audience'),
        expired: bearer('expired'),
        'active that is not true': bearer('active-as-text'),
        long: bearer('x'.repeat(5000)),
      },
      secrets: [CLIENT_SECRET, 'made-up'],
      close: () => server.close(),
    };
  },
});

describeAuthenticator({
  name: 'forwardAuth',
  isAskedAlways: true,
  answersItself: true,
  isNeverRemembered: true,
  async create() {
    const server = await FakeUpstream.start((request, response) => {
      request.resume();
      const isGood = request.headers['authorization'] === 'Bearer good';
      if (isGood) response.setHeader('x-consumer', 'ada');
      response.writeHead(isGood ? 204 : 401).end();
    });
    return {
      authenticator: new ForwardAuthenticator({
        ...common('forwardAuth'),
        type: 'forwardAuth',
        url: `${server.url}/check`,
        timeoutMs: 5000,
        requestHeaders: ['authorization', 'cookie'],
        responseHeaders: [],
        clientHeaders: [],
        consumerHeader: 'x-consumer',
        credentialCookies: [],
      }),
      good: bearer('good'),
      wrong: {
        'other credentials': bearer('other'),
        none: {},
        'two cookies': {
          ...bearer('good'),
          fields: [
            ['cookie', 'a=1'],
            ['cookie', 'b=1'],
          ],
        },
      },
      secrets: [],
      close: () => server.close(),
    };
  },
});

describe('a jwt authenticator', () => {
  const verdictOf = async (claims: Record<string, unknown>, wish = {}) => {
    const authenticator = await JwtAuthenticator.create(jwtConfig(wish), NO_FEED);
    return authenticator.authenticate(aRequest(bearer(await token(claims))), nowSeconds());
  };

  it.each([
    [{ exp: undefined }, 'refused'],
    [{ exp: 'soon' }, 'refused'],
    [{ exp: null }, 'refused'],
    [{ exp: -20 }, 'accepted'],
    [{ exp: -31 }, 'refused'],
    [{ nbf: 20 }, 'accepted'],
    [{ nbf: 60 }, 'refused'],
    [{ nbf: 'soon' }, 'refused'],
    [{ iat: 'then' }, 'refused'],
    [{ sub: 7 }, 'refused'],
    [{ aud: ['x', 'api'] }, 'accepted'],
    [{ aud: ['x'] }, 'refused'],
    [{ aud: { api: 1 } }, 'refused'],
    [{ iss: ['idp'] }, 'refused'],
  ])('judges %o, times from now: %s', async (offsets, verdict) => {
    const claims = Object.entries(offsets).map(([name, value]) => {
      return [name, typeof value === 'number' && name !== 'sub' ? nowSeconds() + value : value];
    });
    expect((await verdictOf(Object.fromEntries(claims))).verdict).toBe(verdict);
  });

  it('says what becomes of credentials, and of the fields that it sets', async () => {
    const from = ['header authorization', 'header x-token', 'cookie session'].map((place) => {
      const [kind = '', name = ''] = place.split(' ');
      return { kind: kind as 'header' | 'cookie', name };
    });
    const { name, ...kept } = await JwtAuthenticator.create(jwtConfig({ from }), NO_FEED);
    expect([name, kept.isBearer, kept.challenge]).toEqual(['jwt', true, 'Bearer realm="sluice"']);
    expect(kept).toMatchObject({
      ownedFields: ['x-user', 'x-token'],
      hides: [{ kind: 'cookie', name: 'session' }],
      readsAuthorization: true,
      stripsAuthorization: true,
    });
    const other = { from: from.slice(2), forwardCredentials: true, dpop: 'accepted' } as const;
    expect(await JwtAuthenticator.create(jwtConfig(other), NO_FEED)).toMatchObject({
      otherChallenge: expect.stringContaining('DPoP'),
      readsAuthorization: false,
      stripsAuthorization: false,
    });
  });

  it('refuses a token beside another one, and one whose claims fit no field', async () => {
    const from = [{ kind: 'header', name: 'x-token' }] as const;
    const authenticator = await JwtAuthenticator.create(jwtConfig({ from }), NO_FEED);
    const said = async (...texts: string[]) => {
      const fields = texts.map((text) => ['x-token', text] as const);
      const result = await authenticator.authenticate(aRequest({ fields }), nowSeconds());
      return result.verdict === 'refused' ? result.reason : result.verdict;
    };
    const [good, long] = [await token({}), await token({ sub: 'x'.repeat(70_000) })];
    expect([await said(good), await said(good, good), await said(long)]).toEqual([
      'accepted',
      'the request has several credentials',
      'a claim of the token is too long',
    ]);
  });

  it('knows both sides of the end, to the second', async () => {
    const authenticator = await JwtAuthenticator.create(jwtConfig(), NO_FEED);
    const request = aRequest(bearer(await token({ exp: 1_000_000 })));
    for (const [second, verdict] of [
      [1_000_029.9, 'accepted'],
      [1_000_030, 'refused'],
      [1_000_029.9, 'accepted'],
    ] as const) {
      expect((await authenticator.authenticate(request, second)).verdict).toBe(verdict);
    }
  });

  it('judges a token anew where its head has come before', async () => {
    const authenticator = await JwtAuthenticator.create(jwtConfig(), NO_FEED);
    const ofHead = { tokenDigest: null };
    const [first, second, false_] = await Promise.all([
      token({ exp: 1_000_000 }),
      token({ exp: 2_000_000, sub: 'bob' }),
      token({ exp: 2_000_000, iss: 'other' }),
    ]);
    for (const [text, seconds, verdict] of [
      [first, 1_000_029, 'accepted'],
      [first, 1_000_029, 'accepted'],
      [first, 1_000_030, 'refused'],
      [false_, 1_000_029, 'refused'],
      [second, 1_000_030, 'accepted'],
      [first, 1_000_030, 'refused'],
      [second, 2_000_030, 'refused'],
    ] as const) {
      const request = { ...aRequest(bearer(text)), known: ofHead };
      expect((await authenticator.authenticate(request, seconds)).verdict).toBe(verdict);
    }
  });

  it.each([10, 4097, 60_000])('judges a token with a claim of %i characters', async (length) => {
    const groups = 'g'.repeat(length);
    const wish = { claimHeaders: [['x-groups', 'groups']] as const };
    const result = await verdictOf({ groups }, wish);
    expect(result).toMatchObject({
      verdict: 'accepted',
      identity: { fields: ['x-groups', groups] },
    });
    expect((await verdictOf({ groups, iss: 'other' }, wish)).verdict).toBe('refused');
  });

  it('wants the claims that it is told to want', async () => {
    const wish = { requiredClaims: ['exp', 'email'] };
    expect((await verdictOf({}, wish)).verdict).toBe('refused');
    expect((await verdictOf({ email: '' }, wish)).verdict).toBe('refused');
    expect((await verdictOf({ email: 'a@b' }, wish)).verdict).toBe('accepted');
  });

  it('refuses claims that stand twice, whoever signed them', async () => {
    const authenticator = await JwtAuthenticator.create(jwtConfig(), NO_FEED);
    const { CompactSign } = await import('jose');
    const text = `{"sub":"ada","sub":"root","iss":"idp","aud":"api","exp":${nowSeconds() + 60}}`;
    const signed = await new CompactSign(Buffer.from(text))
      .setProtectedHeader({ alg: 'HS256' })
      .sign(new TextEncoder().encode(JWT_SECRET));
    const result = await authenticator.authenticate(aRequest(bearer(signed)), nowSeconds());
    expect(result.verdict).toBe('refused');
  });

  it('writes claims so that no character gets out of its field', async () => {
    const sub = 'a\r\nx-admin: 1, 100% é \u{1f600}';
    const claimHeaders = [
      ['x-sub', 'sub'],
      ['x-roles', 'realm.roles'],
      ['x-none', 'nothing'],
    ] as const;
    const result = await verdictOf({ sub, realm: { roles: ['a,b', 'c', 7] } }, { claimHeaders });
    const fields = result.verdict === 'accepted' ? result.identity.fields : [];
    expect(fields).toEqual([
      ...['x-sub', 'a%0D%0Ax-admin: 1, 100%25 %C3%A9 %F0%9F%98%80'],
      ...['x-roles', 'a%2Cb,c,7'],
    ]);
    expect(decodeURIComponent(fields[1] ?? '')).toBe(sub);
  });

  it('forgets tokens when the key that signed them goes', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'one' };
    const other = { ...generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }) };
    let feed: (keys: readonly Jwk[]) => void = () => {};
    const source = {
      id: 'x',
      kind: 'jwks',
      url: '',
      cacheMs: 0,
      cooldownMs: 0,
      allowHttp: false,
    } as const;
    const authenticator = await JwtAuthenticator.create(
      jwtConfig({ algorithms: ['EdDSA'], secret: '', keySource: source }),
      {
        ...NO_FEED,
        subscribe: (_id, listener) => {
          feed = listener;
          return () => {};
        },
      },
    );
    const signed = await new SignJWT({ sub: 'ada', iss: 'idp', aud: 'api' })
      .setProtectedHeader({ alg: 'EdDSA', kid: 'one' })
      .setExpirationTime('5m')
      .sign(privateKey);
    const ask = async () =>
      (await authenticator.authenticate(aRequest(bearer(signed)), nowSeconds())).verdict;
    expect(await ask()).toBe('unavailable');
    feed([jwk]);
    await expect.poll(ask).toBe('accepted');
    feed([jwk, other]);
    await expect.poll(ask).toBe('accepted');
    feed([other]);
    await expect.poll(ask).toBe('refused');
  });
});

describe('a work queue', () => {
  it('runs a few at a time, in order, and takes no more than may wait', async () => {
    const queue = new WorkQueue(2, 3);
    const ended: (() => void)[] = [];
    const started: number[] = [];
    const results = [0, 1, 2, 3, 4, 5].map((id) =>
      queue.run(() => {
        started.push(id);
        return new Promise<number>((resolve) => ended.push(() => resolve(id)));
      }),
    );
    expect(started).toEqual([0, 1]);
    expect(results.map((result) => result === null)).toEqual([...Array(5).fill(false), true]);
    for (let at = 0; at < 5; at += 1) {
      await expect.poll(() => ended.length).toBeGreaterThan(at);
      ended[at]?.();
      expect(await results[at]).toBe(at);
    }
    expect(started).toEqual([0, 1, 2, 3, 4]);
  });

  it('goes on after work that failed', async () => {
    const queue = new WorkQueue(1, 0);
    await expect(queue.run(() => Promise.reject(new Error('x')))).rejects.toThrow('x');
    expect(await queue.run(async () => 1)).toBe(1);
  });
});

describe('an introspection authenticator', () => {
  const cases: Readonly<Record<string, FakeUpstream['script']>> = {
    'another status': (_, response) => response.writeHead(403).end('{"active":true}'),
    'no JSON': (_, response) => response.end('active'),
    'a list': (_, response) => response.end('[{"active":true}]'),
    'no answer in time': () => {},
    'a cut answer': (_, response) => {
      response.writeHead(200, { 'content-length': 100 }).write('{"active":true}');
      setImmediate(() => response.destroy());
    },
    'more than anybody reads': (_, response) =>
      response.end(`{"active":true,"x":"${'x'.repeat(100_000)}"}`),
    'a member that stands twice': (_, response) =>
      response.end('{"active":false,"active":true,"sub":"ada","aud":"api"}'),
    'a redirect': (_, response) => response.writeHead(302, { location: '/other' }).end(),
  };

  it.each(Object.keys(cases))('lets nobody in upon %s', async (name) => {
    const server = await FakeUpstream.start(cases[name]);
    const config = introspectionConfig(server.url, { timeoutMs: 300 });
    const authenticator = new IntrospectionAuthenticator(config);
    const result = await authenticator.authenticate(aRequest(bearer('good')), nowSeconds());
    expect(result.verdict).toBe('unavailable');
    await authenticator.close();
    await server.close();
  });

  it('asks once for a token that many bring, and again when the answer is old', async () => {
    const server = await introspectionServer();
    const authenticator = new IntrospectionAuthenticator(introspectionConfig(server.url));
    const now = nowSeconds();
    const ask = (seconds: number) =>
      authenticator.authenticate(aRequest(bearer('good')), now + seconds);
    await Promise.all(Array.from({ length: 20 }, () => ask(0)));
    expect(server.received).toHaveLength(1);
    const [asked] = server.received;
    const credentials = Buffer.from(`gate+way:${CLIENT_SECRET.replaceAll(' ', '+')}`);
    expect(asked?.headers['authorization']).toBe(`Basic ${credentials.toString('base64')}`);
    expect(asked?.body.toString()).toBe('token=good&token_type_hint=access_token');
    await ask(29.9);
    expect(server.received).toHaveLength(1);
    await ask(30);
    expect(server.received).toHaveLength(2);
    await authenticator.close();
    await server.close();
  });
});

describe('a forward authenticator', () => {
  const config = (url: string, timeoutMs: number) => ({
    ...common('forwardAuth'),
    type: 'forwardAuth' as const,
    url,
    timeoutMs,
    requestHeaders: [],
    responseHeaders: ['x-name'],
    clientHeaders: ['set-cookie', 'x-session'],
    consumerHeader: '',
    credentialCookies: [],
  });

  it('asks about more requests at a time than it has connections', async () => {
    const server = await FakeUpstream.start((_, response) => response.writeHead(204).end());
    const authenticator = new ForwardAuthenticator(config(server.url, 20_000));
    const asked = Array.from({ length: 300 }, () => authenticator.authenticate(aRequest()));
    const verdicts = (await Promise.all(asked)).map(({ verdict }) => verdict);
    expect(new Set(verdicts)).toEqual(new Set(['accepted']));
    expect(server.headCount).toBe(300);
    expect(server.sockets.size).toBeLessThanOrEqual(64);
    await authenticator.close();
    await server.close();
  });

  it('lets no character out of the field that the service has set', async () => {
    // As bytes of UTF-8; cut down to eight bits, the second letter would be a line feed.
    const name = Buffer.from('a\u010d\u010ax-admin: 1 100%').toString('latin1');
    const server = await FakeUpstream.start((_, response) => {
      response.writeHead(204, { 'x-name': name }).end();
    });
    const authenticator = new ForwardAuthenticator(config(server.url, 5000));
    const result = await authenticator.authenticate(aRequest());
    const fields = result.verdict === 'accepted' ? result.identity.fields : [];
    expect(fields.at(-1)).toMatch(/^a[%0-9A-F]+x-admin: 1 100%$/);
    await authenticator.close();
    await server.close();
  });

  /** The result when the service answers so. */
  async function resultOf(
    status: number,
    headers: Readonly<Record<string, string | string[]>> = {},
    body = '',
  ) {
    const server = await FakeUpstream.start((_, response) => {
      response.writeHead(status, headers).end(body);
    });
    const authenticator = new ForwardAuthenticator(config(server.url, 5000));
    const result = await authenticator.authenticate(aRequest());
    await authenticator.close();
    await server.close();
    return result;
  }

  it('hands on where a browser is to go, and what it is to remember', async () => {
    const result = await resultOf(
      302,
      {
        location: 'https://login.example/?rd=%2Fapp',
        'set-cookie': ['csrf=1; Path=/', 'old=; Max-Age=0'],
        'content-type': 'text/html',
        'x-session': 's',
        'x-internal': 'no',
        connection: 'x-more',
        'x-more': 'no',
      },
      '<a href="https://login.example">',
    );
    expect(result).toEqual({
      verdict: 'answered',
      isFinal: false,
      reply: expect.objectContaining({
        status: 302,
        problem: null,
        body: '<a href="https://login.example">',
      }),
    });
    const fields = result.verdict === 'answered' ? [...entriesOf(result.reply.fields)] : [];
    expect(fields).toEqual([
      ['Location', 'https://login.example/?rd=%2Fapp'],
      ['Set-Cookie', 'csrf=1; Path=/'],
      ['Set-Cookie', 'old=; Max-Age=0'],
      ['Content-Type', 'text/html'],
      ['x-session', 's'],
      ['Cache-Control', 'no-store'],
    ]);
  });

  it.each([
    [301, false],
    [307, false],
    [400, true],
    [401, false],
    [403, true],
    [404, true],
    [429, true],
  ])('hands on a %i, and whether others may still accept: final is %s', async (status, isFinal) => {
    const result = await resultOf(status, { 'retry-after': '7' }, 'why');
    expect(result).toMatchObject({ verdict: 'answered', isFinal, reply: { status, body: 'why' } });
    const text = result.verdict === 'answered' ? result.reply.fields : '';
    expect(text).toContain('Retry-After: 7');
  });

  it.each([304, 500, 502, 503])('takes a %i for no answer', async (status) => {
    expect(await resultOf(status)).toMatchObject({ verdict: 'unavailable' });
  });

  it.each([
    ['is too large', 'x'.repeat(64 * 1024 + 1), {}],
    ['is encoded', 'x', { 'content-encoding': 'gzip' }],
  ])('hands on no body that %s, but all else', async (_, body, headers) => {
    const type = { 'content-type': 'text/plain', 'www-authenticate': 'Negotiate' };
    const result = await resultOf(401, { ...type, ...headers }, body);
    expect(result).toMatchObject({ verdict: 'answered', reply: { status: 401, body: '' } });
    const fields = result.verdict === 'answered' ? result.reply.fields : '';
    expect(fields).toContain('WWW-Authenticate: Negotiate');
    expect(fields).not.toContain('Content-Type');
  });

  it('hands on a body of just the size that is allowed', async () => {
    const body = 'x'.repeat(64 * 1024);
    expect(await resultOf(403, {}, body)).toMatchObject({ reply: { body } });
  });

  it('gives client and target what is named of a good answer, and nothing else', async () => {
    const result = await resultOf(200, {
      'set-cookie': ['a=1', 'b=2'],
      'x-name': 'ada',
      'x-other': 'x',
      location: '/elsewhere',
    });
    expect(result).toMatchObject({ verdict: 'accepted', identity: { fields: ['x-name', 'ada'] } });
    const fields = result.verdict === 'accepted' ? result.identity.replyFields : undefined;
    expect([...entriesOf(fields ?? NO_FIELDS)]).toEqual([
      ['set-cookie', 'a=1'],
      ['set-cookie', 'b=2'],
    ]);
  });

  it('lets no line of the service begin a field of its own', async () => {
    const location = Buffer.from('/\u010d\u010aset-cookie: a=1').toString('latin1');
    const result = await resultOf(302, { location });
    const fields = result.verdict === 'answered' ? [...entriesOf(result.reply.fields)] : [];
    expect(fields.map(([name]) => name)).toEqual(['Location', 'Cache-Control']);
  });

  it('sends lists whole, and refuses other fields that come several times', async () => {
    const server = await FakeUpstream.start();
    const wish = { ...config(server.url, 5000), requestHeaders: ['accept', 'x-key'] };
    const authenticator = new ForwardAuthenticator(wish);
    const accept = [
      ['accept', 'text/html'],
      ['accept', '*/*'],
    ] as const;
    expect(await authenticator.authenticate(aRequest({ fields: accept }))).toMatchObject({
      verdict: 'accepted',
    });
    expect(server.received[0]?.headers['accept']).toBe('text/html, */*');
    const keys = [
      ['x-key', 'a'],
      ['x-key', 'b'],
    ] as const;
    expect(authenticator.authenticate(aRequest({ fields: keys }))).toMatchObject({
      verdict: 'refused',
    });
    await authenticator.close();
    await server.close();
  });
});
