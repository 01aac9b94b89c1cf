/** A client's connection: every mistake of RFC 9113 with its code, windows, floods, the end. */
import { describe, expect, it } from 'vitest';
import { field, NO_FIELDS } from '../../../../src/base/field-block.js';
import { HpackEncoder } from '../../../../src/wire/hpack/hpack-encoder.js';
import { CLIENT_PREFACE, FRAME_BYTES_MAX } from '../../../../src/wire/http2/frame-kinds.js';
import { linesOf } from '../../../../src/wire/http2/reply-block.js';
import { ServerConnection } from '../../../../src/wire/http2/server-connection.js';
import type { ServerStream } from '../../../../src/wire/http2/server-stream.js';
import { encodeBlock, type Pair } from '../../../support/hpack-blocks.js';
import { frame, number32, readFrames } from '../../../support/http2-frames.js';
import { RULES } from '../../../support/request-outcome.js';

const OPTIONS = {
  streamsMax: 3,
  streamWindowBytes: 65_535,
  windowBytes: 65_535,
  mayConnect: false,
};

class Rig {
  readonly events: string[] = [];
  readonly mistakes: string[] = [];
  readonly streams = new Map<number, ServerStream>();
  readonly encoder = new HpackEncoder(4096);
  readonly connection = new ServerConnection(
    OPTIONS,
    {
      onHead: (stream, head) => {
        this.streams.set(stream.id, stream);
        this.events.push(`head ${stream.id} ${head.problem?.code ?? head.method}`);
      },
      onData: (stream, bytes) => this.events.push(`data ${stream.id} ${bytes.length}`),
      onEnd: (stream, trailers) => this.events.push(`end ${stream.id}${trailers}`),
      onReset: (stream, code) => this.events.push(`reset ${stream.id} ${code}`),
      onMalformed: (method, path, reason) => this.mistakes.push(`${method} ${path} ${reason}`),
      onMistake: (reason) => this.mistakes.push(reason),
      onWindow: (stream) => this.events.push(`window ${stream.id}`),
      onClose: (code, reason) => {
        this.events.push(`close ${code}`);
        this.mistakes.push(reason);
      },
    },
    { rules: RULES, origin: { peer: 'p', connection: 'http', fallbackHost: '' }, nowMs: 0 },
  );

  constructor() {
    this.connection.receive(Buffer.concat([CLIENT_PREFACE, frame(4, 0, 0)]), 0);
    this.sent();
  }
  send(...frames: Buffer[]): this {
    this.connection.receive(Buffer.concat(frames), 0);
    return this;
  }
  sent(): string[] {
    return readFrames([this.connection.takeOutput() ?? Buffer.alloc(0)]);
  }
  headers(id: number, ends: boolean, more: Pair[] = [], method = 'POST'): Buffer {
    const pairs: Pair[] = [
      [':method', method],
      [':scheme', 'http'],
      [':authority', 'a'],
      [':path', '/'],
      ...more,
    ];
    return frame(1, ends ? 5 : 4, id, encodeBlock(this.encoder, pairs));
  }
  trailers(id: number, ends: boolean, pairs: Pair[]): Buffer {
    return frame(1, ends ? 5 : 4, id, encodeBlock(this.encoder, pairs));
  }
  stream(id: number): ServerStream {
    const stream = this.streams.get(id);
    if (stream === undefined) throw new Error('no such stream');
    return stream;
  }
}

