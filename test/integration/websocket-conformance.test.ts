/**
 * Cases after the sections of the Autobahn test suite, against a server as it is and through the
 * gateway: a client must not be able to tell the two apart.
 */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { InProcessGateway } from '../support/in-process-gateway.js';
import {
  BINARY,
  CLOSE,
  CONTINUATION,
  closeOf,
  type FrameWish,
  frameOf,
  MASK,
  PING,
  PONG,
} from '../support/websocket-frames.js';
import { handshake, rawClient } from '../support/websocket-peers.js';

let echo: WebSocketServer;
let gateway: InProcessGateway;

beforeAll(async () => {
  echo = new WebSocketServer({ port: 0, perMessageDeflate: false });
  echo.on('connection', (socket) => {
    socket.on('error', () => {});
    socket.on('message', (data: Buffer, binary: boolean) => socket.send(data, { binary }));
  });
  gateway = await InProcessGateway.start({
    listen: { port: 0, engine: 'wire' },
    upstreams: {
      echo: {
        targets: [{ url: `http://127.0.0.1:${echo.address().port}` }],
        circuitBreaker: { failureThreshold: 1000 },
      },
    },
    routes: [{ name: 'echo', match: { path: '/*' }, upstream: 'echo' }],
  });
});

afterAll(async () => {
  await gateway.stop();
  for (const socket of echo.clients) socket.terminate();
  echo.close();
});

const masked = (wish: FrameWish): Buffer => frameOf({ ...wish, mask: MASK });
const text = (payload: string | Uint8Array, isFinal = true): Buffer => masked({ payload, isFinal });
const more = (payload: string | Uint8Array, isFinal = true): Buffer =>
  masked({ opcode: CONTINUATION, payload, isFinal });
const binary = (payload: Uint8Array): Buffer => masked({ opcode: BINARY, payload });
const ping = (payload: string | Uint8Array = ''): Buffer => masked({ opcode: PING, payload });
const pong = (payload: string | Uint8Array = ''): Buffer => masked({ opcode: PONG, payload });
const raw = (payload: Uint8Array): Buffer => masked({ opcode: CLOSE, payload });
const code = (value: number, reason = ''): Buffer => closeOf(value, reason, MASK);
const hex = (bytes: string): Buffer => Buffer.from(bytes, 'hex');

interface Case {
  readonly name: string;
  readonly frames: readonly Buffer[];
  /** Bytes in a piece; absent: all at once. */
  readonly cut?: number;
}

const one = (name: string, ...frames: readonly Buffer[]): Case => ({ name, frames });
const SIZES = [0, 125, 126, 127, 128, 65_535, 65_536];
const BAD_UTF8 = ['ce', 'edA080'.toLowerCase(), 'f4908080', 'fe', 'c080', '80'];
const VALID_CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999];
const BAD_CODES = [0, 999, 1004, 1005, 1006, 1100, 2000, 2999, 5000, 65_535];

