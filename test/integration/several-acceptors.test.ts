/**
 * Two acceptors that share a port, in a gateway as its users run it. Forbidden: a failure of one
 * that reaches the connections of the other, a cap that holds for each and not for the process, a
 * second gateway that shares the port unasked.
 */
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectSecurely, type TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { aConfig } from '../support/configs.js';
import { eventually } from '../support/eventually.js';
import { answerAfter, FakeUpstream, type Script } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { Load } from '../support/load.js';
import { PairFiles } from '../support/pair-files.js';
import { TestAuthority } from '../support/test-authority.js';
import { askSecurely } from '../support/tls-client.js';

const quick: Script = (incoming, response) => {
  incoming.resume();
  response.end('ok');
};

interface Figures {
  readonly in_flight: number;
  readonly connections: { readonly open: number; readonly refused_in_all: number };
  readonly acceptors: readonly {
    readonly serving: boolean;
    readonly deaths: number;
    readonly lost_connections: number;
    readonly connections: { readonly open: number };
  }[];
  readonly workers: readonly {
    readonly served: boolean;
    readonly deaths: number;
    readonly requests: number;
  }[];
}

let upstream: FakeUpstream;
let gateway: GatewayProcess;

afterEach(async () => {
  await gateway.kill();
  await upstream.close();
});

function configOf(top: Record<string, unknown> = {}): Record<string, unknown> {
  const listen = { port: 0, engine: 'wire' };
  const fixed = { workers: 2, acceptors: 2, listen, logging: { accessLog: false } };
  return aConfig([upstream.url], { top: { ...fixed, ...top } });
}

async function start(top: Record<string, unknown> = {}): Promise<void> {
  upstream = await FakeUpstream.start(quick);
  const chaos = { GATEWAY_CHAOS: '1' };
  gateway = await GatewayProcess.start(configOf(top), chaos);
}

const stats = (): Promise<Figures> => gateway.stats<Figures>();

async function inject(path: string): Promise<number> {
  const reply = await fetch(`${gateway.adminUrl}/chaos/${path}`, { method: 'POST' });
  await reply.arrayBuffer();
  return reply.status;
}

/** After its first death. */
async function isBack(acceptor: number): Promise<void> {
  await eventually(`acceptor ${acceptor} is back`, async () => {
    const figures = (await stats()).acceptors[acceptor];
    return figures?.deaths === 1 && figures.serving;
  });
}

/** A client with one connection, which it keeps. */
class KeptConnection {
  isClosed = false;
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 1 });
  private readonly sockets = new Set<Socket>();

  async get(): Promise<number> {
    return new Promise((resolve, reject) => {
      const sent = request(gateway.url, { agent: this.agent }, (reply) => {
        reply.resume();
        reply.on('end', () => resolve(reply.statusCode ?? 0));
      });
      sent.on('socket', (socket) => {
        if (this.sockets.has(socket)) return;
        this.sockets.add(socket);
        socket.on('close', () => {
          this.isClosed = true;
        });
      });
      sent.on('error', reject);
      sent.end();
    });
  }

  get connections(): number {
    return this.sockets.size;
  }

  close(): void {
    this.agent.destroy();
  }
}

async function openSecurely(options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connectSecurely({ port: gateway.port, host: '127.0.0.1', ...options });
  socket.on('error', () => {});
  await once(socket, 'secureConnect');
  // Reading, or its end would never be seen.
  socket.on('data', () => {});
  return socket;
}

async function keptConnections(count: number): Promise<KeptConnection[]> {
  const kept = Array.from({ length: count }, () => new KeptConnection());
  const statuses = await Promise.all(kept.map((one) => one.get()));
  expect(new Set(statuses)).toEqual(new Set([200]));
  return kept;
}