describe('a connection', () => {
  it('carries a request and its reply', () => {
    const rig = new Rig();
    rig.send(rig.headers(1, false), frame(0, 0, 1, 'abc'), rig.trailers(1, true, [['x', 'y']]));
    expect(rig.events).toEqual(['head 1 POST', 'data 1 3', 'end 1\r\nx: y']);
    rig.connection.sendHead(rig.stream(1), 200, linesOf(field('a', 'b')), false);
    expect(rig.connection.sendData(rig.stream(1), Buffer.from('def'), false)).toBe(3);
    rig.connection.sendEnd(rig.stream(1), NO_FIELDS);
    expect(rig.sent().slice(1)).toEqual(['data 1 def+0', 'data 1 +0 END']);
    expect(rig.connection.streams.size).toBe(0);
  });

  it('has a head that is larger than a frame in several', () => {
    const rig = new Rig();
    rig.send(rig.headers(1, true));
    const lines = linesOf(field('x', '\xff'.repeat(3 * FRAME_BYTES_MAX)));
    rig.connection.sendHead(rig.stream(1), 200, lines, true);
    const output = rig.connection.takeOutput() ?? Buffer.alloc(0);
    expect(readFrames([output], 100_000).map((line) => line.slice(0, 9))).toEqual([
      'idle',
      'idle',
      'idle',
      'headers 1',
    ]);
    expect(rig.connection.streams.size).toBe(0);
  });

  const closes: [string, number, (rig: Rig) => Buffer[]][] = [
    ['DATA on an idle stream', 1, () => [frame(0, 0, 1, 'a')]],
    ['RST_STREAM on an idle stream', 1, () => [frame(3, 0, 1, number32(8))]],
    ['WINDOW_UPDATE on an idle stream', 1, () => [frame(8, 0, 1, number32(9))]],
    ['an even stream', 1, (rig) => [rig.headers(2, true)]],
    ['a smaller stream', 1, (rig) => [rig.headers(5, true), rig.headers(3, true)]],
    [
      'DATA behind a reset of the client',
      5,
      (rig) => [rig.headers(1, false), frame(3, 0, 1, number32(8)), frame(0, 0, 1, 'a')],
    ],
    [
      'HEADERS behind a reset of the client',
      5,
      (rig) => [rig.headers(1, false), frame(3, 0, 1, number32(8)), rig.headers(1, true)],
    ],
    ['a window above 2^31-1', 3, () => [frame(8, 0, 0, number32(2 ** 31 - 1))]],
    ['a block that is not HPACK', 9, () => [frame(1, 5, 1, [0x80])]],
    [
      'more DATA than the window',
      3,
      (rig) => [
        rig.headers(1, false),
        ...Array.from({ length: 5 }, () => frame(0, 0, 1, Buffer.alloc(16_000))),
      ],
    ],
    ['a setting too large', 3, () => [frame(4, 0, 0, [0, 4, 0xff, 0, 0, 0])]],
  ];
  it.each(closes)('ends with %s: %i', (_, code, frames) => {
    const rig = new Rig();
    rig.send(...frames(rig));
    expect(rig.events.at(-1)).toBe(`close ${code}`);
    expect(rig.sent().at(-1)).toMatch(new RegExp(`^goaway \\d+ ${code}$`));
    rig.send(frame(6, 0, 0, '12345678'));
    expect(rig.sent()).toEqual([]);
  });

  const resets: [string, number, (rig: Rig) => Buffer[]][] = [
    ['DATA behind the end', 5, (rig) => [rig.headers(1, true), frame(0, 0, 1, 'a')]],
    ['HEADERS behind the end', 5, (rig) => [rig.headers(1, true), rig.headers(1, true)]],
    [
      'HEADERS within a body',
      1,
      (rig) => [rig.headers(1, false), rig.trailers(1, false, [['x', 'y']])],
    ],
    [
      'a pseudo-field in trailers',
      1,
      (rig) => [rig.headers(1, false), rig.trailers(1, true, [[':path', '/']])],
    ],
    [
      'more than Content-Length',
      1,
      (rig) => [rig.headers(1, false, [['content-length', '3']]), frame(0, 0, 1, 'abcd')],
    ],
    [
      'less than Content-Length',
      1,
      (rig) => [rig.headers(1, false, [['content-length', '3']]), frame(0, 1, 1, 'ab')],
    ],
    [
      'nothing of its Content-Length',
      1,
      (rig) => [rig.headers(1, true, [['content-length', '3']])],
    ],
    [
      'a window of the stream too large',
      3,
      (rig) => [rig.headers(1, false), frame(8, 0, 1, number32(2 ** 31 - 1))],
    ],
    ['Connection', 1, (rig) => [rig.headers(1, true, [['connection', 'x']])]],
  ];
  it.each(resets)('goes on, and its stream ends, with %s: %i', (_, code, frames) => {
    const rig = new Rig();
    rig.send(...frames(rig), frame(6, 0, 0, '12345678'));
    expect(rig.sent()).toEqual([`reset 1 ${code}`, 'ping ack 12345678']);
    expect(rig.connection.streams.size).toBe(0);
    // What was on its way is ignored.
    rig.send(frame(0, 0, 1, 'a'), frame(3, 0, 1, number32(8)), rig.headers(3, true));
    expect(rig.events.at(-1)).toBe('head 3 POST');
  });

  it('refuses more streams than it has offered, and keeps its table', () => {
    const rig = new Rig();
    rig.send(...[1, 3, 5, 7].map((id) => rig.headers(id, true, [['x-n', `n${id}`]])));
    expect(rig.sent()).toEqual(['reset 7 7']);
    rig.connection.reset(rig.stream(1), 0);
    rig.send(rig.headers(9, true, [['x-n', 'n7']]));
    expect(rig.events.at(-1)).toBe('head 9 POST');
  });

  it('sends what the windows allow, and tells when they open', () => {
    const rig = new Rig();
    rig.send(frame(4, 0, 0, [0, 4, 0, 0, 0, 3]), rig.headers(1, true));
    const stream = rig.stream(1);
    rig.connection.sendHead(stream, 200, linesOf(NO_FIELDS), false);
    rig.sent();
    expect(rig.connection.sendData(stream, Buffer.from('abcdef'), true)).toBe(3);
    expect(rig.sent()).toEqual(['data 1 abc+0']);
    rig.send(frame(4, 0, 0, [0, 4, 0, 0, 0, 1]));
    expect(rig.connection.sendData(stream, Buffer.from('def'), true)).toBe(0);
    rig.send(frame(8, 0, 1, number32(2)));
    expect(rig.events).not.toContain('window 1');
    rig.send(frame(8, 0, 1, number32(3)));
    expect(rig.events.at(-1)).toBe('window 1');
    expect(rig.connection.sendData(stream, Buffer.from('def'), true)).toBe(3);
    expect(rig.sent().at(-1)).toBe('data 1 def+0 END');
  });

  it('ends in two steps, and ignores what comes behind the last stream', () => {
    const rig = new Rig();
    rig.send(rig.headers(1, true));
    rig.connection.goAway();
    expect(rig.sent()).toEqual(['goaway 2147483647 0', 'ping draining']);
    rig.send(rig.headers(3, true), frame(6, 1, 0, 'draining'));
    expect(rig.sent()).toEqual(['goaway 3 0']);
    rig.send(rig.headers(5, false), frame(0, 0, 5, 'a'), frame(3, 0, 5, number32(8)));
    expect(rig.events).toEqual(['head 1 POST', 'head 3 POST']);
    rig.connection.sendHead(rig.stream(1), 204, linesOf(NO_FIELDS), true);
    expect(rig.connection.isDrained).toBe(false);
    rig.connection.sendHead(rig.stream(3), 204, linesOf(NO_FIELDS), true);
    expect(rig.connection.isDrained).toBe(true);
  });
});

