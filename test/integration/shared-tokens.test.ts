/**
 * Two gateways that share a store are one token service: what one of them issues, the other takes,
 * refreshes and takes back, also when the store was away meanwhile.
 */
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { hashPassword } from '../../src/filters/authentication/password-hash.js';
import { eventually } from '../support/eventually.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { describeUnless } from '../support/not-run.js';
import { redisMissing } from '../support/redis-server.js';
import { onceStoreAnswers, SharedGateways, STORE_SECRET } from '../support/shared-gateways.js';

const LOGIN = { authorization: `Basic ${Buffer.from('ada:secret').toString('base64')}` };

interface Tokens {
  readonly access_token: string;
  readonly refresh_token: string;
}

describeUnless(redisMissing(), 'two gateways with one token service', () => {
  let both: SharedGateways;
  let client: Redis;
  let configOf: (store: object) => Record<string, unknown>;

  beforeAll(async () => {
    const users = [{ id: 'ada', passwordHash: await hashPassword('secret'), scopes: ['read'] }];
    const expected = { issuer: 'sluice', audience: 'api' };
    const route = (name: string, path: string, method: string, rest: object) => {
      return { name, match: { path, methods: [method] }, ...rest };
    };
    configOf = (store) => ({
      workers: 2,
      logging: { accessLog: false },
      tokenService: { ...expected, shared: true },
      authenticators: {
        people: { type: 'basic', users },
        own: { type: 'jwt', algorithms: ['ES256'], tokenService: true, ...expected },
      },
      upstreams: { api: { targets: [{ url: 'http://127.0.0.1:9' }] } },
      routes: [
        route('login', '/auth/token', 'POST', { tokenService: 'issue', authenticate: ['people'] }),
        route('refresh', '/auth/refresh', 'POST', { tokenService: 'refresh' }),
        route('revoke', '/auth/revoke', 'POST', { tokenService: 'revoke' }),
        route('keys', '/auth/keys', 'GET', { tokenService: 'keys' }),
        route('api', '/api', 'GET', { respond: { status: 204 }, authenticate: ['own'] }),
      ],
      store,
    });
    both = await SharedGateways.start(configOf);
    client = new Redis({ port: both.redis.port });
  });

  afterAll(async () => {
    client?.disconnect();
    await both?.stop();
  });

  const post = (gateway: GatewayProcess, path: string, members: Record<string, string>) =>
    fetch(gateway.url + path, { method: 'POST', body: new URLSearchParams(members) });
  const issue = (gateway: GatewayProcess) =>
    fetch(`${gateway.url}/auth/token`, { method: 'POST', headers: LOGIN });
  const login = async (gateway: GatewayProcess): Promise<Tokens> => {
    // The gateway has keys as soon as it knows what has ended.
    const reply = await onceStoreAnswers(() => issue(gateway));
    expect(reply.status).toBe(200);
    return (await reply.json()) as Tokens;
  };
  const tryToRefresh = (gateway: GatewayProcess, { refresh_token }: Tokens) =>
    post(gateway, '/auth/refresh', { refresh_token });
  const tryToRevoke = (gateway: GatewayProcess, token: string) =>
    post(gateway, '/auth/revoke', { token });
  const refresh = (gateway: GatewayProcess, tokens: Tokens) =>
    onceStoreAnswers(() => tryToRefresh(gateway, tokens));
  const revoke = (gateway: GatewayProcess, token: string) =>
    onceStoreAnswers(() => tryToRevoke(gateway, token));
  /** Of many requests at once, so that both workers have some. */
  const statuses = async (gateway: GatewayProcess, { access_token }: Tokens) => {
    const headers = { authorization: `Bearer ${access_token}` };
    const all = await Promise.all(
      Array.from({ length: 16 }, async () => {
        return (await fetch(`${gateway.url}/api`, { headers })).status;
      }),
    );
    return [...new Set(all)];
  };
  /** Waits until requests with this token get this status: a gateway on a busy machine is late. */
  const get = (gateway: GatewayProcess, tokens: Tokens, status: number): Promise<void> =>
    eventually(`it answers ${status}`, async () => {
      return (await statuses(gateway, tokens)).join() === String(status);
    });
  const isRefused = async (gateway: GatewayProcess, tokens: Tokens): Promise<boolean> =>
    (await statuses(gateway, tokens)).join() === '401';
  const keysOf = async (gateway: GatewayProcess): Promise<string> =>
    (await fetch(`${gateway.url}/auth/keys`)).text();

  it('take what the other one has issued, and refresh it', async () => {
    const { first, second } = both;
    const tokens = await login(first);
    await get(first, tokens, 204);
    await get(second, tokens, 204);
    const reply = await refresh(second, tokens);
    expect(reply.status).toBe(200);
    const next = (await reply.json()) as Tokens;
    await get(first, next, 204);
    expect((await refresh(first, next)).status).toBe(200);
    await eventually('keys are the same', async () => {
      return (await keysOf(first)) === (await keysOf(second));
    });
  });

  it('end a session in both when a refresh token comes twice, at whichever', async () => {
    const { first, second } = both;
    const stolen = await login(first);
    const owner = (await (await refresh(second, stolen)).json()) as Tokens;
    await get(first, owner, 204);
    const again = await refresh(first, stolen);
    expect(again.status).toBe(400);
    expect(await again.json()).toMatchObject({ error: 'invalid_grant' });
    for (const gateway of [first, second]) {
      await get(gateway, owner, 401);
      await get(gateway, stolen, 401);
      expect((await refresh(gateway, owner)).status).toBe(400);
    }
    // Of two at the same moment one gets it at most, and the session ends.
    const tokens = await login(first);
    const replies = await Promise.all([refresh(first, tokens), refresh(second, tokens)]);
    expect(replies.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1);
    await eventually('it has ended', () => isRefused(second, tokens));
    await eventually('it has ended in the other', () => isRefused(first, tokens));
  });

  it('take a session back in both before the reply', async () => {
    const { first, second } = both;
    const [one, two] = [await login(first), await login(first)];
    await get(second, one, 204);
    expect((await revoke(second, one.refresh_token)).status).toBe(200);
    await get(first, one, 401);
    await get(second, one, 401);
    expect((await revoke(second, two.access_token)).status).toBe(200);
    await get(first, two, 401);
    expect((await refresh(first, two)).status).toBe(400);
  });

  it('keep nothing in the store that can be read there', async () => {
    const { access_token, refresh_token } = await login(both.first);
    const names = await client.keys('*');
    const texts = await Promise.all(
      names.map(async (name) => ((await client.type(name)) === 'string' ? client.get(name) : '')),
    );
    expect(texts.filter((text) => text !== '').length).toBeGreaterThan(1);
    const all = [...names, ...texts.map((text) => Buffer.from(text ?? '', 'base64url'))].join();
    for (const secret of ['ada', 'read', '"kty"', access_token, refresh_token, STORE_SECRET]) {
      expect(all).not.toContain(secret);
    }
  });

  it('go on with what they know while they cannot reach the store, and catch up', async () => {
    const { first, second, proxy } = both;
    const [one, two, three] = [await login(first), await login(first), await login(first)];
    await get(second, one, 204);
    proxy.cut();
    await eventually('the store is lost', async () => (await issue(second)).status === 503);
    expect(await (await issue(second)).json()).toMatchObject({
      code: 'GW_TOKEN_SERVICE_UNAVAILABLE',
    });
    expect((await tryToRefresh(second, one)).status).toBe(503);
    // What was signed is taken by its signature, though the other one has taken it back.
    expect((await revoke(first, one.refresh_token)).status).toBe(200);
    await get(first, one, 401);
    await get(second, one, 204);
    // What it takes back itself is void here at once, and says that it is not yet elsewhere.
    expect((await tryToRevoke(second, two.access_token)).status).toBe(503);
    await get(second, two, 401);
    await get(first, two, 204);
    proxy.heal();
    await eventually('it has heard', () => isRefused(second, one));
    await eventually('it has told', () => isRefused(first, two));
    await get(second, three, 204);
    expect((await refresh(second, three)).status).not.toBe(503);
  });

  it('keep keys and revocations when the store has lost all, and over a restart', async () => {
    const { first, second } = both;
    const [one, two] = [await login(first), await login(second)];
    expect((await revoke(first, one.refresh_token)).status).toBe(200);
    const keys = await keysOf(first);
    await client.flushall();
    await eventually(
      'the keys are back',
      async () => (await client.exists('sluice:tokens:keys')) === 1,
    );
    await eventually('revocations are back', async () => {
      return (await client.zcard('sluice:{tokens}:revoked')) > 0;
    });
    expect(await keysOf(first)).toBe(keys);
    await get(second, one, 401);
    await get(second, two, 204);
    // Its session was lost with the store.
    expect((await refresh(first, two)).status).toBe(400);
    const kept = await login(first);
    const store = { type: 'redis', url: both.redis.url, secret: STORE_SECRET };
    const third = await GatewayProcess.start(configOf(store));
    try {
      await eventually('it has keys', async () => (await statuses(third, kept)).join() === '204');
      await get(third, one, 401);
      expect((await refresh(third, kept)).status).toBe(200);
    } finally {
      await third.kill();
    }
  });
});