describe('two acceptors', () => {
  it.each(['crash', 'hang', 'exit'])(
    'lose by %s of one the connections of that one',
    async (fault) => {
      await start();
      const kept = await keptConnections(32);
      const before = (await stats()).acceptors.map(({ connections }) => connections.open);
      expect(before.map((open) => open > 0)).toEqual([true, true]);
      expect(await inject(`acceptor/1/${fault}`)).toBe(202);
      await isBack(1);
      await eventually('its connections are closed', () => {
        return kept.filter(({ isClosed }) => isClosed).length === before[1];
      });
      const { acceptors, workers } = await stats();
      expect(acceptors[1]?.lost_connections).toBe(before[1]);
      expect(acceptors[0]).toMatchObject({ deaths: 0, connections: { open: before[0] } });
      expect(workers.map(({ deaths }) => deaths)).toEqual([0, 0]);
      const rest = kept.filter(({ isClosed }) => !isClosed);
      const statuses = await Promise.all(rest.map((one) => one.get()));
      expect(new Set(statuses)).toEqual(new Set([200]));
      expect(rest.every(({ connections }) => connections === 1)).toBe(true);
      await eventually('the log names it', () => gateway.find('acceptor died').length === 1);
      expect(gateway.find('acceptor died')[0]).toMatchObject({ acceptor: 1 });
      for (const one of kept) one.close();
    },
  );

  it('with TLS lose the connections of one, and resume sessions of each other', async () => {
    const authority = new TestAuthority();
    const files = new PairFiles('link', authority.sign({ names: 'DNS:a.test' }));
    const { cert, key } = files;
    await start({ listen: { port: 0, engine: 'wire', tls: { certificates: [{ cert, key }] } } });
    const client = { ca: authority.cert, servername: 'a.test' };
    const kept = await Promise.all(Array.from({ length: 24 }, () => openSecurely(client)));
    const before = (await stats()).acceptors.map(({ connections }) => connections.open);
    expect(before.map((open) => open > 0)).toEqual([true, true]);
    const { session } = await askSecurely(gateway.port, client);
    expect(await inject('acceptor/1/crash')).toBe(202);
    await isBack(1);
    await eventually('its connections are closed', () => {
      return kept.filter(({ destroyed }) => destroyed).length === before[1];
    });
    for (const socket of kept.filter(({ destroyed }) => !destroyed)) {
      socket.write('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
      expect(String(await once(socket, 'data'))).toMatch(/^HTTP\/1.1 200/);
      socket.destroy();
    }
    // By chance each goes to one of both: all of sixteen to the same one is one in 32,768.
    for (let times = 0; times < 16; times++) {
      const resumed = await askSecurely(gateway.port, { ...client, session: session as Buffer });
      expect(resumed).toMatchObject({ status: 200, isResumed: true });
    }
    authority.remove();
    files.remove();
  });

  it('spread load over both groups of workers, and go on while one is away', async () => {
    await start();
    upstream.script = answerAfter(20);
    const load = new Load(gateway.url, 32);
    await eventually('replies', () => load.count(200) > 300);
    expect(await inject('acceptor/0/hang')).toBe(202);
    const before = load.count(200);
    await eventually('more replies', () => load.count(200) > before + 300);
    await isBack(0);
    await load.stop();
    expect(load.others.filter(({ status }) => status !== 0)).toEqual([]);
    const { workers } = await stats();
    expect(workers.every(({ requests }) => requests > 0)).toBe(true);
    await eventually('nothing is in flight', async () => (await stats()).in_flight === 0);
  });

  it('have one cap of connections and one of requests in flight', async () => {
    const cap = 20;
    await start({ limits: { connections: cap, inFlight: 4 } });
    const sockets = Array.from({ length: 30 }, () => connect(gateway.port, '127.0.0.1'));
    const closed = new Set<Socket>();
    for (const socket of sockets) {
      socket.on('error', () => {});
      socket.on('close', () => closed.add(socket));
      socket.resume();
    }
    await eventually('those above the cap are closed', async () => {
      const { connections } = await stats();
      return connections.open + closed.size === 30 && closed.size >= 10;
    });
    expect((await stats()).connections.open).toBeLessThanOrEqual(cap);
    for (const socket of sockets) socket.destroy();
    await eventually('all are gone', async () => (await stats()).connections.open === 0);
    upstream.script = () => {};
    const held: Promise<unknown>[] = [];
    for (let count = 1; count <= 4; count++) {
      held.push(fetch(gateway.url).catch(() => 'lost'));
      await eventually('it is at the target', () => upstream.headCount === count);
    }
    const refused = await Promise.all([1, 2, 3, 4, 5, 6].map(() => fetch(gateway.url)));
    expect(refused.map(({ status }) => status)).toEqual(refused.map(() => 503));
    await gateway.kill();
    await Promise.all(held);
  });

  it('take another listener by a reload, and have it again after a death', async () => {
    await start({ listen: { port: 0, engine: 'wire', name: 'first' } });
    const first = { port: 0, engine: 'wire', name: 'first' };
    gateway.rewrite({
      ...configOf(),
      ...{ listen: [first, { port: 0, engine: 'wire', name: 'second' }], admin: { port: 0 } },
    });
    await eventually('it is applied', () => gateway.find('configuration applied').length === 1);
    for (const acceptor of [0, 1]) {
      expect(await inject(`acceptor/${acceptor}/crash`)).toBe(202);
      await isBack(acceptor);
      const kept = await keptConnections(16);
      await eventually('both have connections', async () => {
        const { acceptors } = await stats();
        return acceptors.every(({ connections }) => connections.open > 0);
      });
      for (const one of kept) one.close();
    }
  });

  it('do not share a port with another gateway', async () => {
    await start();
    const listen = { port: gateway.port, engine: 'wire' };
    const other = GatewayProcess.spawn(configOf({ listen }), {});
    await other.exited;
    expect(other.exitCode).toBe(1);
    expect(other.stderr).toBe(
      `sluice: cannot listen on 127.0.0.1:${gateway.port}: the address is in use\n`,
    );
  });
});
