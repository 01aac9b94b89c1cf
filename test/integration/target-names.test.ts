/**
 * Targets that are named: each address behind a name is a target of its own, and traffic follows
 * the name to other addresses, without a request that fails.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { InProcessGateway } from '../support/in-process-gateway.js';
import { Load } from '../support/load.js';
import { makeCertificate } from '../support/test-certificate.js';

const NAME = 'service.invalid';
const HOSTS = ['127.0.0.2', '127.0.0.3', '127.0.0.4'];

interface TargetRow {
  readonly target: string;
  readonly circuit_breaker: string;
  readonly times_opened: number;
}

interface NamedStats {
  readonly config_epoch: number;
  readonly configuration: {
    readonly reloads: number;
    readonly refused_reloads: number;
    readonly last_reload: { readonly trigger: string } | null;
    readonly epochs_in_use: readonly number[];
  };
  readonly targets: readonly TargetRow[];
  readonly target_names: readonly {
    readonly name: string;
    readonly addresses: readonly string[];
    readonly left_out: number;
    readonly failure: string | null;
  }[];
}

let servers: Server[] = [];
let port = 0;
let gateway: InProcessGateway;
/** What the name points to; empty: it cannot be looked up. */
let addresses: string[] = [];
let lookups = 0;
let isStreaming = true;

async function listen(host: string): Promise<Server> {
  const server = createServer((request, response) => {
    if (request.url !== '/stream')
      return void setTimeout(() => response.end(`${host} ${request.headers.host}`), 5);
    const timer = setInterval(() => {
      response.write('line\n');
      if (!isStreaming) response.end('end');
    }, 20);
    response.on('close', () => clearInterval(timer));
  });
  await new Promise<void>((resolve) => server.listen(port, host, resolve));
  port = (server.address() as AddressInfo).port;
  return server;
}

function configOf(api: object = {}): Readonly<Record<string, unknown>> {
  const targets = [{ url: `http://${NAME}:${port}` }];
  return {
    listen: { port: 0 },
    admin: { port: 0 },
    logging: { level: 'silent', accessLog: false },
    workers: 2,
    upstreams: {
      api: { targets, preserveHost: false, resolve: { interval: '1s' }, ...api },
      plain: { targets: [{ url: `http://127.0.0.4:${port}` }] },
    },
    routes: [
      { name: 'all', match: { path: '/*' }, upstream: 'api' },
      { name: 'plain', match: { path: '/plain' }, upstream: 'plain' },
    ],
  };
}

async function start(api: object = {}): Promise<void> {
  gateway = await InProcessGateway.start(configOf(api), {
    lookup: async (name) => {
      lookups++;
      expect(name).toBe(NAME);
      if (addresses.length === 0) throw new Error('no such name');
      return addresses;
    },
  });
}

function stats(): Promise<NamedStats> {
  return gateway.stats<NamedStats>();
}

/** The targets of the named upstream; the other one's is the last. */
async function targets(): Promise<readonly TargetRow[]> {
  return (await stats()).targets.slice(0, -1);
}

async function targetsAre(...hosts: string[]): Promise<void> {
  const wanted = hosts.map((host) => `${host}:${port}`).join();
  await eventually(`targets are ${wanted}`, async () => {
    return (await targets()).map(({ target }) => target).join() === wanted;
  });
}

async function lookedUpTwice(): Promise<void> {
  const before = lookups;
  await eventually('it was looked up twice', () => lookups > before + 1);
}

/** Which servers answer a number of requests, in order. */
async function answering(count: number): Promise<string[]> {
  const found = new Set<string>();
  for (let sent = 0; sent < count; sent++) {
    const reply = await fetch(gateway.url);
    expect(reply.status).toBe(200);
    const [host = '', field = ''] = (await reply.text()).split(' ');
    // The target sees the name that was written, whatever address was chosen.
    expect(field).toBe(`${NAME}:${port}`);
    found.add(host);
  }
  return [...found].sort();
}

