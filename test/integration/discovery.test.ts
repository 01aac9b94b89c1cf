/**
 * Targets that are found: they come and go while requests run, and no version of the configuration
 * is made for it.
 */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer, type Server as SecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { FakeKubeApi } from '../support/fake-kube-api.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { KnotServer, NO_KNOT } from '../support/knot-server.js';
import { describeUnless } from '../support/not-run.js';
import { makeCertificate } from '../support/test-certificate.js';

const TOKEN = 'a-token-for-tests-of-discovery';

interface Stats {
  readonly config_epoch: number;
  readonly targets: readonly { target: string; upstream: string; circuit_breaker: string }[];
  readonly discovery: readonly {
    upstream: string;
    source: string;
    targets: number;
    leaving: number;
    errors: number;
    failure: string | null;
    holding: boolean;
  }[];
}

/** Requests that origins hold until they are let go. */
const held: (() => void)[] = [];
const origins: FakeUpstream[] = [];
let folder: string;
let file: string;
let registry: Server;
let secure: SecureServer;
/** Instances that Consul names; the next question after a change is answered at once. */
let consul: { index: number; places: readonly number[]; waiting: (() => void)[] };
/** What the registry answers. */
let registered: { status: number; body: string; authorization?: string | undefined };
let cluster: FakeKubeApi;
/** null: there is none on this machine. */
let knot: KnotServer | null;
let gateway: GatewayProcess;
let config: Record<string, unknown> & { upstreams: object; routes: readonly object[] };

beforeAll(async () => {
  for (let at = 0; at < 4; at += 1) {
    const origin = await FakeUpstream.start((incoming, response) => {
      if (incoming.url === '/held') held.push(() => response.end(`held by ${at}`));
      else if (incoming.url === '/bad') response.writeHead(500).end();
      else response.end(String(at));
    });
    origins.push(origin);
  }
  folder = mkdtempSync(join(tmpdir(), 'sluice-discovery-'));
  file = join(folder, 'targets.json');
  write([0]);
  registered = { status: 200, body: listOf([0, 1]) };
  consul = { index: 5, places: [0], waiting: [] };
  registry = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://registry.test');
    if (pathname === '/v1/health/service/web') {
      answerAsConsul(searchParams.get('index'), response);
      return;
    }
    registered.authorization = request.headers.authorization;
    response.writeHead(registered.status).end(registered.body);
  });
  await new Promise<void>((resolve) => registry.listen(0, '127.0.0.1', resolve));
  const { port } = registry.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}/sd`;
  const { key, cert } = makeCertificate('DNS:shop.internal');
  secure = createSecureServer({ key, cert }, (_, response) => response.end('secure'));
  await new Promise<void>((resolve) => secure.listen(0, '127.0.0.1', resolve));
  const certFile = join(folder, 'cert.pem');
  writeFileSync(certFile, cert);
  const secureFile = join(folder, 'secure.yaml');
  const { port: securePort } = secure.address() as AddressInfo;
  writeFileSync(
    secureFile,
    `# By name\n- { host: 127.0.0.1, port: ${securePort}, name: shop.internal }\n`,
  );
  cluster = await FakeKubeApi.start();
  putSlice([0, 1]);
  const kubeconfig = join(folder, 'kubeconfig');
  writeFileSync(kubeconfig, cluster.kubeconfig());
  knot = NO_KNOT === '' ? await KnotServer.start([serviceRecord(2)]) : null;
  config = {
    listen: { port: 0 },
    admin: { port: 0, token: TOKEN },
    workers: 2,
    reload: { watch: false },
    upstreams: {
      file: {
        targets: { file, trustEmpty: true },
        circuitBreaker: { failureThreshold: 2, openFor: '1h', failureOn: ['5xx'] },
        retry: { attempts: 0 },
      },
      secure: {
        targets: { file: secureFile, scheme: 'https' },
        tls: { ca: certFile },
        preserveHost: false,
      },
      wrong: {
        targets: { file: secureFile, scheme: 'https' },
        tls: { ca: certFile, serverName: 'other.internal' },
      },
      kubernetes: {
        targets: { kubernetes: { service: 'web', port: 'http', kubeconfig }, trustEmpty: true },
      },
      ...(knot !== null && {
        dns: {
          targets: {
            dns: { name: '_web.svc.test', type: 'SRV', server: `127.0.0.1:${knot.port}` },
            trustEmpty: true,
          },
        },
      }),
      consul: {
        targets: { consul: { service: 'web', url: url.replace('/sd', '') }, trustEmpty: true },
      },
      http: {
        targets: { http: { url, interval: '1s', token: 'a-secret' }, trustEmpty: true },
        loadBalancing: { stickyCookie: { name: 'stick' } },
      },
    },
    routes: [
      { name: 'secure', match: { path: '/secure' }, upstream: 'secure' },
      { name: 'wrong', match: { path: '/wrong' }, upstream: 'wrong' },
      { name: 'consul', match: { path: '/consul/*' }, upstream: 'consul' },
      { name: 'kubernetes', match: { path: '/kubernetes/*' }, upstream: 'kubernetes' },
      ...(knot === null ? [] : [{ name: 'dns', match: { path: '/dns/*' }, upstream: 'dns' }]),
      { name: 'file', match: { path: '/file/*' }, upstream: 'file', rewrite: strip('/file') },
      { name: 'http', match: { path: '/http/*' }, upstream: 'http', rewrite: strip('/http') },
    ],
  };
  gateway = await GatewayProcess.start(config, { GATEWAY_CHAOS: '1' });
});

