/**
 * Clients that behave as badly as sockets allow. Forbidden: a request that stays in flight for
 * ever, a breaker that opens because of clients, a gateway that serves the next client less.
 */
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { aConfig } from '../support/configs.js';
import { byEngine } from '../support/engine-under-test.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { rawExchange } from '../support/raw-exchange.js';

/** As long as it is watched whether a connection stays open. */
const SHORTLY = { waitMsMax: 500 };

let upstream: FakeUpstream;
let gateway: GatewayProcess;

beforeAll(async () => {
  upstream = await FakeUpstream.start((request, response) => {
    request.on('error', () => {});
    request.resume();
    if (request.url === '/quick') response.end('ok');
    else if (request.url === '/beginning') response.write('a');
    // Any other: no answer at all.
  });
  // uWebSockets.js ends such a request at once.
  const listen = { port: 0, ...byEngine({ wire: { halfCloseTimeout: '1s' }, uws: {} }) };
  const top = { workers: 2, listen, logging: { accessLog: false } };
  gateway = await GatewayProcess.start(aConfig([upstream.url], { top }));
});

afterAll(async () => {
  await gateway.stop();
  expect(gateway.exitCode).toBe(0);
  expect(gateway.find('internal error')).toEqual([]);
  await upstream.close();
});

beforeEach(() => {
  upstream.headCount = 0;
});

/** Nothing in flight, nothing held against the target, and the next client is served. */
async function isWell(): Promise<void> {
  await eventually('nothing is in flight', async () => (await gateway.stats())['in_flight'] === 0);
  const stats = await gateway.stats();
  expect(Object.values(stats['circuit_breakers'] as object)).toEqual(['CLOSED']);
  expect((await fetch(`${gateway.url}/quick`)).status).toBe(200);
}

function get(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
}

/** Sends something and leaves a moment later, politely or not. */
function sendAndLeave(text: string, turn: number): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ port: gateway.port, host: '127.0.0.1' });
    socket.on('error', () => {});
    socket.on('close', () => resolve());
    socket.on('connect', () => {
      socket.write(text);
      setTimeout(() => (turn % 2 === 0 ? socket.destroy() : socket.resetAndDestroy()), turn % 15);
    });
  });
}

async function storm(textOf: (turn: number) => string): Promise<void> {
  for (let wave = 0; wave < 5; wave++) {
    await Promise.all(Array.from({ length: 100 }, (_, at) => sendAndLeave(textOf(at), at)));
  }
}

describe('one connection', () => {
  it('that is closed by half ends its request', async () => {
    const socket = connect({ port: gateway.port, host: '127.0.0.1', allowHalfOpen: true });
    const closed = new Promise((resolve) => socket.on('close', resolve));
    socket.on('error', () => {});
    socket.resume();
    socket.end(get('/hang'));
    await closed;
    await isWell();
  });

  it('with a second request before the first reply keeps that, or is closed', async () => {
    const reply = await rawExchange(gateway.port, [get('/hang') + get('/hang')], SHORTLY);
    expect(reply).toMatchObject({ text: '', isClosed: byEngine({ wire: false, uws: true }) });
    await isWell();
    expect(upstream.headCount).toBeLessThanOrEqual(2);
  });

  it('with rubbish behind a request waits for the reply before it, or is closed', async () => {
    const reply = await rawExchange(
      gateway.port,
      [`${get('/hang')}\x00\x01 rubbish\r\n\r\n`],
      SHORTLY,
    );
    // The reply before it comes first.
    expect(reply.isClosed).toBe(byEngine({ wire: false, uws: true }));
    await isWell();
  });
});

describe('a storm of clients that leave', () => {
  it.each(['/quick', '/hang', '/beginning'])('after GET %s leaves nothing behind', async (path) => {
    await storm(() => get(path));
    await isWell();
  });

  it('in the middle of their uploads leaves nothing behind', async () => {
    await storm((turn) => {
      const isChunked = turn % 3 === 0;
      const framing = isChunked ? 'Transfer-Encoding: chunked' : 'Content-Length: 100000';
      const body = isChunked ? `ff\r\n${'x'.repeat(turn)}` : 'x'.repeat(turn * 900);
      return `POST /quick HTTP/1.1\r\nHost: a\r\n${framing}\r\n\r\n${body}`;
    });
    await isWell();
  });
});

describe('thousands of connections', () => {
  it('are all served, on the same sockets once more', async () => {
    const sockets: Socket[] = [];
    let answers = 0;
    for (let count = 0; count < 3000; count++) {
      const socket = connect({ port: gateway.port, host: '127.0.0.1' });
      socket.setEncoding('latin1');
      socket.on('error', () => {});
      socket.on('data', (text: string) => {
        if (text.startsWith('HTTP/1.1 200')) answers++;
      });
      sockets.push(socket);
    }
    for (const round of [1, 2]) {
      for (const socket of sockets) socket.write(get('/quick'));
      await eventually(`round ${round} is answered`, () => answers === round * sockets.length);
    }
    for (const socket of sockets) socket.destroy();
    await isWell();
  });
});