describe('a flood', () => {
  const id = (at: number) => 2 * at + 1;
  const floods: Record<string, (rig: Rig, at: number) => Buffer[]> = {
    'rapid reset': (rig, at) => [rig.headers(id(at), true), frame(3, 0, id(at), number32(8))],
    'made you reset': (rig, at) => [rig.headers(id(at), true), frame(8, 0, id(at), number32(0))],
    'DATA behind our reset': (rig, at) =>
      at === 0 ? [rig.headers(1, true), frame(0, 0, 1, 'a')] : [frame(0, 0, 1, 'a')],
    'refused streams': (rig, at) => [rig.headers(id(at), true)],
    'malformed requests': (rig, at) => [rig.headers(id(at), true, [['te', 'gzip']])],
    CONTINUATION: (_, at) => [at === 0 ? frame(1, 0, 1) : frame(9, 0, 1)],
    SETTINGS: () => [frame(4, 0, 0)],
    'SETTINGS ACK': () => [frame(4, 1, 0)],
    PING: () => [frame(6, 0, 0, '12345678')],
    'PING ACK': () => [frame(6, 1, 0, '12345678')],
    PRIORITY: () => [frame(2, 0, 1, [0, 0, 0, 9, 1])],
    'small WINDOW_UPDATE': () => [frame(8, 0, 0, number32(1))],
    'empty DATA': (rig, at) => (at === 0 ? [rig.headers(1, false)] : [frame(0, 0, 1)]),
    'padding alone': (rig, at) => (at === 0 ? [rig.headers(1, false)] : [frame(0, 8, 1, '\x02ab')]),
    'unknown types': () => [frame(0xbb, 0, 0)],
  };

  it.each(Object.keys(floods))('of %s ends the connection, and is counted', (name) => {
    const rig = new Rig();
    for (let at = 0; at < 1100 && !rig.connection.isClosed; at++) {
      rig.send(...(floods[name]?.(rig, at) ?? []));
      expect(rig.connection.streams.size).toBeLessThanOrEqual(OPTIONS.streamsMax);
    }
    expect(rig.events.at(-1)).toBe('close 11');
    expect(rig.mistakes.at(-1)).toMatch(/^a flood of /);
    expect(rig.connection.idleFrames).toBe(1001);
  });

  it('of windows of a byte earns nothing by the frames that they cut', () => {
    const rig = new Rig();
    rig.send(frame(4, 0, 0, [0, 4, 0, 0, 0, 0]), rig.headers(1, true));
    rig.connection.sendHead(rig.stream(1), 200, linesOf(NO_FIELDS), false);
    rig.connection.sendData(rig.stream(1), Buffer.alloc(5000), true);
    let sent = 0;
    for (; sent < 1100 && !rig.stream(1).isOver; sent++) {
      rig.send(frame(8, 0, 1, number32(1)));
      rig.connection.sendData(rig.stream(1), Buffer.alloc(5000 - sent), true);
    }
    expect(sent).toBe(1001);
    expect(rig.mistakes.at(-1)).toBe('a flood of small windows');
  });

  it('of small windows is none where each answers a frame', () => {
    const rig = new Rig();
    rig.send(rig.headers(1, true));
    rig.connection.sendHead(rig.stream(1), 200, linesOf(NO_FIELDS), false);
    for (let count = 0; count < 5000; count++) {
      rig.connection.sendData(rig.stream(1), Buffer.from('event'), false);
      rig.send(frame(8, 0, 1, number32(5)), frame(8, 0, 0, number32(5)));
      rig.sent();
    }
    expect(rig.connection.isClosed).toBe(false);
  });

  it('that is slow is no flood, but a client that reads nothing is one', () => {
    const rig = new Rig();
    let nowMs = 0;
    for (let at = 0; at < 1900; at++) {
      nowMs += 20;
      rig.connection.receive(frame(6, 0, 0, '12345678'), nowMs);
    }
    expect(rig.sent()).toHaveLength(1900);
    for (let at = 0; at < 2100; at++) {
      nowMs += 20;
      rig.connection.receive(frame(6, 0, 0, '12345678'), nowMs);
    }
    expect(rig.events).toEqual(['close 11']);
  });

  it('is none where an upload was on its way when its stream was refused or reset', () => {
    const rig = new Rig();
    rig.send(rig.headers(1, false, [['te', 'gzip']]), rig.headers(3, false));
    rig.connection.reset(rig.stream(3), 0);
    const refused = rig.connection.idleFrames;
    for (let count = 0; count < 1300; count++) {
      rig.send(frame(0, 0, 1, 'x'.repeat(50)), frame(0, 0, 3, 'x'.repeat(50)));
    }
    expect([rig.connection.isClosed, rig.connection.idleFrames]).toEqual([false, refused]);
  });

  it('of HEADERS that are too many is answered, and none is kept', () => {
    const rig = new Rig();
    const many = Array.from({ length: 200 }, (_, at): Pair => ['x', `${at}`]);
    rig.send(rig.headers(1, true, many));
    expect(rig.events).toEqual(['head 1 GW_HEAD_TOO_LARGE']);
  });
});
