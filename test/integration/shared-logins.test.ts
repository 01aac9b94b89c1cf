/**
 * Two gateways that share a store know a browser by one session: with a real OpenID provider, a
 * real Redis, and two real gateways, the second of them over a proxy that tests make worse.
 */
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { LoginEnd } from '../../src/base/login.js';
import { deriveKey } from '../../src/filters/authentication/sealed-text.js';
import { StoredEnds } from '../../src/supervisor/login/stored-ends.js';
import type { SharedState } from '../../src/supervisor/shared/shared-state.js';
import { eventually } from '../support/eventually.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { describeUnless } from '../support/not-run.js';
import { OidcProviderProcess } from '../support/oidc-provider-process.js';
import { APP_ORIGIN, OidcVisitor } from '../support/oidc-visitor.js';
import { redisMissing } from '../support/redis-server.js';
import { SharedGateways, STORE_SECRET } from '../support/shared-gateways.js';

const SECRET = 'a secret of a test, 32 characters or more';

describeUnless(redisMissing(), 'two gateways with the sessions of browsers', () => {
  let both: SharedGateways;
  let provider: OidcProviderProcess;
  let client: Redis;
  let configOf: (store: object) => Record<string, unknown>;

  beforeAll(async () => {
    provider = await OidcProviderProcess.start();
    await provider.order({ gateway: APP_ORIGIN, keepsLogouts: true });
    const login = (name: string, stored: boolean) => ({
      type: 'oidc',
      issuer: provider.issuer,
      clientId: 'sluice',
      clientSecret: 'the password of the gateway',
      scopes: ['offline_access'],
      origin: APP_ORIGIN,
      redirectPath: stored ? '/login/callback' : `/${name}/callback`,
      logoutPath: `/${name}/logout`,
      backchannelLogoutPath: `/${name}/backchannel`,
      session: { secret: SECRET, store: stored },
      timeout: '3s',
    });
    const route = (name: string, path: string, rest: object) => ({
      name,
      match: { path },
      ...rest,
    });
    configOf = (store) => ({
      workers: 2,
      logging: { accessLog: false },
      authenticators: { web: login('web', true), plain: login('plain', false) },
      upstreams: { api: { targets: [{ url: 'http://127.0.0.1:9' }] } },
      routes: [
        route('back', '/login/callback', { login: 'web' }),
        route('web', '/web/*', { login: 'web' }),
        route('plain', '/plain/*', { login: 'plain' }),
        route('page', '/page', { respond: { status: 204 }, authenticate: ['web'] }),
        route('other', '/other', { respond: { status: 204 }, authenticate: ['plain'] }),
      ],
      store,
    });
    both = await SharedGateways.start(configOf);
    client = new Redis({ port: both.redis.port });
    for (const { url } of [both.first, both.second]) {
      await eventually('the provider is found', async () => {
        return (await new OidcVisitor(url).open('/page')).status === 302;
      });
    }
  });

  beforeEach(() => provider.order({ mood: 'well', firstSeconds: 3600 }));

  afterAll(async () => {
    client?.disconnect();
    await both?.stop();
    await provider?.stop();
  });

  /** Of many requests at once, so that both workers have some. As a program: 401, not 302. */
  const statuses = async ({ url }: GatewayProcess, cookie: string): Promise<string> => {
    const all = Array.from({ length: 10 }, async () => {
      return (await fetch(`${url}/page`, { headers: { cookie } })).status;
    });
    return [...new Set(await Promise.all(all))].join();
  };
  const answers = (gateway: GatewayProcess, cookie: string, status: number): Promise<void> =>
    eventually(`it answers ${status}`, async () => {
      return (await statuses(gateway, cookie)) === String(status);
    });
  const loggedIn = async (
    gateway: GatewayProcess,
    user = 'ada',
    visitor = new OidcVisitor(gateway.url),
  ): Promise<OidcVisitor> => {
    const back = await visitor.logInAtProvider('/page', user);
    // On a busy machine the store may count as lost for a moment: the code is good for another try.
    await eventually('the login ends', async () => {
      const { status, location } = await visitor.open(back);
      expect([302, 503]).toContain(status);
      return location === `${APP_ORIGIN}/page`;
    });
    return visitor;
  };
  const logOut = (visitor: OidcVisitor, path = '/web/logout') =>
    visitor.open(path, { method: 'POST', headers: { 'sec-fetch-site': 'same-origin' } });
  const isOut = (visitor: OidcVisitor): Promise<void> =>
    eventually('the user has logged out', async () => {
      const { status } = await logOut(visitor);
      expect([303, 503]).toContain(status);
      return status === 303;
    });
  const renewals = async (): Promise<number> =>
    (await provider.record()).grants.filter((grant) => grant === 'refresh_token').length;

  it('take the session of the other one, by a cookie that says nothing', async () => {
    const { first, second } = both;
    const ada = await loggedIn(first);
    await answers(second, ada.cookie, 204);
    await answers(first, ada.cookie, 204);
    expect([...ada.cookies.keys()]).toEqual(['sluice-web']);
    expect(ada.cookie.length).toBeLessThan(200);
    const names = await client.keys('*');
    const values = await Promise.all(
      names.map(async (name) => ((await client.type(name)) === 'string' ? client.get(name) : '')),
    );
    const value = ada.cookie.slice('sluice-web='.length);
    const all = [...names, ...values.map((one) => Buffer.from(one ?? '', 'base64url'))].join();
    for (const secret of ['ada', 'id_token', value, SECRET, STORE_SECRET]) {
      expect(all).not.toContain(secret);
    }
    // It ends by itself: nothing in the store is for ever.
    const sessions = names.filter((name) => name.includes('logins:session'));
    expect(sessions.length).toBeGreaterThan(0);
    for (const name of sessions) expect(await client.pttl(name)).toBeGreaterThan(0);
  });

  it('take no cookie of another login, no name of the browser, no name that was ended', async () => {
    const { first } = both;
    const ada = await loggedIn(first);
    const value = ada.cookies.get('sluice-web') ?? '';
    const asOther = await fetch(`${first.url}/other`, {
      headers: { cookie: `sluice-plain=${value}` },
    });
    expect(asOther.status).toBe(401);
    for (const cookie of ['sluice-web=1AAAAAAAAAAAAAAAAAAAAAAAA', `sluice-web=${value}A`]) {
      expect(await statuses(first, cookie)).toBe('401');
    }
    // A login gives a name of its own, whatever name the browser came with.
    const again = await loggedIn(first);
    const planted = new OidcVisitor(first.url);
    planted.cookies.set('sluice-web', value);
    await isOut(ada);
    await eventually('a login begins', async () => (await planted.open('/page')).status === 302);
    await loggedIn(first, 'bob', planted);
    expect(planted.cookies.get('sluice-web')).not.toBe(value);
    await answers(first, planted.cookie, 204);
    await answers(first, `sluice-web=${value}`, 401);
    await answers(first, again.cookie, 204);
  });

  it('renew it once for requests that come to both at once', async () => {
    await provider.order({ firstSeconds: 1 });
    const { first, second } = both;
    const before = await renewals();
    const { cookie } = await loggedIn(first);
    const burst = async () => {
      const each = Array.from({ length: 10 }, () => [
        fetch(`${first.url}/page`, { headers: { cookie } }),
        fetch(`${second.url}/page`, { headers: { cookie } }),
      ]);
      return (await Promise.all(each.flat())).map(({ status }) => status);
    };
    let all = await burst();
    await eventually('it is renewed', async () => {
      all = await burst();
      return (await renewals()) > before && all.every((status) => status === 204);
    });
    expect(await renewals()).toBe(before + 1);
    await answers(second, cookie, 204);
    expect(await renewals()).toBe(before + 1);
  });

  it('end it in both: by its user, and by the provider', async () => {
    const { first, second } = both;
    const ada = await loggedIn(first);
    const { cookie } = ada;
    await answers(first, cookie, 204);
    await answers(second, cookie, 204);
    ada.gateway = second.url;
    await isOut(ada);
    expect(ada.cookie).toBe('');
    await answers(first, cookie, 401);
    await answers(second, cookie, 401);

    const bob = await loggedIn(second, 'bob');
    const other = await loggedIn(second, 'bob');
    await bob.logOutAtProvider(provider.issuer);
    const [token = ''] = (await provider.record()).logoutTokens.slice(-1);
    const body = new URLSearchParams({ logout_token: token });
    await eventually('it is told', async () => {
      const { status } = await fetch(`${first.url}/web/backchannel`, { method: 'POST', body });
      expect([200, 503]).toContain(status);
      return status === 200;
    });
    await answers(second, bob.cookie, 401);
    await answers(first, bob.cookie, 401);
    await answers(second, other.cookie, 204);
  });

  it('know over a restart who has a session, and whose cookie is no longer good', async () => {
    const { first } = both;
    const ada = await loggedIn(first);
    // Another login keeps its sessions in cookies: their ends are in the store all the same.
    const bob = new OidcVisitor(first.url);
    await bob.logIn('/other', 'bob');
    const { cookie } = bob;
    const otherOf = async ({ url }: GatewayProcess) =>
      (await fetch(`${url}/other`, { headers: { cookie } })).status;
    await eventually('he is in', async () => (await otherOf(first)) === 204);
    expect((await logOut(bob, '/plain/logout')).status).toBe(303);
    const store = { type: 'redis', url: both.redis.url, secret: STORE_SECRET };
    const third = await GatewayProcess.start(configOf(store));
    try {
      await answers(third, ada.cookie, 204);
      await eventually('he is not in', async () => (await otherOf(third)) === 401);
    } finally {
      await third.kill();
    }
  });

  it('read all ends that are in the store, however many end in the same second', async () => {
    const store = {
      keyOf: (area: string, name: string) => `ends-of-a-test:${area}:${name}`,
      run: ([name = '', ...values]: (string | number)[]) => client.call(String(name), ...values),
    };
    const keys = (secret: string) => ({
      store,
      key: (purpose: string) => deriveKey(secret, purpose),
    });
    const at = (secret: string) => StoredEnds.in(keys(secret) as unknown as SharedState);
    const now = Math.floor(Date.now() / 1000);
    const ends = Array.from({ length: 1250 }, (_, index): LoginEnd => {
      const until = now + (index < 1200 ? 100 : 50);
      return { realm: 'r', by: 'sid', value: `s${index}`, beganBy: now, until };
    });
    await at(STORE_SECRET)?.keep(ends, now);
    await at(STORE_SECRET)?.keep([{ ...ends[0], beganBy: now + 9 } as LoginEnd], now);
    const found = (await at(STORE_SECRET)?.read(now)) ?? [];
    expect(found.map(({ value }) => value).sort()).toEqual(ends.map(({ value }) => value).sort());
    expect(found.find(({ value }) => value === 's0')?.beganBy).toBe(now + 9);
    // Those that are over go with the next one that is kept.
    await at(STORE_SECRET)?.keep([{ ...ends[1], until: now + 200 } as LoginEnd], now + 60);
    expect(await client.hlen('ends-of-a-test:{logins}:ended')).toBe(1200);
    expect(await at('another secret')?.read(now)).toEqual([]);
  });

  it('let nobody in while the store is full, and all again when there is room', async () => {
    const { first } = both;
    const ada = await loggedIn(first);
    const late = new OidcVisitor(first.url);
    const back = await late.logInAtProvider('/page', 'late');
    await client.config('SET', 'maxmemory', '1');
    expect((await late.open(back)).status).toBe(503);
    expect(late.cookies.has('sluice-web')).toBe(false);
    // Nothing can be told through it either, so nobody knows whose session has ended.
    await answers(first, ada.cookie, 503);
    await client.config('SET', 'maxmemory', '0');
    // A code works once, but what came of it was not lost: the same page goes on.
    await eventually('the login ends', async () => {
      const { status, location } = await late.open(back);
      expect([302, 503]).toContain(status);
      return location === `${APP_ORIGIN}/page`;
    });
    await answers(first, late.cookie, 204);
    await answers(first, ada.cookie, 204);
  });

  it('let nobody in while they cannot reach the store, and all when it is back', async () => {
    const { first, second, proxy } = both;
    const [ada, eve] = [await loggedIn(first), await loggedIn(first, 'eve')];
    await answers(second, ada.cookie, 204);
    await answers(second, eve.cookie, 204);
    const [adaCookie, eveCookie] = [ada.cookie, eve.cookie];
    proxy.cut();
    await answers(second, ada.cookie, 503);
    // A login waits, without using up its code.
    const late = new OidcVisitor(first.url);
    const back = await late.logInAtProvider('/page', 'late');
    late.gateway = second.url;
    expect((await late.open(back)).status).toBe(503);
    eve.gateway = second.url;
    expect((await logOut(eve)).status).toBe(503);
    // What ended meanwhile has ended there too.
    await isOut(ada);
    proxy.heal();
    await eventually('the login ends', async () => {
      const { status, location } = await late.open(back);
      expect([302, 503]).toContain(status);
      return location === `${APP_ORIGIN}/page`;
    });
    await answers(second, late.cookie, 204);
    await answers(second, adaCookie, 401);
    for (const gateway of [first, second]) await answers(gateway, eveCookie, 401);
  });
});
