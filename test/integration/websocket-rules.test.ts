/** What the gateway itself decides about WebSockets: who may, how much, how long, and ends. */
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { hashPassword } from '../../src/filters/authentication/password-hash.js';
import { FRAME_END, FRAMES_MORE, FrameScanner } from '../../src/wire/websocket/frame-scanner.js';
import { JWT_SECRET } from '../support/configs.js';
import { eventually } from '../support/eventually.js';
import { signHs256 } from '../support/hs256-token.js';
import { InProcessGateway } from '../support/in-process-gateway.js';
import { CLOSE, closeOf, frameOf, MASK, PING, PONG } from '../support/websocket-frames.js';
import {
  type HandshakeWish,
  handshake,
  opening,
  type RawEnd,
  RawTarget,
  rawClient,
} from '../support/websocket-peers.js';

const users = { type: 'jwt', algorithms: ['HS256'], secret: JWT_SECRET };

const service = { issuer: 'sluice', audience: 'api' };
const passwordHash = await hashPassword('secret');

let target: RawTarget;
let gateway: InProcessGateway;
let ends: RawEnd[] = [];

function configFor(url: string) {
  return {
    listen: { port: 0, engine: 'wire', protocols: ['http1', 'h2c'] },
    workers: 1,
    tokenService: service,
    shutdown: { grace: '300ms' },
    authenticators: {
      users,
      visitors: { ...users, from: ['cookie:session'] },
      pages: { ...users, from: ['subprotocol:bearer.'] },
      people: { type: 'basic', users: [{ id: 'ada', passwordHash }] },
      own: { type: 'jwt', algorithms: ['ES256'], tokenService: true, ...service },
    },
    upstreams: { raw: { targets: [{ url }], circuitBreaker: { failureThreshold: 1000 } } },
    routes: [
      { name: 'plain', match: { path: '/plain' }, upstream: 'raw' },
      { name: 'off', match: { path: '/off' }, upstream: 'raw', websocket: false },
      {
        name: 'small',
        match: { path: '/small' },
        upstream: 'raw',
        websocket: { messageBytes: '1KiB', messages: { limit: 5, window: '1h' } },
      },
      {
        name: 'site',
        match: { path: '/site' },
        upstream: 'raw',
        websocket: { origins: ['https://app.example'], subprotocols: ['chat', 'chat2'] },
      },
      {
        name: 'visit',
        match: { path: '/visit' },
        upstream: 'raw',
        authenticate: ['visitors'],
      },
      {
        name: 'expiring',
        match: { path: '/expiring' },
        upstream: 'raw',
        authenticate: ['users'],
        websocket: { closeAtTokenExpiry: true },
      },
      {
        name: 'login',
        match: { path: '/login', methods: ['POST'] },
        tokenService: 'issue',
        authenticate: ['people'],
      },
      { name: 'revoke', match: { path: '/revoke', methods: ['POST'] }, tokenService: 'revoke' },
      {
        name: 'own',
        match: { path: '/own' },
        upstream: 'raw',
        authenticate: ['own'],
        websocket: { closeAtTokenExpiry: true, expiryCode: 4000 },
      },
      {
        name: 'page',
        match: { path: '/page' },
        upstream: 'raw',
        authenticate: ['pages'],
        websocket: { subprotocols: ['chat'] },
      },
      { name: 'idle', match: { path: '/idle' }, upstream: 'raw', websocket: { idle: '1s' } },
      {
        name: 'short',
        match: { path: '/short' },
        upstream: 'raw',
        websocket: { maxLifetime: '1s', pingInterval: '1s' },
      },
      {
        name: 'pinged',
        match: { path: '/pinged' },
        upstream: 'raw',
        websocket: { pingInterval: '1s' },
      },
    ],
  };
}

beforeAll(async () => {
  target = await RawTarget.start();
  gateway = await InProcessGateway.start(configFor(target.url));
});

afterEach(() => {
  for (const { socket } of [...ends, ...target.ends]) socket.destroy();
  ends = [];
  target.answer = (end, head) => end.socket.write(opening(head));
});

afterAll(async () => {
  await gateway.stop();
  target.close();
});

