/**
 * What a client may have holds for the process, not for each acceptor: two of them, and sockets that
 * say where each connection went. Forbidden: a client that is refused below its cap because all of
 * its connections stand at one acceptor, a cap that is exceeded, a place that a dead acceptor keeps.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { aConfig } from '../support/configs.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream, type Script } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { acceptorsOf, replaceAcceptor } from '../support/several-acceptors.js';

const PER_ADDRESS = 12;
const IN_FLIGHT = 16;
const OF_LISTENER = 8;
const REQUEST = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

const quick: Script = (incoming, response) => {
  incoming.resume();
  response.end('ok');
};

let upstream: FakeUpstream;
let gateway: GatewayProcess;
const sockets = new Set<Socket>();

function configOf(smallMax: number): Record<string, unknown> {
  const small = { name: 'small', port: 0, engine: 'wire', maxConnections: smallMax };
  return aConfig([upstream.url], {
    top: {
      ...{ workers: 2, acceptors: 2, logging: { accessLog: false } },
      listen: [{ name: 'main', port: 0, engine: 'wire' }, small],
      limits: { connectionsPerAddress: PER_ADDRESS, inFlight: IN_FLIGHT },
      admin: { port: 0 },
    },
  });
}

/** Opens a connection and asks for something. null: the gateway has closed it. */
async function open(localAddress: string, port = gateway.port): Promise<Socket | null> {
  const socket = connect({ port, host: '127.0.0.1', localAddress });
  sockets.add(socket);
  socket.on('error', () => {});
  socket.on('close', () => sockets.delete(socket));
  socket.write(REQUEST);
  const answered = await new Promise<boolean>((resolve) => {
    socket.once('data', () => resolve(true));
    socket.once('close', () => resolve(false));
  });
  socket.resume();
  return answered ? socket : null;
}

async function openAll(count: number, localAddress: string, port?: number): Promise<Socket[]> {
  const opened: Socket[] = [];
  for (let at = 0; at < count; at++) {
    const socket = await open(localAddress, port);
    expect(socket, `connection ${at + 1} of ${count}`).not.toBe(null);
    if (socket !== null) opened.push(socket);
  }
  return opened;
}

/** Of the next reply, which may come in pieces. */
async function nextStatus(socket: Socket): Promise<string> {
  for (;;) {
    const [data] = await once(socket, 'data');
    const text = String(data);
    if (text.startsWith('HTTP/1.1 ')) return text.slice(9, 12);
  }
}

/** A place that was given back may be seen by the other acceptor a moment later. */
async function opensAgain(localAddress: string, port?: number): Promise<void> {
  await eventually('there is room again', async () => {
    return (await open(localAddress, port)) !== null;
  });
}

function smallPort(): number {
  const [started] = gateway.find('gateway started');
  const listeners = started?.['listeners'] as readonly { name: string; address: string }[];
  const address = listeners.find(({ name }) => name === 'small')?.address ?? '';
  return Number(address.slice(address.lastIndexOf(':') + 1));
}

async function areGone(): Promise<void> {
  for (const socket of sockets) socket.destroy();
  await eventually('no connection is open', async () => {
    return (await acceptorsOf(gateway)).every(({ connections }) => connections.open === 0);
  });
}

describe('what clients may have, of two acceptors', () => {
  beforeAll(async () => {
    upstream = await FakeUpstream.start(quick);
    const chaos = { GATEWAY_CHAOS: '1' };
    gateway = await GatewayProcess.start(configOf(OF_LISTENER), chaos);
  });

  afterEach(async () => {
    upstream.script = quick;
    await areGone();
  });

  afterAll(async () => {
    await gateway.stop();
    expect([gateway.exitCode, gateway.find('internal error')]).toEqual([0, []]);
    await upstream.close();
  });

  it('is as many connections as its address may have, wherever they stand', async () => {
    const opened = await openAll(PER_ADDRESS, '127.0.0.2');
    for (let more = 0; more < 8; more++) expect(await open('127.0.0.2')).toBe(null);
    await openAll(PER_ADDRESS, '127.0.0.3');
    opened[0]?.destroy();
    await opensAgain('127.0.0.2');
    const { connections } = await gateway.stats<{
      readonly connections: { readonly refused_of_address: number };
    }>();
    expect(connections.refused_of_address).toBeGreaterThanOrEqual(8);
    const told = gateway.find(
      'a client address reached its limit of connections; a proxy belongs in trustedProxies',
    );
    expect(told.length).toBeGreaterThanOrEqual(1);
    expect(told.every((one) => one['address'] === '127.0.0.2')).toBe(true);
  });

  it('is as many connections as the listener takes, by a lower bound of a reload too', async () => {
    const port = smallPort();
    const opened = await openAll(OF_LISTENER, '127.0.0.4', port);
    for (let more = 0; more < 4; more++) expect(await open('127.0.0.5', port)).toBe(null);
    gateway.rewrite(configOf(OF_LISTENER / 2));
    await eventually('applied', () => gateway.find('configuration applied').length === 1);
    for (const socket of opened.slice(0, OF_LISTENER / 2)) {
      expect(await open('127.0.0.5', port)).toBe(null);
      // Those that are above the new bound stay.
      socket.write(REQUEST);
      await once(socket, 'data');
      socket.destroy();
      await eventually('it is closed', async () => {
        const rows = await acceptorsOf(gateway);
        const count = rows.reduce((sum, { connections }) => sum + connections.open, 0);
        return count === sockets.size;
      });
    }
    expect(await open('127.0.0.5', port)).toBe(null);
    opened.at(-1)?.destroy();
    await opensAgain('127.0.0.5', port);
    gateway.rewrite(configOf(OF_LISTENER));
    await eventually('applied again', () => gateway.find('configuration applied').length === 2);
  });

  it('is free again where the acceptor that had it has died', async () => {
    await openAll(PER_ADDRESS, '127.0.0.6');
    for (const [acceptor, fault] of [
      [1, 'crash'],
      [0, 'hang'],
    ] as const) {
      const { connections } = (await acceptorsOf(gateway))[acceptor] ?? {
        connections: { open: 0 },
      };
      await replaceAcceptor(gateway, acceptor, fault);
      await eventually('its connections are closed', () => {
        return sockets.size === PER_ADDRESS - connections.open;
      });
      await openAll(connections.open, '127.0.0.6');
      expect(await open('127.0.0.6')).toBe(null);
    }
  });

  it('is as many requests in flight as there may be, and never more', async () => {
    let [now, most] = [0, 0];
    upstream.script = (incoming, response) => {
      incoming.resume();
      now += 1;
      most = Math.max(most, now);
      setImmediate(() => {
        now -= 1;
        response.end('ok');
      });
    };
    const addresses = ['127.0.0.7', '127.0.0.8', '127.0.0.9', '127.0.0.10'];
    const all: Socket[] = [];
    for (const address of addresses) all.push(...(await openAll(PER_ADDRESS, address)));
    const statuses = new Map<string, number>();
    for (let round = 0; round < 20; round++) {
      const replies = all.map(nextStatus);
      for (const socket of all) socket.write(REQUEST);
      for (const status of await Promise.all(replies)) {
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    }
    expect([...statuses.keys()].filter((one) => one !== '200' && one !== '503')).toEqual([]);
    expect(statuses.get('200')).toBeGreaterThanOrEqual(20);
    expect(most).toBeLessThanOrEqual(IN_FLIGHT);
    expect(most).toBeGreaterThan(IN_FLIGHT / 2);
  });
});
