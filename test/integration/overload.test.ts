/**
 * More than the gateway or an upstream can take: what is too much is refused at once, with
 * Retry-After, and what was let in is answered. Forbidden: a queue without a bound.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { aConfig } from '../support/configs.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream, type Script } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { Load } from '../support/load.js';

let upstream: FakeUpstream;
let gateway: GatewayProcess;
const held: (() => void)[] = [];

/** Answers when the test says so; a stream has begun at once. */
const hold: Script = (request, response) => {
  request.resume();
  if (request.url === '/stream') response.writeHead(200).write('begun ');
  held.push(() => response.end('ok'));
};

afterEach(async () => {
  held.splice(0);
  await gateway.kill();
  await upstream.close();
});

async function start(script: Script, config: (url: string) => Record<string, unknown>) {
  upstream = await FakeUpstream.start(script);
  const chaos = { GATEWAY_CHAOS: '1' };
  gateway = await GatewayProcess.start(
    { workers: 1, logging: { accessLog: false }, ...config(upstream.url) },
    chaos,
  );
}

async function statusOf(path: string, signal: AbortSignal | null = null): Promise<number> {
  const reply = await fetch(gateway.url + path, { signal });
  const text = await reply.text();
  if (reply.status === 503) {
    expect(text).toContain('GW_OVERLOADED');
    expect(reply.headers.get('retry-after')).toMatch(/^[1-9]\d*$/);
  }
  return reply.status;
}