const strip = (prefix: string) => ({ stripPrefix: prefix });

afterAll(async () => {
  await gateway.kill();
  secure.close();
  registry.closeAllConnections();
  registry.close();
  await cluster.stop();
  await knot?.stop();
  for (const origin of origins) await origin.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Endpoints of the service `web`. */
function putSlice(places: readonly number[]): void {
  for (const [at, { port }] of origins.entries()) {
    const name = `web-${at}`;
    const endpoints = places.includes(at) ? [{ addresses: ['127.0.0.1'] }] : [];
    cluster.put('endpointslices', {
      metadata: { name, labels: { 'kubernetes.io/service-name': 'web' } },
      ...{ addressType: 'IPv4', ports: [{ name: 'http', port }], endpoints },
    });
  }
}

/** A line of a zone. */
function serviceRecord(at: number): string {
  return `_web 1 IN SRV 1 1 ${origins[at]?.port} ns.svc.test.`;
}

/** Waits for a change, as Consul does, where the question is of the newest. */
function answerAsConsul(index: string | null, response: ServerResponse): void {
  if (Number(index) === consul.index) {
    consul.waiting.push(() => answerAsConsul(null, response));
    return;
  }
  const instances = consul.places.map((at) => ({
    Node: { Address: '127.0.0.1' },
    Service: { Address: '', Port: origins[at]?.port, Weights: { Passing: 1 } },
  }));
  response.writeHead(200, { 'X-Consul-Index': String(consul.index) });
  response.end(JSON.stringify(instances));
}

function addressOf(at: number): string {
  return `127.0.0.1:${origins[at]?.port}`;
}

/** As Prometheus has it. */
function listOf(places: readonly number[]): string {
  return JSON.stringify([{ targets: places.map(addressOf), labels: { __meta_zone: 'a' } }]);
}

/** As an editor does it. */
function write(places: readonly number[]): void {
  writeFileSync(`${file}.new`, listOf(places));
  renameSync(`${file}.new`, file);
}

async function get(path: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(gateway.url + path, { headers });
}

/** Who answers requests now. */
async function answerers(route: string): Promise<string> {
  const seen = new Set<string>();
  for (let at = 0; at < 12; at += 1) {
    const reply = await get(`/${route}/x`);
    seen.add(reply.status === 200 ? await reply.text() : String(reply.status));
  }
  return [...seen].sort().join();
}

async function becomes(route: string, who: string): Promise<void> {
  await eventually(`${route} is answered by ${who}`, async () => (await answerers(route)) === who);
}

async function stateOf(upstream: string): Promise<Stats['discovery'][number]> {
  const { discovery } = await gateway.stats<Stats>();
  const found = discovery.find((one) => one.upstream === upstream);
  if (found === undefined) throw new Error('the upstream is found');
  return found;
}

describe('targets from a file', () => {
  it('are there when the gateway listens, and follow the file without another epoch', async () => {
    expect(await answerers('file')).toBe('0');
    write([0, 1, 2]);
    await becomes('file', '0,1,2');
    write([2]);
    await becomes('file', '2');
    const stats = await gateway.stats<Stats>();
    expect(stats.config_epoch).toBe(1);
    const shown = stats.targets.filter(({ upstream }) => upstream === 'file');
    expect(shown.map(({ target }) => target)).toEqual([addressOf(2)]);
  });

  it('stay when the file cannot be read, and the reason is shown', async () => {
    writeFileSync(file, '[{ "targets": ["no port"] }]');
    await eventually('the failure is known', async () => {
      return (await stateOf('file')).failure?.includes('entry 1: must be host:port') === true;
    });
    expect(await answerers('file')).toBe('2');
    write([1, 2]);
    await becomes('file', '1,2');
    expect((await stateOf('file')).failure).toBeNull();
  });

  it('that go finish what they have in flight', async () => {
    write([3]);
    await becomes('file', '3');
    const late = get('/file/held');
    await eventually('the origin has it', () => held.length === 1);
    write([1]);
    await becomes('file', '1');
    expect((await stateOf('file')).leaving).toBeGreaterThan(0);
    held.pop()?.();
    expect(await (await late).text()).toBe('held by 3');
    await eventually('idle connections end', () => origins[3]?.sockets.size === 0);
  });

  it('that go and come back keep their breakers', async () => {
    for (let at = 0; at < 2; at += 1) await get('/file/bad');
    await becomes('file', '503');
    write([1, 2]);
    await becomes('file', '2');
    write([2]);
    await eventually('it is gone', async () => (await stateOf('file')).targets === 1);
    write([1, 2]);
    await eventually('it is back', async () => (await stateOf('file')).targets === 2);
    expect(await answerers('file')).toBe('2');
    const { targets } = await gateway.stats<Stats>();
    const states = targets.filter(({ upstream }) => upstream === 'file');
    const one = states.find(({ target }) => target === addressOf(1));
    expect(one?.circuit_breaker).toBe('OPEN');
  });

  it('that are none leave the route, which answers 503', async () => {
    write([]);
    await becomes('file', '503');
    const reply = await get('/file/x');
    expect(await reply.json()).toMatchObject({ code: 'GW_NO_HEALTHY_TARGET' });
    write([0, 3]);
    await becomes('file', '0,3');
  });

  it('outlive workers and the coordinator', async () => {
    for (const thread of ['worker/0', 'coordinator']) {
      const { status } = await gateway.post(`/chaos/${thread}/crash`, TOKEN);
      expect(status).toBeLessThan(300);
    }
    await eventually('both run again', () => {
      return ['lane is served again', 'coordinator runs again'].every(
        (message) => gateway.find(message).length > 0,
      );
    });
    await becomes('file', '0,3');
    write([0, 2]);
    await becomes('file', '0,2');
    expect((await gateway.stats<Stats>()).config_epoch).toBe(1);
  });
});

describe('targets over HTTP', () => {
  it('follow the document, with the token, in the form of Prometheus', async () => {
    await becomes('http', '0,1');
    expect(registered.authorization).toBe('Bearer a-secret');
    registered.body = listOf([1, 3]);
    await becomes('http', '1,3');
  });

  it('keep a client at its target as long as that is there', async () => {
    const first = await get('/http/x');
    const cookie = (first.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
    expect(cookie).toMatch(/^stick=/);
    const own = await first.text();
    for (let at = 0; at < 6; at += 1) {
      const reply = await get('/http/x', { cookie });
      expect(await reply.text()).toBe(own);
      expect(reply.headers.get('set-cookie')).toBeNull();
    }
    registered.body = listOf([0, 2]);
    await becomes('http', '0,2');
    const moved = await get('/http/x', { cookie });
    expect(await moved.text()).not.toBe(own);
    expect(moved.headers.get('set-cookie')).toMatch(/^stick=/);
  });

  it('stay while the server fails', async () => {
    registered = { status: 500, body: 'no' };
    await eventually('the failure is known', async () => (await stateOf('http')).failure !== null);
    expect((await stateOf('http')).failure).toBe('status 500 instead of 200');
    expect(await answerers('http')).toBe('0,2');
    registered = { status: 200, body: '{}' };
    await eventually('the failure is another', async () => {
      return (await stateOf('http')).failure === 'must be a list of targets';
    });
    expect(await answerers('http')).toBe('0,2');
  });

  it('are named in metrics, and their source in explanations', async () => {
    const metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
    expect(metrics).toMatch(/discovery_targets\{upstream="http",source="http http:[^"]*\/sd"\} 2/);
    expect(metrics).toMatch(/discovery_errors_total\{upstream="http"[^}]*\} [1-9]/);
    expect(metrics).toMatch(/discovery_last_success_age_seconds\{upstream="file"[^}]*\} [0-9]/);
    const explained = await fetch(`${gateway.adminUrl}/explain`, {
      method: 'POST',
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        ...{ method: 'GET', target: '/http/x', from: '127.0.0.1', consumer: null },
        ...{ repeat: 1, fields: [['host', 'shop.test']] },
      }),
    });
    const text = await explained.text();
    expect(text).toContain('targets from http http://');
    expect(text).toContain(addressOf(2));
    expect(text).not.toContain('a-secret');
  });
});