function raw(wish: HandshakeWish): RawEnd {
  const end = rawClient(gateway.port, handshake(wish));
  ends.push(end);
  return end;
}

async function tunnel(wish: HandshakeWish): Promise<{ near: RawEnd; far: RawEnd }> {
  const before = target.ends.length;
  const near = raw(wish);
  await near.until('the tunnel is open', ({ status }) => status === 101);
  expect(target.ends.length).toBe(before + 1);
  return { near, far: target.last };
}

/** The code of the first Close in these bytes, which begin with a frame; 0: there is none. */
function closeCodeIn(bytes: Buffer): number {
  const scanner = new FrameScanner();
  scanner.begin(bytes);
  for (let event = scanner.next(); event !== FRAMES_MORE; event = scanner.next()) {
    if (event === FRAME_END && scanner.opcode === CLOSE) return scanner.closeCode;
  }
  return 0;
}

async function bothClosedWith(code: number, { near, far }: { near: RawEnd; far: RawEnd }) {
  await near.until('the client is told', ({ behindHead }) => closeCodeIn(behindHead) === code);
  await far.until('the target is told', ({ behindHead }) => closeCodeIn(behindHead) === code);
}

describe('a route', () => {
  it('that takes no WebSocket says so', async () => {
    const near = raw({ path: '/off' });
    await near.until('it says why', ({ text }) => text.includes('GW_WEBSOCKET_DENIED'));
    expect(near.status).toBe(403);
  });

  it.each([
    ['no page', {}, 101],
    ['a page of its own', { Origin: 'https://app.example' }, 101],
    ['a page of somebody else', { Origin: 'https://evil.example' }, 403],
    ['a page without a name', { Origin: 'null' }, 403],
    ['another subprotocol', { 'Sec-WebSocket-Protocol': 'chat, other' }, 403],
    ['no subprotocol', { 'Sec-WebSocket-Protocol': '' }, 403],
  ])('with origins and subprotocols: %s gets %s %i', async (_, lines, status) => {
    const near = raw({ path: '/site', lines: { 'Sec-WebSocket-Protocol': 'chat2', ...lines } });
    await near.untilHead();
    expect(near.status).toBe(status);
  });

  it('whose credentials stand in a cookie is open to pages of the same host alone', async () => {
    const exp = Math.floor(Date.now() / 1000) + 600;
    const cookie = { Cookie: `session=${signHs256({ sub: 'alice', exp })}` };
    const own = raw({ path: '/visit', lines: { ...cookie, Origin: 'http://gateway.test' } });
    await own.untilHead();
    expect(own.status).toBe(101);
    const other = raw({ path: '/visit', lines: { ...cookie, Origin: 'http://evil.test' } });
    await other.untilHead();
    expect(other.status).toBe(403);
  });
});

