/**
 * What gateways share while the primary dies that a Sentinel watches, and its replica has not heard
 * what was written last: what ended stays ended, what was there stays, and what is lost is lost for
 * good and refused.
 */
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { describeUnless } from '../support/not-run.js';
import { OidcProviderProcess } from '../support/oidc-provider-process.js';
import { APP_ORIGIN, OidcVisitor } from '../support/oidc-visitor.js';
import { RedisSentinel } from '../support/redis-kinds.js';
import { RedisServer, redisMissing } from '../support/redis-server.js';
import {
  ADMIN_TOKEN,
  askAdmin,
  onceStoreAnswers,
  STORE_SECRET,
} from '../support/shared-gateways.js';

interface Made {
  readonly id: string;
  readonly key: string;
}

describeUnless(redisMissing(), 'a primary that dies before its replica has heard all', () => {
  const ends: (() => Promise<unknown>)[] = [];
  let primary: RedisServer;
  let client: Redis;
  let gateways: readonly [GatewayProcess, GatewayProcess];
  let config: Record<string, unknown>;

  beforeAll(async () => {
    const provider = await OidcProviderProcess.start();
    ends.push(() => provider.stop());
    await provider.order({ gateway: APP_ORIGIN, keepsLogouts: true, firstSeconds: 3600 });
    primary = await RedisServer.start(['--repl-diskless-sync-delay', '0']);
    ends.push(() => primary.stop());
    const replica = await RedisServer.start(['--replicaof', '127.0.0.1', String(primary.port)]);
    ends.push(() => replica.stop());
    client = new Redis({ port: primary.port, host: '127.0.0.1', maxRetriesPerRequest: 1 });
    ends.push(async () => client.disconnect());
    // A Sentinel asks for replicas as it starts, and then every ten seconds.
    await replicaHasAll();
    const sentinel = await RedisSentinel.start(primary, [
      // A replica whose link is down for ten times that is not chosen.
      'sentinel down-after-milliseconds m 2000',
      'sentinel failover-timeout m 5000',
    ]);
    ends.push(() => sentinel.stop());
    const asked = new Redis({ port: sentinel.port, host: '127.0.0.1', maxRetriesPerRequest: 1 });
    ends.push(async () => asked.disconnect());
    await eventually('the Sentinel knows the replica', async () => {
      const known = JSON.stringify(await asked.call('SENTINEL', 'REPLICAS', 'm'));
      return (
        known.includes(`127.0.0.1:${replica.port}`) && known.includes('"master-link-status","ok"')
      );
    });
    const respond = { status: 204 };
    config = {
      ...{ workers: 1, logging: { accessLog: false }, keys: { store: true } },
      admin: { port: 0, token: ADMIN_TOKEN },
      store: { type: 'redis', secret: STORE_SECRET, url: sentinel.url, sentinel: { name: 'm' } },
      authenticators: {
        partners: { type: 'apiKey', header: 'x-key', managed: true },
        web: {
          ...{ type: 'oidc', issuer: provider.issuer, clientId: 'sluice', origin: APP_ORIGIN },
          clientSecret: 'the password of the gateway',
          session: { secret: 'a secret of a test, 32 characters or more', store: true },
        },
      },
      upstreams: { api: { targets: [{ url: 'http://127.0.0.1:9' }] } },
      routes: [
        { name: 'login', match: { path: '/login/*' }, login: 'web' },
        { name: 'page', match: { path: '/page' }, respond, authenticate: ['web'] },
        { name: 'key', match: { path: '/key' }, respond, authenticate: ['partners'] },
      ],
    };
    gateways = await Promise.all([GatewayProcess.start(config), GatewayProcess.start(config)]);
    ends.push(() => Promise.all(gateways.map((one) => one.kill())));
    for (const gateway of gateways) await isReady(gateway);
  });

  afterAll(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  const replicaHasAll = (): Promise<void> =>
    eventually('the replica has all', async () => Number(await client.wait(1, 1000)) === 1);

  async function isReady(gateway: GatewayProcess): Promise<void> {
    await eventually('the provider and the keys are known', async () => {
      const { body } = await askAdmin<{ known: boolean }>(gateway, 'GET', '/keys');
      return body.known && (await new OidcVisitor(gateway.url).open('/page')).status === 302;
    });
  }

  const statusOf = async ({ url }: GatewayProcess, path: string, headers: object) =>
    (await fetch(url + path, { headers: { ...headers } })).status;
  const everywhere = async (
    status: number,
    path: string,
    headers: object,
    at: readonly GatewayProcess[] = gateways,
  ): Promise<void> => {
    for (const gateway of at) {
      await eventually(`${path} is ${status}`, async () => {
        return (await statusOf(gateway, path, headers)) === status;
      });
    }
  };
  const loggedIn = async (user: string): Promise<string> => {
    const visitor = new OidcVisitor(gateways[0].url);
    const back = await visitor.logInAtProvider('/page', user);
    await onceStoreAnswers(() => visitor.open(back));
    expect(visitor.cookies.has('sluice-web')).toBe(true);
    return visitor.cookie;
  };
  const logOut = async (cookie: string): Promise<void> => {
    const headers = { cookie, 'sec-fetch-site': 'same-origin' };
    const { status } = await onceStoreAnswers(() =>
      new OidcVisitor(gateways[1].url).open('/login/logout', { method: 'POST', headers }),
    );
    expect(status).toBe(303);
  };
  const change = async (method: string, path: string, body?: object): Promise<Made> => {
    const made = await onceStoreAnswers(() => askAdmin<Made>(gateways[0], method, path, body));
    expect([200, 201, 202]).toContain(made.status);
    return made.body;
  };

  it('brings nothing back that had ended, and keeps what it had heard', async () => {
    const [stays, leaves] = [await loggedIn('ada'), await loggedIn('bob')];
    const kept = await change('POST', '/keys', { consumer: 'kept' });
    const taken = await change('POST', '/keys', { consumer: 'taken' });
    const turned = await change('POST', '/keys', { consumer: 'turned' });
    await everywhere(204, '/page', { cookie: leaves });
    await replicaHasAll();
    await client.call('ACL', 'SETUSER', 'default', '-psync', '-sync');
    await client.call('CLIENT', 'KILL', 'TYPE', 'replica');
    client.disconnect();

    // All of this is answered, and the replica hears nothing of it.
    await logOut(leaves);
    const late = await loggedIn('late');
    await change('DELETE', `/keys/${taken.id}`);
    const next = await change('POST', `/keys/${turned.id}/rotate`);
    const lost = await change('POST', '/keys', { consumer: 'lost' });
    await primary.kill();

    await eventually('the replica is used', async () => {
      const states = await Promise.all(
        gateways.map((one) => one.stats<{ store: { state: string; following: boolean } }>()),
      );
      return states.every(({ store }) => store.state === 'up' && store.following);
    });
    const third = await GatewayProcess.start(config);
    ends.push(() => third.kill());
    await isReady(third);
    const all = [...gateways, third];
    await everywhere(204, '/page', { cookie: stays }, all);
    await everywhere(401, '/page', { cookie: leaves }, all);
    await everywhere(401, '/page', { cookie: late }, all);
    await everywhere(204, '/key', { 'x-key': kept.key }, all);
    await everywhere(401, '/key', { 'x-key': taken.key }, all);
    await everywhere(401, '/key', { 'x-key': turned.key }, all);
    await everywhere(204, '/key', { 'x-key': next.key }, all);
    await everywhere(401, '/key', { 'x-key': lost.key }, all);
    // All goes on with the new primary.
    await everywhere(204, '/page', { cookie: await loggedIn('late') }, all);
    const again = await change('POST', '/keys', { consumer: 'again' });
    await everywhere(204, '/key', { 'x-key': again.key }, all);
  });
});
