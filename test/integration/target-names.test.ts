/**
 * Targets that are named: each address behind a name is a target of its own, and traffic follows
 * the name to other addresses, without a request that fails.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { InProcessGateway } from '../support/in-process-gateway.js';

const NAME = 'service.test';
const HOSTS = ['127.0.0.2', '127.0.0.3', '127.0.0.4'];

let servers: Server[] = [];
let port = 0;
let gateway: InProcessGateway;
/** What the name points to; empty: it cannot be looked up. */
let addresses: string[] = [];
let lookups = 0;

async function listen(host: string): Promise<Server> {
  const server = createServer((request, response) => {
    response.end(`${host} ${request.headers.host}`);
  });
  await new Promise<void>((resolve) => server.listen(port, host, resolve));
  port = (server.address() as AddressInfo).port;
  return server;
}

beforeEach(async () => {
  servers = [];
  port = 0;
  for (const host of HOSTS) servers.push(await listen(host));
});

afterEach(async () => {
  await gateway.stop();
  for (const server of servers) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function start(): Promise<void> {
  const config = {
    workers: 2,
    upstreams: {
      api: { targets: [{ url: `http://${NAME}:${port}` }], resolve: { interval: '1s' } },
    },
    routes: [{ name: 'all', match: { path: '/*' }, upstream: 'api' }],
  };
  gateway = await InProcessGateway.start(config, {
    lookup: async (name) => {
      lookups++;
      expect(name).toBe(NAME);
      if (addresses.length === 0) throw new Error('no such name');
      return addresses;
    },
  });
}

async function targets(): Promise<string[]> {
  const stats = (await gateway.stats()) as unknown as { targets: { target: string }[] };
  return stats.targets.map(({ target }) => target).sort();
}

/** Which servers answer a number of requests, and how often. */
async function answers(count: number): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (let sent = 0; sent < count; sent++) {
    const reply = await fetch(gateway.url);
    expect(reply.status).toBe(200);
    const [host = '', field = ''] = (await reply.text()).split(' ');
    // The target sees the name that was written, whatever address was chosen.
    expect(field).toBe(`${NAME}:${port}`);
    found.set(host, (found.get(host) ?? 0) + 1);
  }
  return found;
}

const at = (...hosts: string[]): string[] => hosts.map((host) => `${host}:${port}`);

describe('a name among the targets', () => {
  it('is as many targets as it has addresses, each with its turn', async () => {
    addresses = ['127.0.0.3', '127.0.0.2', '127.0.0.2'];
    await start();
    await eventually('both are targets', async () => {
      return (await targets()).join() === at('127.0.0.2', '127.0.0.3').join();
    });
    const found = await answers(40);
    expect([...found.keys()].sort()).toEqual(['127.0.0.2', '127.0.0.3']);
  });

  it('is followed when it points elsewhere, and kept when nobody knows it any more', async () => {
    addresses = ['127.0.0.2'];
    await start();
    await eventually(
      'it is a target',
      async () => (await targets()).join() === at('127.0.0.2').join(),
    );
    expect([...(await answers(10)).keys()]).toEqual(['127.0.0.2']);
    addresses = ['127.0.0.3', '127.0.0.4'];
    await eventually('it is followed', async () => {
      return (await targets()).join() === at('127.0.0.3', '127.0.0.4').join();
    });
    expect([...(await answers(40)).keys()].sort()).toEqual(['127.0.0.3', '127.0.0.4']);
    addresses = [];
    const before = lookups;
    await eventually('it was looked up in vain', () => lookups > before + 1);
    expect(await targets()).toEqual(at('127.0.0.3', '127.0.0.4'));
    expect((await answers(10)).size).toBe(2);
  });
});
