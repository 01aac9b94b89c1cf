/**
 * A client's connection by the sections of RFC 9113 and RFC 7541: what each kind of client sends,
 * and what it gets. Every case is played in one piece and byte by byte.
 */
import { describe, expect, it } from 'vitest';
import { field } from '../../../../src/base/field-block.js';
import { HpackEncoder } from '../../../../src/wire/hpack/hpack-encoder.js';
import { CLIENT_PREFACE } from '../../../../src/wire/http2/frame-kinds.js';
import { linesOf } from '../../../../src/wire/http2/reply-block.js';
import { ServerConnection } from '../../../../src/wire/http2/server-connection.js';
import type { ServerStream } from '../../../../src/wire/http2/server-stream.js';
import { encodeBlock, fromHex, type Pair } from '../../../support/hpack-blocks.js';
import { settingsFrame } from '../../../support/http2-client.js';
import { frame, number32, readFrames } from '../../../support/http2-frames.js';
import { RULES } from '../../../support/request-outcome.js';

const STREAMS_MAX = 100;
const OPTIONS = {
  streamsMax: STREAMS_MAX,
  streamWindowBytes: 65_535,
  windowBytes: 65_535,
  mayConnect: false,
};

const DATA = 0;
const HEADERS = 1;
const PRIORITY = 2;
const RST_STREAM = 3;
const SETTINGS = 4;
const PUSH_PROMISE = 5;
const PING = 6;
const GOAWAY = 7;
const WINDOW_UPDATE = 8;
const CONTINUATION = 9;
const UNKNOWN = 0x16;

const ACK = 1;
const END_STREAM = 1;
const END_HEADERS = 4;
const PADDED = 8;
const HAS_PRIORITY = 0x20;
const WHOLE = END_STREAM | END_HEADERS;

const PROTOCOL_ERROR = 1;
const FLOW_CONTROL_ERROR = 3;
const STREAM_CLOSED = 5;
const FRAME_SIZE_ERROR = 6;
const REFUSED_STREAM = 7;
const COMPRESSION_ERROR = 9;

const PING_BYTES = '12345678';

/** Answers each request that is complete with `ok`. */
class Server {
  readonly bodies: string[] = [];
  private readonly waiting = new Map<ServerStream, string>();
  private readonly connection: ServerConnection;
  private output = Buffer.alloc(0);

  constructor() {
    this.connection = new ServerConnection(
      OPTIONS,
      {
        onHead: (stream, { method, problem }) => {
          if (problem !== null) throw new Error(`refused: ${problem.code}`);
          if (stream.isRemoteClosed) this.answer(stream, method);
          else this.waiting.set(stream, '');
        },
        onData: (stream, bytes) => {
          this.waiting.set(stream, (this.waiting.get(stream) ?? '') + bytes.toString('latin1'));
          this.connection.credit(stream, bytes.length);
        },
        onEnd: (stream) => {
          this.bodies.push(this.waiting.get(stream) ?? '');
          this.answer(stream, 'POST');
        },
        onReset: (stream) => void this.waiting.delete(stream),
        onMistake: () => {},
        onMalformed: () => {},
        onWindow: (stream) => void this.connection.sendData(stream, this.rest(stream), true),
        onClose: () => {},
      },
      { rules: RULES, origin: { peer: 'p', connection: 'http', fallbackHost: '' }, nowMs: 0 },
    );
  }

  private rest({ owner }: ServerStream): Buffer {
    return Buffer.isBuffer(owner) ? owner : Buffer.alloc(0);
  }

  private answer(stream: ServerStream, method: string): void {
    this.waiting.delete(stream);
    this.connection.sendHead(stream, 200, linesOf(field('a', 'b')), method === 'HEAD');
    if (method === 'HEAD') return;
    const body = Buffer.from('ok');
    const taken = this.connection.sendData(stream, body, true);
    stream.owner = body.subarray(taken);
    if (taken < 2) this.connection.sendData(stream, body.subarray(taken), true);
  }

  receive(bytes: Buffer): void {
    if (this.connection.isClosed) return;
    this.connection.receive(bytes, 0);
    this.output = Buffer.concat([this.output, this.connection.takeOutput() ?? Buffer.alloc(0)]);
  }

  get isClosed(): boolean {
    return this.connection.isClosed;
  }

  /** What was sent, a line each, without the first SETTINGS and its acknowledgement. */
  lines(): string[] {
    return this.all().slice(2);
  }