describe('targets from Kubernetes', () => {
  it('follow the endpoints of the service, whose API may be away', async () => {
    expect(await answerers('kubernetes')).toBe('0,1');
    putSlice([3]);
    await becomes('kubernetes', '3');
    cluster.forbidden.add('endpointslices');
    cluster.endWatches(null);
    await eventually('the failure is known', async () => {
      return (await stateOf('kubernetes')).failure === 'status 403';
    });
    expect(await answerers('kubernetes')).toBe('3');
    cluster.forbidden.clear();
    putSlice([1]);
    await becomes('kubernetes', '1');
  });
});

describeUnless(NO_KNOT, 'targets from DNS', () => {
  it('follow the records of a real name server', async () => {
    await becomes('dns', '2');
    await knot?.change(
      ['zone-unset', '_web'],
      ['zone-set', '_web', '1', 'SRV', `1 1 ${origins[0]?.port} ns.svc.test.`],
    );
    await becomes('dns', '0');
  });
});

describe('/readyz', () => {
  it('says which sources have never answered, and waits for them at the start only', async () => {
    const missing = { targets: { file: join(folder, 'not-there.json') } };
    const other = await GatewayProcess.start({
      workers: 1,
      upstreams: { file: { targets: { file } }, missing },
      routes: [{ name: 'a', match: { path: '/*' }, upstream: 'file' }],
    });
    try {
      const reply = await fetch(`${other.adminUrl}/readyz`);
      const body = (await reply.json()) as { status: string };
      expect(body).toMatchObject({ unansweredUpstreams: ['missing'] });
      // A machine that is slow has waited for long enough by now.
      expect([503, 200]).toContain(reply.status);
      expect(body.status).toBe(reply.status === 200 ? 'ready' : 'waiting for targets');
      writeFileSync(missing.targets.file, '[]');
      await eventually('it is ready', async () => {
        const now = await fetch(`${other.adminUrl}/readyz`);
        return now.status === 200 && !(await now.text()).includes('unanswered');
      });
    } finally {
      await other.kill();
    }
  });
});

