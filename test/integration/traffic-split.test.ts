/** Requests of one route, shared among upstreams by weight. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';

const TOKEN = 'a-token-for-tests-of-the-admin-listener';
const KEYS = {
  ada: ['a'.repeat(32), '3ba3f5f43b92602683c19aee62a20342b084dd5971ddd33808d81a328879a547'],
  bob: ['b'.repeat(32), 'bdb339768bc5e4fecbe55a442056919b2b325907d49bcbf3bf8de13781996a83'],
} as const;

let old: FakeUpstream;
let next: FakeUpstream;
let gateway: GatewayProcess;

const configOf = (weight: number): Record<string, unknown> => ({
  listen: { port: 0 },
  admin: { port: 0, token: TOKEN },
  workers: 3,
  logging: { accessLog: false },
  authenticators: {
    keys: {
      type: 'apiKey',
      keys: Object.entries(KEYS).map(([id, [, sha256]]) => ({ id, sha256 })),
    },
  },
  upstreams: {
    old: { targets: [{ url: old.url }] },
    next: {
      targets: [{ url: next.url }],
      retry: { attempts: 1, on: [503] },
      circuitBreaker: { failureThreshold: 1000 },
    },
  },
  routes: [
    {
      name: 'split',
      match: { path: '/split' },
      upstreams: [
        { name: 'old', weight: 100 - weight },
        { name: 'next', weight },
      ],
      split: { key: 'header:x-tenant', header: 'x-side', cookie: 'side' },
    },
    {
      name: 'mine',
      match: { path: '/mine' },
      authenticate: ['keys'],
      upstreams: [{ name: 'old' }, { name: 'next' }],
    },
    {
      name: 'rolled',
      match: { path: '/rolled' },
      upstreams: [{ name: 'old' }, { name: 'next' }],
      split: {
        key: 'header:x-tenant',
        header: 'x-side',
        ramp: { from: 40, to: 90, over: '10h' },
        guard: { errors: '2x', minRequests: 20 },
      },
    },
    {
      name: 'few',
      match: { path: '/few' },
      upstreams: [{ name: 'old' }, { name: 'next' }],
      split: { key: 'header:x-tenant' },
      rateLimit: { limit: 40, window: '1h', key: 'route' },
    },
  ],
});

beforeAll(async () => {
  old = await FakeUpstream.start();
  next = await FakeUpstream.start();
  old.script = (_request, response) => void response.end('old');
  next.script = (_request, response) => void response.end('next');
  gateway = await GatewayProcess.start(configOf(20), { GATEWAY_CHAOS: '1' });
});

afterAll(async () => {
  await gateway?.stop();
  await Promise.all([old?.close(), next?.close()]);
});

async function ask(path: string, headers: Record<string, string> = {}): Promise<string> {
  const reply = await fetch(`${gateway.url}${path}`, { headers });
  const text = await reply.text();
  return reply.ok ? text : String(reply.status);
}

const tenants = Array.from({ length: 200 }, (_, nth) => `tenant-${nth}`);

async function sidesOf(names: readonly string[]): Promise<Map<string, string>> {
  const sides = await Promise.all(names.map((name) => ask('/split', { 'x-tenant': name })));
  return new Map(names.map((name, at) => [name, sides[at] ?? '']));
}

describe('a route with several upstreams', () => {
  it('keeps callers on their sides, in all workers and over a reload that moves the border', async () => {
    const first = await sidesOf(tenants);
    expect(await sidesOf(tenants)).toEqual(first);
    const onNext = [...first].filter(([, side]) => side === 'next').map(([name]) => name);
    expect(onNext.length).toBeGreaterThan(20);
    expect(onNext.length).toBeLessThan(60);
    gateway.rewrite(configOf(50));
    const reload = await gateway.post('/reload', TOKEN);
    expect(reload.status).toBe(200);
    const after = await sidesOf(tenants);
    for (const name of onNext) expect(after.get(name)).toBe('next');
    expect([...after.values()].filter((side) => side === 'next').length).toBeGreaterThan(70);
  });

  it('lets a tester choose his side', async () => {
    const [tenant] = [...(await sidesOf(tenants))].find(([, side]) => side === 'old') ?? [''];
    expect(await ask('/split', { 'x-tenant': tenant, 'x-side': 'next' })).toBe('next');
    expect(await ask('/split', { 'x-tenant': tenant, cookie: 'side=next' })).toBe('next');
    expect(await ask('/split', { 'x-tenant': tenant, 'x-side': 'none' })).toBe('old');
  });

  it('goes by the caller where it knows one, wherever he calls from', async () => {
    for (const [key] of Object.values(KEYS)) {
      const seen = new Set<string>();
      for (let nth = 0; nth < 6; nth += 1) {
        seen.add(await ask('/mine', { 'x-api-key': key, 'x-forwarded-for': `192.0.2.${nth}` }));
      }
      expect(seen.size).toBe(1);
    }
    expect(await ask('/mine')).toBe('401');
  });

  it('has one limit for all sides together', async () => {
    const answers = await Promise.all(
      tenants.slice(0, 90).map((name) => ask('/few', { 'x-tenant': name })),
    );
    expect(answers.filter((one) => one === '429')).toHaveLength(50);
    expect(new Set(answers)).toEqual(new Set(['429', 'old', 'next']));
  });

  it('retries on the same side', async () => {
    let asked = 0;
    next.script = (_request, response) => {
      asked += 1;
      response.statusCode = asked === 1 ? 503 : 200;
      response.end('next');
    };
    expect(await ask('/split', { 'x-side': 'next' })).toBe('next');
    expect(asked).toBe(2);
    next.script = (_request, response) => void response.end('next');
  });

  it('is counted by upstream, and explained', async () => {
    await eventually('both have figures', async () => {
      const metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
      return ['old', 'next'].every((name) =>
        new RegExp(`gateway_upstream_tries_total\\{[^}]*upstream="${name}"[^}]*\\} [1-9]`).test(
          metrics,
        ),
      );
    });
    const reply = await fetch(`${gateway.adminUrl}/explain`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${TOKEN}` },
      body: JSON.stringify({
        method: 'GET',
        target: '/split',
        fields: [
          ['host', 'localhost'],
          ['x-side', 'next'],
        ],
        from: '192.0.2.7',
        consumer: null,
      }),
    });
    const explained = (await reply.json()) as { upstream: string; steps: { step: string }[] };
    expect(explained.upstream).toBe('next');
    expect(explained.steps).toContainEqual({
      step: 'split',
      result: 'passes',
      detail: 'next, of old 50, next 50, by header:x-tenant',
    });
  });
});

interface SplitShown {
  readonly route: string;
  readonly phase: string;
  readonly reason: string;
  readonly share_percent: number;
  readonly judged: { readonly new: { readonly errors: number } };
}

describe('a route that is rolled out', () => {
  const order = async (said: object, name = 'rolled', token = TOKEN): Promise<Response> =>
    fetch(`${gateway.adminUrl}/split/${name}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body: JSON.stringify(said),
    });
  const shown = async (): Promise<SplitShown> => {
    const stats = await (await fetch(`${gateway.adminUrl}/stats`)).json();
    const [split] = (stats as { splits: SplitShown[] }).splits;
    if (split === undefined) throw new Error('no split is shown');
    return split;
  };
  /** How many of the tenants are on the new side. */
  const onNext = async (): Promise<number> => {
    const sides = await Promise.all(tenants.map((name) => ask('/rolled', { 'x-tenant': name })));
    return sides.filter((side) => side !== 'old').length;
  };

  it('begins with its first share, which a reload keeps', async () => {
    expect(await shown()).toMatchObject({ route: 'rolled', phase: 'growing' });
    const first = await onNext();
    expect(first).toBeGreaterThan(50);
    expect(first).toBeLessThan(110);
    await order({ action: 'set', share: 70 });
    gateway.rewrite(configOf(33));
    expect((await gateway.post('/reload', TOKEN)).status).toBe(200);
    expect(await shown()).toMatchObject({ phase: 'held', share_percent: 70, reason: 'operator' });
    expect(await onNext()).toBeGreaterThan(first);
  });

  it('is where an operator wants it, in all workers as soon as he has his answer', async () => {
    for (const [share, count] of [
      [100, tenants.length],
      [0, 0],
    ] as const) {
      const reply = await order({ action: 'set', share });
      expect(reply.status).toBe(200);
      expect(await reply.json()).toMatchObject({ phase: 'held', share_percent: share });
      expect(await onNext()).toBe(count);
    }
    expect((await order({ action: 'resume' })).status).toBe(200);
    expect(await shown()).toMatchObject({ phase: 'growing' });
  });

  it('outlives its coordinator', async () => {
    await order({ action: 'set', share: 55 });
    const before = await onNext();
    expect((await gateway.post('/chaos/coordinator/crash', TOKEN)).status).toBe(202);
    expect((await order({ action: 'hold' })).status).toBe(200);
    expect(await shown()).toMatchObject({ phase: 'held', share_percent: 55 });
    expect(await onNext()).toBe(before);
  });

  it('goes back by itself when the new side fails, and says so', async () => {
    expect((await order({ action: 'resume' })).status).toBe(200);
    next.script = (_request, response) => {
      response.statusCode = 500;
      response.end('next');
    };
    await eventually('it is taken back', async () => {
      await onNext();
      return (await shown()).phase === 'takenBack';
    });
    next.script = (_request, response) => void response.end('next');
    const split = await shown();
    expect(split).toMatchObject({ phase: 'takenBack', reason: 'errors', share_percent: 0 });
    expect(split.judged.new.errors).toBeGreaterThan(4);
    expect(await onNext()).toBe(0);
    expect(await ask('/rolled', { 'x-side': 'next' })).toBe('next');
    await eventually('the log says so', () => gateway.find('traffic split taken back').length > 0);
    const metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
    expect(metrics).toContain('gateway_split_taken_back_total{route="rolled",upstream="next"} 1');
    expect(metrics).toContain('gateway_split_new_side_ratio{route="rolled",upstream="next"} 0');
  });

  it('takes orders of who has the token, and sound ones', async () => {
    expect((await order({ action: 'hold' }, 'rolled', 'wrong')).status).toBe(401);
    expect((await order({ action: 'hold' }, 'split')).status).toBe(404);
    expect((await order({ action: 'hold' }, '%zz')).status).toBe(404);
    for (const said of [{}, { action: 'set' }, { action: 'set', share: 101 }, { action: 'stop' }]) {
      expect((await order(said)).status).toBe(400);
    }
    const listed = await (await fetch(`${gateway.adminUrl}/split`)).json();
    expect(listed).toMatchObject({ splits: [{ route: 'rolled', old: 'old', new: 'next' }] });
  });
});
