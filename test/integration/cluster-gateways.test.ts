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
    const config = aConfig([upstream.url], {
      route: { rateLimit },
      top: { workers: 1, logging: { accessLog: false }, store },
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
    const metrics = await (await fetch(`${first.adminUrl}/metrics`)).text();
    expect(metrics).toMatch(/^gateway_store_up 1$/m);

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
});