const CASES: readonly Case[] = [
  ...SIZES.map((size) => one(`1.1 a text of ${size}`, text('*'.repeat(size)))),
  { name: '1.1.8 a text in pieces', frames: [text('*'.repeat(65_536))], cut: 997 },
  ...SIZES.map((size) => one(`1.2 bytes: ${size}`, binary(Buffer.alloc(size, 0xfe)))),
  { name: '1.2.8 bytes in pieces', frames: [binary(Buffer.alloc(65_536, 0xfe))], cut: 997 },
  one('2.1 a ping', ping()),
  one('2.2 a ping with a text', ping('Hello, world!')),
  one('2.4 a ping of 125', ping(Buffer.alloc(125, 0xfe))),
  one('2.5 a ping of 126', ping(Buffer.alloc(126, 0xfe))),
  { name: '2.6 a ping byte by byte', frames: [ping(Buffer.alloc(125, 0xfe))], cut: 1 },
  one('2.7 a pong that nobody asked for', pong()),
  one('2.9 pongs and a ping', pong('a'), ping('b')),
  one('2.10 ten pings', ...Array.from({ length: 10 }, (_, at) => ping(`${at}`))),
  { name: '2.11 ten pings byte by byte', frames: Array(10).fill(ping('x')), cut: 1 },
  ...[0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70].map((reserved) =>
    one(`3 reserved bits ${reserved}`, text('a'), masked({ payload: 'b', reserved }), ping()),
  ),
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode) =>
    one(`4 opcode ${opcode}`, text('a'), masked({ opcode, payload: 'x' }), ping()),
  ),
  one('5.1 a ping in fragments', masked({ opcode: PING, isFinal: false }), more('')),
  one('5.2 a pong in fragments', masked({ opcode: PONG, isFinal: false }), more('')),
  one('5.3 a text in two', text('a', false), more('b')),
  one('5.6 a ping between two', text('a', false), ping('x'), more('b')),
  { name: '5.8 the same byte by byte', frames: [text('a', false), ping('x'), more('b')], cut: 1 },
  one('5.9 a continuation of nothing', more('b'), text('a')),
  one('5.12 the same, not final', more('b', false), text('a')),
  one('5.15 a text behind one that is complete', text('a', false), more('b'), more('c', false)),
  one('5.18 a text within a text', text('a', false), text('b')),
  one('5.19 many', text('a', false), more('b', false), ping(), more('c', false), ping(), more('d')),
  one('6.1 three empty ones', text('', false), more('', false), more('')),
  one('6.2 UTF-8', text('Hello-µ@ßöäüàá-UTF-8!!')),
  { name: '6.2 UTF-8 byte by byte', frames: [text('Hello-µ@ßöäüàá-UTF-8!!')], cut: 1 },
  one('6.2 a character in two frames', text(hex('ce'), false), more(hex('ba'))),
  ...BAD_UTF8.map((bytes) => one(`6 no UTF-8: ${bytes}`, text(hex(bytes)))),
  one('7.1 a Close at once'),
  one('7.1.2 two of them', code(1000)),
  one('7.1.3 a ping behind it', code(1000), ping()),
  one('7.1.4 a text behind it', code(1000), text('a')),
  one('7.1.5 in a text', text('a', false), code(1000), more('b')),
  one('7.1.6 behind a long text', text('*'.repeat(256 * 1024)), code(1000), ping()),
  one('7.3.1 without a code', raw(Buffer.alloc(0))),
  one('7.3.2 with one byte', raw(hex('03'))),
  one('7.3.4 with a reason', code(1000, 'Hello World!')),
  one('7.3.5 with a reason of 123', code(1000, '*'.repeat(123))),
  one('7.3.6 with a reason of 124', code(1000, '*'.repeat(124))),
  one('7.5.1 with a reason that is no UTF-8', raw(hex('03e8ce'))),
  ...VALID_CODES.map((value) => one(`7.7 code ${value}`, code(value))),
  ...BAD_CODES.map((value) => one(`7.9 code ${value}`, code(value))),
  one('8 a frame without a mask', frameOf({ payload: 'a' })),
  one('8 a length in more bytes than are needed', masked({ payload: 'a', lengthBytes: 8 })),
  one('8 a length that nothing has', hex('81ffffffffffffffffff00000000')),
  one('9.1 a text of 1 MiB', text('*'.repeat(1 << 20))),
  one('9.2 1 MiB of bytes', binary(Buffer.alloc(1 << 20, 0xfe))),
  {
    name: '9.3 1 MiB in fragments',
    frames: [
      text('*'.repeat(4096), false),
      ...Array<Buffer>(254).fill(more('*'.repeat(4096), false)),
      more('*'.repeat(4096)),
    ],
  },
  { name: '9.5 128 KiB in pieces of 64', frames: [text('*'.repeat(1 << 17))], cut: 64 },
  one('9.7 a thousand texts', ...Array<Buffer>(1000).fill(text('*'.repeat(16)))),
];

/** All that comes of a case, up to the end of the connection. */
async function outcome(port: number, { frames, cut }: Case): Promise<Buffer> {
  const end = rawClient(port, handshake());
  await end.until('the socket is open', ({ status }) => status === 101);
  const bytes = Buffer.concat([...frames, code(1000)]);
  const size = cut ?? bytes.length;
  for (let at = 0; at < bytes.length; at += size) {
    if (end.socket.writable) end.socket.write(bytes.subarray(at, at + size));
    if (cut !== undefined) await new Promise((resolve) => setImmediate(resolve));
  }
  await end.until('the server ends it', ({ hasEnded, closedBy }) => hasEnded || closedBy !== '');
  end.socket.end();
  await end.until('it is closed', ({ closedBy }) => closedBy !== '');
  return end.behindHead;
}

describe('a client sees what it sees of the server itself', () => {
  it.each(CASES.map((one) => [one.name, one] as const))('%s', async (_, one) => {
    const [direct, through] = await Promise.all([
      outcome(echo.address().port, one),
      outcome(gateway.port, one),
    ]);
    expect(direct.length).toBeGreaterThan(0);
    expect(through.equals(direct)).toBe(true);
  });
});
