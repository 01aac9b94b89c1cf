/**
 * What every way to a target has to do, on real sockets: each case runs on undici and on the lean
 * connection, whole and one byte at a time.
 *
 * Where undici does otherwise the case says what it does, and why that difference is wanted.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PROBLEMS, type ProblemKind } from '../../src/base/problems.js';
import { eventually } from '../support/eventually.js';
import {
  CHUNKED_FIELD as CHUNKED,
  HOSTILE_REPLIES,
  LENGTH_FIELD as LENGTH,
  STATUS_LINE as OK,
} from '../support/hostile-replies.js';
import { RawOrigin } from '../support/raw-origin.js';
import {
  certificateFor,
  drip,
  fillBacklog,
  type Probe,
  type TransportChoice,
  TransportRig,
} from '../support/transport-rig.js';

const TRANSPORTS: readonly TransportChoice[] = ['undici', 'lean', 'lean over TLS'];
const PLAIN = `${OK}${LENGTH}\r\nok`;

let origin: RawOrigin;
let rigs: TransportRig[] = [];

function rigFor(transport: TransportChoice): TransportRig {
  const rig = new TransportRig(transport, origin.port);
  rigs.push(rig);
  return rig;
}

afterEach(async () => {
  for (const rig of rigs) await rig.close();
  rigs = [];
  await origin.close();
});

/** A good one has a status and a body; a bad one has a problem. */
interface Expected {
  readonly status?: number;
  readonly body?: string;
  readonly problem?: ProblemKind;
  /** The next exchange goes over the same connection. */
  readonly isKept?: boolean;
}

interface ReplyCase {
  readonly name: string;
  readonly text: string;
  readonly method?: string;
  /** The origin closes its side behind the text. */
  readonly isEnded?: boolean;
  readonly expected: Expected;
  /** What undici does instead, and why we want it otherwise. */
  readonly undici?: { readonly expected: Expected; readonly reason: string };
}

const PROTOCOL: Expected = { problem: PROBLEMS.upstreamProtocol };
const HEAD_TOO_LARGE: Expected = { problem: PROBLEMS.upstreamHeadTooLarge };
const RESET: Expected = { problem: PROBLEMS.upstreamReset };
const GOOD: Expected = { status: 200, body: 'ok', isKept: true };
const CLOSED: Expected = { status: 200, body: 'ok', isKept: false };

