/**
 * Purges of stored replies reach all gateways that share a store, also those that were away.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import type { GatewayProcess } from '../support/gateway-process.js';
import { describeUnless } from '../support/not-run.js';
import { redisMissing } from '../support/redis-server.js';
import { ADMIN_TOKEN, askAdmin, SharedGateways } from '../support/shared-gateways.js';

interface Purged {
  readonly purged: number;
  readonly acknowledged: readonly string[];
  readonly missing: readonly string[];
  readonly trouble: string;
}

describeUnless(redisMissing(), 'gateways that share a store', () => {
  let upstream: FakeUpstream;
  let others: FakeUpstream[];
  let both: SharedGateways;
  let count = 0;

  beforeAll(async () => {
    upstream = await FakeUpstream.start((request, response) => {
      count += 1;
      request.resume();
      response.writeHead(200, { 'cache-control': 'max-age=3600' });
      response.end(`${count}`);
    });
    others = await Promise.all([FakeUpstream.start(), FakeUpstream.start()]);
    both = await SharedGateways.start((store) => ({
      workers: 1,
      logging: { accessLog: false },
      admin: { port: 0, token: ADMIN_TOKEN },
      upstreams: {
        api: { targets: [{ url: upstream.url }] },
        sticky: {
          targets: others.map(({ url }) => ({ url })),
          loadBalancing: { stickyCookie: { name: 'home' } },
        },
      },
      routes: [
        { name: 'all', match: { path: '/*' }, upstream: 'api', cache: true },
        { name: 'sticky', match: { path: '/sticky' }, upstream: 'sticky' },
      ],
      store,
    }));
  });

  afterAll(async () => {
    await both?.stop();
    await Promise.all([upstream, ...others].map((one) => one.close()));
  });

  const get = async (gateway: GatewayProcess, path: string): Promise<string> =>
    (await fetch(`${gateway.url}${path}`)).text();
  /** Resolves when the gateway answers this path from memory, with what it then says. */
  const stored = async (gateway: GatewayProcess, path: string): Promise<string> => {
    let before = await get(gateway, path);
    await eventually('the reply is stored', async () => {
      const now = await get(gateway, path);
      const isSame = now === before;
      before = now;
      return isSame;
    });
    return before;
  };
  const purge = (gateway: GatewayProcess, order: object) =>
    askAdmin<Purged>(gateway, 'POST', '/cache/purge', order);

  it('keep a client at its target by the same cookie', async () => {
    const { first, second } = both;
    const reply = await fetch(`${first.url}/sticky`);
    const cookie = (reply.headers.get('set-cookie') ?? '').split(';', 1)[0] ?? '';
    expect(cookie).toMatch(/^home=[0-9a-f]{32}$/);
    const home = others.findIndex(({ received }) => received.length > 0);
    for (let round = 0; round < 8; round += 1) {
      await fetch(`${second.url}/sticky`, { headers: { cookie } });
    }
    expect(others[home]?.received.length).toBe(9);
  });

  it('purge a reply in all of them before the purge is answered', async () => {
    const { first, second } = both;
    let before: string[] = [];
    let kept = '';
    // On a busy machine the other one may acknowledge too late.
    await eventually('the purge is acknowledged in time', async () => {
      before = [await stored(first, '/a'), await stored(second, '/a')];
      kept = await stored(second, '/b');
      const { status, body } = await purge(first, { prefix: `${second.url}/a` });
      if (status === 202) return false;
      expect(status).toBe(200);
      expect(body).toMatchObject({ purged: 1, missing: [], trouble: '' });
      expect(body.acknowledged.length).toBe(1);
      return true;
    });
    expect(await get(second, '/a')).not.toBe(before[1]);
    expect(await get(first, '/a')).toBe(before[0]);
    expect(await get(second, '/b')).toBe(kept);
    // What is too long to be told whole purges more, never less.
    const path = `/long?${'x'.repeat(3000)}`;
    const long = await stored(second, path);
    await purge(first, { url: `${second.url}${path}` });
    await eventually('it is purged', async () => (await get(second, path)) !== long);
    expect(await get(second, '/b')).toBe(kept);
  });

  it('say who was not told, which then catches up with exactly what it has missed', async () => {
    const { first, second, proxy } = both;
    const [a, b] = [await stored(second, '/c'), await stored(second, '/d')];
    proxy.cut();
    await eventually('the purge is told', async () => {
      const { status, body } = await purge(first, { prefix: `${second.url}/c` });
      expect(status).toBe(202);
      // Nobody is told while the store counts as lost, as it may for a moment.
      if (body.trouble !== '') return false;
      expect(body.acknowledged).toEqual([]);
      expect(body.missing.length).toBe(1);
      return true;
    });
    expect(await get(second, '/c')).toBe(a);
    proxy.heal();
    await eventually('it has caught up', async () => (await get(second, '/c')) !== a);
    expect(await get(second, '/d')).toBe(b);
    await both.know(second);
  });

  it('purge everything where nobody knows what was missed', async () => {
    const { first, second, redis } = both;
    const before = await stored(second, '/e');
    await redis.kill();
    await eventually('the store is lost', async () => {
      const { store } = await first.stats<{ store: { state: string } }>();
      return store.state === 'lost';
    });
    const own = await stored(first, '/f');
    const { status, body } = await purge(first, { prefix: `${first.url}/f` });
    expect(status).toBe(202);
    expect(body).toMatchObject({ purged: 1, acknowledged: [], missing: [] });
    expect(body.trouble).toMatch(/store/);
    expect(await get(first, '/f')).not.toBe(own);
    expect(await get(second, '/e')).toBe(before);
    await redis.run();
    await eventually('it has purged everything', async () => (await get(second, '/e')) !== before);
    await Promise.all([both.know(first), both.know(second)]);
    const metrics = await (await fetch(`${second.adminUrl}/metrics`)).text();
    expect(metrics).toMatch(/^gateway_store_events_total\{kind="eventGaps"\} [1-9]/m);
    expect(metrics).toMatch(/^gateway_store_following 1$/m);
  });

  it('do not wait for one that has stopped', async () => {
    const { first, second } = both;
    await second.stop();
    const { status, body } = await purge(first, { prefix: `${first.url}/a` });
    expect([status, body.trouble, body.missing]).toEqual([200, '', []]);
  });
});
