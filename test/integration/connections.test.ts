/**
 * Caps on connections, with real sockets: what is over the cap is closed at once, and what closes
 * makes room again.
 */
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { aConfig } from '../support/configs.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';

let upstream: FakeUpstream;
let gateway: GatewayProcess;
const sockets: Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await gateway.stop();
  expect(gateway.exitCode).toBe(0);
  expect(gateway.find('internal error')).toEqual([]);
  await upstream.close();
});

async function start(limits: Record<string, unknown>, more: Record<string, unknown> = {}) {
  upstream = await FakeUpstream.start((_request, response) => {
    response.end('ok');
  });
  const top = { workers: 1, limits, logging: { accessLog: false }, ...more };
  gateway = await GatewayProcess.start(aConfig([upstream.url], { top }));
}

/** `isClosed` once the gateway has closed it. */
function open(localAddress: string): { readonly socket: Socket; isClosed: boolean } {
  const socket = connect({ port: gateway.port, host: '127.0.0.1', localAddress });
  const one = { socket, isClosed: false };
  socket.on('error', () => {});
  socket.on('close', () => {
    one.isClosed = true;
  });
  sockets.push(socket);
  return one;
}

interface Figures {
  readonly open: number;
  readonly refused_in_all: number;
  readonly refused_of_address: number;
}

async function figures(): Promise<Figures> {
  return (await gateway.stats())['connections'] as Figures;
}

/** Each on a connection of its own. */
async function serves(localAddress: string): Promise<boolean> {
  const { socket } = open(localAddress);
  return new Promise((resolve) => {
    socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    socket.on('data', (text) => resolve(text.toString('latin1').startsWith('HTTP/1.1 200')));
    socket.on('close', () => resolve(false));
  });
}

describe('connections in all', () => {
  it('over limits.connections are closed, and a place that is free is taken again', async () => {
    await start({ connections: 20 });
    const opened = Array.from({ length: 30 }, (_, at) => open(`127.0.0.${2 + at}`));
    await eventually('ten were refused', async () => (await figures()).refused_in_all === 10);
    await eventually('and closed', () => opened.filter((one) => one.isClosed).length === 10);
    expect((await figures()).open).toBe(20);
    expect(await serves('127.0.0.2')).toBe(false);
    opened.find((one) => !one.isClosed)?.socket.destroy();
    await eventually('one is free', async () => (await figures()).open === 19);
    expect(await serves('127.0.0.2')).toBe(true);
  });
});

describe('connections of one address', () => {
  it('over the cap are closed, others are served, and the log says it once', async () => {
    await start({ connectionsPerAddress: 10 });
    const opened = Array.from({ length: 15 }, () => open('127.0.0.2'));
    await eventually('five are closed', () => opened.filter((one) => one.isClosed).length === 5);
    expect((await figures()).refused_of_address).toBe(5);
    expect(await serves('127.0.0.3')).toBe(true);
    for (const one of opened.splice(0)) one.socket.destroy();
    await eventually('the address is served again', () => serves('127.0.0.2'));
    const told = () =>
      gateway.records().filter(({ msg }) => msg.includes('reached its limit of connections'));
    await eventually('the log says it', () => told().length > 0);
    expect(told()).toMatchObject([{ address: '127.0.0.2', connectionsPerAddress: 10 }]);
  });

  it('that come and go are all served, far more of them than the cap', async () => {
    await start({ connectionsPerAddress: 10 });
    for (let count = 0; count < 60; count++) {
      await eventually('it is served', () => serves('127.0.0.2'));
    }
  });

  it('are not capped for a proxy that is trusted, nor by default on this machine', async () => {
    await start({ connectionsPerAddress: 5 }, { trustedProxies: ['127.0.0.2'] });
    const opened = Array.from({ length: 20 }, () => open('127.0.0.2'));
    await eventually('all stand', async () => (await figures()).open === 20);
    expect(opened.some((one) => one.isClosed)).toBe(false);
  });
});