const INTERIM = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n';
const GOOD_REPLIES: readonly ReplyCase[] = [
  { name: 'a length', text: PLAIN, expected: GOOD },
  { name: 'chunks', text: `${OK}${CHUNKED}\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n`, expected: GOOD },
  {
    name: 'extensions and trailers',
    text: `${OK}${CHUNKED}\r\n2;a;b=c;d="e f"\r\nok\r\n0\r\nX-T: 1\r\n\r\n`,
    expected: GOOD,
  },
  { name: 'no reason phrase', text: `HTTP/1.1 200\r\n${LENGTH}\r\nok`, expected: GOOD },
  {
    name: 'an error status',
    text: `HTTP/1.1 503 X\r\n${LENGTH}\r\nok`,
    expected: { ...GOOD, status: 503 },
  },
  {
    name: 'a length of 0',
    text: `${OK}Content-Length: 0\r\n\r\n`,
    expected: { ...GOOD, body: '' },
  },
  { name: 'the end of the connection', text: `${OK}\r\nok`, isEnded: true, expected: CLOSED },
  {
    name: 'the end of an HTTP/1.0 connection',
    text: 'HTTP/1.0 200 OK\r\n\r\nok',
    isEnded: true,
    expected: CLOSED,
  },
  {
    name: 'Connection: close',
    text: `${OK}Connection: close\r\n${LENGTH}\r\nok`,
    expected: CLOSED,
  },
  { name: 'HTTP/1.0 and a length', text: `HTTP/1.0 200 OK\r\n${LENGTH}\r\nok`, expected: CLOSED },
  {
    name: 'HTTP/1.0 and keep-alive',
    text: `HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n${LENGTH}\r\nok`,
    expected: GOOD,
  },
  {
    name: 'Keep-Alive of no time',
    text: `${OK}Keep-Alive: timeout=0\r\n${LENGTH}\r\nok`,
    expected: CLOSED,
  },
  {
    name: 'Keep-Alive of the shortest time',
    text: `${OK}Keep-Alive: timeout=1\r\n${LENGTH}\r\nok`,
    expected: GOOD,
    undici: { expected: CLOSED, reason: 'it leaves each target two seconds before its limit' },
  },
  {
    name: 'Keep-Alive of a long time',
    text: `${OK}Keep-Alive: timeout=30\r\n${LENGTH}\r\nok`,
    expected: GOOD,
  },
  { name: '103 before it', text: `${INTERIM}${PLAIN}`, expected: GOOD },
  {
    name: '102 and 103 before it',
    text: `HTTP/1.1 102 P\r\n\r\n${INTERIM}${PLAIN}`,
    expected: GOOD,
  },
  {
    name: '100 that nobody asked for',
    text: `HTTP/1.1 100 Continue\r\n\r\n${PLAIN}`,
    expected: GOOD,
    undici: { expected: RESET, reason: 'RFC 9110 15.2: a client must read on after any 1xx' },
  },
  {
    name: '204',
    text: 'HTTP/1.1 204 X\r\n\r\n',
    expected: { status: 204, body: '', isKept: true },
  },
  {
    name: '304',
    text: 'HTTP/1.1 304 X\r\nETag: "a"\r\n\r\n',
    expected: { status: 304, body: '', isKept: true },
  },
  {
    name: '304 with a length',
    text: 'HTTP/1.1 304 X\r\nContent-Length: 10\r\n\r\n',
    expected: { status: 304, body: '', isKept: true },
    undici: { expected: PROTOCOL, reason: 'legal (RFC 9110 8.6); undici waits for ten bytes' },
  },
  {
    name: '204 with a length',
    text: 'HTTP/1.1 204 X\r\nContent-Length: 5\r\n\r\n',
    expected: { status: 204, body: '', isKept: false },
    undici: { expected: PROTOCOL, reason: 'the reply is whole, only its connection is not' },
  },
  {
    name: 'HEAD with a length',
    method: 'HEAD',
    text: `${OK}Connection: keep-alive\r\nContent-Length: 10\r\n\r\n`,
    expected: { status: 200, body: '', isKept: true },
  },
  {
    name: 'HEAD without a length',
    method: 'HEAD',
    text: `${OK}\r\n`,
    expected: { status: 200, body: '', isKept: true },
    undici: {
      expected: { status: 200, body: '', isKept: false },
      reason: 'nothing in it says close: undici takes it for a body without a length',
    },
  },
  {
    name: 'HEAD answered with a body',
    method: 'HEAD',
    text: `${OK}Connection: keep-alive\r\n${LENGTH}\r\nok`,
    expected: { status: 200, body: '', isKept: false },
  },
  { name: 'a second reply behind it', text: `${PLAIN}${PLAIN}`, expected: CLOSED },
  { name: 'garbage behind it', text: `${PLAIN}garbage`, expected: CLOSED },
  { name: 'a byte behind it', text: `${PLAIN}x`, expected: CLOSED },
  {
    name: 'a line end behind it',
    text: `${PLAIN}\r\n`,
    expected: CLOSED,
    undici: { expected: GOOD, reason: 'no reply begins with CRLF: it is not ours to guess why' },
  },
  {
    name: 'garbage behind the last chunk',
    text: `${OK}${CHUNKED}\r\n2\r\nok\r\n0\r\n\r\nx`,
    expected: CLOSED,
  },
];

