import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { aConfig } from '../support/configs.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { makeCertificate } from '../support/test-certificate.js';

interface TargetFigures {
  readonly target: string;
  readonly state: string;
  readonly why: string;
  readonly since: string | null;
  readonly until: string | null;
  readonly in_flight: number;
  readonly weight: number;
}

let origins: FakeUpstream[] = [];
let gateway: GatewayProcess | undefined;

afterEach(async () => {
  await gateway?.stop();
  await Promise.all(origins.map((origin) => origin.close()));
  gateway = undefined;
  origins = [];
});

/** Origins that say who they are, health checks apart. */
async function startOrigins(count: number): Promise<FakeUpstream[]> {
  for (let index = 0; index < count; index += 1) {
    const origin = await FakeUpstream.start((request, response) => {
      if (request.url === '/health') response.writeHead(statusOf[index] ?? 200);
      response.end(request.url === '/health' ? '' : String(index));
    });
    origins.push(origin);
  }
  statusOf = [];
  return origins;
}

/** What each origin answers to its health check; 200 if nothing is said. */
let statusOf: number[] = [];

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

const CHECK = { type: 'http', path: '/health', interval: '100ms', timeout: '500ms' };

async function start(
  upstream: Record<string, unknown>,
  targets: readonly Record<string, unknown>[] = [],
): Promise<GatewayProcess> {
  const all = origins.map(({ url }, index) => ({ url, ...targets[index] }));
  const config = aConfig([], {
    upstream: { targets: all, retry: { attempts: 0 }, ...upstream },
    top: { workers: 2 },
  });
  gateway = await GatewayProcess.start(config);
  return gateway;
}

async function get(headers: Record<string, string> = {}, path = '/'): Promise<string> {
  const reply = await fetch(`${gateway?.url}${path}`, { headers });
  return reply.status === 200 ? await reply.text() : String(reply.status);
}

async function getMany(count: number, headers: Record<string, string> = {}): Promise<number[]> {
  const picks = origins.map(() => 0);
  for (let sent = 0; sent < count; sent += 1) {
    const index = Number(await get(headers));
    picks[index] = (picks[index] ?? 0) + 1;
  }
  return picks;
}

async function figuresOf(index: number): Promise<TargetFigures> {
  const stats = await gateway?.stats();
  const targets = (stats?.['targets'] ?? []) as TargetFigures[];
  const found = targets.find((one) => one.target === `127.0.0.1:${origins[index]?.port}`);
  if (found === undefined) throw new Error(`no target ${index} in /stats`);
  return found;
}

function untilState(index: number, state: string): Promise<void> {
  return eventually(`target ${index} is ${state}`, async () => {
    return (await figuresOf(index)).state === state;
  });
}

describe('health checks', () => {
  it('take a target out that answers badly and bring it back, without a request', async () => {
    await startOrigins(2);
    await start({ healthCheck: CHECK, circuitBreaker: { failureThreshold: 1000 } });
    await untilState(0, 'available');
    statusOf[0] = 503;
    await untilState(0, 'unhealthy');
    expect(await figuresOf(0)).toMatchObject({ why: 'healthCheck: unexpectedStatus', until: null });
    expect((await figuresOf(0)).since).toMatch(/^\d{4}-\d\d-\d\dT/);
    expect(await getMany(20)).toEqual([0, 20]);
    statusOf[0] = 204;
    await untilState(0, 'available');
    expect(await getMany(10)).toEqual([5, 5]);
    const changes = () => gateway?.find('target health changed') ?? [];
    // Lines are written in batches, a moment after what they tell of.
    await eventually('both changes are logged', () => changes().length >= 2);
    expect(changes().map((record) => [record['healthy'], record['reason']])).toEqual([
      [false, 'unexpectedStatus'],
      [true, 'passed'],
    ]);
  });

  it('see at start that a target cannot be reached, before any request', async () => {
    await startOrigins(2);
    await origins[1]?.close();
    await start({ healthCheck: { type: 'tcp', interval: '100ms' } });
    await untilState(1, 'unhealthy');
    expect((await figuresOf(1)).why).toBe('healthCheck: connectFailed');
    expect(await getMany(10)).toEqual([10, 0]);
  });

  it('see a target that takes connections and does not answer', async () => {
    await startOrigins(2);
    const [silent] = origins;
    if (silent === undefined) throw new Error('no origin');
    silent.script = () => {};
    await start({ healthCheck: { ...CHECK, timeout: '50ms' } });
    await untilState(0, 'unhealthy');
    expect((await figuresOf(0)).why).toBe('healthCheck: timedOut');
  });

  it('of https targets go over TLS, and believe no certificate that requests would not', async () => {
    const [trusted, other] = [makeCertificate(), makeCertificate()];
    const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'));
    const caFile = join(folder, 'ca.pem');
    writeFileSync(caFile, trusted.cert);
    const paths: (string | undefined)[] = [];
    const reply: RequestListener = (request, response) => {
      paths.push(request.url);
      response.end('secure');
    };
    const servers: Server[] = [
      createSecureServer(trusted, reply),
      createSecureServer(other, reply),
      createServer(reply),
    ];
    try {
      const ports = await Promise.all(servers.map(listen));
      const targets = ports.map((port) => ({ url: `https://localhost:${port}` }));
      const config = aConfig([], { upstream: { targets, healthCheck: CHECK } });
      gateway = await GatewayProcess.start(config, { NODE_EXTRA_CA_CERTS: caFile });
      const states = async () => {
        const rows = (await gateway?.stats())?.['targets'] as TargetFigures[];
        return rows.map(({ state, why }) => `${state}: ${why}`);
      };
      const failed = ['certificateSelfSigned', 'tlsFailed'].map(
        (why) => `unhealthy: healthCheck: ${why}`,
      );
      await eventually('those that cannot be trusted are out', async () => {
        return String(await states()) === String(['available: started', ...failed]);
      });
      await eventually('the good one was probed', () => paths.includes('/health'));
      expect(await get()).toBe('secure');
    } finally {
      for (const server of servers) server.close();
      rmSync(folder, { recursive: true });
    }
  });

  it('are ignored when too few targets are healthy, unless that is switched off', async () => {
    await startOrigins(2);
    statusOf = [500, 500];
    await start({ healthCheck: CHECK });
    await untilState(0, 'unhealthy');
    await untilState(1, 'unhealthy');
    expect(await getMany(10)).toEqual([5, 5]);
    await gateway?.stop();
    await start({ healthCheck: CHECK, loadBalancing: { panicThreshold: 0 } });
    await untilState(0, 'unhealthy');
    await untilState(1, 'unhealthy');
    expect(await get()).toBe('503');
  });
});

