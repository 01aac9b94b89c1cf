/** A connection to a target: replies of a real server cut anywhere, mistakes, GOAWAY, floods. */
import { createServer, type ServerHttp2Stream } from 'node:http2';
import { Duplex } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { field } from '../../../../src/base/field-block.js';
import { HpackEncoder } from '../../../../src/wire/hpack/hpack-encoder.js';
import { ClientConnection } from '../../../../src/wire/http2/client-connection.js';
import type { ClientStream } from '../../../../src/wire/http2/client-stream.js';
import { CLIENT_PREFACE } from '../../../../src/wire/http2/frame-kinds.js';
import { encodeBlock, type Pair } from '../../../support/hpack-blocks.js';
import { frame, number32, readFrames } from '../../../support/http2-frames.js';

const OPTIONS = {
  streamsMax: 3,
  streamWindowBytes: 65_535,
  windowBytes: 1 << 20,
  limits: { bytesMax: 2000, fieldsMax: 20 },
};
const START = { scheme: 'http', authority: 'a.example', path: '/x?y', protocol: '' } as const;

/** Notes what a connection tells; pieces of a body are joined. */
class Notes {
  readonly lines: string[] = [];
  /** By stream, told with its end. */
  private readonly data = new Map<number, string>();

  readonly handler = {
    onHead: (stream: ClientStream, head: { status: number; fields: string; bodyBytes: number }) =>
      this.note(`head ${stream.id} ${head.status} ${head.bodyBytes}${head.fields}`),
    onInterim: (stream: ClientStream, status: number, fields: string) =>
      this.note(`interim ${stream.id} ${status}${fields}`),
    onData: (stream: ClientStream, bytes: Buffer) => {
      this.data.set(stream.id, (this.data.get(stream.id) ?? '') + bytes.toString('latin1'));
      this.connection().credit(stream, bytes.length);
    },
    onEnd: (stream: ClientStream, trailers: string) => {
      const data = this.data.get(stream.id) ?? '';
      this.note(`end ${stream.id} ${data.length} ${data.slice(0, 5)}${trailers}`);
    },
    onReset: (stream: ClientStream, code: number, reason: string) =>
      this.note(
        `reset ${stream.id} ${code}${stream.isUnprocessed ? ' unprocessed' : ''}: ${reason}`,
      ),
    onWindow: (stream: ClientStream) => this.note(`window ${stream.id}`),
    onSettings: () => this.note('settings'),
    onGoAway: (code: number) => this.note(`goaway ${code}`),
    onPong: () => this.note('pong'),
    onMistake: () => {},
    onClose: (code: number, reason: string) => this.note(`close ${code}: ${reason}`),
  };

  constructor(private readonly connection: () => ClientConnection) {}

  note(line: string): void {
    this.lines.push(line);
  }
}

class Rig {
  readonly notes: Notes = new Notes(() => this.connection);
  readonly encoder = new HpackEncoder(4096);
  readonly connection: ClientConnection;

  constructor(settings: Buffer | null = frame(4, 0, 0)) {
    this.connection = new ClientConnection(OPTIONS, this.notes.handler, 0);
    if (settings !== null) this.send(settings);
    this.sent();
    this.notes.lines.length = 0;
  }
  get lines(): string[] {
    return this.notes.lines;
  }
  send(...frames: Buffer[]): this {
    this.connection.receive(Buffer.concat(frames), 0);
    return this;
  }
  request(method = 'GET', ends = true): ClientStream {
    return this.connection.request({ method, ...START }, [], ends);
  }
  sent(): string[] {
    const output = this.connection.takeOutput() ?? Buffer.alloc(0);
    const hasPreface = output.subarray(0, CLIENT_PREFACE.length).equals(CLIENT_PREFACE);
    return readFrames([hasPreface ? output.subarray(CLIENT_PREFACE.length) : output]);
  }
  head(id: number, pairs: Pair[], ends = false): Buffer {
    return frame(1, ends ? 5 : 4, id, encodeBlock(this.encoder, pairs));
  }
}

