/**
 * Another configuration while callers come: what authenticators know outlives it where they stay
 * the same, and goes where they do not.
 */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { KeyServer } from '../support/key-server.js';

const TOKEN = 'a-token-for-tests-of-the-admin-listener';

let upstream: FakeUpstream;
let issuer: KeyServer;
let other: KeyServer;
let gateway: GatewayProcess;

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const jwt = (server: KeyServer, wish: object = {}) => ({
  type: 'jwt',
  algorithms: ['ES256'],
  jwksUri: server.jwksUri,
  issuer: server.issuer,
  ...wish,
});
const keys = (...names: string[]) => ({
  type: 'apiKey',
  keys: names.map((id) => ({ id, sha256: sha256(`key of ${id}`) })),
});

function config(authenticators: Record<string, unknown>): Record<string, unknown> {
  return {
    workers: 2,
    admin: { port: 0, token: TOKEN },
    reload: { watch: false },
    authenticators,
    upstreams: { api: { targets: [{ url: upstream.url }] } },
    routes: Object.keys(authenticators).map((name) => {
      return { name, match: { path: `/${name}` }, upstream: 'api', authenticate: [name] };
    }),
  };
}

beforeAll(async () => {
  upstream = await FakeUpstream.start();
  issuer = await KeyServer.start();
  other = await KeyServer.start();
  gateway = await GatewayProcess.start(config({ users: jwt(issuer), partners: keys('acme') }));
});

afterAll(async () => {
  await gateway.kill();
  await issuer.kill();
  await other.kill();
  await upstream.close();
});

async function apply(authenticators: Record<string, unknown>): Promise<void> {
  gateway.rewrite(config(authenticators));
  const { status, body } = await gateway.post('/reload', TOKEN);
  expect([status, body.reasons ?? []]).toEqual([200, []]);
}

/** Many at once, so that both workers have some. */
async function statuses(path: string, headers: Record<string, string>): Promise<number[]> {
  const ask = async () => (await fetch(gateway.url + path, { headers })).status;
  return [...new Set(await Promise.all(Array.from({ length: 40 }, ask)))];
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

describe('a reload', () => {
  it('fetches no keys that are there, and those of a new issuer at once', async () => {
    const token = await issuer.token();
    expect(await statuses('/users', bearer(token))).toEqual([200]);
    await apply({ users: jwt(issuer), strangers: jwt(other), partners: keys('acme', 'bolt') });
    expect(await statuses('/users', bearer(token))).toEqual([200]);
    expect(await statuses('/strangers', bearer(await other.token()))).toEqual([200]);
    expect(await issuer.hits()).toBe(1);
    expect(await other.hits()).toBe(1);
    expect(await statuses('/partners', { apikey: 'key of bolt' })).toEqual([200]);
  });

  it('takes keys and tokens away at once that the new configuration does not take', async () => {
    const token = await issuer.token();
    expect(await statuses('/users', bearer(token))).toEqual([200]);
    expect(await statuses('/partners', { apikey: 'key of acme' })).toEqual([200]);
    await apply({ users: jwt(issuer, { audience: 'another' }), partners: keys('bolt') });
    expect(await statuses('/users', bearer(token))).toEqual([401]);
    expect(await statuses('/partners', { apikey: 'key of acme' })).toEqual([401]);
    expect(await statuses('/partners', { apikey: 'key of bolt' })).toEqual([200]);
    await apply({ users: jwt(issuer), partners: keys('bolt') });
    expect(await statuses('/users', bearer(token))).toEqual([200]);
    // The other issuer is not asked any more, and was not asked again.
    expect(await issuer.hits()).toBe(1);
    expect(await other.hits()).toBe(1);
  });

  it('that moves the issuer verifies by its keys, and by no others', async () => {
    const old = await issuer.token();
    await apply({ users: jwt(other) });
    expect(await statuses('/users', bearer(old))).toEqual([401]);
    expect(await statuses('/users', bearer(await other.token()))).toEqual([200]);
  });
});