const CUT_REPLIES: readonly ReplyCase[] = [
  { name: 'before it', text: '', isEnded: true, expected: RESET },
  { name: 'in the status line', text: 'HTTP/1.1 20', isEnded: true, expected: RESET },
  { name: 'in the head', text: `${OK}Content-Le`, isEnded: true, expected: RESET },
  { name: 'behind an interim reply', text: INTERIM, isEnded: true, expected: RESET },
  { name: 'in a body', text: `${OK}${LENGTH}\r\no`, isEnded: true, expected: RESET },
  {
    name: 'in a body with close',
    text: `${OK}Connection: close\r\n${LENGTH}\r\no`,
    isEnded: true,
    expected: RESET,
    undici: { expected: PROTOCOL, reason: 'one thing, one name: the connection went too early' },
  },
  { name: 'in a chunk', text: `${OK}${CHUNKED}\r\n2\r\no`, isEnded: true, expected: RESET },
  { name: 'in a size', text: `${OK}${CHUNKED}\r\n2`, isEnded: true, expected: RESET },
  {
    name: 'before the last chunk',
    text: `${OK}${CHUNKED}\r\n2\r\nok\r\n`,
    isEnded: true,
    expected: RESET,
  },
  {
    name: 'before the last line',
    text: `${OK}${CHUNKED}\r\n2\r\nok\r\n0\r\n`,
    isEnded: true,
    expected: RESET,
  },
];

const ODD_VERSION = 'only HTTP/1.0 and HTTP/1.1 have the framing that we read';
const ODD_CODING = 'the coding would be dropped with its field, and the body left in it';
/** Hostile replies that undici reads, and why we do not. All others are refused by both. */
const READ_BY_UNDICI: ReadonlyMap<string, string> = new Map([
  ['HTTP/2.0', ODD_VERSION],
  ['HTTP/0.9', ODD_VERSION],
  ['RTSP', ODD_VERSION],
  ['an empty line before it', 'only requests may have one before them (RFC 9112 2.2)'],
  ['NUL in the reason', 'no control character passes, wherever it stands'],
  ['gzip, chunked', ODD_CODING],
  ['chunked, gzip', ODD_CODING],
  ['identity', ODD_CODING],
  ['an empty coding', ODD_CODING],
  ['xchunked', ODD_CODING],
  ['chunked twice', 'chunked may be applied once (RFC 9112 6.1)'],
  ['chunked, chunked', 'chunked may be applied once (RFC 9112 6.1)'],
  ['chunked in HTTP/1.0', 'its framing is faulty (RFC 9112 6.1)'],
  ['a coding as a trailer', 'no trailer may change the framing (RFC 9110 6.5.1)'],
]);

interface RefuseHow {
  readonly isDripped: boolean;
  readonly isRead: boolean;
}

function expectOutcome(probe: Probe, expected: Expected): void {
  expect(probe.lateCalls).toBe(0);
  expect(probe.problem?.code).toBe(expected.problem?.code);
  if (expected.problem !== undefined) return;
  expect(probe.status).toBe(expected.status);
  if (expected.body !== undefined) expect(probe.body).toBe(expected.body);
}

/** Plays the case on the first exchange, and then sees whether a second one is unharmed. */
async function play(rig: TransportRig, one: ReplyCase, expected: Expected, isDripped: boolean) {
  let played = 0;
  origin.script = (socket) => {
    if (played++ > 0) socket.write(PLAIN);
    else void answer(socket, one, isDripped);
  };
  const probe = await rig.exchange({ method: one.method ?? 'GET' });
  expectOutcome(probe, expected);
  // What was dripped behind the reply comes while the connection is idle.
  await settled(origin.connections[0]?.socket, expected);
  const next = await rig.exchange();
  expectOutcome(next, GOOD);
  if (expected.isKept !== undefined) {
    expect(origin.connections.length).toBe(expected.isKept ? 1 : 2);
  } else {
    expect(origin.connections.length).toBe(2);
  }
}

async function answer(socket: Socket, { text, isEnded }: ReplyCase, isDripped: boolean) {
  if (isDripped) await drip(socket, text);
  else socket.write(Buffer.from(text, 'latin1'));
  if (isEnded) socket.end();
}

/** A connection that is not kept is closed before long. */
async function settled(socket: Socket | undefined, { isKept }: Expected): Promise<void> {
  if (isKept === true) return;
  await eventually('the connection is closed', () => socket?.destroyed ?? true);
}

