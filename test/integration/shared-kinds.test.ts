/**
 * What gateways share beside limits (API keys, tokens, purges), in each kind of store: with a user
 * who may do no more than the document says, in a Redis Cluster, and in a server that a Sentinel
 * names.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterEach, expect, it } from 'vitest';
import { hashPassword } from '../../src/filters/authentication/password-hash.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { describeUnless } from '../support/not-run.js';
import { RedisCluster, RedisSentinel } from '../support/redis-kinds.js';
import { RedisServer, redisMissing } from '../support/redis-server.js';
import {
  ADMIN_TOKEN,
  askAdmin,
  onceStoreAnswers,
  STORE_SECRET,
} from '../support/shared-gateways.js';

const LOGIN = { authorization: `Basic ${Buffer.from('ada:secret').toString('base64')}` };
const RULE = /^ACL SETUSER sluice on >PASSWORD (.*)$/m;

interface Change {
  readonly id: string;
  readonly key: string;
}

interface Tokens {
  readonly access_token: string;
  readonly refresh_token: string;
}

describeUnless(redisMissing(), 'keys, tokens and purges of gateways that share', () => {
  const ends: (() => Promise<unknown>)[] = [];

  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  async function configWith(store: object): Promise<Record<string, unknown>> {
    let count = 0;
    const upstream = await FakeUpstream.start((request, response) => {
      request.resume();
      count += 1;
      response.writeHead(200, { 'cache-control': 'max-age=3600' }).end(`${count}`);
    });
    ends.push(() => upstream.close());
    const users = [{ id: 'ada', passwordHash: await hashPassword('secret') }];
    const expected = { issuer: 'sluice', audience: 'api' };
    const respond = { status: 204 };
    const post = (path: string) => ({ match: { path, methods: ['POST'] } });
    return {
      ...{ workers: 1, logging: { accessLog: false } },
      admin: { port: 0, token: ADMIN_TOKEN },
      store: { type: 'redis', secret: STORE_SECRET, ...store },
      keys: { store: true },
      tokenService: { ...expected, shared: true },
      authenticators: {
        people: { type: 'basic', users },
        partners: { type: 'apiKey', header: 'x-key', managed: true },
        own: { type: 'jwt', algorithms: ['ES256'], tokenService: true, ...expected },
      },
      upstreams: { api: { targets: [{ url: upstream.url }] } },
      routes: [
        { name: 'issue', ...post('/issue'), tokenService: 'issue', authenticate: ['people'] },
        { name: 'refresh', ...post('/refresh'), tokenService: 'refresh' },
        { name: 'revoke', ...post('/revoke'), tokenService: 'revoke' },
        { name: 'token', match: { path: '/token' }, respond, authenticate: ['own'] },
        { name: 'key', match: { path: '/key' }, respond, authenticate: ['partners'] },
        { name: 'all', match: { path: '/*' }, upstream: 'api', cache: true },
      ],
    };
  }

  /** Two gateways that hear each other, and know keys and tokens. */
  async function twoGateways(store: object) {
    const config = await configWith(store);
    const both = await Promise.all([GatewayProcess.start(config), GatewayProcess.start(config)]);
    ends.push(() => Promise.all(both.map((one) => one.kill())));
    for (const gateway of both) {
      await eventually('the gateway hears the other one', async () => {
        type Row = { readonly state: string; readonly following: boolean; readonly nodes: number };
        const { store: row } = await gateway.stats<{ store: Row }>();
        return row.state === 'up' && row.following && row.nodes === 2;
      });
      await eventually('keys are known', async () => {
        const { body } = await askAdmin<{ known: boolean }>(gateway, 'GET', '/keys');
        return body.known;
      });
    }
    return both;
  }

  const statusOf = async (gateway: GatewayProcess, path: string, headers: object) =>
    (await fetch(gateway.url + path, { headers: { ...headers } })).status;

  async function worksAtBoth(store: object): Promise<void> {
    const both = await twoGateways(store);
    const [first, second] = both;
    if (first === undefined || second === undefined) throw new Error('a gateway is missing');
    await sharesKeys(first, second);
    await sharesTokens(first, second);
    await sharesPurges(first, second);
    for (const gateway of both) {
      const records = gateway.records().filter(({ level }) => level === 'error');
      expect([records, gateway.stdout.includes('NOPERM')]).toEqual([[], false]);
    }
  }

  async function sharesKeys(first: GatewayProcess, second: GatewayProcess): Promise<void> {
    const change = (gateway: GatewayProcess, method: string, path: string, body?: object) =>
      onceStoreAnswers(() => askAdmin<Change>(gateway, method, path, body));
    const made = await change(first, 'POST', '/keys', { consumer: 'ada' });
    expect([201, 202]).toContain(made.status);
    const { id, key } = made.body;
    await eventually('the key is good at the other', async () => {
      return (await statusOf(second, '/key', { 'x-key': key })) === 204;
    });
    const rotated = await change(second, 'POST', `/keys/${id}/rotate`);
    expect([200, 202]).toContain(rotated.status);
    await eventually('the key before is void', async () => {
      return (await statusOf(first, '/key', { 'x-key': key })) === 401;
    });
    const gone = await change(first, 'DELETE', `/keys/${id}`);
    expect([200, 202]).toContain(gone.status);
    await eventually('it is taken back', async () => {
      return (await statusOf(second, '/key', { 'x-key': rotated.body.key })) === 401;
    });
  }

  async function sharesTokens(first: GatewayProcess, second: GatewayProcess): Promise<void> {
    const post = (gateway: GatewayProcess, path: string, members: Record<string, string>) =>
      onceStoreAnswers(() =>
        fetch(gateway.url + path, { method: 'POST', body: new URLSearchParams(members) }),
      );
    const reply = await onceStoreAnswers(() =>
      fetch(`${first.url}/issue`, { method: 'POST', headers: LOGIN }),
    );
    const { refresh_token } = (await reply.json()) as Tokens;
    const refreshed = await post(second, '/refresh', { refresh_token });
    expect(refreshed.status).toBe(200);
    const tokens = (await refreshed.json()) as Tokens;
    const bearer = { authorization: `Bearer ${tokens.access_token}` };
    await eventually('the token is good', async () => {
      return (await statusOf(first, '/token', bearer)) === 204;
    });
    expect((await post(first, '/revoke', { token: tokens.refresh_token })).status).toBe(200);
    await eventually('the session has ended', async () => {
      return (await statusOf(second, '/token', bearer)) === 401;
    });
  }

  async function sharesPurges(first: GatewayProcess, second: GatewayProcess): Promise<void> {
    const get = async () => (await fetch(`${second.url}/stored`)).text();
    let before = await get();
    await eventually('the reply is stored', async () => {
      const now = await get();
      const isSame = now === before;
      before = now;
      return isSame;
    });
    const purge = { url: `${second.url}/stored` };
    const { status } = await askAdmin<Change>(first, 'POST', '/cache/purge', purge);
    expect([200, 202]).toContain(status);
    await eventually('it is purged', async () => (await get()) !== before);
  }

  it('a user who may do no more than the document says', async () => {
    const redis = await RedisServer.start();
    ends.push(() => redis.stop());
    const document = readFileSync(join(import.meta.dirname, '../../docs/cluster.md'), 'utf8');
    const rule = RULE.exec(document)?.[1];
    if (rule === undefined) throw new Error('the document names no rights');
    const owner = new Redis({ port: redis.port, host: '127.0.0.1', maxRetriesPerRequest: 1 });
    ends.push(async () => owner.disconnect());
    await owner.call('ACL', 'SETUSER', 'sluice', 'on', '>password', ...rule.split(' '));
    await owner.call('ACL', 'SETUSER', 'default', 'resetpass', '>another');
    await owner.call('ACL', 'LOG', 'RESET');
    await worksAtBoth({ url: redis.url, username: 'sluice', password: 'password' });
    // Nothing was tried that the user may not do.
    expect(await owner.call('ACL', 'LOG')).toEqual([]);
  });

  it('a Redis Cluster', async () => {
    const cluster = await RedisCluster.start();
    ends.push(() => cluster.stop());
    await worksAtBoth({ urls: cluster.urls, cluster: true });
  });

  it('a server that a Sentinel names', async () => {
    const redis = await RedisServer.start();
    ends.push(() => redis.stop());
    const sentinel = await RedisSentinel.start(redis);
    ends.push(() => sentinel.stop());
    await worksAtBoth({ url: sentinel.url, sentinel: { name: 'm' } });
  });
});