  all(): string[] {
    return readFrames([this.output], 1 << 20).map((line) =>
      line.replace(/^(headers \d+) .*?( END)?$/s, '$1$2'),
    );
  }
}

class Client {
  private readonly encoder = new HpackEncoder(4096);

  block(more: readonly Pair[] = [], method = 'GET'): Buffer {
    return this.encode([
      [':method', method],
      [':scheme', 'http'],
      [':path', '/'],
      [':authority', 'a'],
      ...more,
    ]);
  }

  encode(pairs: readonly Pair[]): Buffer {
    return encodeBlock(this.encoder, pairs);
  }

  get(stream: number, more: readonly Pair[] = []): Buffer {
    return frame(HEADERS, WHOLE, stream, this.block(more));
  }

  head(stream: number, method: string): Buffer {
    return frame(HEADERS, WHOLE, stream, this.block([], method));
  }

  /** The head of a request whose body follows. */
  post(stream: number, more: readonly Pair[] = []): Buffer {
    return frame(HEADERS, END_HEADERS, stream, this.block(more, 'POST'));
  }

  /** A request whose reply waits for the window. */
  halfClosed(stream: number): Buffer {
    return Buffer.concat([setting(4, 0), this.get(stream)]);
  }

  /** A request without END_HEADERS: half of its block; the other half follows. */
  halves(stream: number, flags: number = END_STREAM): [Buffer, Buffer] {
    const block = this.block();
    return [frame(HEADERS, flags, stream, block.subarray(0, 4)), block.subarray(4)];
  }
}

/** What a case comes to: a reply, a reset with a code, the end of the connection with a code. */
type Outcome = { reply: number } | { reset: number } | { goaway: number } | { lines: string[] };
type Case = readonly [title: string, (client: Client) => readonly Buffer[], Outcome];

function ping(): Buffer {
  return frame(PING, 0, 0, PING_BYTES);
}

function data(stream: number, bytes: number, ends = false): Buffer {
  return frame(DATA, ends ? END_STREAM : 0, stream, 'x'.repeat(bytes));
}

/** Opens the window of the first stream. */
function open(): Buffer {
  return frame(WINDOW_UPDATE, 0, 1, number32(100));
}

function cancel(stream: number): Buffer {
  return frame(RST_STREAM, 0, stream, number32(8));
}

function reservedBit(bytes: Buffer): Buffer {
  const changed = Buffer.from(bytes);
  changed.writeUInt8(0x80 | changed.readUInt8(5), 5);
  return changed;
}

function priority(dependsOn: number, weight = 15): Buffer {
  return Buffer.concat([number32(dependsOn), Buffer.from([weight])]);
}

function setting(id: number, value: number): Buffer {
  return settingsFrame([[id, value]]);
}

/** A request whose block is these bytes behind the pseudo-fields. */
function withBytes(stream: number, hex: string): Buffer {
  // :method GET, :scheme http, :path /, :authority "a" without Huffman code.
  return frame(HEADERS, WHOLE, stream, Buffer.concat([fromHex('828684410161'), fromHex(hex)]));
}

function withPairs(pairs: readonly Pair[]): Case[1] {
  return (client) => [frame(HEADERS, WHOLE, 1, client.encode(pairs))];
}

const METHOD: Pair = [':method', 'GET'];
const SCHEME: Pair = [':scheme', 'http'];
const PATH: Pair = [':path', '/'];
const AUTHORITY: Pair = [':authority', 'a'];

const goaway = (code: number): Outcome => ({ goaway: code });
const reset = (code: number): Outcome => ({ reset: code });
const REPLY: Outcome = { reply: 1 };
const PONG: Outcome = { lines: [`ping ack ${PING_BYTES}`] };

