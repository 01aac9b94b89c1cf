/**
 * What the gateway says of itself: /metrics, /stats and access records of one process, against
 * what a client has sent and a target has answered.
 */
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PROBLEMS } from '../../src/base/problems.js';
import { aConfig } from '../support/configs.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { Load } from '../support/load.js';
import { rawExchange } from '../support/raw-exchange.js';

let upstream: FakeUpstream;
let gateway: GatewayProcess;

beforeAll(async () => {
  upstream = await FakeUpstream.start((request, response) => {
    if (request.url?.startsWith('/status/')) response.statusCode = Number(request.url.slice(8, 11));
    if (request.url === '/reset') {
      response.write('begun');
      setImmediate(() => response.destroy());
      return;
    }
    if (request.url === '/never') return;
    if (request.url?.startsWith('/stored/') === true) {
      response.setHeader(
        'cache-control',
        request.url.includes('secret') ? 'private' : 'max-age=60',
      );
    }
    request.resume().on('end', () => response.end('ok'));
  });
  const match = { path: '/*', methods: ['GET', 'PUT', 'POST'] };
  const { routes, upstreams } = aConfig([upstream.url], { route: { match } }) as {
    routes: object[];
    upstreams: object;
  };
  gateway = await GatewayProcess.start({
    workers: 2,
    upstreams: { ...upstreams, gone: { targets: [{ url: 'http://127.0.0.1:1' }] } },
    routes: [
      ...routes,
      {
        name: 'limited',
        match: { path: '/limited' },
        upstream: 'api',
        rateLimit: { limit: 2, window: '1h' },
      },
      { name: 'stored', match: { path: '/stored/*' }, upstream: 'api', cache: true },
      { name: 'gone', match: { path: '/gone' }, upstream: 'gone' },
      { name: 'never', match: { path: '/never' }, upstream: 'api', timeout: '100ms' },
    ],
    logging: { accessLog: { headers: ['user-agent', 'authorization'] } },
  });
});

afterAll(async () => {
  await gateway.kill();
  await upstream.close();
});

async function send(path: string, init: RequestInit = {}): Promise<Response> {
  const reply = await fetch(`${gateway.url}${path}`, init);
  await reply.arrayBuffer().catch(() => {});
  return reply;
}

async function metrics(): Promise<string> {
  return (await fetch(`${gateway.adminUrl}/metrics`)).text();
}

/** The sum of the samples of a family whose labels contain all of these. */
function valueIn(text: string, name: string, labels: Readonly<Record<string, string>> = {}) {
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  let total = 0;
  for (const [, found = '', list = '', value = ''] of text.matchAll(
    /^(\w+)(?:\{(.*)\})? (\S+)$/gm,
  )) {
    const has = (one: string) => `,${list},`.includes(`,${one},`);
    if (found === name && wanted.every(has)) total += Number(value);
  }
  return total;
}

function requestsOf(text: string, route: string, method: string, status: string): number {
  const labels = { route, method_class: method, status_class: status };
  return valueIn(text, 'gateway_requests_total', labels);
}

