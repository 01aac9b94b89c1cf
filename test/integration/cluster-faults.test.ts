/**
 * What becomes of limits over several gateways when the store hangs, dies, forgets or is slow: the
 * rows of the table in docs/cluster.md.
 */
import { afterEach, expect, it } from 'vitest';
import type { CompiledStore } from '../../src/config/store-settings.js';
import {
  admissions,
  ClusterNode,
  type LimitWish,
  load,
  mostWithin,
  turnFor,
  turnUntil,
} from '../support/cluster-node.js';
import { LossyProxy } from '../support/lossy-proxy.js';
import { describeUnless } from '../support/not-run.js';
import { RedisServer, redisMissing } from '../support/redis-server.js';

const HOUR_MS = 3_600_000;
/** A refusal for longer is one of the store: it knows that the limit is used up. */
const MINUTE_MS = 60_000;
/** As users have it. */
const QUICK = { timeoutMs: 50 };

describeUnless(redisMissing(), 'limits over several gateways, where the store', () => {
  const ends: (() => Promise<void>)[] = [];

  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  async function aRedis(settings: readonly string[] = []): Promise<RedisServer> {
    const redis = await RedisServer.start(settings);
    ends.push(() => redis.stop());
    return redis;
  }

  async function aProxy(port: number): Promise<LossyProxy> {
    const proxy = await LossyProxy.start(port);
    ends.push(() => proxy.close());
    return proxy;
  }

  async function someNodes(
    ports: readonly number[],
    limits: readonly LimitWish[],
    store: Partial<CompiledStore> = {},
  ) {
    const wish = { limits, store };
    const nodes = await Promise.all(ports.map((port) => ClusterNode.start({ port, ...wish })));
    ends.push(async () => {
      await Promise.all(nodes.map((node) => node.stop()));
    });
    // Each has counted all of them.
    await turnUntil(nodes, () => nodes.every(({ cluster }) => cluster.nodes === ports.length));
    return nodes;
  }

  /** Requests until the node has seen that the store is lost. */
  async function untilLost(node: ClusterNode, limit: number): Promise<void> {
    while (node.isUp) {
      node.request(limit, 77);
      await turnFor([node], 5);
    }
    await turnUntil([node], () => node.waiting === 0);
  }

  /** Decides at once, or fails: nobody waits. */
  function decideAtOnce(node: ClusterNode, limit: number, key: number): boolean {
    const before = node.decisions.length;
    node.request(limit, key);
    const decision = node.decisions[before];
    if (decision === undefined) throw new Error('a request waits');
    return decision.isAdmitted;
  }

  it('hangs, decide without waiting, each as its onStoreLost says, and go on when it is back', async () => {
    const redis = await aRedis();
    const windowMs = HOUR_MS;
    const limits: LimitWish[] = [
      { limit: 12, windowMs, onStoreLost: 'closed' },
      { limit: 12, windowMs, onStoreLost: 'open' },
      { limit: 12, windowMs, onStoreLost: 'share' },
      { limit: 3, windowMs, onStoreLost: 'share' },
      { limit: 12, windowMs, onStoreLost: 'wait' },
    ];
    const ports = [redis.port, redis.port, redis.port, redis.port];
    const nodes = await someNodes(ports, limits, QUICK);
    const [node] = nodes as [ClusterNode];
    for (const limit of [0, 1, 2]) {
      while (!(await node.decide(limit)).isAdmitted);
    }
    // A late answer has cost an admission, or has let one pass without the store.
    const used = admissions([node], 2).length;
    redis.pause();
    await untilLost(node, 0);
    const count = (limit: number, key: number): number => {
      let admitted = 0;
      for (let at = 0; at < 30; at += 1) if (decideAtOnce(node, limit, key)) admitted += 1;
      return admitted;
    };
    expect(count(0, 1)).toBe(0);
    expect(count(1, 1)).toBe(30);
    // Of the key that it knows: a fourth of what was left, and of the limit less what it has used.
    // Of another: a fourth of the limit.
    expect(count(2, 1)).toBeLessThanOrEqual(3 - used);
    expect(count(2, 2)).toBe(3);
    expect(count(3, 1)).toBe(1);
    // That one waits, but not for ever.
    const before = node.decisions.length;
    node.request(4, 1);
    expect(node.decisions.length).toBe(before);
    await turnUntil([node], () => node.waiting === 0);
    expect(node.decisions.at(-1)).toMatchObject({ isAdmitted: false });
    redis.resume();
    await turnUntil([node], () => node.isUp);
    // What was admitted meanwhile is counted: 1 and 2 of 12. An answer that is late loses one more.
    let left = 0;
    for (let last = await node.decide(2, 1); last.reply.retryAfterMs < MINUTE_MS; ) {
      if (last.isAdmitted) left += 1;
      last = await node.decide(2, 1);
    }
    expect(left).toBeLessThanOrEqual(12 - 1 - 2);
  });

  it('is started anew or emptied, are told what was used: no more is admitted than the limit', async () => {
    const limits: LimitWish[] = [{ limit: 50, windowMs: HOUR_MS, onStoreLost: 'closed' }];
    const loseState = {
      restart: async (redis: RedisServer) => {
        await redis.kill();
        await redis.run();
      },
      flush: async (_redis: RedisServer, node: ClusterNode) => {
        await node.client.flushall();
      },
    };
    await Promise.all(
      Object.values(loseState).map(async (lose) => {
        const redis = await aRedis();
        const nodes = await someNodes([redis.port, redis.port], limits);
        const [first, second] = nodes as [ClusterNode, ClusterNode];
        for (let at = 0; at < 25; at += 1) await first.decide();
        for (let at = 0; at < 15; at += 1) await second.decide();
        await lose(redis, first);
        await turnUntil(nodes, () => nodes.every(({ counts }) => counts.epochs === 1));
        // It gives nothing until both had time to say what they used.
        await turnUntil(nodes, () => nodes.every(({ isUp }) => isUp));
        expect((await first.decide()).isAdmitted).toBe(false);
        await turnUntil(nodes, () => {
          first.request();
          return first.decisions.some(({ isAdmitted }, at) => at > 25 && isAdmitted);
        });
        for (let at = 0; at < 30; at += 1) for (const node of nodes) await node.decide();
        // An answer that is late loses an admission; none is made.
        expect(admissions(nodes).length).toBeLessThanOrEqual(50);
        expect(admissions(nodes).length).toBeGreaterThan(40);
      }),
    );
  });

  it('is cut off, late, deaf or slow, never admit more than the limit', async () => {
    const windowMs = 500;
    const redis = await aRedis();
    const proxies = await Promise.all([aProxy(redis.port), aProxy(redis.port), aProxy(redis.port)]);
    const limits: LimitWish[] = [{ limit: 300, windowMs, onStoreLost: 'closed' }];
    const nodes = await someNodes(
      proxies.map(({ port }) => port),
      limits,
      QUICK,
    );
    const [first, second, third] = proxies as [LossyProxy, LossyProxy, LossyProxy];
    const faults = [
      () => first.cut(),
      () => second.set({ delayMs: 15 }),
      () => third.set({ isDeafDown: true }),
      () => first.set({ isDeafUp: true }),
      () => second.set({ delayMs: 200 }),
      () => third.set({ isSlow: true }),
      () => first.set({ delayMs: 40 }),
      () => second.set({}),
      () => third.cut(),
    ];
    for (const fault of faults) {
      fault();
      await load(nodes, { perSecond: 3000, ms: 200 });
    }
    for (const proxy of proxies) proxy.set({});
    const times = admissions(nodes);
    expect(mostWithin(times, windowMs)).toBeLessThanOrEqual(300);
    expect(times).not.toEqual([]);
    // And it goes on when all is well.
    await turnUntil(nodes, () => nodes.every(({ isUp }) => isUp));
    const before = admissions(nodes).length;
    await turnUntil(nodes, () => {
      for (const node of nodes) if (node.waiting === 0) node.request();
      return admissions(nodes).length > before;
    });
  });

  it('refuses to write, count as lost, and nobody is admitted by an error', async () => {
    const redis = await aRedis();
    const limits: LimitWish[] = [{ limit: 5, windowMs: HOUR_MS, onStoreLost: 'closed' }];
    const [node] = (await someNodes([redis.port], limits)) as [ClusterNode];
    expect((await node.decide()).isAdmitted).toBe(true);
    await node.client.config('SET', 'maxmemory', '1');
    let admitted = 0;
    for (let key = 2; node.isUp; key += 1) {
      if ((await node.decide(0, key)).isAdmitted) admitted += 1;
      if (key > 1000) throw new Error('the store is not lost');
    }
    expect(admitted).toBe(0);
    expect(node.reports.at(-1)).toMatchObject({ type: 'state', isUp: false });
    await node.client.config('SET', 'maxmemory', '0');
    await turnUntil([node], () => node.isUp);
    await turnUntil([node], () => {
      node.request(0, 3000);
      return node.decisions.at(-1)?.isAdmitted === true;
    });
  });

  it('forgets its scripts, gets them again', async () => {
    const redis = await aRedis();
    const limits: LimitWish[] = [{ limit: 5, windowMs: HOUR_MS, onStoreLost: 'closed' }];
    const [node] = (await someNodes([redis.port], limits)) as [ClusterNode];
    for (let at = 0; at < 5; at += 1) {
      await node.client.script('FLUSH');
      expect((await node.decide()).isAdmitted).toBe(true);
    }
    expect((await node.decide()).isAdmitted).toBe(false);
    expect(node.counts.failures).toBe(0);
  });
});