describe('a name among the targets', () => {
  beforeEach(async () => {
    servers = [];
    port = 0;
    isStreaming = true;
    for (const host of HOSTS) servers.push(await listen(host));
  });

  afterEach(async () => {
    await gateway.stop();
    for (const server of servers) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it('is as many targets as it has addresses, and the same in any order', async () => {
    addresses = ['127.0.0.3', '127.0.0.2', '127.0.0.2'];
    await start();
    await targetsAre('127.0.0.2', '127.0.0.3');
    expect(await answering(40)).toEqual(['127.0.0.2', '127.0.0.3']);
    const { config_epoch: epoch } = await stats();
    addresses = ['127.0.0.2', '127.0.0.3'];
    await lookedUpTwice();
    expect((await stats()).config_epoch).toBe(epoch);
    const metrics = `http://127.0.0.1:${gateway.gateway.adminAddress.port}/metrics`;
    const text = await (await fetch(metrics)).text();
    expect(text).toContain(`gateway_target_name_addresses{name="${NAME}"} 2`);
    expect(text).toContain(`gateway_target_name_failing{name="${NAME}"} 0`);
  });

  it('is followed under load without a request that fails or a stream that is cut', async () => {
    addresses = ['127.0.0.2'];
    await start();
    await targetsAre('127.0.0.2');
    const stream = await fetch(`${gateway.url}/stream`);
    const load = new Load(`${gateway.url}/x`, 8);
    for (const next of [['127.0.0.2', '127.0.0.3'], ['127.0.0.3', '127.0.0.4'], ['127.0.0.4']]) {
      addresses = next;
      await targetsAre(...next);
      const enough = load.replies + 50;
      await eventually('load goes on', () => load.replies > enough);
    }
    expect(await answering(10)).toEqual(['127.0.0.4']);
    await load.stop();
    expect(load.others).toEqual([]);
    expect(load.connections).toBe(8);
    isStreaming = false;
    expect(await stream.text()).toMatch(/^(line\n)+end$/);
    await eventually('nobody keeps connections to what has gone', async () => {
      const [first, second] = await Promise.all(servers.map(connectionsAt));
      return first === 0 && second === 0;
    });
    expect((await stats()).configuration.epochs_in_use).toHaveLength(1);
  });

  it('keeps its addresses while nobody knows it, over a reload and back', async () => {
    addresses = ['127.0.0.2', '127.0.0.3'];
    await start();
    await targetsAre('127.0.0.2', '127.0.0.3');
    addresses = [];
    await lookedUpTwice();
    const [shown] = (await stats()).target_names;
    expect(shown).toMatchObject({
      name: NAME,
      addresses: ['127.0.0.2', '127.0.0.3'],
      failure: 'no such name',
    });
    expect(await answering(10)).toEqual(['127.0.0.2', '127.0.0.3']);
    const hosts = async () => (await targets()).map(({ target }) => target.split(':')[0]);
    const next = configOf({ timeouts: { connect: '2s' } }) as never;
    expect(await gateway.gateway.apply(next)).toMatchObject({ outcome: 'applied' });
    expect(await hosts()).toEqual(['127.0.0.2', '127.0.0.3']);
    expect(await gateway.gateway.rollback()).toMatchObject({ outcome: 'applied' });
    expect(await hosts()).toEqual(['127.0.0.2', '127.0.0.3']);
    // Only what somebody did is a reload.
    const { reloads, refused_reloads, last_reload } = (await stats()).configuration;
    expect([reloads, refused_reloads, last_reload?.trigger]).toEqual([2, 0, 'rollback']);
  });

  it('is served as soon as it points somewhere, and hurts nobody before', async () => {
    addresses = [];
    await start();
    for (let sent = 0; sent < 8; sent++) {
      const { status } = await fetch(gateway.url);
      expect([502, 503]).toContain(status);
    }
    expect((await fetch(`${gateway.url}/plain`)).status).toBe(200);
    addresses = ['127.0.0.3'];
    await targetsAre('127.0.0.3');
    expect(await answering(5)).toEqual(['127.0.0.3']);
  });

  it('leaves breakers of addresses that stay as they are', async () => {
    addresses = ['127.0.0.2', '127.0.0.3'];
    servers[0]?.close();
    await start({ circuitBreaker: { failureThreshold: 1, openFor: '5m', openForMax: '5m' } });
    await targetsAre('127.0.0.2', '127.0.0.3');
    await eventually('the breaker opens', async () => {
      await answering(2);
      return (await targets())[0]?.circuit_breaker === 'OPEN';
    });
    addresses = ['127.0.0.2', '127.0.0.4'];
    await targetsAre('127.0.0.2', '127.0.0.4');
    expect((await targets())[0]).toMatchObject({ circuit_breaker: 'OPEN', times_opened: 1 });
    expect(await answering(10)).toEqual(['127.0.0.4']);
  });

  it('has no more than its part when it points to ten thousand addresses', async () => {
    addresses = ['127.9.9.9'];
    await start();
    await targetsAre('127.9.9.9');
    addresses = Array.from({ length: 10_000 }, (_, at) => `127.1.${at >> 8}.${at & 255}`);
    addresses.push('127.9.9.9', 'no address', 'fe80::1%lo');
    await eventually('there are more', async () => (await targets()).length > 1);
    const all = await targets();
    expect(all).toHaveLength(64);
    expect(all.at(-1)?.target).toBe(`127.9.9.9:${port}`);
    expect((await stats()).target_names).toMatchObject([{ left_out: 9937 }]);
    expect((await fetch(`${gateway.url}/plain`)).status).toBe(200);
  });
});

function connectionsAt(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.getConnections((error, count) => (error ? reject(error) : resolve(count)));
  });
}