const SECTIONS: Readonly<Record<string, readonly Case[]>> = {
  'RFC 9113 4.1: frames': [
    ['an unknown type is ignored', () => [frame(UNKNOWN, 0, 0, 'x'), ping()], PONG],
    ['an unknown flag is ignored', () => [frame(PING, 0x16, 0, PING_BYTES)], PONG],
    ['the reserved bit is ignored', () => [reservedBit(ping())], PONG],
  ],
  'RFC 9113 4.2: sizes': [
    ['DATA of 16,384 bytes', (c) => [c.post(1), data(1, 16_384, true)], REPLY],
    ['DATA of more', (c) => [c.post(1), data(1, 16_385, true)], goaway(FRAME_SIZE_ERROR)],
    [
      'HEADERS of more',
      () => [frame(HEADERS, WHOLE, 1, Buffer.alloc(16_385))],
      goaway(FRAME_SIZE_ERROR),
    ],
  ],
  'RFC 9113 4.3: header blocks': [
    [
      'that is no HPACK',
      () => [frame(HEADERS, WHOLE, 1, fromHex('828684418000'))],
      goaway(COMPRESSION_ERROR),
    ],
    [
      'PRIORITY within one',
      (c) => [c.halves(1)[0], frame(PRIORITY, 0, 1, priority(0))],
      goaway(PROTOCOL_ERROR),
    ],
    [
      'HEADERS of another stream within one',
      (c) => [c.halves(1)[0], c.get(3)],
      goaway(PROTOCOL_ERROR),
    ],
    ['DATA within one', (c) => [c.halves(1)[0], data(1, 1)], goaway(PROTOCOL_ERROR)],
  ],
  'RFC 9113 5.1: states': [
    ['idle: DATA', () => [data(1, 1, true)], goaway(PROTOCOL_ERROR)],
    ['idle: RST_STREAM', () => [frame(RST_STREAM, 0, 1, number32(8))], goaway(PROTOCOL_ERROR)],
    [
      'idle: WINDOW_UPDATE',
      () => [frame(WINDOW_UPDATE, 0, 1, number32(100))],
      goaway(PROTOCOL_ERROR),
    ],
    [
      'idle: CONTINUATION',
      (c) => [frame(CONTINUATION, END_HEADERS, 1, c.block())],
      goaway(PROTOCOL_ERROR),
    ],
    ['idle: PRIORITY', (c) => [frame(PRIORITY, 0, 1, priority(0)), c.get(1)], REPLY],
    ['half-closed: DATA', (c) => [c.halfClosed(1), data(1, 1, true)], reset(STREAM_CLOSED)],
    ['half-closed: HEADERS', (c) => [c.halfClosed(1), c.get(1)], reset(STREAM_CLOSED)],
    [
      'half-closed: CONTINUATION',
      (c) => [c.halfClosed(1), frame(CONTINUATION, END_HEADERS, 1, c.block())],
      goaway(PROTOCOL_ERROR),
    ],
    [
      'half-closed: WINDOW_UPDATE',
      (c) => [c.halfClosed(1), frame(WINDOW_UPDATE, 0, 1, number32(10))],
      REPLY,
    ],
    [
      'half-closed: PRIORITY',
      (c) => [c.halfClosed(1), frame(PRIORITY, 0, 1, priority(0)), open()],
      REPLY,
    ],
    [
      'half-closed: RST_STREAM',
      (c) => [c.halfClosed(1), frame(RST_STREAM, 0, 1, number32(8)), ping()],
      { lines: ['settings ack', 'headers 1', `ping ack ${PING_BYTES}`] },
    ],
    [
      'closed by RST_STREAM: DATA',
      (c) => [c.post(1), cancel(1), data(1, 1, true)],
      goaway(STREAM_CLOSED),
    ],
    [
      'closed by RST_STREAM: HEADERS',
      (c) => [c.post(1), cancel(1), c.get(1)],
      goaway(STREAM_CLOSED),
    ],
    [
      'closed by RST_STREAM: CONTINUATION',
      (c) => [c.post(1), cancel(1), frame(CONTINUATION, END_HEADERS, 1, c.block())],
      goaway(PROTOCOL_ERROR),
    ],
    ['closed by its ends: DATA', (c) => [c.get(1), data(1, 1, true)], goaway(STREAM_CLOSED)],
    ['closed by its ends: HEADERS', (c) => [c.get(1), c.get(1)], goaway(STREAM_CLOSED)],
    [
      'closed by its ends: CONTINUATION',
      (c) => [c.get(1), frame(CONTINUATION, END_HEADERS, 1, c.block())],
      goaway(PROTOCOL_ERROR),
    ],
    [
      'closed by its ends: PRIORITY',
      (c) => [c.get(1), frame(PRIORITY, 0, 1, priority(0)), ping()],
      { lines: ['headers 1', 'data 1 ok+0 END', `ping ack ${PING_BYTES}`] },
    ],
    [
      'closed by its ends: RST_STREAM and WINDOW_UPDATE',
      (c) => [c.get(1), cancel(1), frame(WINDOW_UPDATE, 0, 1, number32(9)), ping()],
      { lines: ['headers 1', 'data 1 ok+0 END', `ping ack ${PING_BYTES}`] },
    ],
  ],
  'RFC 9113 5.1.1: identifiers': [
    ['an even one', (c) => [c.get(2)], goaway(PROTOCOL_ERROR)],
    ['a smaller one', (c) => [c.get(5), c.get(3)], goaway(PROTOCOL_ERROR)],
    ['some may be left out', (c) => [c.get(7), c.get(101)], { reply: 101 }],
  ],
  'RFC 9113 5.1.2: concurrency': [
    [
      'more than were offered',
      (c) => Array.from({ length: STREAMS_MAX + 1 }, (_, at) => c.post(2 * at + 1)),
      reset(REFUSED_STREAM),
    ],
  ],
  'RFC 9113 5.3: priorities': [
    [
      'a PRIORITY of each kind',
      (c) => [
        frame(PRIORITY, 0, 1, priority(0, 0)),
        frame(PRIORITY, 0, 1, priority(0, 255)),
        frame(PRIORITY, 0, 5, priority(0x8000_0001)),
        c.get(1),
      ],
      REPLY,
    ],
    [
      'HEADERS with one',
      (c) => [
        frame(HEADERS, WHOLE | HAS_PRIORITY, 1, Buffer.concat([priority(0, 255), c.block()])),
      ],
      REPLY,
    ],
    [
      'HEADERS that depend on themselves',
      (c) => [frame(HEADERS, WHOLE | HAS_PRIORITY, 1, Buffer.concat([priority(1), c.block()]))],
      reset(PROTOCOL_ERROR),
    ],
    [
      'PRIORITY that depends on itself',
      (c) => [c.post(1), frame(PRIORITY, 0, 1, priority(1))],
      reset(PROTOCOL_ERROR),
    ],
    [
      'PRIORITY that depends on itself, idle',
      () => [frame(PRIORITY, 0, 1, priority(1))],
      goaway(PROTOCOL_ERROR),
    ],
  ],
  'RFC 9113 5.5: extensions': [
    ['an unknown frame is ignored', (c) => [frame(UNKNOWN, 0xff, 3, 'xyz'), c.get(1)], REPLY],
    [
      'but not within a header block',
      (c) => [c.halves(1)[0], frame(UNKNOWN, 0, 0, 'x')],
      goaway(PROTOCOL_ERROR),
    ],
  ],
  'RFC 9113 6.1: DATA': [
    ['one frame', (c) => [c.post(1), data(1, 4, true)], REPLY],
    ['several', (c) => [c.post(1), data(1, 4), data(1, 4), data(1, 0, true)], REPLY],
    [
      'with padding',
      (c) => [c.post(1), frame(DATA, PADDED | END_STREAM, 1, '\x03ab\0\0\0')],
      REPLY,
    ],
    ['without a stream', () => [data(0, 1, true)], goaway(PROTOCOL_ERROR)],
    [
      'more padding than payload',
      (c) => [c.post(1), frame(DATA, PADDED | END_STREAM, 1, '\x09abc')],
      goaway(PROTOCOL_ERROR),
    ],
    [
      'padding without its length',
      (c) => [c.post(1), frame(DATA, PADDED, 1)],
      goaway(FRAME_SIZE_ERROR),
    ],
  ],
  'RFC 9113 6.2: HEADERS': [
    [
      'with padding',
      (c) => [
        frame(
          HEADERS,
          WHOLE | PADDED,
          1,
          Buffer.concat([Buffer.from([2]), c.block(), Buffer.alloc(2)]),
        ),
      ],
      REPLY,
    ],
    ['without a stream', (c) => [frame(HEADERS, WHOLE, 0, c.block())], goaway(PROTOCOL_ERROR)],
    [
      'more padding than payload',
      (c) => [frame(HEADERS, WHOLE | PADDED, 1, Buffer.concat([Buffer.from([200]), c.block()]))],
      goaway(PROTOCOL_ERROR),
    ],
    [
      'too small for its flags',
      () => [frame(HEADERS, WHOLE | PADDED | HAS_PRIORITY, 1, 'abc')],
      goaway(FRAME_SIZE_ERROR),
    ],
  ],
  'RFC 9113 6.3: PRIORITY': [
    ['without a stream', () => [frame(PRIORITY, 0, 0, priority(1))], goaway(PROTOCOL_ERROR)],
    ['of another size', (c) => [c.post(1), frame(PRIORITY, 0, 1, 'abcd')], reset(FRAME_SIZE_ERROR)],
  ],
  'RFC 9113 6.4: RST_STREAM': [
    ['without a stream', () => [frame(RST_STREAM, 0, 0, number32(8))], goaway(PROTOCOL_ERROR)],
    [
      'of another size',
      (c) => [c.post(1), frame(RST_STREAM, 0, 1, 'abc')],
      goaway(FRAME_SIZE_ERROR),
    ],
    [
      'with a code that nobody knows',
      (c) => [c.post(1), frame(RST_STREAM, 0, 1, number32(0xff)), ping()],
      PONG,
    ],
  ],
  'RFC 9113 6.5: SETTINGS': [
    ['is acknowledged', () => [setting(3, 100)], { lines: ['settings ack'] }],
    [
      'an acknowledgement with a payload',
      () => [frame(SETTINGS, ACK, 0, Buffer.alloc(6))],
      goaway(FRAME_SIZE_ERROR),
    ],
    ['with a stream', () => [frame(SETTINGS, 0, 1)], goaway(PROTOCOL_ERROR)],
    ['of another size', () => [frame(SETTINGS, 0, 0, 'abc')], goaway(FRAME_SIZE_ERROR)],
    ['ENABLE_PUSH of 2', () => [setting(2, 2)], goaway(PROTOCOL_ERROR)],
    ['INITIAL_WINDOW_SIZE of 2^31', () => [setting(4, 0x8000_0000)], goaway(FLOW_CONTROL_ERROR)],
    ['MAX_FRAME_SIZE of 16,383', () => [setting(5, 16_383)], goaway(PROTOCOL_ERROR)],
    ['MAX_FRAME_SIZE of 2^24', () => [setting(5, 1 << 24)], goaway(PROTOCOL_ERROR)],
    [
      'an unknown one',
      () => [setting(0xff, 1), ping()],
      { lines: ['settings ack', `ping ack ${PING_BYTES}`] },
    ],
    [
      'the last of two values counts',
      (c) => [
        settingsFrame([
          [4, 100],
          [4, 1],
        ]),
        c.get(1),
      ],
      { lines: ['settings ack', 'headers 1', 'data 1 o+0'] },
    ],
  ],
  'RFC 9113 6.7: PING': [
    ['is answered', () => [ping()], PONG],
    ['an answer is not', () => [frame(PING, ACK, 0, 'abcdefgh'), ping()], PONG],
    ['with a stream', () => [frame(PING, 0, 1, PING_BYTES)], goaway(PROTOCOL_ERROR)],
    ['of another size', () => [frame(PING, 0, 0, '123456')], goaway(FRAME_SIZE_ERROR)],
  ],
  'RFC 9113 6.8: GOAWAY': [
    ['with a stream', () => [frame(GOAWAY, 0, 1, Buffer.alloc(8))], goaway(PROTOCOL_ERROR)],
    [
      'lets streams go on',
      (c) => [c.post(1), frame(GOAWAY, 0, 0, Buffer.alloc(8)), data(1, 1, true)],
      REPLY,
    ],
  ],
  'RFC 9113 6.9: WINDOW_UPDATE': [
    ['of the connection', (c) => [frame(WINDOW_UPDATE, 0, 0, number32(1)), c.get(1)], REPLY],
    ['of nothing', () => [frame(WINDOW_UPDATE, 0, 0, number32(0))], goaway(PROTOCOL_ERROR)],
    [
      'of nothing for a stream',
      (c) => [c.post(1), frame(WINDOW_UPDATE, 0, 1, number32(0))],
      reset(PROTOCOL_ERROR),
    ],
    ['of another size', () => [frame(WINDOW_UPDATE, 0, 0, 'abc')], goaway(FRAME_SIZE_ERROR)],
    [
      'a window of a byte',
      (c) => [setting(4, 1), c.get(1)],
      { lines: ['settings ack', 'headers 1', 'data 1 o+0'] },
    ],
    [
      'and another one',
      (c) => [setting(4, 1), c.get(1), frame(WINDOW_UPDATE, 0, 1, number32(1))],
      REPLY,
    ],
    [
      'above 2^31-1',
      () => [frame(WINDOW_UPDATE, 0, 0, number32(0x7fff_ffff))],
      goaway(FLOW_CONTROL_ERROR),
    ],
    [
      'above 2^31-1 for a stream',
      (c) => [c.post(1), frame(WINDOW_UPDATE, 0, 1, number32(0x7fff_ffff))],
      reset(FLOW_CONTROL_ERROR),
    ],
    [
      'a setting that changes it later',
      (c) => [setting(4, 0), c.get(1), setting(4, 1)],
      { lines: ['settings ack', 'headers 1', 'settings ack', 'data 1 o+0'] },
    ],
    [
      'a setting that makes it negative',
      (c) => [
        setting(4, 1),
        c.get(1),
        setting(4, 0),
        frame(WINDOW_UPDATE, 0, 1, number32(1)),
        ping(),
      ],
      {
        lines: [
          'settings ack',
          'headers 1',
          'data 1 o+0',
          'settings ack',
          `ping ack ${PING_BYTES}`,
        ],
      },
    ],
  ],
  'RFC 9113 6.10: CONTINUATION': [
    [
      'one',
      (c) => {
        const [head, rest] = c.halves(1);
        return [head, frame(CONTINUATION, END_HEADERS, 1, rest)];
      },
      REPLY,
    ],
    [
      'several',
      (c) => {
        const [head, rest] = c.halves(1);
        return [
          head,
          frame(CONTINUATION, 0, 1, rest.subarray(0, 1)),
          frame(CONTINUATION, 0, 1),
          frame(CONTINUATION, END_HEADERS, 1, rest.subarray(1)),
        ];
      },
      REPLY,
    ],
    [
      'another frame between them',
      (c) => {
        const [head, rest] = c.halves(1);
        return [head, frame(CONTINUATION, 0, 1, rest), data(1, 1)];
      },
      goaway(PROTOCOL_ERROR),
    ],
    [
      'without a stream',
      (c) => {
        const [head, rest] = c.halves(1);
        return [head, frame(CONTINUATION, END_HEADERS, 0, rest)];
      },
      goaway(PROTOCOL_ERROR),
    ],
    [
      'behind a whole block',
      (c) => [c.post(1), frame(CONTINUATION, END_HEADERS, 1, c.block())],
      goaway(PROTOCOL_ERROR),
    ],
    [
      'behind another last one',
      (c) => {
        const [head, rest] = c.halves(1, 0);
        return [
          head,
          frame(CONTINUATION, END_HEADERS, 1, rest),
          frame(CONTINUATION, END_HEADERS, 1, 'x'),
        ];
      },
      goaway(PROTOCOL_ERROR),
    ],
    [
      'behind DATA',
      (c) => [c.post(1), data(1, 1), frame(CONTINUATION, END_HEADERS, 1, c.block())],
      goaway(PROTOCOL_ERROR),
    ],
  ],
  'RFC 9113 8.1: messages': [
    ['GET', (c) => [c.get(1)], REPLY],
    ['HEAD', (c) => [c.head(1, 'HEAD')], { lines: ['headers 1 END'] }],
    ['POST', (c) => [c.post(1), data(1, 4, true)], REPLY],
    [
      'POST with trailers',
      (c) => [c.post(1), data(1, 4), frame(HEADERS, WHOLE, 1, c.encode([['x-t', 'y']]))],
      REPLY,
    ],
    [
      'a second head without the end',
      (c) => [c.post(1), frame(HEADERS, END_HEADERS, 1, c.encode([['x', 'y']]))],
      reset(PROTOCOL_ERROR),
    ],
  ],
  'RFC 9113 8.2: fields': [
    ['a name in upper case', (c) => [c.get(1, [['X-Test', 'ok']])], reset(PROTOCOL_ERROR)],
    ['an empty name', (c) => [c.get(1, [['', 'ok']])], reset(PROTOCOL_ERROR)],
    ['a line feed in a value', (c) => [c.get(1, [['x', 'a\nb']])], reset(PROTOCOL_ERROR)],
    ['Connection', (c) => [c.get(1, [['connection', 'keep-alive']])], reset(PROTOCOL_ERROR)],
    [
      'Transfer-Encoding',
      (c) => [c.get(1, [['transfer-encoding', 'chunked']])],
      reset(PROTOCOL_ERROR),
    ],
    ['Upgrade', (c) => [c.get(1, [['upgrade', 'h2c']])], reset(PROTOCOL_ERROR)],
    ['TE: trailers', (c) => [c.get(1, [['te', 'trailers']])], REPLY],
    ['another TE', (c) => [c.get(1, [['te', 'trailers, deflate;q=0.5']])], reset(PROTOCOL_ERROR)],
  ],
  'RFC 9113 8.3: pseudo-fields': [
    [
      'an unknown one',
      withPairs([METHOD, SCHEME, PATH, AUTHORITY, [':test', 'ok']]),
      reset(PROTOCOL_ERROR),
    ],
    [
      'one of replies',
      withPairs([METHOD, SCHEME, PATH, AUTHORITY, [':status', '200']]),
      reset(PROTOCOL_ERROR),
    ],
    [
      'in trailers',
      (c) => [c.post(1), data(1, 1), frame(HEADERS, WHOLE, 1, c.encode([METHOD]))],
      reset(PROTOCOL_ERROR),
    ],
    [
      'behind a field',
      withPairs([METHOD, SCHEME, AUTHORITY, ['x', 'y'], PATH]),
      reset(PROTOCOL_ERROR),
    ],
    [
      'an empty :path',
      withPairs([METHOD, SCHEME, AUTHORITY, [':path', '']]),
      reset(PROTOCOL_ERROR),
    ],
    ['no :method', withPairs([SCHEME, PATH, AUTHORITY]), reset(PROTOCOL_ERROR)],
    ['no :scheme', withPairs([METHOD, PATH, AUTHORITY]), reset(PROTOCOL_ERROR)],
    ['no :path', withPairs([METHOD, SCHEME, AUTHORITY]), reset(PROTOCOL_ERROR)],
    ['two :method', withPairs([METHOD, METHOD, SCHEME, PATH, AUTHORITY]), reset(PROTOCOL_ERROR)],
    ['two :scheme', withPairs([METHOD, SCHEME, SCHEME, PATH, AUTHORITY]), reset(PROTOCOL_ERROR)],
    ['two :path', withPairs([METHOD, SCHEME, PATH, PATH, AUTHORITY]), reset(PROTOCOL_ERROR)],
    [
      'two :authority',
      withPairs([METHOD, SCHEME, PATH, AUTHORITY, AUTHORITY]),
      reset(PROTOCOL_ERROR),
    ],
    [
      'a :protocol that was not offered',
      withPairs([[':method', 'CONNECT'], [':protocol', 'websocket'], SCHEME, PATH, AUTHORITY]),
      reset(PROTOCOL_ERROR),
    ],
    ['a Host that differs', (c) => [c.get(1, [['host', 'b']])], reset(PROTOCOL_ERROR)],
  ],
  'RFC 9113 8.1.1: lengths': [
    [
      'DATA of another one',
      (c) => [c.post(1, [['content-length', '1']]), data(1, 4, true)],
      reset(PROTOCOL_ERROR),
    ],
    [
      'several DATA of another one',
      (c) => [c.post(1, [['content-length', '1']]), data(1, 1), data(1, 4, true)],
      reset(PROTOCOL_ERROR),
    ],
    [
      'less DATA',
      (c) => [c.post(1, [['content-length', '9']]), data(1, 4, true)],
      reset(PROTOCOL_ERROR),
    ],
    [
      'no DATA',
      (c) => [frame(HEADERS, WHOLE, 1, c.block([['content-length', '4']], 'POST'))],
      reset(PROTOCOL_ERROR),
    ],
    ['the same one', (c) => [c.post(1, [['content-length', '4']]), data(1, 4, true)], REPLY],
  ],
  'RFC 9113 8.4: push': [
    [
      'PUSH_PROMISE',
      (c) => [frame(PUSH_PROMISE, END_HEADERS, 1, Buffer.concat([number32(2), c.block()]))],
      goaway(PROTOCOL_ERROR),
    ],
  ],
  'RFC 7541: fields': [
    ['indexed', () => [withBytes(1, '90')], REPLY],
    ['literal, kept, name by index', () => [withBytes(1, '7a 04 74657374')], REPLY],
    ['literal, kept', () => [withBytes(1, '40 04 74657374 01 61')], REPLY],
    ['literal, not kept, name by index', () => [withBytes(1, '0f2b 04 74657374')], REPLY],
    ['literal, not kept', () => [withBytes(1, '00 04 74657374 01 61')], REPLY],
    ['literal, never kept, name by index', () => [withBytes(1, '1f2b 04 74657374')], REPLY],
    ['literal, never kept', () => [withBytes(1, '10 04 74657374 01 61')], REPLY],
    [
      'an entry that was kept before',
      () => [
        withBytes(1, '40 04 74657374 01 61'),
        frame(HEADERS, WHOLE, 3, fromHex('828684410161bf')),
      ],
      { reply: 3 },
    ],
    ['in Huffman code', () => [withBytes(1, '00 04 74657374 83 49509f')], REPLY],
    [
      'a size of the table',
      () => [frame(HEADERS, WHOLE, 1, fromHex('3fe11f 828684410161'))],
      REPLY,
    ],
    [
      'two sizes of the table',
      () => [frame(HEADERS, WHOLE, 1, fromHex('20 3fe11f 828684410161'))],
      REPLY,
    ],
    ['2.3.3: an index that no entry has', () => [withBytes(1, 'c6')], goaway(COMPRESSION_ERROR)],
    [
      '2.3.3: a name that no entry has',
      () => [withBytes(1, '7f 07 01 61')],
      goaway(COMPRESSION_ERROR),
    ],
    [
      '4.2: a size of the table behind a field',
      () => [withBytes(1, '3fe11f')],
      goaway(COMPRESSION_ERROR),
    ],
    [
      '5.2: padding of 8 bits',
      () => [withBytes(1, '00 04 74657374 84 49509fff')],
      goaway(COMPRESSION_ERROR),
    ],
    [
      '5.2: padding of zeroes',
      () => [withBytes(1, '00 04 74657374 83 495090')],
      goaway(COMPRESSION_ERROR),
    ],
    [
      '5.2: the end of strings within one',
      () => [withBytes(1, '00 04 74657374 84 ffffffff')],
      goaway(COMPRESSION_ERROR),
    ],
    ['6.1: index 0', () => [withBytes(1, '80')], goaway(COMPRESSION_ERROR)],
    [
      '6.3: a larger table than was offered',
      () => [frame(HEADERS, WHOLE, 1, fromHex('3fe21f 828684410161'))],
      goaway(COMPRESSION_ERROR),
    ],
    [
      '5.1: a number without an end',
      () => [withBytes(1, `ff${'ff'.repeat(10)}`)],
      goaway(COMPRESSION_ERROR),
    ],
  ],
};