/** Two ends of one connection in memory. */
function pairOfEnds(): [near: Duplex, far: Duplex] {
  const ends: Duplex[] = [];
  const end = (other: () => Duplex | undefined): Duplex =>
    new Duplex({
      read: () => {},
      write: (bytes, _encoding, done) => {
        other()?.push(bytes);
        done();
      },
      final: (done) => {
        other()?.push(null);
        done();
      },
    });
  ends.push(
    end(() => ends[1]),
    end(() => ends[0]),
  );
  return [ends[0] as Duplex, ends[1] as Duplex];
}

function answer(stream: ServerHttp2Stream, method: string): void {
  if (method === 'POST') {
    stream.respond({ ':status': 200, 'x-kind': 'echo' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.pipe(stream);
  } else if (method === 'DELETE') {
    stream.respond({ ':status': 204 }, { endStream: true });
  } else {
    stream.additionalHeaders({ ':status': 103, link: '</a>' });
    stream.respond({ ':status': 200, 'content-length': 40_000, date: 'x' });
    stream.end(method === 'HEAD' ? undefined : 'b'.repeat(40_000));
  }
}

/** Requests of every kind to the connection. */
function ask(connection: ClientConnection): void {
  connection.request({ method: 'GET', ...START }, ['X-A', 'b', 'connection', 'x'], true);
  connection.request({ method: 'DELETE', ...START }, ['cookie', 'a=b'], true);
  const upload = connection.request({ method: 'POST', ...START }, [], false);
  connection.sendData(upload, Buffer.from('hello'), false);
  connection.sendEnd(upload, field('x-check', '1'));
}

/** What node:http2 sends to a client that asks so, in pieces as they came. */
async function recordServer(): Promise<Buffer[]> {
  const server = createServer();
  server.on('stream', (stream, headers) => answer(stream, String(headers[':method'])));
  const [near, far] = pairOfEnds();
  server.emit('connection', far);
  const pieces: Buffer[] = [];
  let open = 3;
  await new Promise<void>((resolve) => {
    let hasAsked = false;
    const notes: Notes = new Notes(() => connection);
    const connection = new ClientConnection(
      OPTIONS,
      {
        ...notes.handler,
        onEnd: () => {
          open--;
        },
      },
      0,
    );
    const flush = (): void => {
      const output = connection.takeOutput();
      if (output !== null) near.write(output);
    };
    near.on('data', (bytes: Buffer) => {
      pieces.push(bytes);
      connection.receive(bytes, 0);
      if (!hasAsked && connection.canRequest) {
        hasAsked = true;
        ask(connection);
      }
      flush();
      if (open === 0) resolve();
    });
    flush();
  });
  near.destroy();
  return pieces;
}

function replay(pieces: readonly Buffer[]): string[] {
  const notes: Notes = new Notes(() => connection);
  const connection = new ClientConnection(OPTIONS, notes.handler, 0);
  let hasAsked = false;
  for (const piece of pieces) {
    // Bytes of a read are gone afterwards: nothing may point into them.
    const bytes = Buffer.from(piece);
    connection.receive(bytes, 0);
    bytes.fill(0xee);
    if (hasAsked || !connection.canRequest) continue;
    hasAsked = true;
    ask(connection);
  }
  return notes.lines;
}

describe('replies of a real server', () => {
  it('mean the same however they are cut', async () => {
    const recorded = await recordServer();
    const [first = Buffer.alloc(0), ...others] = recorded;
    const rest = Buffer.concat(others);
    const whole = replay([first, rest]);
    expect(whole).toContain('interim 1 103\r\nlink: </a>');
    expect(whole).toContain('head 1 200 40000');
    expect(whole).toContain('end 1 40000 bbbbb');
    expect(whole).toContain('head 3 204 -1');
    expect(whole).toContain('head 5 200 -1\r\nx-kind: echo');
    expect(whole).toContain('end 5 5 hello\r\ngrpc-status: 0');
    expect(whole.some((line) => line.startsWith('reset') || line.startsWith('close'))).toBe(false);
    expect(replay([first, ...[...rest].map((byte) => Buffer.of(byte))])).toEqual(whole);
    // Every place in what is no body, and some in it.
    for (let cut = 1; cut < rest.length; cut += cut < 600 || cut > rest.length - 600 ? 1 : 487) {
      expect(replay([first, rest.subarray(0, cut), rest.subarray(cut)])).toEqual(whole);
    }
  });
});

describe('bytes that are wrong', () => {
  it('end streams once, and never throw', async () => {
    const recorded = await recordServer();
    const [first = Buffer.alloc(0), ...others] = recorded;
    const rest = Buffer.concat(others);
    let state = 1;
    const random = (below: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return (state >>> 8) % below;
    };
    for (let round = 0; round < 400; round++) {
      const bytes = Buffer.from(rest);
      for (let count = 0; count <= random(4); count++) {
        // Heads of frames and of header blocks are at the beginning.
        const at = random(2) === 0 ? random(Math.min(400, bytes.length)) : random(bytes.length);
        bytes[at] = random(256);
      }
      const cut = random(bytes.length);
      const lines = replay([first, bytes.subarray(0, cut), bytes.subarray(cut)]);
      for (const id of [1, 3, 5]) {
        const ends = lines.filter((line) => new RegExp(`^(end|reset) ${id} `).test(line));
        expect(ends.length).toBeLessThanOrEqual(1);
      }
      const closes = lines.findIndex((line) => line.startsWith('close'));
      if (closes !== -1) expect(closes).toBe(lines.length - 1);
    }
  });
});

describe('a connection to a target', () => {
  it('says who it is, and opens nothing before the settings of the target', () => {
    const connection = new ClientConnection(OPTIONS, new Notes(() => connection).handler, 0);
    const output = connection.takeOutput() ?? Buffer.alloc(0);
    expect(output.subarray(0, CLIENT_PREFACE.length)).toEqual(CLIENT_PREFACE);
    const frames = readFrames([output.subarray(CLIENT_PREFACE.length)]);
    expect(frames[0]).toMatch(/^settings 000200000000/);
    expect(frames[1]).toBe(`window 0 ${OPTIONS.windowBytes - 65_535}`);
    expect(connection.canRequest).toBe(false);
    expect(() => connection.request({ method: 'GET', ...START }, [], true)).toThrow();
  });

  it('opens as many streams as both sides allow', () => {
    const rig = new Rig();
    for (let count = 0; count < 3; count++) rig.request();
    expect(rig.connection.canRequest).toBe(false);
    const narrow = new Rig(frame(4, 0, 0, [0, 3, 0, 0, 0, 1]));
    narrow.request();
    expect(narrow.connection.canRequest).toBe(false);
    narrow.send(narrow.head(1, [[':status', '200']], true));
    expect(narrow.connection.canRequest).toBe(true);
    narrow.send(frame(4, 0, 0, [0, 3, 0, 0, 0, 0]));
    expect(narrow.connection.canRequest).toBe(false);
    expect(narrow.connection.mayRequest).toBe(true);
  });

  it('tells what was not looked at from what may have been served', () => {
    const rig = new Rig();
    for (let count = 0; count < 3; count++) rig.request();
    rig.send(frame(7, 0, 0, Buffer.concat([number32(3), number32(0)])));
    expect(rig.lines).toEqual([
      'reset 5 0 unprocessed: the target has sent GOAWAY: NO_ERROR',
      'goaway 0',
    ]);
    expect(rig.connection.mayRequest).toBe(false);
    rig.send(rig.head(1, [[':status', '200']], true), frame(3, 0, 3, number32(7)));
    expect(rig.lines.slice(2)).toEqual([
      'head 1 200 -1',
      'end 1 0 ',
      'reset 3 7 unprocessed: the target has reset the stream: REFUSED_STREAM',
    ]);
  });

  it('does not take a refusal behind a head for one', () => {
    const rig = new Rig();
    rig.request();
    rig.send(rig.head(1, [[':status', '200']]), frame(3, 0, 1, number32(7)));
    expect(rig.lines.at(-1)).toBe('reset 1 7: the target has reset the stream: REFUSED_STREAM');
  });

  it('takes no reset in a body for its end, whatever the code', () => {
    for (const code of [0, 8]) {
      const rig = new Rig();
      rig.request();
      rig.send(
        rig.head(1, [[':status', '200']]),
        frame(0, 0, 1, 'ab'),
        frame(3, 0, 1, number32(code)),
      );
      expect(rig.lines.at(-1)).toMatch(new RegExp(`^reset 1 ${code}: `));
    }
  });

  it('goes on sending when a window that had become negative opens', () => {
    const rig = new Rig();
    const stream = rig.request('POST', false);
    const body = Buffer.alloc(70_000, 'x');
    expect(rig.connection.sendData(stream, body, true)).toBe(65_535);
    // INITIAL_WINDOW_SIZE goes down to 100: the window is 65,435 below zero.
    rig.send(frame(4, 0, 0, [0, 4, 0, 0, 0, 100]), frame(8, 0, 0, number32(100_000)));
    rig.send(frame(8, 0, 1, number32(65_435)));
    expect(rig.lines).toEqual(['settings']);
    rig.send(frame(8, 0, 1, number32(10_000)));
    expect(rig.lines.at(-1)).toBe('window 1');
    expect(rig.connection.sendData(stream, body.subarray(65_535), true)).toBe(4465);
    expect(stream.isLocalClosed).toBe(true);
  });

  const closes: [string, number, (rig: Rig) => Buffer[]][] = [
    ['DATA on an idle stream', 1, () => [frame(0, 0, 9, 'a')]],
    ['HEADERS on an idle stream', 1, (rig) => [rig.head(9, [[':status', '200']])]],
    ['HEADERS on an even stream', 1, (rig) => [rig.head(2, [[':status', '200']])]],
    ['RST_STREAM on an idle stream', 1, () => [frame(3, 0, 9, number32(8))]],
    ['WINDOW_UPDATE on an idle stream', 1, () => [frame(8, 0, 9, number32(9))]],
    ['PUSH_PROMISE', 1, () => [frame(5, 4, 1, number32(2))]],
    ['a window above 2^31-1', 3, () => [frame(8, 0, 0, number32(2 ** 31 - 1))]],
    ['a window of nothing', 1, () => [frame(8, 0, 0, number32(0))]],
    ['a block that is not HPACK', 9, () => [frame(1, 4, 1, [0x80])]],
    ['a frame too large', 6, () => [Buffer.from([1, 0, 0, 0, 0, 0, 0, 0, 1])]],
    ['a frame within a header block', 1, () => [frame(1, 0, 1, [0x88]), frame(0, 0, 1, 'a')]],
    [
      'a header block without end',
      11,
      () => [frame(1, 0, 1, Buffer.alloc(16_000)), frame(9, 0, 1, Buffer.alloc(16_000))],
    ],
    [
      'a stream that ended',
      5,
      (rig) => [rig.head(1, [[':status', '200']], true), frame(0, 0, 1, 'a')],
    ],
    ['a flood of settings', 11, () => Array.from({ length: 2001 }, () => frame(4, 0, 0))],
    ['a flood of pings', 11, () => Array.from({ length: 2001 }, () => frame(6, 0, 0, '12345678'))],
    [
      'a flood of empty frames',
      11,
      (rig) => [
        rig.head(1, [[':status', '200']]),
        ...Array.from({ length: 2001 }, () => frame(0, 0, 1)),
      ],
    ],
    [
      'a flood of small windows',
      11,
      () => Array.from({ length: 2001 }, () => frame(8, 0, 1, number32(1))),
    ],
    [
      'a flood of CONTINUATION',
      11,
      () => [frame(1, 0, 1), ...Array.from({ length: 2001 }, () => frame(9, 0, 1))],
    ],
    [
      'a flood of priorities',
      11,
      () => Array.from({ length: 2001 }, () => frame(2, 0, 1, [0, 0, 0, 3, 1])),
    ],
    [
      'a flood of resets',
      11,
      (rig) => [
        rig.head(1, [[':status', '200']]),
        ...Array.from({ length: 2001 }, () => frame(3, 0, 1, number32(8))),
      ],
    ],
    [
      'a flood of GOAWAY',
      11,
      () =>
        Array.from({ length: 2001 }, () =>
          frame(7, 0, 0, Buffer.concat([number32(9), number32(0)])),
        ),
    ],
  ];
  it.each(closes)('ends with %s: %i', (_, code, frames) => {
    const rig = new Rig();
    rig.request();
    rig.send(...frames(rig));
    expect(rig.lines.at(-1)).toMatch(new RegExp(`^close ${code}: `));
    expect(rig.sent().at(-1)).toBe(`goaway 0 ${code}`);
    expect(rig.connection.streams.size).toBe(0);
    const told = rig.lines.length;
    rig.send(frame(6, 0, 0, '12345678'));
    expect([rig.lines.length, rig.sent()]).toEqual([told, []]);
  });

  it('names a target that speaks HTTP/1.1', () => {
    for (const cut of [1, 3, 5, 8, 9, 20]) {
      const rig = new Rig(null);
      const text = Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n');
      rig.send(text.subarray(0, cut)).send(text.subarray(cut));
      expect(rig.lines).toEqual(['close 6: it speaks HTTP/1.1, and not HTTP/2']);
    }
  });

  const status: Pair = [':status', '200'];
  const resets: [string, string, (rig: Rig) => Buffer[]][] = [
    ['no status', 'no status', (rig) => [rig.head(1, [['a', 'b']])]],
    ['two statuses', 'two statuses', (rig) => [rig.head(1, [status, status])]],
    [
      'a status of two digits',
      'a status that is none',
      (rig) => [rig.head(1, [[':status', '20']])],
    ],
    [
      'a pseudo-field of requests',
      'a pseudo-field of requests',
      (rig) => [rig.head(1, [status, [':path', '/']])],
    ],
    [
      'a status behind a field',
      'a pseudo-field behind a field',
      (rig) => [rig.head(1, [['a', 'b'], status])],
    ],
    [
      'Connection',
      'a field of an HTTP/1.1 connection',
      (rig) => [rig.head(1, [status, ['connection', 'close']])],
    ],
    [
      'a name in capitals',
      'a field whose name or value HTTP/2 does not allow',
      (rig) => [rig.head(1, [status, ['A', 'b']])],
    ],
    [
      'a line end in a value',
      'a field whose name or value HTTP/2 does not allow',
      (rig) => [rig.head(1, [status, ['a', 'b\r\nc: d']])],
    ],
    [
      'two lengths',
      'two Content-Length fields',
      (rig) => [rig.head(1, [status, ['content-length', '1'], ['content-length', '1']])],
    ],
    [
      'a length that is no number',
      'a Content-Length that is no number',
      (rig) => [rig.head(1, [status, ['content-length', '+1']])],
    ],
    ['101', 'a 101, which HTTP/2 does not have', (rig) => [rig.head(1, [[':status', '101']])]],
    [
      'an interim reply that ends',
      'an interim reply that ends the stream',
      (rig) => [rig.head(1, [[':status', '103']], true)],
    ],
    [
      'too many interim replies',
      'too many interim replies',
      (rig) => Array.from({ length: 101 }, () => rig.head(1, [[':status', '103']])),
    ],
    ['DATA before the head', 'DATA before the head of the reply', () => [frame(0, 0, 1, 'a')]],
    [
      'a second head',
      'HEADERS within a body',
      (rig) => [rig.head(1, [status]), rig.head(1, [['a', 'b']])],
    ],
    [
      'a pseudo-field behind the body',
      'a pseudo-field behind a body',
      (rig) => [rig.head(1, [status]), rig.head(1, [status], true)],
    ],
    [
      'more than Content-Length',
      'more than the Content-Length',
      (rig) => [rig.head(1, [status, ['content-length', '1']]), frame(0, 0, 1, 'ab')],
    ],
    [
      'less than Content-Length',
      'less than the Content-Length',
      (rig) => [rig.head(1, [status, ['content-length', '3']]), frame(0, 1, 1, 'ab')],
    ],
    [
      'nothing of its Content-Length',
      'less than the Content-Length',
      (rig) => [rig.head(1, [status, ['content-length', '3']], true)],
    ],
    [
      'a body behind 204',
      'DATA in a reply without a body',
      (rig) => [rig.head(1, [[':status', '204']]), frame(0, 1, 1, 'a')],
    ],
    [
      'a head too large',
      'head too large',
      (rig) => [rig.head(1, [status, ['a', 'x'.repeat(2100)]])],
    ],
    [
      'too many fields',
      'head too large',
      (rig) => [rig.head(1, [status, ...Array.from({ length: 21 }, (): Pair => ['a', 'b'])])],
    ],
  ];
  it.each(resets)('resets the stream of a reply with %s', (_, reason, frames) => {
    const rig = new Rig();
    rig.request();
    rig.request();
    rig.send(...frames(rig));
    expect(rig.lines.at(-1)).toMatch(/^reset 1 \d+: /);
    expect(rig.lines.at(-1)?.endsWith(`: ${reason}`)).toBe(true);
    expect(rig.sent().some((line) => line.startsWith('reset 1 '))).toBe(true);
    // The other one is unharmed.
    rig.send(rig.head(3, [status], true));
    expect(rig.lines.at(-1)).toBe('end 3 0 ');
  });

  it('decodes what is too large all the same, so that the table stays the same', () => {
    const rig = new Rig();
    rig.request();
    rig.request();
    rig.send(
      rig.head(1, [
        status,
        ['x-big', 'x'.repeat(900)],
        ['y-big', 'y'.repeat(900)],
        ['z-big', 'z'.repeat(900)],
      ]),
    );
    rig.send(rig.head(3, [status, ['y-big', 'y'.repeat(900)]], true));
    expect(rig.lines.at(-2)).toBe(`head 3 200 -1\r\ny-big: ${'y'.repeat(900)}`);
  });

  it('is bounded by the block when entries of the table are named again and again', () => {
    const rig = new Rig();
    rig.request();
    const entry = encodeBlock(rig.encoder, [['x-bomb', 'x'.repeat(900)]]);
    const bomb = Buffer.concat([
      encodeBlock(rig.encoder, [status]),
      entry,
      Buffer.alloc(3000, 0x80 | 62),
    ]);
    rig.send(frame(1, 5, 1, bomb));
    expect(rig.lines.at(-1)).toBe('reset 1 8: head too large');
  });

  it('lets a server of honest measurements be', () => {
    const rig = new Rig();
    const stream = rig.request('POST', false);
    for (let round = 0; round < 5000; round++) {
      rig.connection.sendData(stream, Buffer.from('x'), false);
      rig.send(
        frame(8, 0, 0, number32(1)),
        frame(8, 0, 1, number32(1)),
        frame(6, 0, 0, '12345678'),
      );
      rig.connection.takeOutput();
    }
    expect(rig.connection.isClosed).toBe(false);
  });

  it('takes what was on its way on a stream that it resets, within its window', () => {
    const rig = new Rig();
    const stream = rig.request();
    rig.request();
    rig.send(rig.head(1, [status]), frame(0, 0, 1, 'a'.repeat(35)));
    rig.connection.reset(stream, 8);
    const message = frame(0, 0, 1, 'x'.repeat(50));
    for (let count = 0; count < 1310; count++) rig.send(message);
    expect(rig.connection.idleFrames).toBe(0);
    rig.send(frame(0, 1, 1), rig.head(3, [status], true));
    expect(rig.lines.at(-1)).toBe('end 3 0 ');
    // That many bytes were in the window: what is more was sent in spite of the reset.
    for (let count = 0; count < 999; count++) rig.send(message);
    expect(rig.connection.isClosed).toBe(false);
    rig.send(message);
    expect(rig.lines.at(-1)).toBe('close 11: a flood of frames on closed streams');
  });

  it('ends every stream when the socket is gone', () => {
    const rig = new Rig();
    rig.request();
    rig.request('POST', false);
    rig.connection.lose('closed');
    expect(rig.lines).toEqual(['reset 1 0: closed', 'reset 3 0: closed', 'close 0: closed']);
    expect(rig.connection.sendData(new Rig().request('POST', false), Buffer.from('x'), true)).toBe(
      1,
    );
  });
});