/** The same, or 0 for one that was let in: it leaves again. */
async function statusSoon(path: string): Promise<number> {
  const signal = AbortSignal.timeout(500);
  try {
    return await statusOf(path, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    return 0;
  }
}

/** Sends requests that the upstream holds, until this number of them is there. */
async function fill(count: number, path: string): Promise<Promise<number>[]> {
  const before = upstream.headCount;
  const replies = Array.from({ length: count }, () => statusOf(path));
  await eventually(`${count} are held`, () => upstream.headCount === before + count);
  return replies;
}

function release(): void {
  for (const answer of held.splice(0)) answer();
}

describe('requests in flight', () => {
  it('are as many as limits.inFlight, and the next is refused until one has ended', async () => {
    await start(hold, (url) => aConfig([url], { top: { limits: { inFlight: 5 } } }));
    const replies = await fill(5, '/held');
    expect(await statusOf('/more')).toBe(503);
    expect(upstream.headCount).toBe(5);
    release();
    expect(await Promise.all(replies)).toEqual([200, 200, 200, 200, 200]);
    const [next] = await fill(1, '/next');
    release();
    expect(await next).toBe(200);
  });

  it('are shed by the priority of their routes, the important ones last', async () => {
    await start(hold, (url) => ({
      limits: { inFlight: 20 },
      upstreams: { api: { targets: [{ url }] } },
      routes: [
        { name: 'low', match: { path: '/low' }, upstream: 'api', priority: 'low' },
        { name: 'default', match: { path: '/default' }, upstream: 'api' },
        { name: 'high', match: { path: '/high' }, upstream: 'api', priority: 'high' },
      ],
    }));
    const replies = await fill(13, '/low');
    // What the workers are told is as old as the last turn of the acceptor's loop.
    replies.push(...(await fill(1, '/low')));
    await eventually('low is shed', async () => (await statusSoon('/low')) === 503);
    replies.push(...(await fill(3, '/default')));
    replies.push(...(await fill(1, '/default')));
    await eventually('default is shed', async () => (await statusSoon('/default')) === 503);
    expect(await statusOf('/low')).toBe(503);
    replies.push(...(await fill(2, '/high')));
    expect(await statusOf('/high')).toBe(503);
    release();
    expect(new Set(await Promise.all(replies))).toEqual(new Set([200]));
  });
});

describe('the queue of a worker that does not read', () => {
  it.each([
    ['as deep as limits.laneDepth', { laneDepth: 20, queueTime: '1m' }],
    ['as old as limits.queueTime', { laneDepth: 1000, queueTime: '100ms' }],
  ])('refuses what comes when it is %s, and serves what came before', async (_what, limits) => {
    const quick: Script = (_request, response) => {
      response.end('ok');
    };
    await start(quick, (url) => aConfig([url], { top: { limits } }));
    expect(await statusOf('/')).toBe(200);
    await fetch(`${gateway.adminUrl}/chaos/worker/0/hang`, { method: 'POST' });
    const statuses: number[] = [];
    const replies: Promise<unknown>[] = [];
    const refused = (): number => statuses.filter((status) => status === 503).length;
    await eventually('some are refused', () => {
      // Before it counts as silent, and requests wait for another worker.
      for (let sent = 0; sent < 5; sent++) {
        replies.push(statusOf('/').then((status) => statuses.push(status)));
      }
      return refused() > 10;
    });
    await Promise.all(replies);
    expect(statuses.filter((status) => status === 200)).toHaveLength(replies.length - refused());
    expect(refused()).toBeLessThan(replies.length);
    expect(await statusOf('/')).toBe(200);
    expect((await gateway.stats())['in_flight']).toBe(0);
  });
});

describe('adaptive concurrency', () => {
  /** Does two at once, ten milliseconds each; more wait. */
  function twoAtOnce(): Script {
    const waiting: (() => void)[] = [];
    let busy = 0;
    const work = (end: () => void): void => {
      busy++;
      setTimeout(() => {
        end();
        busy--;
        const next = waiting.shift();
        if (next !== undefined) work(next);
      }, 10);
    };
    return (request, response) => {
      request.resume();
      const end = (): void => void response.end('ok');
      if (busy < 2) work(end);
      else waiting.push(end);
    };
  }

  it('lets no more in than the upstream can take, and every reply that begins is good', async () => {
    const adaptiveConcurrency = { minConcurrency: 2, minRttRequests: 20, maxConcurrency: 500 };
    await start(twoAtOnce(), (url) =>
      aConfig([url], { top: { workers: 2 }, upstream: { adaptiveConcurrency } }),
    );
    const load = new Load(gateway.url, 64);
    const row = async (): Promise<Record<string, number>> => {
      const rows = (await gateway.stats())['adaptive_concurrency'] as Record<string, number>[];
      return rows[0] ?? {};
    };
    await eventually('the latency without load is known', async () => {
      return ((await row())['min_rtt_ms'] ?? 0) > 0;
    });
    const served = load.count(200);
    await eventually('it goes on', () => load.count(200) > served + 300);
    // All of the 64 clients would be let in, were it not for the limit.
    await eventually('the limit holds some of them back', async () => {
      const { limit = 0 } = await row();
      return limit >= 2 && limit < 40;
    });
    await load.stop();
    expect(load.count(200) + load.count(503)).toBe(load.replies);
    expect(load.count(503)).toBeGreaterThan(0);
    expect(await row()).toMatchObject({ in_flight: 0 });
    const { targets } = await gateway.stats();
    expect(targets).toMatchObject([{ in_flight: 0, errors: 0 }]);
  });

  it('counts no stream, keeps its limit without a coordinator, forgets a worker that died', async () => {
    const adaptiveConcurrency = { minConcurrency: 4, minRttRequests: 10 };
    await start(hold, (url) => aConfig([url], { upstream: { adaptiveConcurrency } }));
    // More than the limit, and each of them gives its place back with its head.
    const streams = [];
    for (let opened = 0; opened < 5; opened++) streams.push(await fetch(`${gateway.url}/stream`));
    expect(streams.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    const before = await fill(4, '/held');
    expect(await statusOf('/more')).toBe(503);
    await Promise.all(streams.map(({ body }) => body?.cancel()));
    await fetch(`${gateway.adminUrl}/chaos/coordinator/crash`, { method: 'POST' });
    await eventually('another runs', () => gateway.find('coordinator runs again').length === 1);
    expect(await statusOf('/more')).toBe(503);
    await fetch(`${gateway.adminUrl}/chaos/worker/0/crash`, { method: 'POST' });
    // The four run again with the next worker: eight would be over the limit.
    await eventually('they run again', () => upstream.headCount === 5 + 8);
    release();
    expect(await Promise.all(before)).toEqual([200, 200, 200, 200]);
    const [next] = await fill(1, '/next');
    release();
    expect(await next).toBe(200);
  });
});

describe('uploads that all come at once', () => {
  it('are no overload: they and what comes between them are answered', async () => {
    await start(
      (request, response) => {
        request.resume();
        request.on('end', () => response.end('ok'));
      },
      (url) => aConfig([url], { top: { workers: 1 } }),
    );
    const body = Buffer.alloc(300_000, 'x');
    const upload = async (): Promise<number> =>
      (await fetch(gateway.url, { method: 'POST', body })).status;
    const sent = Array.from({ length: 96 }, (_, index) =>
      index % 3 === 0 ? statusOf('/') : upload(),
    );
    expect(await Promise.all(sent)).toEqual(sent.map(() => 200));
  });
});
