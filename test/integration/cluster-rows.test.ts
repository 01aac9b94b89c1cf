/**
 * Limits over several gateways where the store evicts keys, and where a slot of a Redis Cluster
 * moves to another node: two rows of the table in docs/cluster.md.
 */
import { Redis } from 'ioredis';
import { afterEach, expect, it } from 'vitest';
import type { CompiledStore } from '../../src/config/store-settings.js';
import { EvictionWatch } from '../../src/store/eviction-watch.js';
import { admissions, ClusterNode, type LimitWish } from '../support/cluster-node.js';
import { eventually } from '../support/eventually.js';
import { FakeClock } from '../support/fake-clock.js';
import { describeUnless } from '../support/not-run.js';
import { RedisCluster } from '../support/redis-kinds.js';
import { RedisServer, redisMissing } from '../support/redis-server.js';

const HOUR_MS = 3_600_000;
const FILLER_BYTES = 100_000;
const ROOM_BYTES = 2_000_000;
/** They fit into the room. */
const FILLERS_FIRST = 15;
const SAFE = /set maxmemory-policy noeviction/;

describeUnless(redisMissing(), 'limits over several gateways, where', () => {
  const ends: (() => Promise<void>)[] = [];

  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  async function aRedis(settings: readonly string[]) {
    const redis = await RedisServer.start(settings);
    ends.push(() => redis.stop());
    const client = new Redis({ port: redis.port, host: '127.0.0.1', maxRetriesPerRequest: 1 });
    ends.push(async () => client.disconnect());
    return { redis, client };
  }

  async function twoNodes(
    port: number,
    limits: readonly LimitWish[],
    store: Partial<CompiledStore> = {},
  ): Promise<readonly [ClusterNode, ClusterNode]> {
    const wish = { port, limits, store };
    const nodes = await Promise.all([ClusterNode.start(wish), ClusterNode.start(wish)]);
    ends.push(async () => {
      await Promise.all(nodes.map((node) => node.stop()));
    });
    return nodes as unknown as readonly [ClusterNode, ClusterNode];
  }

  const warningsOf = (node: ClusterNode) =>
    node.reports.flatMap((one) => (one.type === 'warning' ? [one] : []));

  /** Other data, until the store has evicted this key for it. */
  async function pressUntilGone(client: Redis, key: string): Promise<void> {
    const used = Number(/^used_memory:(\d+)/m.exec(await client.info('memory'))?.[1]);
    await client.config('SET', 'maxmemory', String(used + ROOM_BYTES));
    // The key goes first, and then what nobody has used for almost as long: not what the gateways
    // know the state of the store by, which they look at all the time.
    const isIdle = (seconds: number) =>
      eventually('nobody has used it', async () => {
        return Number(await client.object('IDLETIME', key)) >= seconds;
      });
    const filler = 'x'.repeat(FILLER_BYTES);
    let count = 0;
    const fill = async (): Promise<void> => {
      count += 1;
      await client.set(`other:${count}`, filler);
    };
    await isIdle(1);
    while (count < FILLERS_FIRST) await fill();
    await isIdle(3);
    while ((await client.exists(key)) === 1) {
      await fill();
      if (count > 1000) throw new Error('nothing is evicted');
    }
    await client.config('SET', 'maxmemory', String(100 * ROOM_BYTES));
  }

  it('the store evicts a key, admit the limit once more at most, and say how to avoid it', async () => {
    const policy = ['--maxmemory-policy', 'allkeys-lru', '--maxmemory-samples', '64'];
    const { redis, client } = await aRedis(['--maxmemory', '200mb', ...policy]);
    const limit = 40;
    const [first, second] = await twoNodes(redis.port, [
      { limit, windowMs: HOUR_MS, onStoreLost: 'closed' },
    ]);
    // Not all: nobody asks about what is used up.
    for (let at = 0; at < 15; at += 1) {
      await first.decide();
      await second.decide();
    }
    expect(admissions([first, second]).length).toBeGreaterThan(20);
    const clock = new FakeClock();
    const reports: unknown[] = [];
    const watch = new EvictionWatch({ client, clock, report: (one) => reports.push(one) });
    await watch.look();
    const [key = ''] = await client.keys('sluice:*:l:*');
    await pressUntilGone(client, key);
    for (let at = 0; at < 2 * limit; at += 1) {
      for (const node of [first, second]) await node.decide();
    }
    const all = admissions([first, second]).length;
    expect(all).toBeGreaterThan(limit);
    expect(all).toBeLessThanOrEqual(2 * limit);
    // Each gateway has said so as soon as it was connected.
    for (const node of [first, second]) {
      await eventually('the operator is told', () =>
        warningsOf(node).some(
          ({ message, details }) => SAFE.test(message) && details['policy'] === 'allkeys-lru',
        ),
      );
    }
    // And that it has happened, at the next look.
    await watch.look();
    expect(reports.length).toBe(1);
    clock.advance(30_000);
    await watch.look();
    expect(reports.slice(1)).toMatchObject([
      { type: 'warning', message: expect.stringContaining('has evicted keys') },
    ]);
    await client.config('SET', 'maxmemory-policy', 'noeviction');
    clock.advance(30_000);
    await watch.look();
    expect(reports.length).toBe(2);
  });

  it('a store without a bound, or one that evicts nothing, leave the operator alone', async () => {
    const { client } = await aRedis(['--maxmemory-policy', 'allkeys-lru']);
    const clock = new FakeClock();
    const reports: unknown[] = [];
    const watch = new EvictionWatch({ client, clock, report: (one) => reports.push(one) });
    const look = async (): Promise<number> => {
      clock.advance(30_000);
      await watch.look();
      return reports.length;
    };
    expect(await look()).toBe(0);
    await client.config('SET', 'maxmemory-policy', 'noeviction');
    await client.config('SET', 'maxmemory', '100mb');
    expect(await look()).toBe(0);
    await client.config('SET', 'maxmemory-policy', 'volatile-ttl');
    expect(await look()).toBe(1);
    expect(await look()).toBe(1);
    // Who may not ask is told nothing.
    await client.call('ACL', 'SETUSER', 'default', '-info');
    expect(await look()).toBe(1);
  });

  it('a slot moves to another node, follow it, and admit no more than the limit', async () => {
    const cluster = await RedisCluster.start();
    ends.push(() => cluster.stop());
    const limit = 150;
    const port = cluster.members[0]?.server.port ?? 0;
    const limits: LimitWish[] = [{ limit, windowMs: HOUR_MS, onStoreLost: 'closed' }];
    const nodes = await twoNodes(port, limits, { kind: 'cluster', timeoutMs: 250 });
    const ask = async (): Promise<void> => {
      for (const node of nodes) await node.decide();
    };
    const goesOn = (what: string): Promise<void> =>
      eventually(what, async () => {
        const before = admissions(nodes).length;
        await ask();
        return admissions(nodes).length > before;
      });
    await goesOn('the store gives');
    for (let move = 0; move < 2; move += 1) {
      const { slot, from, to } = await slotOf(cluster);
      await to.client.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', from.id);
      await from.client.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', to.id);
      await goesOn('all keys are still there');
      const names = (await from.client.call('CLUSTER', 'GETKEYSINSLOT', slot, 100)) as string[];
      expect(names.length).toBe(2);
      for (const name of names) {
        const moved = from.client.call('MIGRATE', '127.0.0.1', to.server.port, name, 0, 5000);
        // One key of a question is here and one there: nobody can be admitted, and nothing is lost.
        await Promise.all([moved, ask()]);
        await ask();
      }
      await goesOn('the node that has the keys is asked');
      for (const { client } of [to, from]) {
        await client.call('CLUSTER', 'SETSLOT', slot, 'NODE', to.id);
      }
      await goesOn('the node that has the slot is asked');
    }
    const before = admissions(nodes).length;
    expect(before).toBeLessThan(limit);
    // What was used before it moved still counts.
    for (let at = 0; at < limit; at += 1) await ask();
    expect(admissions(nodes).length).toBeGreaterThan(before);
    expect(admissions(nodes).length).toBeLessThanOrEqual(limit);
    // Nodes that are well were not taken for lost.
    const reports = nodes.flatMap((node) => node.reports);
    const losses = reports.filter((one) => one.type === 'state' && /redirect/.test(one.reason));
    expect(losses).toEqual([]);
  });

  /** The slot in which a limit is, who has it, and who is to have it. */
  async function slotOf({ members }: RedisCluster) {
    for (const [at, from] of members.entries()) {
      const [name] = await from.client.keys('sluice:*:l:*');
      const to = members[(at + 1) % members.length];
      if (name === undefined || to === undefined) continue;
      return { slot: await from.client.cluster('KEYSLOT', name), from, to };
    }
    throw new Error('nothing of the limit is there');
  }
});