describe('targets over TLS', () => {
  it('must have a certificate for the name that the source gives them', async () => {
    const reply = await get('/secure');
    expect(`${reply.status} ${await reply.text()}`).toBe('200 secure');
    expect((await get('/wrong')).status).toBe(502);
  });
});

describe('targets from Consul', () => {
  it('follow the service while a question waits there', async () => {
    await becomes('consul', '0');
    await eventually('a question waits', () => consul.waiting.length === 1);
    consul.places = [1, 2];
    consul.index += 1;
    for (const answer of consul.waiting.splice(0)) answer();
    await becomes('consul', '1,2');
    expect((await gateway.stats<Stats>()).config_epoch).toBe(1);
  });
});

describe('a reload', () => {
  it('that names a source begins with its targets, and leaves those of others as they are', async () => {
    const before = await gateway.stats<Stats>();
    const late = { name: 'late', match: { path: '/late' }, upstream: 'late' };
    gateway.rewrite({
      ...config,
      upstreams: { ...config.upstreams, late: { targets: { file } } },
      routes: [...config.routes, late],
    });
    expect((await gateway.post('/reload', TOKEN)).body.reasons ?? []).toEqual([]);
    expect((await get('/late')).status).toBe(200);
    const after = await gateway.stats<Stats>();
    expect(after.config_epoch).toBe(2);
    expect(after.targets.filter(({ upstream }) => upstream !== 'late')).toHaveLength(
      before.targets.length,
    );
    expect(await answerers('file')).toBe('0,2');
    gateway.rewrite(config);
    expect((await gateway.post('/reload', TOKEN)).status).toBe(200);
    expect((await get('/late')).status).toBe(404);
    write([1]);
    await becomes('file', '1');
  });
});
