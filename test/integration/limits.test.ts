import { afterEach, expect, it } from 'vitest';
import { ACCEPTOR_FORMS } from '../support/acceptor-forms.js';
import { aConfig } from '../support/configs.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';

let upstream: FakeUpstream | undefined;
let gateway: GatewayProcess | undefined;

afterEach(async () => {
  await gateway?.stop();
  await upstream?.close();
});

async function start(rateLimit: unknown, top: object = {}): Promise<GatewayProcess> {
  upstream = await FakeUpstream.start();
  const overrides = { route: { rateLimit }, top: { logging: { accessLog: false }, ...top } };
  gateway = await GatewayProcess.start(aConfig([upstream.url], overrides));
  return gateway;
}

/** The limits of /stats by name. */
async function limitsOf(one: GatewayProcess): Promise<Record<string, Record<string, unknown>>> {
  const { limits } = (await one.stats()) as { limits: Record<string, unknown>[] };
  return Object.fromEntries(limits.map((limit) => [String(limit['limit']), limit]));
}

it('counts against several limits, reports all policies and the tightest, and refuses by each', async () => {
  const one = await start([
    { limit: 5, window: '1h' },
    { limit: 4, window: '1h', key: ['clientIp', 'header:x-tenant'], cost: 2 },
    { name: 'watched', limit: 1, window: '1h', key: 'route', mode: 'shadow' },
  ]);
  const get = (tenant: string) => fetch(`${one.url}/`, { headers: { 'x-tenant': tenant } });
  const first = await get('a');
  expect(first.headers.get('ratelimit-policy')).toBe('"all";q=5;w=3600, "all-2";q=4;w=3600');
  expect(first.headers.get('ratelimit')).toMatch(/^"all-2";r=2;t=360[01]$/);
  expect((await get('a')).status).toBe(200);
  const refused = await get('a');
  expect(refused.status).toBe(429);
  expect(refused.headers.get('ratelimit')).toMatch(/^"all-2";r=0;t=3(599|60[01])$/);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(3590);
  // Another tenant at the same address has its own second limit, and shares the first.
  const statuses = [];
  for (const tenant of ['b', 'c', 'd', 'e']) statuses.push((await get(tenant)).status);
  expect(statuses).toEqual([200, 200, 200, 429]);
  const limits = await limitsOf(one);
  expect(limits['all']).toMatchObject({ tracked_keys: 1, admitted: 5, refused: 1, route: 'all' });
  expect(limits['all-2']).toMatchObject({ tracked_keys: 4, admitted: 5, refused: 1 });
  expect(limits['watched']).toMatchObject({ admitted: 1, refused: 0, shadow_refused: 6 });
});

it.each(ACCEPTOR_FORMS)(
  'lets as many requests of a key be in flight as it says, and no more; each end makes room (acceptors: %i)',
  async (acceptors) => {
    const one = await start({ maxInFlight: 2 }, { workers: 2, acceptors });
    const waiting: (() => void)[] = [];
    if (upstream === undefined) throw new Error('no upstream');
    upstream.script = (_request, response) => {
      waiting.push(() => response.end('late'));
    };
    const held = [fetch(one.url), fetch(one.url)];
    await eventually('both are at the target', () => waiting.length === 2);
    const refused = await fetch(one.url);
    expect(refused.status).toBe(429);
    expect(refused.headers.get('ratelimit-policy')).toBe('"all";q=2;qu="concurrent-requests"');
    expect(refused.headers.get('ratelimit')).toBe('"all";r=0');
    for (const answer of waiting) answer();
    for (const reply of await Promise.all(held)) await reply.text();
    upstream.script = (_request, response) => void response.end('soon');
    await eventually('there is room again', async () => (await fetch(one.url)).status === 200);
    await eventually('nobody holds a place', async () => {
      return (await limitsOf(one))['all']?.['tracked_keys'] === 0;
    });
  },
);

it.each(ACCEPTOR_FORMS)(
  'grants admissions of a hot key in advance, and none beyond the limit (acceptors: %i)',
  async (acceptors) => {
    const one = await start(
      { limit: 400, window: '1h', key: 'route', algorithm: 'fixedWindow' },
      { workers: 4, acceptors },
    );
    const statuses: number[] = [];
    const client = async () => {
      for (let count = 0; count < 60; count += 1) {
        const reply = await fetch(one.url);
        statuses.push(reply.status);
        await reply.arrayBuffer();
      }
    };
    await Promise.all(Array.from({ length: 16 }, client));
    const admitted = statuses.filter((status) => status === 200).length;
    expect(statuses).toHaveLength(960);
    // Some may have been held by a worker that had no use for them: they come back.
    expect(admitted).toBeLessThanOrEqual(400);
    // On a crowded machine an admission may reach its worker too late for the client.
    const lost = statuses.filter((status) => status !== 200 && status !== 429).length;
    let later = 0;
    const next = async (): Promise<boolean> => {
      const isAdmitted = (await fetch(one.url)).status === 200;
      if (isAdmitted) later += 1;
      return isAdmitted;
    };
    await eventually('all of the limit is used', async () => {
      await next();
      return admitted + later >= 400 - lost;
    });
    for (let refused = 0; refused < 50; ) refused = (await next()) ? 0 : refused + 1;
    expect(admitted + later).toBeLessThanOrEqual(400);
    expect(admitted + later).toBeGreaterThanOrEqual(400 - lost);
    const { counters } = (await one.stats()) as { counters: Record<string, number> };
    expect(counters['granted_admissions']).toBeGreaterThan(0);
    expect((await limitsOf(one))['all']).toMatchObject({ admitted: 400 });
  },
);

