/** WebSockets through a gateway: real clients, real targets, and raw ends on either side. */

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { eventually } from '../support/eventually.js';
import { InProcessGateway } from '../support/in-process-gateway.js';
import { closeOf, frameOf, MASK } from '../support/websocket-frames.js';
import {
  acceptFor,
  type HandshakeWish,
  handshake,
  KEY,
  opening,
  type RawEnd,
  RawTarget,
  rawClient,
} from '../support/websocket-peers.js';

let gateway: InProcessGateway;
let echo: WebSocketServer;
let target: RawTarget;
let sockets: WebSocket[] = [];
let ends: RawEnd[] = [];

beforeAll(async () => {
  echo = new WebSocketServer({
    port: 0,
    perMessageDeflate: true,
    handleProtocols: (offered) => (offered.has('chat') ? 'chat' : false),
  });
  echo.on('connection', (socket) => {
    socket.on('message', (data: Buffer, isBinary: boolean) =>
      socket.send(data, { binary: isBinary }),
    );
  });
  target = await RawTarget.start();
  gateway = await InProcessGateway.start({
    listen: { port: 0, engine: 'wire' },
    upstreams: {
      echo: { targets: [{ url: `http://127.0.0.1:${echo.address().port}` }] },
      raw: { targets: [{ url: target.url }], circuitBreaker: { failureThreshold: 1000 } },
    },
    routes: [
      { name: 'echo', match: { path: '/echo' }, upstream: 'echo' },
      { name: 'raw', match: { path: '/raw/*' }, upstream: 'raw' },
      {
        name: 'one',
        match: { path: '/one' },
        upstream: 'raw',
        rateLimit: { maxInFlight: 1, key: 'route' },
      },
      { name: 'fixed', match: { path: '/fixed' }, respond: { body: 'ok' } },
    ],
  });
});

afterEach(() => {
  for (const socket of sockets) socket.terminate();
  for (const { socket } of [...ends, ...target.ends]) socket.destroy();
  sockets = [];
  ends = [];
  target.answer = (end, head) => end.socket.write(opening(head));
});

afterAll(async () => {
  await gateway.stop();
  for (const socket of echo.clients) socket.terminate();
  echo.close();
  target.close();
});

