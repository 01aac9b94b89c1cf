/**
 * Limits that count over several gateways, on a real server: what is admitted is never more than
 * the limit.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PLACES_KEPT_MS } from '../../src/coordinator/cluster-places.js';
import {
  admissions,
  ClusterNode,
  fullestBucket,
  type LimitWish,
  load,
  mostWithin,
  turnFor,
  turnUntil,
} from '../support/cluster-node.js';
import { eventually } from '../support/eventually.js';
import { describeUnless } from '../support/not-run.js';
import { RedisServer, redisMissing } from '../support/redis-server.js';

describeUnless(redisMissing(), 'limits over several gateways', () => {
  let redis: RedisServer;

  beforeAll(async () => {
    redis = await RedisServer.start();
  });

  afterAll(async () => {
    await redis.stop();
  });

  let clusters = 0;

  /** Several gateways with these limits; nothing of them is known to the store. */
  async function withNodes(
    limits: readonly LimitWish[],
    use: (nodes: readonly ClusterNode[]) => Promise<void>,
    count = 3,
  ): Promise<void> {
    clusters += 1;
    const wish = { port: redis.port, limits, store: { prefix: `test${clusters}:` } };
    const nodes = await Promise.all(Array.from({ length: count }, () => ClusterNode.start(wish)));
    try {
      await use(nodes);
    } finally {
      await Promise.all(nodes.map((node) => node.stop()));
    }
  }

  it('admit never more than the limit at many times the demand, by every algorithm', async () => {
    const windowMs = 1000;
    const onStoreLost = 'closed';
    const limits: LimitWish[] = [
      { limit: 1000, windowMs, onStoreLost },
      { limit: 1000, windowMs, onStoreLost, algorithm: 'tokenBucket', burst: 300 },
      { limit: 1000, windowMs, onStoreLost, algorithm: 'fixedWindow' },
      { limit: 20, windowMs, onStoreLost },
    ];
    await withNodes(limits, async (nodes) => {
      await load(nodes, { perSecond: 12_000, ms: 2300, limits: limits.length });
      const [sliding, bucket, fixed, small] = limits.map((_, at) => admissions(nodes, at));
      expect(mostWithin(sliding ?? [], windowMs)).toBeLessThanOrEqual(1000);
      expect(fullestBucket(bucket ?? [], 1)).toBeLessThanOrEqual(300 + 1e-6);
      expect(mostWithin(fixed ?? [], windowMs)).toBeLessThanOrEqual(2000);
      expect(mostWithin(small ?? [], windowMs)).toBeLessThanOrEqual(20);
      // How many it is depends on the machine.
      for (const times of [sliding, bucket, fixed, small]) expect(times).not.toEqual([]);
    });
  });

  it('are exact to the last request where they are small, whoever asks', async () => {
    await withNodes([{ limit: 10, windowMs: 60_000 }], async (nodes) => {
      const seen: number[] = [];
      for (let at = 0; at < 14; at += 1) {
        const one = await nodes[at % 3]?.decide();
        seen.push(one?.isAdmitted === true ? one.reply.remaining : -1);
      }
      expect(seen).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1, 0, -1, -1, -1, -1]);
      // Refused requests ask nobody.
      const trips = () => nodes.reduce((sum, { counts }) => sum + counts.trips, 0);
      const before = trips();
      for (const node of nodes) for (let at = 0; at < 20; at += 1) await node.decide();
      expect(trips()).toBe(before);
      const refused = await nodes[0]?.decide();
      expect(refused?.reply.retryAfterMs).toBeGreaterThan(50_000);
      expect(refused?.reply.retryAfterMs).toBeLessThanOrEqual(60_100);
    });
  });

  it('give back what one gateway does not use', async () => {
    const limits: LimitWish[] = [{ limit: 400, windowMs: 60_000 }];
    await withNodes(
      limits,
      async (nodes) => {
        const [first, second] = nodes as [ClusterNode, ClusterNode];
        await load([first], { perSecond: 2000, ms: 60 });
        const used = admissions([first]).length;
        expect(used).toBeGreaterThan(0);
        await turnsUntilCounted(nodes, used);
        while ((await second.decide()).isAdmitted);
        expect(used + admissions([second]).length).toBe(400);
      },
      2,
    );
  });

  /** Lets the nodes work until what the store counts of the only key is what was used of it. */
  async function turnsUntilCounted(nodes: readonly ClusterNode[], used: number): Promise<void> {
    const client = nodes[0]?.client;
    const [name = ''] = (await client?.keys(`test${clusters}:*:l:*`)) ?? [];
    let counted = -1;
    const turns = turnUntil(nodes, () => counted === used);
    await eventually('what was not used is back', async () => {
      const groups = ((await client?.get(name)) ?? '').split(';').at(-1) ?? '';
      counted = [...groups.matchAll(/\d+:(\d+)/g)].reduce((sum, [, n]) => sum + Number(n), 0);
      return counted === used;
    });
    await turns;
  }

  it('count several limits of a request, cost and shadow mode as within one gateway', async () => {
    const windowMs = 60_000;
    const limits: LimitWish[] = [
      { limit: 6, windowMs, cost: 2 },
      { limit: 5, windowMs },
      { limit: 1, windowMs, mode: 'shadow' },
    ];
    await withNodes(
      limits,
      async (nodes) => {
        const seen: string[] = [];
        for (let at = 0; at < 5; at += 1) {
          const one = await nodes[at % 2]?.decide([0, 1, 2]);
          const { limiterIndex, remaining, shadowRefused } = one?.reply ?? {};
          seen.push(`${one?.isAdmitted} ${limiterIndex} ${remaining} ${shadowRefused}`);
        }
        expect(seen).toEqual([
          'true 0 4 0',
          'true 0 2 4',
          'true 0 0 4',
          'false 0 0 4',
          'false 0 0 4',
        ]);
        // What the first limit refused was not taken from the second one for good.
        await turnFor(nodes, 300);
        const left: boolean[] = [];
        for (let at = 0; at < 3; at += 1)
          left.push((await nodes[0]?.decide([1]))?.isAdmitted === true);
        expect(left).toEqual([true, true, false]);
      },
      2,
    );
  });

  it('count requests in flight, and give the places back', async () => {
    const limit: LimitWish = {
      limit: 3,
      algorithm: 'inFlight',
      windowMs: 0,
      onStoreLost: 'closed',
    };
    await withNodes(
      [limit],
      async (nodes) => {
        const [first, second] = nodes as [ClusterNode, ClusterNode];
        const tickets: number[] = [];
        for (const node of [first, second, first]) {
          // A claim that is answered too late is made again.
          await eventually('there is a place', async () => {
            const { isAdmitted, reply } = await node.decide();
            if (isAdmitted) tickets.push(reply.inFlightTicket);
            return isAdmitted;
          });
        }
        for (const node of nodes) {
          const refused = await node.decide();
          expect(refused).toMatchObject({ isAdmitted: false, reply: { remaining: 0 } });
        }
        // They are held for longer than the store keeps places of a gateway that it does not hear.
        await turnFor(nodes, PLACES_KEPT_MS + 300);
        expect((await second.decide()).isAdmitted).toBe(false);
        first.end(tickets[0] ?? 0);
        await turnUntil(nodes, () => {
          if (second.waiting === 0) second.request();
          return admissions([second]).length === 2;
        });
        expect((await first.decide()).isAdmitted).toBe(false);
      },
      2,
    );
  });

  it('take what replies tell, at whichever gateway, and let nobody in before it is paid', async () => {
    const windowMs = 86_400_000;
    const told = { kind: 'field', name: 'x-cost' } as const;
    const amounts = { limit: 100, burst: 100, windowMs, cost: 40 };
    const limit = { ...amounts, algorithm: 'tokenBucket', told, onStoreLost: 'closed' } as const;
    await withNodes(
      [limit],
      async (nodes) => {
        const [first, second] = nodes as [ClusterNode, ClusterNode];
        /** Refused ones are believed for a moment. */
        const admitted = async (node: ClusterNode): Promise<number> => {
          let ticket = 0;
          await eventually('it is admitted', async () => {
            const { isAdmitted, reply } = await node.decide();
            ticket = reply.inFlightTicket;
            return isAdmitted;
          });
          return ticket;
        };
        const tickets = [await admitted(first), await admitted(second)];
        expect((await first.decide()).reply).toMatchObject({ remaining: 0, refusedUntil: 0 });
        first.end(tickets[0] ?? 0, 5);
        first.end(tickets[0] ?? 0, 5);
        // 5 are used and 40 held: there is room for one more.
        tickets.push(await admitted(second));
        expect((await first.decide()).isAdmitted).toBe(false);
        second.end(tickets[1] ?? 0, 130);
        second.end(tickets[2] ?? 0);
        // 135 are used: 75 are to be paid.
        await eventually('the debt is known', async () => {
          const { isAdmitted, reply } = await first.decide();
          return !isAdmitted && Math.abs(reply.retryAfterMs / windowMs - 0.75) < 1e-3;
        });
        const [key = ''] = await second.client.keys(`test${clusters}:*:l:*`);
        // The marks of tellings outlive the debt.
        expect(await second.client.pttl(key)).toBeGreaterThan(3 * windowMs);
      },
      2,
    );
  });

  it('keep the keys of a limit apart', async () => {
    await withNodes([{ limit: 2, windowMs: 60_000 }], async (nodes) => {
      for (const key of [1, 2, 3]) {
        const admitted: boolean[] = [];
        for (const node of nodes) admitted.push((await node.decide(0, key)).isAdmitted);
        expect(admitted).toEqual([true, true, false]);
      }
    });
  });
});