describe('a socket is closed', () => {
  it('when a message is too long, before any of it reaches the target', async () => {
    const ends = await tunnel({ path: '/small' });
    const good = frameOf({ payload: 'good', mask: MASK });
    const parts = [
      frameOf({ payload: Buffer.alloc(1000), isFinal: false, mask: MASK }),
      frameOf({ opcode: 0, payload: Buffer.alloc(100), mask: MASK }),
    ];
    ends.near.socket.write(Buffer.concat([good, ...parts]));
    await bothClosedWith(1009, ends);
    expect(ends.far.behindHead.subarray(0, good.length).equals(good)).toBe(true);
    const passed = good.length + (parts[0]?.length ?? 0);
    expect(ends.far.behindHead.length).toBeLessThan(passed + 60);
  });

  it('when there are too many messages, and both its ends have a time to answer', async () => {
    const ends = await tunnel({ path: '/small' });
    ends.near.socket.write(Buffer.concat(Array(6).fill(frameOf({ payload: 'x', mask: MASK }))));
    await bothClosedWith(1008, ends);
    ends.near.socket.write(closeOf(1008, '', MASK));
    ends.far.socket.write(closeOf(1008));
    await ends.near.until('the client sees the end', ({ hasEnded }) => hasEnded);
    await ends.far.until('the target sees the end', ({ hasEnded }) => hasEnded);
    ends.near.socket.end();
    ends.far.socket.end();
    await gateway.nothingInFlight();
  });

  it('when the token service revokes its session', async () => {
    const post = (path: string, body: string, authorization = '') =>
      fetch(gateway.url + path, { method: 'POST', body, headers: { authorization } });
    const basic = `Basic ${Buffer.from('ada:secret').toString('base64')}`;
    const issued = await (await post('/login', '', basic)).json();
    const { access_token: token } = issued as { readonly access_token: string };
    const lines = { Authorization: `Bearer ${token}` };
    const ends = await tunnel({ path: '/own', lines });
    const form = new URLSearchParams({ token }).toString();
    const revoked = await fetch(`${gateway.url}/revoke`, {
      method: 'POST',
      body: form,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
    expect(revoked.status).toBe(200);
    await bothClosedWith(4000, ends);
  });

  it('when its token expires, when it is idle, too old, or answers no pings', async () => {
    const exp = Math.floor(Date.now() / 1000) + 2;
    const authorization = { Authorization: `Bearer ${signHs256({ sub: 'alice', exp })}` };
    const expiring = await tunnel({ path: '/expiring', lines: authorization });
    const idle = await tunnel({ path: '/idle' });
    const old = await tunnel({ path: '/short' });
    const pinged = await tunnel({ path: '/pinged' });
    const isPing = ({ behindHead }: RawEnd) => ((behindHead[0] ?? 0) & 15) === PING;
    await pinged.near.until('the client is asked', isPing);
    await pinged.far.until('the target is asked', isPing);
    expect(((pinged.far.behindHead[1] ?? 0) & 0x80) !== 0).toBe(true);
    pinged.near.socket.write(frameOf({ opcode: PONG, mask: MASK }));
    await bothClosedWith(1001, idle);
    await bothClosedWith(1001, old);
    await bothClosedWith(4401, expiring);
    expect(Date.now() / 1000).toBeGreaterThanOrEqual(exp - 0.1);
    await bothClosedWith(1001, pinged);
    // Nobody answers: it is over all the same.
    await gateway.nothingInFlight();
    await idle.near.until('the client sees the end', ({ hasEnded }) => hasEnded);
  });
});

it('may bring its token among the subprotocols, of which the target gets the others', async () => {
  const exp = Math.floor(Date.now() / 1000) + 600;
  const token = signHs256({ sub: 'alice', exp });
  const lines = { 'Sec-WebSocket-Protocol': `bearer.${token}, chat` };
  const { far } = await tunnel({ path: '/page', lines });
  expect(far.text).toContain('sec-websocket-protocol: chat\r\n');
  expect(far.text).not.toContain(token);
  const none = raw({ path: '/page', lines: { 'Sec-WebSocket-Protocol': 'chat' } });
  await none.untilHead();
  expect(none.status).toBe(401);
});

it('goes on under its configuration when there is another one', async () => {
  const { near, far } = await tunnel({ path: '/plain' });
  const logging = { level: 'silent', accessLog: false };
  const next = { ...configFor(target.url), admin: { port: 0 }, logging };
  const routes = (next.routes as readonly { readonly name: string }[]).filter(
    ({ name }) => name !== 'plain',
  );
  expect(await gateway.gateway.apply({ ...next, routes } as never)).toMatchObject({
    outcome: 'applied',
  });
  const gone = raw({ path: '/plain' });
  await gone.untilHead();
  expect(gone.status).toBe(404);
  near.socket.write(frameOf({ payload: 'still', mask: MASK }));
  await far.until('it comes', ({ behindHead }) => behindHead.length > 0);
  far.socket.write(frameOf({ payload: 'here' }));
  await near.until('it comes', ({ behindHead }) => behindHead.length > 0);
  await gateway.gateway.apply(next as never);
});

describe('over HTTP/2', () => {
  let session: ClientHttp2Session;

  afterEach(() => session.destroy());

  it('a socket opens by an extended CONNECT, and closes in order', async () => {
    session = connectHttp2(`http://127.0.0.1:${gateway.port}`);
    await new Promise((resolve) => session.once('remoteSettings', resolve));
    expect(session.remoteSettings.enableConnectProtocol).toBe(true);
    const stream = session.request({
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':path': '/plain',
      ':scheme': 'http',
      ':authority': 'gateway.test',
      'sec-websocket-version': '13',
    });
    let got = Buffer.alloc(0);
    let status = 0;
    let fields: Record<string, unknown> = {};
    let hasEnded = false;
    stream.on('response', (head) => {
      status = Number(head[':status']);
      fields = head;
    });
    stream.on('data', (piece: Buffer) => {
      got = Buffer.concat([got, piece]);
    });
    stream.on('end', () => {
      hasEnded = true;
    });
    await eventually('it is open', () => status === 200);
    expect(fields['sec-websocket-accept']).toBeUndefined();
    const up = frameOf({ payload: 'up', mask: MASK });
    stream.write(up);
    await target.last.until('it comes', ({ behindHead }) => behindHead.equals(up));
    const down = Buffer.concat([frameOf({ payload: 'down' }), closeOf(1000)]);
    target.last.socket.end(down);
    await eventually('it comes', () => got.equals(down) && hasEnded);
    stream.end();
    await target.last.until('the end comes', (end) => end.hasEnded);
    await gateway.nothingInFlight();
  });
});

it('is counted by route, with its messages and the codes of its ends', async () => {
  const ends = await tunnel({ path: '/plain' });
  ends.near.socket.write(Buffer.concat([frameOf({ mask: MASK }), closeOf(4000, '', MASK)]));
  ends.far.socket.write(closeOf(4000));
  await ends.near.until('the Close comes', ({ behindHead }) => closeCodeIn(behindHead) === 4000);
  const metrics = async () => {
    const { port } = gateway.gateway.adminAddress;
    return (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  };
  expect(await metrics()).toContain('gateway_websockets_open{route="plain"} 1\n');
  ends.near.socket.end();
  ends.far.socket.end();
  await gateway.nothingInFlight();
  const text = await metrics();
  expect(text).toContain('gateway_websockets_open{route="plain"} 0\n');
  expect(text).toMatch(/gateway_websocket_messages_total\{route="plain",direction="up"\} [1-9]/);
  expect(text).toMatch(/gateway_websocket_closes_total\{route="plain",code="other"\} [1-9]/);
});

it('ends with 1012 between two frames when its worker dies, and is reset within one', async () => {
  const whole = await tunnel({ path: '/plain' });
  whole.far.socket.write(frameOf({ payload: 'whole' }));
  await whole.near.until('it comes', ({ behindHead }) => behindHead.length > 0);
  const part = await tunnel({ path: '/plain' });
  part.far.socket.write(frameOf({ payload: 'a part' }).subarray(0, 4));
  await part.near.until('it comes', ({ behindHead }) => behindHead.length === 4);
  await gateway.gateway.supervisor.laneAt(0).kill();
  await whole.near.until('it is told', ({ behindHead }) => closeCodeIn(behindHead) === 1012);
  await whole.near.until('it ends', ({ hasEnded }) => hasEnded);
  await part.near.until('it is reset', ({ closedBy }) => closedBy === 'ECONNRESET');
  expect(part.near.behindHead.length).toBe(4);
  await eventually('another worker serves', async () => {
    const near = raw({ path: '/plain' });
    await near.untilHead();
    return near.status === 101;
  });
});

it('is told that the gateway stops, once the time for requests is over', async () => {
  const own = await InProcessGateway.start(configFor(target.url));
  const before = target.ends.length;
  const near = rawClient(own.port, handshake({ path: '/plain' }));
  ends.push(near);
  await near.until('the tunnel is open', ({ status }) => status === 101);
  expect(target.ends.length).toBe(before + 1);
  const far = target.last;
  const stopped = own.stop();
  await bothClosedWith(1001, { near, far });
  near.socket.write(closeOf(1001, '', MASK));
  far.socket.end(closeOf(1001));
  await near.until('it ends', ({ hasEnded }) => hasEnded);
  near.socket.end();
  await stopped;
});