describe('names, as the system looks them up', () => {
  it('give addresses whose certificates are for the name; an unknown one harms nobody', async () => {
    // Not for 127.0.0.1: the name must be what is asked for, and what is believed.
    const certificate = makeCertificate('DNS:localhost');
    const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'));
    const caFile = join(folder, 'ca.pem');
    writeFileSync(caFile, certificate.cert);
    const paths: (string | undefined)[] = [];
    const reply: RequestListener = (request, response) => {
      paths.push(request.url);
      response.end(request.headers.host);
    };
    const secure = createSecureServer(certificate, reply);
    await new Promise<void>((resolve) => secure.listen(0, '127.0.0.1', resolve));
    const { port: securePort } = secure.address() as AddressInfo;
    const resolve = { interval: '1s' };
    const upstreams = {
      secure: {
        targets: [{ url: `https://localhost:${securePort}` }],
        resolve,
        healthCheck: { type: 'http', path: '/health', interval: '1s' },
      },
      unknown: { targets: [{ url: 'http://nowhere.invalid:80' }], resolve },
    };
    const routes = [
      { name: 'secure', match: { path: '/secure' }, upstream: 'secure' },
      { name: 'unknown', match: { path: '/unknown' }, upstream: 'unknown' },
    ];
    const other = await GatewayProcess.start(
      { admin: { port: 0 }, workers: 1, upstreams, routes },
      { NODE_EXTRA_CA_CERTS: caFile },
    );
    const named = async () => await other.stats<NamedStats>();
    try {
      await eventually('both have been looked up', async () => {
        const { target_names: names, targets } = await named();
        const isInForce = targets.some(({ target }) => target === `127.0.0.1:${securePort}`);
        return isInForce && names[1]?.failure !== null;
      });
      const hosts = (await named()).targets.map(({ target }) => target);
      expect(hosts).toContain('nowhere.invalid:80');
      const found = await fetch(`${other.url}/secure`);
      expect([found.status, await found.text()]).toEqual([200, `localhost:${securePort}`]);
      await eventually('it is probed', () => paths.includes('/health'));
      const lost = await fetch(`${other.url}/unknown`);
      expect(lost.status).toBe(502);
      expect(await lost.text()).toContain('GW_UPSTREAM_DNS_FAILED');
      other.child.kill('SIGHUP');
      await eventually('it was reloaded', () => other.find('configuration applied').length > 0);
      expect((await named()).targets.map(({ target }) => target)).toEqual(hosts);
      expect(other.find('target name cannot be looked up')).toHaveLength(1);
      await other.stop();
      expect(other.exitCode).toBe(0);
      expect(other.find('internal error')).toEqual([]);
    } finally {
      await other.kill();
      secure.close();
      secure.closeAllConnections();
      rmSync(folder, { recursive: true });
    }
  });
});