describe('ejection of outliers', () => {
  it('takes a target out for a while that answers 5xx, and lets it in again', async () => {
    const [bad] = await startOrigins(2);
    if (bad === undefined) throw new Error('no origin');
    const good = bad.script;
    bad.script = (_request, response) => response.writeHead(500).end();
    await start({
      circuitBreaker: { failureThreshold: 1000 },
      outlierDetection: { consecutive5xx: 3, baseEjectionTime: '2s' },
    });
    for (let sent = 0; sent < 6; sent += 1) await get();
    await untilState(0, 'ejected');
    const { until, why } = await figuresOf(0);
    expect(why).toBe('consecutive5xx');
    expect(until).toMatch(/^\d{4}-/);
    bad.script = good;
    await untilState(0, 'available');
    expect(await getMany(10)).toEqual([5, 5]);
  });
});

describe('an idle worker', () => {
  it('gives back what is left of its grants, and then minds no deadlines', async () => {
    await startOrigins(1);
    const rateLimit = { limit: 1000, window: '1h', key: 'route', algorithm: 'fixedWindow' };
    const targets = origins.map(({ url }) => ({ url }));
    const top = { workers: 1, logging: { accessLog: false } };
    gateway = await GatewayProcess.start(
      aConfig([], { upstream: { targets }, route: { rateLimit }, top }),
    );
    const limitFigures = async () => {
      const stats = await gateway?.stats();
      return ((stats?.['limits'] ?? []) as Record<string, number>[])[0];
    };
    let sent = 0;
    await eventually('some were granted', async () => {
      await Promise.all(Array.from({ length: 8 }, () => get()));
      sent += 8;
      return ((await limitFigures())?.['granted'] ?? 0) > 0;
    });
    await eventually('only what was used is counted', async () => {
      return (await limitFigures())?.['admitted'] === sent;
    });
    const { threads } = (await gateway.stats()) as {
      threads: { workers: number[]; coordinator: number };
    };
    const [worker = 0] = threads.workers;
    const pid = gateway.child.pid ?? 0;
    // The coordinator's heartbeat, ten times a second, says that time passes. The worker's own
    // is half of it; deadlines alone would be twenty times.
    await eventually('it mostly sleeps through ten heartbeats', async () => {
      const [wakes, beats] = [wakesOf(pid, worker), wakesOf(pid, threads.coordinator)];
      await eventually('ten', () => wakesOf(pid, threads.coordinator) >= beats + 10);
      return wakesOf(pid, worker) - wakes <= 10;
    });
  });
});

/** How often a thread has gone to sleep, and so how often it woke up. */
function wakesOf(pid: number, thread: number): number {
  const status = readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8');
  return Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(status)?.[1]);
}

