/**
 * Several gateways as their users run them, with one store: they start without it, find it, count
 * together, go on without it, and find it again.
 */
import { afterEach, expect, it } from 'vitest';
import { freePort } from '../support/client-rig.js';
import { aConfig } from '../support/configs.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { describeUnless } from '../support/not-run.js';
import { RedisServer, redisMissing } from '../support/redis-server.js';

const LARGE_LIMIT = 300;

interface StoreRow {
  readonly state: string;
  readonly nodes: number;
  readonly deaths: number;
}

describeUnless(redisMissing(), 'gateways that share a store', () => {
  const ends: (() => Promise<unknown>)[] = [];

  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  it('count a limit together, and serve without the store', async () => {
    const upstream = await FakeUpstream.start();
    ends.push(() => upstream.close());
    const port = await freePort();
    const rateLimit = { limit: 10, window: '1h', key: 'route', scope: 'cluster' };
    const password = 'never shown';
    const store = { type: 'redis', url: `redis://127.0.0.1:${port}`, password, nodes: 2 };
    const cost = { reply: '/bodyBytes', reserve: 30 };
    const byCost = { limit: 100, window: '1h', key: 'route', cost, scope: 'cluster' };
    const all = { name: 'all', match: { path: '/*' }, upstream: 'api', rateLimit };
    const tokens = { ...all, name: 'tokens', match: { path: '/tokens' }, rateLimit: byCost };
    const config = aConfig([upstream.url], {
      top: { workers: 1, logging: { accessLog: false }, store, routes: [all, tokens] },
    });
    const env = { GATEWAY_CHAOS: '1' };
    const gateways = await Promise.all([
      GatewayProcess.start(config, env),
      GatewayProcess.start(config, env),
    ]);
    for (const one of gateways) ends.push(() => one.stop());
    const [first, second] = gateways as [GatewayProcess, GatewayProcess];
    const storeOf = async (one: GatewayProcess) => (await one.stats())['store'] as StoreRow;
    const ask = async (one: GatewayProcess) => (await fetch(`${one.url}/`)).status;
    /** Statuses of this number of requests, at both by turns. */
    const statuses = async (count: number): Promise<number[]> => {
      const seen: number[] = [];
      for (let at = 0; at < count; at += 1) seen.push(await ask(at % 2 === 0 ? first : second));
      return seen;
    };
    // There is no store yet: each has its half.
    expect((await storeOf(first)).state).toBe('lost');
    expect(await statuses(4)).toEqual([200, 200, 200, 200]);

    const redis = await RedisServer.start(['--requirepass', password], port);
    ends.push(() => redis.stop());
    for (const one of gateways) {
      await eventually('both are known', async () => {
        const { state, nodes } = await storeOf(one);
        return state === 'up' && nodes === 2;
      });
    }
    // What was admitted without it counts: 4 of 10 are used.
    const together = await statuses(20);
    expect(together.filter((status) => status === 200).length).toBeLessThanOrEqual(6);
    expect(together.slice(-4)).toEqual([429, 429, 429, 429]);
    // What a reply tells to one gateway is owed at the other.
    const call = async (one: GatewayProcess, bytes: number) =>
      (await fetch(`${one.url}/tokens`, { method: 'POST', body: 'x'.repeat(bytes) })).status;
    expect([await call(first, 0), await call(first, 80)]).toEqual([200, 200]);
    await eventually('the cost is owed', async () => (await call(second, 0)) === 429);
    await eventually('the metrics say that the store is up', async () => {
      const metrics = await (await fetch(`${first.adminUrl}/metrics`)).text();
      return /^gateway_store_up 1$/m.test(metrics);
    });

    // The thread dies: the next one finds the store by itself.
    await fetch(`${first.adminUrl}/chaos/store/crash`, { method: 'POST' });
    await eventually('another thread has found it', async () => {
      const { state, deaths } = await storeOf(first);
      return state === 'up' && deaths === 1;
    });
    expect(await statuses(4)).toEqual([429, 429, 429, 429]);
    // So does a coordinator that is started again.
    await fetch(`${first.adminUrl}/chaos/coordinator/crash`, { method: 'POST' });
    await eventually('another coordinator decides', async () => (await ask(first)) === 429);

    const shown = await (await fetch(`${first.adminUrl}/config`)).text();
    const said = `${shown}${first.stdout}${first.stderr}${second.stdout}${second.stderr}`;
    expect(said).not.toContain(password);
  });

  it('use nothing of what ended while they were suspended', async () => {
    const [upstream, redis] = await Promise.all([FakeUpstream.start(), RedisServer.start()]);
    ends.push(
      () => upstream.close(),
      () => redis.stop(),
    );
    // Of so large a limit a gateway gets admissions in advance.
    const cluster = { scope: 'cluster', onStoreLost: 'closed' };
    const rateLimit = { limit: LARGE_LIMIT, window: '1h', key: 'route', ...cluster };
    const config = aConfig([upstream.url], {
      route: { rateLimit },
      top: {
        workers: 1,
        logging: { accessLog: false },
        store: { type: 'redis', url: redis.url, nodes: 2 },
      },
    });
    const start = async (): Promise<GatewayProcess> => {
      const gateway = await GatewayProcess.start(config);
      ends.push(() => gateway.stop());
      await eventually('the store is up', async () => {
        return ((await gateway.stats())['store'] as StoreRow).state === 'up';
      });
      return gateway;
    };
    const [first, second] = await Promise.all([start(), start()]);
    let admitted = 0;
    const ask = async (one: GatewayProcess): Promise<void> => {
      const reply = await fetch(`${one.url}/`);
      await reply.text();
      if (reply.status === 200) admitted += 1;
    };
    const burst = (one: GatewayProcess) => Promise.all(Array.from({ length: 40 }, () => ask(one)));
    /** Answers of the store may be late on a busy machine: nobody is admitted then. */
    const burstUntilMore = async (one: GatewayProcess): Promise<void> => {
      const before = admitted;
      await eventually('somebody is admitted', async () => {
        await burst(one);
        return admitted > before;
      });
    };
    await burstUntilMore(first);
    first.child.kill('SIGSTOP');
    await burstUntilMore(second);
    for (let round = 0; round < 11; round += 1) await burst(second);
    first.child.kill('SIGCONT');
    for (let round = 0; round < 12; round += 1) await burst(first);
    expect(admitted).toBeLessThanOrEqual(LARGE_LIMIT);
  });
});
