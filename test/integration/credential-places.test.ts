/**
 * Tokens and keys in cookies and in the query: whom they let in, and that they are seen nowhere
 * behind the gateway, nor in anything that it writes.
 */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { JWT_SECRET } from '../support/configs.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { signHs256 } from '../support/hs256-token.js';
import { OtlpReceiver } from '../support/otlp-receiver.js';

const KEY = 'an-API-key-that-nobody-guesses';
const TRACE = 'b'.repeat(32);

let upstream: FakeUpstream;
let service: FakeUpstream;
let receiver: OtlpReceiver;
let gateway: GatewayProcess;

const token = signHs256({ sub: 'ada', exp: Math.floor(Date.now() / 1000) + 600 });
const places = (...from: string[]) => ({ from });

beforeAll(async () => {
  upstream = await FakeUpstream.start();
  receiver = await OtlpReceiver.start();
  service = await FakeUpstream.start((_, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ active: true, sub: 'opaque' }));
  });
  const jwt = {
    type: 'jwt',
    algorithms: ['HS256'],
    secret: JWT_SECRET,
    claimHeaders: { 'x-user': 'sub' },
    ...places('header:authorization', 'cookie:session', 'query:jwt', 'header:x-token'),
  };
  const keys = [{ id: 'acme', sha256: createHash('sha256').update(KEY).digest('hex') }];
  const route = (name: string, authenticate?: string[], more: object = {}) => {
    return { name, match: { path: `/${name}` }, upstream: 'api', authenticate, ...more };
  };
  gateway = await GatewayProcess.start({
    workers: 1,
    tracing: { endpoint: receiver.endpoint, samplePercent: 100 },
    logging: { accessLog: { samplePercent: 100, headers: ['x-token', 'x-key', 'referer'] } },
    authenticators: {
      users: jwt,
      keys: { type: 'apiKey', keys, ...places('query:k', 'header:x-key') },
      opaque: {
        type: 'introspection',
        url: service.url,
        clientId: 'g',
        clientSecret: 's',
        ...places('cookie:opaque'),
      },
      kept: { ...jwt, ...places('cookie:kept', 'query:kept'), forwardCredentials: true },
    },
    upstreams: {
      api: { targets: [{ url: upstream.url }] },
      other: { targets: [{ url: upstream.url.replace('127.0.0.1', 'localhost') }] },
    },
    routes: [
      route('users', ['users']),
      route('keys', ['keys']),
      route('opaque', ['opaque']),
      route('kept', ['kept'], { upstream: 'other' }),
      route('public'),
      route('rewritten', ['users'], { rewrite: { query: { set: { a: '2' } } } }),
      route('limited', ['users'], { rateLimit: { limit: 1, window: '1h' } }),
    ],
  });
});

afterAll(async () => {
  await gateway.stop();
  await Promise.all([upstream.close(), service.close(), receiver.stop()]);
});

beforeEach(() => {
  upstream.received.length = 0;
});

type Headers = Record<string, string>;

async function seen(path: string, headers: Headers = {}) {
  const reply = await fetch(gateway.url + path, { headers });
  await reply.text();
  const [request] = upstream.received;
  return { status: reply.status, reply, url: request?.url, headers: request?.headers ?? {} };
}

describe('credentials in other places', () => {
  it.each<[string, Headers, string, Headers]>([
    ['/users?a=1', { authorization: `Bearer ${token}` }, '/users?a=1', {}],
    ['/users?a=1', { cookie: `x=1; session=${token}` }, '/users?a=1', { cookie: 'x=1' }],
    [`/users?jwt=${token}&a=1`, {}, '/users?a=1', {}],
    ['/users', { 'x-token': token }, '/users', {}],
    [`/rewritten?a=1&jwt=${token}`, {}, '/rewritten?a=2', {}],
    [`/keys?b=%2F&k=${KEY}`, {}, '/keys?b=%2F', {}],
    ['/keys', { 'x-key': KEY }, '/keys', {}],
    ['/opaque', { cookie: `opaque=${token}` }, '/opaque', {}],
    [`/public?jwt=${token}`, { cookie: `session=${token}; x=1` }, '/public', { cookie: 'x=1' }],
  ])('let in, and go no further: %s', async (path, headers, url, left) => {
    const got = await seen(path, headers);
    expect([got.status, got.url]).toEqual([200, url]);
    expect(got.headers['cookie']).toBe(left['cookie']);
    for (const name of ['x-token', 'x-key']) expect(got.headers).not.toHaveProperty(name);
    // As ever, tokens of Authorization go on by default.
    const { authorization } = headers;
    expect(got.headers.authorization).toBe(authorization);
    if (authorization === undefined) expect(JSON.stringify(got.headers)).not.toContain(token);
  });

  it('go on where that is wanted', async () => {
    const byCookie = await seen('/kept', { cookie: `kept=${token}` });
    expect([byCookie.status, byCookie.headers['cookie']]).toEqual([200, `kept=${token}`]);
    upstream.received.length = 0;
    expect(await seen(`/kept?kept=${token}`)).toMatchObject({ url: `/kept?kept=${token}` });
  });

  it('do not carry an Authorization field that nobody has judged', async () => {
    const headers = { authorization: 'Basic YTpi', cookie: `session=${token}` };
    const got = await seen('/users', headers);
    expect([got.status, got.headers['x-user']]).toEqual([200, 'ada']);
    expect(got.headers).not.toHaveProperty('authorization');
  });

  it.each<[string, Headers]>([
    ['/users?jwt=nonsense', {}],
    [`/users?jwt=${token}&jwt=${token}`, {}],
    ['/users', { cookie: `session=${token}; session=other` }],
    ['/users', { authorization: 'Bearer nonsense', cookie: `session=${token}` }],
    [`/keys?k=${KEY}x`, {}],
    [`/keys?K=${KEY}`, {}],
    ['/opaque', { authorization: `Bearer ${token}` }],
  ])('are refused: %s %o', async (path, headers) => {
    const { status, url } = await seen(path, headers);
    expect([status, url]).toEqual([401, undefined]);
  });

  it('stand in no record, no span, no list and no reply', async () => {
    const traceparent = `00-${TRACE}-00f067aa0ba902b7-01`;
    const first = await seen(`/limited?jwt=${token}&a=1`, {
      traceparent,
      'x-token': token,
      referer: `https://a.example/?jwt=${token}`,
    });
    expect(first.status).toBe(200);
    const { reply } = await seen(`/limited?jwt=${token}&a=1`, { 'x-token': token });
    expect(reply.status).toBe(429);
    await seen(`/nowhere?k=${KEY}`);
    const texts = [JSON.stringify([...reply.headers])];
    await eventually('the records', () => {
      const targets = gateway.find('request').map(({ target }) => target);
      return (
        targets.includes('/limited?jwt=[redacted]&a=1') && targets.includes('/nowhere?k=[redacted]')
      );
    });
    await eventually('the span', () => receiver.trace(TRACE).length > 0);
    texts.push(JSON.stringify(receiver.trace(TRACE)), JSON.stringify(gateway.records()));
    for (const page of ['/recent', '/stats', '/config']) {
      texts.push(await (await fetch(gateway.adminUrl + page)).text());
    }
    for (const text of texts) {
      expect(text).not.toContain(token);
      expect(text).not.toContain(KEY);
    }
  });
});