describe('balancing', () => {
  it('shares by weight', async () => {
    await startOrigins(3);
    await start({ loadBalancing: { policy: 'weightedRoundRobin' } }, [
      { weight: 1 },
      { weight: 2 },
      { weight: 5 },
    ]);
    expect(await getMany(80)).toEqual([10, 20, 50]);
    expect((await figuresOf(2)).weight).toBe(5);
  });

  it('sends what has the same header to the same target, on every worker', async () => {
    await startOrigins(4);
    await start({ loadBalancing: { policy: 'consistentHash', hashOn: 'header:X-User' } });
    const homes = new Map<string, string>();
    for (let user = 0; user < 40; user += 1)
      homes.set(`u${user}`, await get({ 'x-user': `u${user}` }));
    expect(new Set(homes.values()).size).toBe(4);
    for (const [user, home] of homes) expect(await get({ 'x-user': user })).toBe(home);
  });

  it('moves only what was at a target that went away, and moves it back', async () => {
    await startOrigins(3);
    await start({
      loadBalancing: { policy: 'consistentHash', hashOn: 'path' },
      healthCheck: CHECK,
    });
    const paths = Array.from({ length: 24 }, (_, at) => `/item/${at}`);
    const homes = await Promise.all(paths.map((path) => get({}, path)));
    statusOf[1] = 500;
    await untilState(1, 'unhealthy');
    const away = await Promise.all(paths.map((path) => get({}, path)));
    away.forEach((index, at) => {
      if (homes[at] === '1') expect(index).not.toBe('1');
      else expect(index).toBe(homes[at]);
    });
    statusOf[1] = 200;
    await untilState(1, 'available');
    expect(await Promise.all(paths.map((path) => get({}, path)))).toEqual(homes);
  });

  it('goes to the target with the fewest requests in flight', async () => {
    const [slow] = await startOrigins(2);
    if (slow === undefined) throw new Error('no origin');
    const waiting: (() => void)[] = [];
    slow.script = (_request, response) => {
      waiting.push(() => response.end('0'));
    };
    await start({ loadBalancing: { policy: 'leastRequest' } });
    const all = Array.from({ length: 8 }, () => get());
    await eventually('some wait at the slow target', () => waiting.length > 0);
    await eventually('/stats shows them', async () => (await figuresOf(0)).in_flight > 0);
    expect(await getMany(20)).toEqual([0, 20]);
    for (const answer of waiting) answer();
    await Promise.all(all);
    await eventually('none is in flight', async () => (await figuresOf(0)).in_flight === 0);
  });

  it('keeps a client at its target by a cookie that says nothing, while the target is up', async () => {
    await startOrigins(3);
    await start({
      loadBalancing: { stickyCookie: { name: 'home', maxAge: '1h' } },
      healthCheck: CHECK,
    });
    const first = await fetch(`${gateway?.url}/`);
    const home = Number(await first.text());
    const cookie = first.headers.get('set-cookie') ?? '';
    expect(cookie).toMatch(/^home=[0-9a-f]{32}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=3600$/);
    const pair = { cookie: `a=1; ${cookie.split(';')[0]}; b=2` };
    const picks = await getMany(9, pair);
    expect(picks[home]).toBe(9);
    const again = await fetch(`${gateway?.url}/`, { headers: pair });
    expect(again.headers.get('set-cookie')).toBeNull();
    await again.text();
    statusOf[home] = 500;
    await untilState(home, 'unhealthy');
    const moved = await fetch(`${gateway?.url}/`, { headers: pair });
    expect(Number(await moved.text())).not.toBe(home);
    expect(moved.headers.get('set-cookie')).toMatch(/^home=/);
    const forged = await fetch(`${gateway?.url}/`, {
      headers: { cookie: `home=${'0'.repeat(32)}` },
    });
    expect(forged.headers.get('set-cookie')).toMatch(/^home=/);
  });

  it('uses a backup only while no other target is available', async () => {
    await startOrigins(2);
    await start({ healthCheck: CHECK }, [{}, { backup: true }]);
    expect(await getMany(10)).toEqual([10, 0]);
    statusOf[0] = 500;
    await untilState(0, 'unhealthy');
    expect(await getMany(10)).toEqual([0, 10]);
    statusOf[0] = 200;
    await untilState(0, 'available');
    expect(await getMany(10)).toEqual([10, 0]);
  });

  it('opens for a status that the breaker is told to mind', async () => {
    const [busy] = await startOrigins(1);
    if (busy === undefined) throw new Error('no origin');
    busy.script = (_request, response) => response.writeHead(429).end();
    await start({ circuitBreaker: { failureThreshold: 3, failureOn: [429], openFor: '1h' } });
    for (let sent = 0; sent < 3; sent += 1) expect(await get()).toBe('429');
    await untilState(0, 'open');
    expect(await get()).toBe('503');
    expect(await figuresOf(0)).toMatchObject({ why: 'consecutiveFailures' });
    expect((await figuresOf(0)).until).toMatch(/^\d{4}-/);
  });
});