it.each(ACCEPTOR_FORMS)(
  'refuses a flood without asking each time, and counts every refusal (acceptors: %i)',
  async (acceptors) => {
    const one = await start({ limit: 3, window: '1h', key: 'route' }, { workers: 2, acceptors });
    const statuses: number[] = [];
    const client = async () => {
      for (let count = 0; count < 100; count += 1) {
        const reply = await fetch(one.url);
        statuses.push(reply.status);
        if (reply.status === 429) {
          expect(reply.headers.get('ratelimit')).toMatch(/^"all";r=0;t=3[56]\d\d$/);
          expect(Number(reply.headers.get('retry-after'))).toBeGreaterThan(3500);
        }
        await reply.arrayBuffer();
      }
    };
    await Promise.all(Array.from({ length: 8 }, client));
    expect(statuses.filter((status) => status === 200)).toHaveLength(3);
    const { counters } = (await one.stats()) as { counters: Record<string, number> };
    const { coordinator_asks: asks = 0, repeated_refusals: repeated = 0 } = counters;
    // Who is asked for, and who is refused by the verdict of another: nobody is both or neither.
    expect(asks + repeated).toBe(800);
    expect(repeated).toBeGreaterThan(100);
    expect((await limitsOf(one))['all']).toMatchObject({ admitted: 3, refused: 797 });
  },
);

it('holds routes that the gateway answers itself to their limits, though no target can be reached', async () => {
  upstream = await FakeUpstream.start();
  const config = aConfig([upstream.url], {
    top: { workers: 4, logging: { accessLog: false } },
  });
  const limit = { limit: 100, window: '1h', key: 'route' };
  const routes = [
    ...(config['routes'] as object[]),
    { name: 'fixed', match: { path: '/fixed' }, respond: { body: 'ok' }, rateLimit: limit },
    {
      name: 'keys',
      match: { path: '/keys', methods: ['GET'] },
      tokenService: 'keys',
      rateLimit: { ...limit, limit: 250 },
    },
    {
      name: 'few',
      match: { path: '/few' },
      redirect: { to: '/fixed' },
      rateLimit: { maxInFlight: 1, key: 'route' },
    },
  ];
  const tokenService = { issuer: 'sluice', audience: 'api' };
  gateway = await GatewayProcess.start({ ...config, tokenService, routes });
  const one = gateway;
  await upstream.close();
  expect((await fetch(`${one.url}/`)).status).toBe(502);
  const statusesOf = async (path: string, count: number) => {
    const statuses: number[] = [];
    const client = async () => {
      for (let at = 0; at < count / 8; at += 1) {
        const reply = await fetch(one.url + path, { redirect: 'manual' });
        statuses.push(reply.status);
        expect(reply.headers.get('ratelimit')).toMatch(/^"(fixed|keys)";r=\d+;t=\d+$/);
        await reply.arrayBuffer();
      }
    };
    await Promise.all(Array.from({ length: 8 }, client));
    return statuses;
  };
  const fixed = await statusesOf('/fixed', 400);
  expect(fixed.filter((status) => status === 200)).toHaveLength(100);
  expect(fixed.filter((status) => status === 429)).toHaveLength(300);
  // Large enough for admissions in advance, which never admit one more.
  const keys = await statusesOf('/keys', 800);
  expect(keys.filter((status) => status === 200)).toHaveLength(250);
  expect(keys.filter((status) => status === 429)).toHaveLength(550);
  // Each gives its place back.
  for (let count = 0; count < 5; count += 1) {
    const reply = await fetch(`${one.url}/few`, { redirect: 'manual' });
    expect(reply.status).toBe(308);
    expect(reply.headers.get('ratelimit')).toBe('"few";r=0');
  }
  expect((await limitsOf(one))['fixed']).toMatchObject({ admitted: 100, refused: 300 });
});

it('tells the times of a quota of months', async () => {
  const one = await start({ limit: 1, window: '400d' });
  const first = await fetch(`${one.url}/`);
  expect(first.headers.get('ratelimit-policy')).toBe('"all";q=1;w=34560000');
  const refused = await fetch(`${one.url}/`);
  expect(refused.status).toBe(429);
  const seconds = Number(refused.headers.get('retry-after'));
  expect(seconds).toBeGreaterThan(34_560_000 - 60);
  expect(seconds).toBeLessThanOrEqual(34_560_001);
  expect(refused.headers.get('ratelimit')).toMatch(/^"all";r=0;t=345\d{5}$/);
});