describe.each(TRANSPORTS)('%s', (transport) => {
  beforeEach(async () => {
    origin = await RawOrigin.start(certificateFor(transport));
  });

  const wanted = ({ expected, undici }: ReplyCase): Expected =>
    transport === 'undici' && undici !== undefined ? undici.expected : expected;

  describe.each([
    ['whole', false],
    ['one byte at a time', true],
  ])('%s', (_how, isDripped) => {
    it.each(GOOD_REPLIES)('reads a reply with $name', async (one) => {
      await play(rigFor(transport), one, wanted(one), isDripped);
    });

    it.each(CUT_REPLIES)('fails when the reply is cut $name', async (one) => {
      await play(rigFor(transport), one, wanted(one), isDripped);
    });

    it.each(HOSTILE_REPLIES)('refuses a reply with %s', async (name, text) => {
      const one: ReplyCase = { name, text, isEnded: true, expected: PROTOCOL };
      const isRead = transport === 'undici' && READ_BY_UNDICI.has(name);
      await refuse(rigFor(transport), one, { isDripped, isRead });
    });
  });

  /** undici calls some of them a reset; the lean connection none. */
  async function refuse(rig: TransportRig, one: ReplyCase, how: RefuseHow) {
    origin.script = (socket) => void answer(socket, one, how.isDripped);
    const probe = await rig.exchange();
    expect(probe.lateCalls).toBe(0);
    expect(probe.problem === null).toBe(how.isRead);
    if (!how.isRead) expect(probe.hasBegun).toBe(true);
    if (transport !== 'undici') expect(probe.problem).toBe(PROBLEMS.upstreamProtocol);
    await settled(origin.connections[0]?.socket, {});
    origin.script = (socket) => socket.write(PLAIN);
    expectOutcome(await rig.exchange(), GOOD);
  }

  it('refuses a head beyond 16 KiB', async () => {
    origin.script = (socket) => socket.write(`${OK}A: ${'x'.repeat(17_000)}\r\n${LENGTH}\r\nok`);
    expectOutcome(await rigFor(transport).exchange(), HEAD_TOO_LARGE);
  });

  // undici has no trailers for its old handler, and a bound of its own.
  const describeBeyond = transport === 'undici' ? () => {} : describe;
  describeBeyond('beyond undici', () => {
    it.each([
      ['16 KiB unless told otherwise', 16_384, 16_384],
      ['as large as it is told', 262_144, 262_144],
      ['as small as it is told', 1024, 1024],
    ])('reads a head %s, and no byte more', async (_name, replyHeadBytes, bytes) => {
      const rig = new TransportRig(transport, origin.port, { replyHeadBytes });
      rigs.push(rig);
      const headOf = (length: number): string => {
        const rest = `${OK}A: \r\n${LENGTH}\r\n`;
        return `${OK}A: ${'x'.repeat(length - rest.length)}\r\n${LENGTH}\r\nok`;
      };
      origin.script = (socket) => socket.write(headOf(bytes));
      expectOutcome(await rig.exchange(), GOOD);
      origin.script = (socket) => socket.write(headOf(bytes + 1));
      expectOutcome(await rig.exchange(), HEAD_TOO_LARGE);
      // In pieces: the end of it is cut in every way.
      const text = headOf(bytes);
      const half = text.length >> 1;
      for (const cut of [5, 6, 7, 8]) {
        origin.script = async (socket) => {
          socket.write(text.slice(0, half));
          await nextTurn();
          socket.write(text.slice(half, -cut));
          await nextTurn();
          socket.write(text.slice(-cut));
        };
        expectOutcome(await rig.exchange(), GOOD);
      }
    });

    it('takes more fields with a larger head', async () => {
      const fields = (count: number) => 'A: 1\r\n'.repeat(count);
      const rig = new TransportRig(transport, origin.port, { replyHeadBytes: 32_768 });
      rigs.push(rig);
      const usual = rigFor(transport);
      origin.script = (socket) => socket.write(`${OK}${fields(511)}${LENGTH}\r\nok`);
      expectOutcome(await rig.exchange(), GOOD);
      expectOutcome(await usual.exchange(), HEAD_TOO_LARGE);
      origin.script = (socket) => socket.write(`${OK}${fields(512)}${LENGTH}\r\nok`);
      expectOutcome(await rig.exchange(), HEAD_TOO_LARGE);
    });

    it('hands on trailers, but for those that must not be such, and interim heads', async () => {
      const kept = 'Grpc-Status: 0\r\nX-Check: a b\r\n';
      const dropped = 'Set-Cookie: a=b\r\nContent-Type: x/y\r\nConnection: close\r\n';
      origin.script = (socket) =>
        socket.write(`${INTERIM}${OK}${CHUNKED}\r\n2\r\nok\r\n0\r\n${kept}${dropped}\r\n`);
      const rig = rigFor(transport);
      const probe = await rig.exchange();
      expectOutcome(probe, GOOD);
      expect(probe.trailers).toBe('\r\nGrpc-Status: 0\r\nX-Check: a b');
      expect(probe.interims).toEqual(['103\r\nLink: </a>']);
      // Nothing of them stays for the next.
      origin.script = (socket) => socket.write(`${OK}${CHUNKED}\r\n2\r\nok\r\n0\r\n\r\n`);
      const next = await rig.exchange();
      expect([next.trailers, next.interims, origin.connections.length]).toEqual(['', [], 1]);
    });
  });

  it('refuses an upgrade that nobody asked for', async () => {
    origin.script = (socket) =>
      socket.write('HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n');
    const probe = await rigFor(transport).exchange();
    // undici: UND_ERR_SOCKET "bad upgrade". Either way the connection is gone.
    expectOutcome(probe, transport !== 'undici' ? PROTOCOL : RESET);
  });

  it.each([
    ['before the reply', ''],
    ['in the head', `${OK}Content-`],
    ['in a body with a length', `${OK}${LENGTH}\r\no`],
    ['in a chunk', `${OK}${CHUNKED}\r\n2\r\no`],
    ['behind a chunk', `${OK}${CHUNKED}\r\n2\r\nok`],
    ['behind an interim reply', INTERIM],
  ])('fails when the connection is reset %s', async (_when, text) => {
    origin.script = (socket) => void resetBehind(socket, text);
    const probe = await rigFor(transport).exchange();
    expectOutcome(probe, RESET);
    expect(probe.isLoss).toBe(true);
    expect(probe.hasBegun).toBe(text !== '');
  });

  it('does not take a reset for the end of a body', async () => {
    origin.script = (socket) => void resetBehind(socket, `${OK}\r\nok`);
    const probe = await rigFor(transport).exchange();
    // undici ends the body well: it cannot tell on every system.
    expectOutcome(probe, transport !== 'undici' ? RESET : CLOSED);
  });

  /** Once the text has been read: a reset discards what has not. */
  async function resetBehind(socket: Socket, text: string) {
    if (text !== '') {
      socket.write(text);
      for (let turn = 0; turn < 20; turn++) await nextTurn();
    }
    socket.resetAndDestroy();
  }

  it.each([
    ['ends', (socket: Socket) => void socket.end()],
    ['is reset', (socket: Socket) => void socket.resetAndDestroy()],
  ])('tells of a kept connection that %s under the request', async (_how, leave) => {
    const rig = rigFor(transport);
    await rig.exchange();
    origin.script = leave;
    const probe = await rig.exchange();
    expectOutcome(probe, RESET);
    expect(probe.isLoss).toBe(true);
    expect(probe.hasBegun).toBe(false);
    expect(probe.attempt.isReused).toBe(true);
    origin.script = (socket) => socket.write(PLAIN);
    expectOutcome(await rig.exchange(), GOOD);
  });

  it('sends the next request elsewhere when the kept connection ended meanwhile', async () => {
    const rig = rigFor(transport);
    origin.script = (socket) => socket.write(PLAIN, () => socket.end());
    await rig.exchange();
    // At once: the end is on its way. A POST, which could not be repeated.
    origin.script = (socket) => socket.write(PLAIN);
    await eventually(
      'the origin has closed',
      () => origin.connections[0]?.socket.destroyed === true,
    );
    expectOutcome(await rig.exchange({ method: 'POST', body: Buffer.from('x') }), GOOD);
    expect(origin.connections.length).toBe(2);
  });

  it.each([
    ['garbage', 'garbage'],
    ['a reply for somebody else', `${OK}Content-Length: 6\r\n\r\npoison`],
    ['one byte', 'H'],
  ])('closes an idle connection on which comes %s', async (_what, text) => {
    const rig = rigFor(transport);
    await rig.exchange();
    const [first] = origin.connections;
    for (let turn = 0; turn < 5; turn++) await nextTurn();
    first?.socket.write(text);
    await eventually('it is closed', () => first?.socket.destroyed === true);
    expectOutcome(await rig.exchange(), GOOD);
    expect(origin.connections.length).toBe(2);
  });

  // undici writes again in the turn in which the reply ended, before the socket was read again.
  it.each(transport === 'undici' ? [] : ['GET', 'POST'])(
    'does not give a reply that follows at once to a %s',
    async (method) => {
      const rig = rigFor(transport);
      const first = rig.send();
      // In the very turn that ends the first one: before a byte of the second can be on its way.
      const second = new Promise<Probe>((resolve) => {
        first.onPiece = () => {
          origin.connections[0]?.socket.write(`${OK}Content-Length: 6\r\n\r\npoison`);
          queueMicrotask(() => resolve(rig.exchange({ method })));
        };
      });
      // Whatever its method: nothing of it was written, so that it may go elsewhere.
      expectOutcome(await second, GOOD);
      expectOutcome(first, GOOD);
      expect(origin.requests.length).toBe(2);
      expect(origin.connections.length).toBe(2);
    },
  );

  it('makes 1000 exchanges on one connection', async () => {
    const rig = rigFor(transport);
    for (let at = 0; at < 1000; at++) {
      const text = String(at);
      origin.script = (socket) =>
        socket.write(`${OK}Content-Length: ${text.length}\r\n\r\n${text}`);
      const probe = await rig.exchange();
      if (probe.body !== text) expect(probe.body).toBe(text);
    }
    expect(origin.connections.length).toBe(1);
    expect(rig.connectCount).toBe(1);
  });

  it('gives each of many exchanges at once its own reply', async () => {
    const rig = rigFor(transport);
    origin.script = (socket, { target }) =>
      socket.write(`${OK}Content-Length: ${target.length}\r\n\r\n${target}`);
    for (let round = 0; round < 4; round++) {
      const paths = Array.from({ length: 50 }, (_, at) => `/${round}/${at}`);
      const probes = await Promise.all(paths.map((path) => rig.exchange({ path })));
      expect(probes.map((probe) => probe.body)).toEqual(paths);
    }
    expect(origin.connections.length).toBeLessThanOrEqual(100);
  });

  const BODIES = [64 * 1024, 5_000_000];
  it.each(BODIES)('reads a body of %i bytes by its length', async (bytes) => {
    const body = randomBytes(bytes);
    origin.script = (socket) => {
      socket.write(`${OK}Content-Length: ${bytes}\r\n\r\n`);
      socket.write(body);
    };
    const probe = await rigFor(transport).exchange();
    expect(hashOf(Buffer.concat(probe.pieces))).toBe(hashOf(body));
  });

  it.each(BODIES)('reads a body of %i bytes in chunks, slowly', async (bytes) => {
    const body = randomBytes(bytes);
    origin.script = (socket) => {
      socket.write(`${OK}${CHUNKED}\r\n`);
      for (let at = 0, size = 1; at < bytes; size = ((size * 7) % 20_011) + 1) {
        const piece = body.subarray(at, at + size);
        at += piece.length;
        socket.write(`${piece.length.toString(16)}\r\n`);
        socket.write(piece);
        socket.write('\r\n');
      }
      socket.write('0\r\n\r\n');
    };
    const probe = rigFor(transport).send();
    // Every piece stops the reading: not one may come before it goes on.
    probe.wantsMore = false;
    let isWaiting = false;
    probe.onPiece = () => {
      expect(isWaiting).toBe(false);
      isWaiting = true;
      setImmediate(() => {
        isWaiting = false;
        probe.attempt.resume();
      });
    };
    await probe.over;
    expect(hashOf(Buffer.concat(probe.pieces))).toBe(hashOf(body));
  });

  it('holds the target back while its reader does not want more', async () => {
    const body = randomBytes(1 << 20);
    const total = 48;
    origin.script = (socket) => {
      socket.write(`${OK}Content-Length: ${total * body.length}\r\n\r\n`);
      for (let at = 0; at < total; at++) socket.write(body);
    };
    const probe = rigFor(transport).send();
    probe.wantsMore = false;
    await eventually('the first piece is there', () => probe.pieces.length > 0);
    for (let turn = 0; turn < 50; turn++) await nextTurn();
    expect(probe.pieces.length).toBe(1);
    expect(origin.connections[0]?.socket.writableLength).toBeGreaterThan(0);
    probe.wantsMore = true;
    probe.attempt.resume();
    await probe.over;
    const got = probe.pieces.reduce((sum, piece) => sum + piece.length, 0);
    expect(got).toBe(total * body.length);
  });

  it('sends what it is given', async () => {
    const rig = rigFor(transport);
    const large = randomBytes(64 * 1024).toString('latin1');
    const bodies = ['', 'x', 'y'.repeat(4096), 'z'.repeat(4097), large];
    for (const text of bodies) {
      const body = text === '' ? {} : { body: Buffer.from(text, 'latin1') };
      await rig.exchange({ method: 'POST', fields: ['x-a', 'b\xe9', 'accept', '*/*'], ...body });
    }
    await rig.exchange({ method: 'DELETE' });
    await rig.exchange({ method: 'HEAD', path: '/h' });
    const { requests } = origin;
    expect(requests.map((request) => request.body)).toEqual([...bodies, '', '']);
    expect(requests[0]).toMatchObject({ method: 'POST', target: '/a?b=c', version: 'HTTP/1.1' });
    const names = (at: number) => requests[at]?.fields.map(([name]) => name);
    const common = ['host', 'connection', 'x-a', 'accept', 'x-request-id', 'x-forwarded-for'];
    const rest = ['x-forwarded-proto', 'x-forwarded-host', 'forwarded', 'via'];
    expect(names(0)).toEqual([...common, ...rest, 'content-length']);
    expect(names(1)).toEqual([...common, ...rest, 'content-length']);
    expect(names(5)).toEqual([...common, ...rest].filter((name) => !/^(x-a|accept)$/.test(name)));
    expect(new Map(requests[0]?.fields).get('x-a')).toBe('b\xe9');
    expect(new Map(requests[0]?.fields).get('connection')).toBe('keep-alive');
    expect(requests[0]?.framing).toEqual(['content-length: 0']);
    expect(requests[4]?.framing).toEqual(['content-length: 65536']);
  });

  it('hears nothing of an exchange that ended before the connection was there', async () => {
    const rig = rigFor(transport);
    const probe = rig.send();
    probe.attempt.abort();
    expectOutcome(await rig.exchange(), GOOD);
    for (let turn = 0; turn < 10; turn++) await nextTurn();
    expect(probe).toMatchObject({ isOver: false, status: 0, lateCalls: 0 });
    expect(origin.requests.length).toBe(1);
  });

  it('keeps the connection of an exchange that ended before it was sent', async () => {
    const rig = rigFor(transport);
    const first = rig.send();
    let second: Probe | undefined;
    first.onPiece = () =>
      queueMicrotask(() => {
        second = rig.send();
        second.attempt.abort();
      });
    await first.over;
    for (let turn = 0; turn < 10; turn++) await nextTurn();
    expectOutcome(await rig.exchange(), GOOD);
    expect(second).toMatchObject({ isOver: false, status: 0 });
    expect(origin.requests.length).toBe(2);
    expect(origin.connections.length).toBe(1);
  });

  it.each([
    ['after it was sent', ''],
    ['in the head', `${OK}Conte`],
    ['in the body', `${OK}${LENGTH}\r\no`],
  ])('gives up the connection of an exchange that ended %s', async (_when, text) => {
    const rig = rigFor(transport);
    origin.script = (socket) => {
      if (text !== '') socket.write(text);
    };
    const probe = rig.send();
    await eventually('the request arrived', () => origin.requests.length === 1);
    for (let turn = 0; turn < 10; turn++) await nextTurn();
    const heard = probe.pieces.length;
    probe.attempt.abort();
    await eventually('it is closed', () => origin.connections[0]?.socket.destroyed === true);
    expect(probe).toMatchObject({ isOver: false, lateCalls: 0 });
    expect(probe.pieces.length).toBe(heard);
    origin.script = (socket) => socket.write(PLAIN);
    expectOutcome(await rig.exchange(), GOOD);
  });

  it('reads on without a listener when it is told to let go, and keeps the connection', async () => {
    const rig = rigFor(transport);
    let finish = (): void => {};
    origin.script = (socket) => {
      socket.write(`${OK}${LENGTH}\r\no`);
      finish = () => void socket.write('k');
    };
    const probe = rig.send();
    await eventually('the first byte is there', () => probe.pieces.length === 1);
    probe.attempt.detach();
    finish();
    await eventually('it is idle', () => rig.connections.idleCount === 1);
    for (let turn = 0; turn < 5; turn++) await nextTurn();
    origin.script = (socket) => socket.write(PLAIN);
    expectOutcome(await rig.exchange(), GOOD);
    expect(origin.connections.length).toBe(1);
    expect(probe.body).toBe('o');
  });

  it('closes a connection that has been idle for as long as the target said', async () => {
    const rig = rigFor(transport);
    origin.script = (socket) => socket.write(`${OK}Keep-Alive: timeout=3\r\n${LENGTH}\r\nok`);
    await rig.exchange();
    const [first] = origin.connections;
    // Half of that before the target would.
    await eventually('it is closed', () => first?.socket.destroyed === true, 2500);
    expectOutcome(await rig.exchange(), GOOD);
    expect(origin.connections.length).toBe(2);
  });

  it('closes a connection that has been idle for four seconds', async () => {
    await rigFor(transport).exchange();
    const [first] = origin.connections;
    await eventually('it is closed', () => first?.socket.destroyed === true, 8000);
  });

  it('says that nobody listens', async () => {
    const { port } = origin;
    await origin.close();
    const rig = new TransportRig(transport, port);
    rigs.push(rig);
    const probe = await rig.exchange();
    expectOutcome(probe, { problem: PROBLEMS.connectFailed });
    expect(probe.attempt.isReused).toBe(false);
    origin = await RawOrigin.start();
  });

  it('gives up a target that does not take the connection', async () => {
    const listener = await startDeafListener();
    const fillers = await fillBacklog(listener.port, 4);
    const rig = new TransportRig(transport, listener.port, { connectMs: 300 });
    rigs.push(rig);
    const probe = await rig.exchange();
    for (const filler of fillers) filler.destroy();
    listener.child.kill('SIGKILL');
    expectOutcome(probe, { problem: PROBLEMS.connectTimeout });
  });

  it('finds a target by its name', async () => {
    const rig = new TransportRig(transport, origin.port, { host: 'localhost' });
    rigs.push(rig);
    expectOutcome(await rig.exchange(), GOOD);
  });
});

const DEAF = `
  const server = require('node:net').createServer();
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
    process.stdout.write(String(server.address().port));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  });
`;

/** A process that listens and never accepts. */
async function startDeafListener(): Promise<{ child: ChildProcess; port: number }> {
  const child = spawn(process.execPath, ['-e', DEAF], { stdio: ['ignore', 'pipe', 'ignore'] });
  const port = await new Promise<number>((resolve) => {
    child.stdout.once('data', (text: Buffer) => resolve(Number(text.toString())));
  });
  return { child, port };
}

function hashOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}