describe('metrics', () => {
  it('count each request once, by route, method class and status class', async () => {
    const before = await metrics();
    for (let count = 0; count < 5; count++) await send('/a');
    await send('/a', { method: 'PUT', body: 'x' });
    await send('/a', { method: 'POST', body: 'x' });
    await send('/status/503');
    await send('/status/302', { redirect: 'manual' });
    const statuses: number[] = [];
    for (let count = 0; count < 4; count++) statuses.push((await send('/limited')).status);
    expect(statuses).toEqual([200, 200, 429, 429]);
    await rawExchange(gateway.port, ['GET / HTTP/1.1\r\nHost: a b\r\n\r\n']);
    await eventually('all are counted', async () => {
      const text = await metrics();
      return (
        valueIn(text, 'gateway_requests_total') - valueIn(before, 'gateway_requests_total') === 14
      );
    });
    const text = await metrics();
    const counted = (route: string, method: string, status: string) =>
      requestsOf(text, route, method, status) - requestsOf(before, route, method, status);
    expect(counted('all', 'safe', '2xx')).toBe(5);
    expect(counted('all', 'idempotent', '2xx')).toBe(1);
    expect(counted('all', 'other', '2xx')).toBe(1);
    expect(counted('all', 'safe', '5xx')).toBe(1);
    expect(counted('all', 'safe', '3xx')).toBe(1);
    expect(counted('limited', 'safe', '2xx')).toBe(2);
    expect(counted('limited', 'safe', '4xx')).toBe(2);
    expect(counted('_none', 'safe', '4xx')).toBe(1);
    expect(valueIn(text, 'gateway_limiter_refused_total', { route: 'limited' })).toBe(2);
    expect(valueIn(text, 'gateway_limiter_admitted_total', { limit: 'limited' })).toBe(2);
  });

  it('have a histogram of each route whose buckets, count and requests agree', async () => {
    await send('/a');
    const text = await metrics();
    const rows = [...text.matchAll(/^gateway_request_duration_seconds_bucket\{(.*)\} (\d+)$/gm)];
    const ofAll = rows.filter(([, labels = '']) => labels.includes('route="all"'));
    const bounds = ofAll.map(([, labels = '']) => /le="(.*)"/.exec(labels)?.[1]);
    const published = '0.005 0.01 0.025 0.05 0.075 0.1 0.25 0.5 0.75 1 2.5 5 7.5 10 +Inf';
    expect(bounds).toEqual(published.split(' '));
    const counts = ofAll.map(([, , count]) => Number(count));
    expect(counts.toSorted((one, other) => one - other)).toEqual(counts);
    expect(counts.at(-1)).toBe(valueIn(text, 'gateway_requests_total', { route: 'all' }));
    const labels = { route: 'all' };
    expect(valueIn(text, 'gateway_request_duration_seconds_count', labels)).toBe(counts.at(-1));
    expect(valueIn(text, 'gateway_request_duration_seconds_sum', labels)).toBeGreaterThan(0);
  });

  it('say what came of tries, by target', async () => {
    await send('/gone');
    await send('/never');
    await send('/reset').catch(() => {});
    const gone = { upstream: 'gone', target: '127.0.0.1:1' };
    await eventually('tries are settled', async () => {
      const text = await metrics();
      return valueIn(text, 'gateway_upstream_try_failures_total', gone) === 1;
    });
    const text = await metrics();
    expect(valueIn(text, 'gateway_upstream_connect_failures_total', gone)).toBe(1);
    const target = { upstream: 'api' };
    expect(valueIn(text, 'gateway_upstream_timeouts_total', target)).toBe(1);
    expect(valueIn(text, 'gateway_cut_replies_total')).toBe(1);
    const heads = valueIn(text, 'gateway_upstream_response_duration_seconds_count', target);
    expect(heads).toBe(valueIn(text, 'gateway_upstream_tries_total', target) - 1);
    expect(valueIn(text, 'gateway_target_breaker_state', target)).toBe(0);
    expect(valueIn(text, 'gateway_target_healthy', target)).toBe(1);
  });

  it('watch lanes and threads', async () => {
    const load = new Load(gateway.url, 16);
    await eventually('there were some', () => load.replies > 500);
    await load.stop();
    await eventually('every thread has measured itself', async () => {
      const text = await metrics();
      return ['acceptor', 'worker-0', 'worker-1'].every(
        (thread) => valueIn(text, 'gateway_thread_event_loop_active_seconds_total', { thread }) > 0,
      );
    });
    const text = await metrics();
    for (const direction of ['request', 'reply']) {
      const records = valueIn(text, 'gateway_lane_records_total', { direction });
      const wakes = valueIn(text, 'gateway_lane_wakes_total', { direction });
      expect(records).toBeGreaterThan(500);
      expect(wakes).toBeGreaterThan(0);
      expect(wakes).toBeLessThanOrEqual(records);
      expect(valueIn(text, 'gateway_lane_ring_used_bytes', { direction })).toBe(0);
    }
    expect(valueIn(text, 'gateway_lane_served')).toBe(2);
    for (const thread of ['acceptor', 'worker-0', 'worker-1']) {
      const labels = { thread };
      expect(valueIn(text, 'gateway_thread_heap_used_bytes', labels)).toBeGreaterThan(1e6);
      const ticks = valueIn(text, 'gateway_thread_event_loop_delay_seconds_count', labels);
      expect(ticks).toBeGreaterThan(0);
    }
    const resident = valueIn(text, 'process_resident_memory_bytes');
    expect(resident / gateway.residentBytes()).toBeGreaterThan(0.5);
    expect(resident / gateway.residentBytes()).toBeLessThan(2);
  });

  it('tell the same as /stats', async () => {
    const [text, stats] = [await metrics(), await gateway.stats()];
    expect(stats).toMatchObject({
      total_requests: valueIn(text, 'gateway_requests_total'),
      counters: { cut_replies: valueIn(text, 'gateway_cut_replies_total') },
      in_flight: 0,
    });
    const routes = stats['routes'] as Record<string, { requests: number; latency: object }>;
    for (const [route, { requests, latency }] of Object.entries(routes)) {
      expect(valueIn(text, 'gateway_requests_total', { route })).toBe(requests);
      const count = valueIn(text, 'gateway_request_duration_seconds_count', { route });
      expect(latency).toMatchObject({ count });
    }
    const problems = stats['problems'] as Record<string, number>;
    for (const { code } of Object.values(PROBLEMS)) {
      const replies = valueIn(text, 'gateway_local_replies_total', { code });
      expect(problems[code] ?? 0).toBe(replies);
    }
  });

  it('tell what the cache did, why not, and how much it holds', async () => {
    await send('/stored/1');
    await send('/stored/1');
    await send('/stored/1', { headers: { range: 'bytes=0-0' } });
    await send('/stored/1', { method: 'POST', body: 'x' });
    await rawExchange(gateway.port, [
      'GET /stored/2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx',
    ]);
    await send('/stored/secret');
    await send('/stored/secret', { method: 'HEAD' });
    await send('/stored/none', { headers: { 'cache-control': 'only-if-cached' } });
    await eventually('all are counted', async () => {
      const text = await metrics();
      return valueIn(text, 'gateway_requests_total', { route: 'stored' }) === 8;
    });
    const text = await metrics();
    const of = (name: string, reason?: string): number =>
      valueIn(text, `gateway_cache_${name}`, reason === undefined ? {} : { reason });
    expect(of('hits_total')).toBe(2);
    expect(of('served_bytes_total')).toBe(3);
    expect([of('misses_total', 'uri-miss'), of('misses_total', 'only-if-cached')]).toEqual([3, 1]);
    expect([of('bypassed_total', 'method'), of('bypassed_total', 'body')]).toEqual([1, 1]);
    expect([of('misses_total'), of('bypassed_total')]).toEqual([4, 2]);
    expect([of('not_stored_total', 'private'), of('not_stored_total', 'method')]).toEqual([1, 1]);
    expect([of('not_stored_total'), of('stored_total')]).toEqual([2, 1]);
    expect(of('entries')).toBe(1);
    expect(of('held_bytes')).toBeGreaterThan(100);
    expect(of('held_bytes')).toBeLessThan(1000);
    expect(of('limit_bytes')).toBeGreaterThan(60 * 2 ** 20);
    expect(of('limit_bytes')).toBeLessThanOrEqual(64 * 2 ** 20);
    expect((await gateway.stats())['cache']).toMatchObject({
      hits: 2,
      misses: 4,
      bypassed: 2,
      stored: 1,
      served_bytes: 3,
      misses_by_reason: { 'uri-miss': 3, 'only-if-cached': 1 },
      bypassed_by_reason: { method: 1, body: 1 },
      not_stored_by_reason: { private: 1, method: 1 },
      entries: 1,
      held_bytes: of('held_bytes'),
      limit_bytes: of('limit_bytes'),
    });
    const recorded = () => gateway.find('request').filter(({ route }) => route === 'stored');
    await eventually('all are recorded', () => recorded().length === 8);
    const kinds = recorded().map(({ cache }) => cache);
    expect(kinds.filter((one) => one === 'hit')).toHaveLength(2);
    expect(kinds.filter((one) => one === 'bypass')).toHaveLength(2);
  });

  it('are clean to promtool', async () => {
    const input = await metrics();
    const { status, stdout, stderr, error } = spawnSync('promtool', ['check', 'metrics'], {
      input,
      encoding: 'utf8',
    });
    expect(error, 'promtool comes with the package prometheus').toBeUndefined();
    expect(`${stdout}${stderr}`).toBe('');
    expect(status).toBe(0);
  });

  it('are refused to other methods, and answer HEAD', async () => {
    const head = await fetch(`${gateway.adminUrl}/metrics`, { method: 'HEAD' });
    expect(head.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(await head.text()).toBe('');
    const post = await fetch(`${gateway.adminUrl}/metrics`, { method: 'POST' });
    expect(post.status).toBe(405);
  });
});

describe("the gateway's own replies", () => {
  const CASES: readonly (readonly [keyof typeof PROBLEMS, () => Promise<unknown>])[] = [
    ['badHost', () => rawExchange(gateway.port, ['GET / HTTP/1.1\r\nHost: a b\r\n\r\n'])],
    ['badTarget', () => send('/a%00b')],
    ['methodNotAllowed', () => send('/a', { method: 'DELETE' })],
    ['rateLimited', () => send('/limited')],
    ['connectFailed', () => send('/gone')],
    ['routeTimeout', () => send('/never')],
  ];

  it.each(CASES)('say the same in head, body, record and metric: %s', async (name, cause) => {
    const { code, status, part, proxyError } = PROBLEMS[name];
    const replies = async () =>
      valueIn(await metrics(), 'gateway_local_replies_total', { code, part });
    const before = await replies();
    const reply = await cause();
    if (reply instanceof Response) {
      expect(reply.status).toBe(status);
      expect(reply.headers.get('proxy-status')).toBe(
        `sluice; error=${proxyError}; details="${part}: ${code}"`,
      );
    }
    await eventually('it is counted', async () => (await replies()) === before + 1);
    await eventually('it is recorded', () =>
      gateway.find('request').some((line) => line['code'] === code && line['status'] === status),
    );
  });
});

describe('access records', () => {
  it('say how a request went, and hide what is secret', async () => {
    const headers = { authorization: 'Bearer SECRET', 'user-agent': 'test/1' };
    await send('/records?token=SECRET&id=7', { headers });
    const ofTarget = () =>
      gateway.find('request').find((line) => String(line['target']).startsWith('/records'));
    await eventually('it is there', () => ofTarget() !== undefined);
    expect(ofTarget()).toMatchObject({
      level: 'info',
      clientIp: '127.0.0.1',
      consumer: '',
      method: 'GET',
      target: '/records?token=[redacted]&id=7',
      route: 'all',
      upstreamTarget: `127.0.0.1:${upstream.port}`,
      tries: 1,
      status: 200,
      bytes: 2,
      code: '',
      end: 'complete',
      headers: { 'user-agent': 'test/1', authorization: '[redacted]' },
    });
    expect(ofTarget()?.['upstreamMs']).toBeGreaterThan(0);
    expect(Number(ofTarget()?.['durationMs'])).toBeGreaterThan(Number(ofTarget()?.['upstreamMs']));
    expect(gateway.stdout).not.toContain('SECRET');
  });

  it('tell a reply that was cut from one that is complete', async () => {
    await send('/reset').catch(() => {});
    await eventually('it is there', () =>
      gateway.find('request').some((line) => line['target'] === '/reset' && line['end'] === 'cut'),
    );
  });
});