async function client(path: string, protocols: readonly string[] = []): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}${path}`, protocols);
  sockets.push(socket);
  await new Promise<void>((resolve, reject) => {
    socket.on('open', resolve);
    socket.on('error', reject);
  });
  return socket;
}

function raw(wish: HandshakeWish, more = ''): RawEnd {
  const end = rawClient(gateway.port, handshake(wish) + more);
  ends.push(end);
  return end;
}

/** A raw client and a raw target with an open tunnel between them. */
async function tunnel(): Promise<{ near: RawEnd; far: RawEnd }> {
  const before = target.ends.length;
  const near = raw({ path: '/raw/x' });
  await near.until('the tunnel is open', ({ status }) => status === 101);
  expect(target.ends.length).toBe(before + 1);
  return { near, far: target.last };
}

function message(socket: WebSocket): Promise<Buffer> {
  return new Promise((resolve) => socket.once('message', (data: Buffer) => resolve(data)));
}

describe('a WebSocket', () => {
  it('carries texts and long messages, compressed by its ends', async () => {
    const socket = await client('/echo', ['other', 'chat']);
    expect(socket.protocol).toBe('chat');
    expect(socket.extensions).toContain('permessage-deflate');
    socket.send('hello');
    expect(String(await message(socket))).toBe('hello');
    const long = Buffer.alloc(3_000_000);
    for (let at = 0; at < long.length; at += 4) long.writeUInt32LE((at * 2654435761) >>> 0, at);
    socket.send(long);
    expect((await message(socket)).equals(long)).toBe(true);
  });

  it('closes with the code and the reason of its ends', async () => {
    const socket = await client('/echo');
    const closed = new Promise((resolve) =>
      socket.on('close', (code: number, reason: Buffer) => resolve([code, String(reason)])),
    );
    socket.close(4001, 'bye');
    expect(await closed).toEqual([4001, 'bye']);
    await gateway.nothingInFlight();
  });

  it('opens with the fields that HTTP/1.1 needs, and those of its target', async () => {
    target.answer = (end, head) => end.socket.write(opening(head, 'Set-Cookie: a=1\r\n'));
    const { near, far } = await tunnel();
    expect(near.text).toMatch(/^HTTP\/1\.1 101 Switching Protocols\r\n/);
    expect(near.text).toContain(`Sec-WebSocket-Accept: ${acceptFor(KEY)}\r\n`);
    expect(near.text).toMatch(/\r\nConnection: Upgrade\r\n/);
    expect(near.text).toMatch(/\r\nUpgrade: websocket\r\n/);
    expect(near.text).toContain('\r\nSet-Cookie: a=1\r\n');
    expect(near.text).not.toMatch(/content-length|transfer-encoding/i);
    expect(far.text).toContain(`sec-websocket-key: ${KEY}\r\n`);
    expect(far.text.match(/sec-websocket-key/gi)).toHaveLength(1);
    expect(far.text).toContain('\r\nx-forwarded-for: 127.0.0.1\r\n');
  });

  it('gets nothing of its client to the target before it is open', async () => {
    let open: (() => void) | null = null;
    target.answer = (end, head) => {
      open = () => end.socket.write(opening(head));
    };
    const early = frameOf({ payload: 'early', mask: MASK });
    const near = raw({ path: '/raw/x' }, early.toString('latin1'));
    await eventually('the target is asked', () => open !== null);
    // A second request goes all the way round meanwhile.
    const other = raw({ path: '/fixed', lines: { Upgrade: '', Connection: '' } });
    await other.untilHead();
    expect(target.last.behindHead.length).toBe(0);
    (open as unknown as () => void)();
    await near.until('the tunnel is open', ({ status }) => status === 101);
    await target.last.until('it comes', ({ behindHead }) => behindHead.equals(early));
  });

  it('passes a half-close on, in either direction, while the other one goes on', async () => {
    const first = await tunnel();
    first.near.socket.end('up');
    await first.far.until('the end comes', ({ hasEnded }) => hasEnded);
    expect(String(first.far.behindHead)).toBe('up');
    first.far.socket.end('down');
    await first.near.until('the end comes', ({ hasEnded }) => hasEnded);
    expect(String(first.near.behindHead)).toBe('down');

    const second = await tunnel();
    second.far.socket.end('down');
    await second.near.until('the end comes', ({ hasEnded }) => hasEnded);
    second.near.socket.end('up');
    await second.far.until('the end comes', ({ hasEnded }) => hasEnded);
    expect(String(second.far.behindHead)).toBe('up');
    await gateway.nothingInFlight();
  });

  it('passes a reset on, in either direction', async () => {
    const first = await tunnel();
    first.far.socket.resetAndDestroy();
    await first.near.until('it is reset', ({ closedBy }) => closedBy === 'ECONNRESET');
    const second = await tunnel();
    second.near.socket.resetAndDestroy();
    await second.far.until('it is reset', ({ closedBy }) => closedBy === 'ECONNRESET');
    await gateway.nothingInFlight();
  });

  it('holds each side back at the pace of the other one', async () => {
    const { near, far } = await tunnel();
    const total = 24 * 1024 * 1024;
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      const before = to.received;
      to.socket.pause();
      const piece = Buffer.alloc(64 * 1024, 'x');
      let isDone = false;
      for (let sent = 0; sent < total; sent += piece.length) {
        from.socket.write(piece, () => {
          isDone = sent + piece.length >= total;
        });
      }
      let left = -1;
      await eventually('it stalls', async () => {
        const isStill = left === from.socket.writableLength;
        left = from.socket.writableLength;
        await new Promise((resolve) => setTimeout(resolve, 200));
        return isStill;
      });
      expect(left).toBeGreaterThan(0);
      expect(isDone).toBe(false);
      to.socket.resume();
      await to.until('all of it comes', ({ received }) => received - before === total);
    }
  });

  it('counts as in flight until it ends', async () => {
    const first = raw({ path: '/one' });
    await first.until('the tunnel is open', ({ status }) => status === 101);
    const second = raw({ path: '/one' });
    await second.untilHead();
    expect(second.status).toBe(429);
    first.socket.resetAndDestroy();
    await eventually('the place is free again', async () => {
      const third = raw({ path: '/one' });
      await third.untilHead();
      third.socket.resetAndDestroy();
      return third.status === 101;
    });
  });
});

describe('a handshake', () => {
  it.each<[string, HandshakeWish, number, string]>([
    ['no version', { lines: { 'Sec-WebSocket-Version': '' } }, 426, 'GW_WEBSOCKET_VERSION'],
    ['version 8', { lines: { 'Sec-WebSocket-Version': '8' } }, 426, 'GW_WEBSOCKET_VERSION'],
    ['no key', { lines: { 'Sec-WebSocket-Key': '' } }, 400, 'GW_WEBSOCKET_INVALID'],
    ['a short key', { lines: { 'Sec-WebSocket-Key': 'AAAA' } }, 400, 'GW_WEBSOCKET_INVALID'],
    ['no Connection', { lines: { Connection: '' } }, 400, 'GW_WEBSOCKET_INVALID'],
    ['two protocols', { lines: { Upgrade: 'h2c, websocket' } }, 400, 'GW_WEBSOCKET_INVALID'],
    ['another method', { method: 'PUT' }, 400, 'GW_WEBSOCKET_INVALID'],
    ['a body', { lines: { 'Content-Length': '1' } }, 400, 'GW_WEBSOCKET_INVALID'],
    ['HTTP/1.0', { version: '1.0' }, 400, 'GW_WEBSOCKET_INVALID'],
    ['a key named by Connection', { lines: { Connection: 'Upgrade, Sec-WebSocket-Key' } }, 400, ''],
  ])('with %s is refused', async (_, wish, status, code) => {
    const before = target.ends.length;
    const near = raw({ path: '/raw/x', ...wish });
    await near.untilHead();
    expect(near.status).toBe(status);
    await near.until('it says why', ({ text }) => text.includes(code));
    if (status === 426) expect(near.text).toMatch(/\r\nSec-WebSocket-Version: 13\r\n/);
    expect(target.ends.length).toBe(before);
  });

  it('is an ordinary request where no target answers', async () => {
    const near = raw({ path: '/fixed' });
    await near.until('it is answered', ({ text }) => text.endsWith('ok'));
    expect(near.status).toBe(200);
  });

  it.each([
    [
      'a wrong accept',
      'Sec-WebSocket-Accept: AAAA\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n',
    ],
    ['no accept', 'Upgrade: websocket\r\nConnection: Upgrade\r\n'],
    [
      'another protocol',
      `Sec-WebSocket-Accept: ${acceptFor(KEY)}\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n`,
    ],
    ['no Connection', `Sec-WebSocket-Accept: ${acceptFor(KEY)}\r\nUpgrade: websocket\r\n`],
  ])('that a target answers with %s is 502', async (_, fields) => {
    target.answer = (end) =>
      end.socket.write(`HTTP/1.1 101 Switching Protocols\r\n${fields}\r\nsecret`);
    const near = raw({ path: '/raw/x' });
    await near.until('it says why', ({ text }) => text.includes('GW_UPSTREAM_PROTOCOL'));
    expect(near.status).toBe(502);
    expect(near.text).not.toContain('secret');
  });

  it('that a target takes for an ordinary request is 501, and the target is well', async () => {
    for (let turn = 0; turn < 6; turn += 1) {
      target.answer = (end) => end.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage');
      const near = raw({ path: '/raw/x' });
      await near.until('it says why', ({ text }) => text.includes('GW_UPSTREAM_NO_WEBSOCKET'));
      expect([near.status, near.text.includes('page')]).toEqual([501, false]);
    }
    expect(Object.values((await gateway.stats())['circuit_breakers'] as object)).not.toContain(
      'OPEN',
    );
  });

  it('that a target refuses has an ordinary reply, and its connection goes on', async () => {
    target.answer = (end) =>
      end.socket.write('HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno');
    const near = raw({ path: '/raw/x' });
    await near.until('it is answered', ({ text }) => text.endsWith('no'));
    expect(near.status).toBe(401);
    near.socket.write(handshake({ path: '/fixed' }));
    await near.until('the next one is answered', ({ text }) => text.endsWith('ok'));
  });
});

it('tells its codes and what went through it to whoever asks for figures', async () => {
  const socket = await client('/echo');
  socket.send('one');
  await message(socket);
  socket.close(1000);
  await new Promise((resolve) => socket.on('close', resolve));
  await gateway.nothingInFlight();
  expect(closeOf(1000).length).toBe(4);
});