/** The first frames of a client, and then its pieces. */
function play(pieces: readonly Buffer[]): Server {
  const server = new Server();
  server.receive(Buffer.concat([CLIENT_PREFACE, frame(SETTINGS, 0, 0)]));
  for (const piece of pieces) server.receive(Buffer.from(piece));
  return server;
}

function expectOutcome(server: Server, outcome: Outcome): void {
  const lines = server.lines();
  const isGoaway = 'goaway' in outcome;
  expect([server.isClosed, lines.some((line) => line.startsWith('goaway'))]).toEqual([
    isGoaway,
    isGoaway,
  ]);
  if ('goaway' in outcome)
    expect(lines.at(-1)).toMatch(new RegExp(`^goaway \\d+ ${outcome.goaway}$`));
  else if ('lines' in outcome) expect(lines).toEqual(outcome.lines);
  else {
    const resets = lines.filter((line) => line.startsWith('reset'));
    if ('reset' in outcome) {
      expect(resets).toEqual([expect.stringMatching(new RegExp(`^reset \\d+ ${outcome.reset}$`))]);
    } else {
      expect(resets).toEqual([]);
      expect(lines).toContain(`headers ${outcome.reply}`);
      expect(lines.filter((line) => line.startsWith(`data ${outcome.reply} `)).at(-1)).toMatch(
        /END$/,
      );
    }
  }
}

for (const [section, cases] of Object.entries(SECTIONS)) {
  describe(section, () => {
    it.each(cases)('%s', (_title, frames, outcome) => {
      const whole = Buffer.concat([...frames(new Client())]);
      expectOutcome(play([whole]), outcome);
      expectOutcome(play(Array.from(whole, (_, at) => whole.subarray(at, at + 1))), outcome);
    });
  });
}

describe('RFC 9113 3.4: the preface', () => {
  it('of the server is SETTINGS, whatever the client does', () => {
    const server = new Server();
    server.receive(Buffer.from('x'));
    expect(server.all()[0]).toMatch(/^settings 0003/);
  });

  it.each([
    ['is another text', Buffer.from('INVALID CONNECTION PREFACE\r\n\r\n')],
    ['has no SETTINGS behind it', Buffer.concat([CLIENT_PREFACE, ping()])],
    ['has an acknowledgement behind it', Buffer.concat([CLIENT_PREFACE, frame(SETTINGS, ACK, 0)])],
  ])('that %s ends the connection', (_, bytes) => {
    const server = new Server();
    server.receive(bytes);
    expect(server.isClosed).toBe(true);
  });
});
