/**
 * HPACK blocks as they are written: by example, and round trips of everything through our decoder
 * and, over a real session, through that of Node.js (nghttp2).
 */
import {
  createServer,
  type Http2Server,
  connect as http2Connect,
  type ServerHttp2Stream,
} from 'node:http2';
import { type AddressInfo, connect, createServer as createRaw, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HpackDecoder } from '../../../../src/wire/hpack/hpack-decoder.js';
import { HpackEncoder } from '../../../../src/wire/hpack/hpack-encoder.js';
import { HUFFMAN_BITS, HUFFMAN_CODES } from '../../../../src/wire/hpack/huffman-code.js';
import { decodeHuffman } from '../../../../src/wire/hpack/huffman-decoder.js';
import { encodeHuffman, huffmanBytesOf } from '../../../../src/wire/hpack/huffman-encoder.js';
import { seeded } from '../../../fuzz/mutations.js';
import { decodeBlock, encodeBlock, fromHex, type Pair } from '../../../support/hpack-blocks.js';

const below = (random: () => number, bound: number): number => Math.floor(random() * bound);

function textOf(random: () => number, alphabet: string, lengthMax: number): string {
  let text = '';
  for (let left = below(random, lengthMax + 1); left > 0; left--) {
    text += alphabet[below(random, alphabet.length)];
  }
  return text;
}

const ALL = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join('');
const NAMES = [
  'server',
  'x-a',
  'x-b',
  'cache-control',
  'content-type',
  'etag',
  'cookie',
  'x-token',
];

function someFields(random: () => number, values: string): Pair[] {
  return Array.from({ length: below(random, 12) }, () => {
    const name = NAMES[below(random, NAMES.length)] ?? 'x';
    return [name, textOf(random, values, below(random, 20) === 0 ? 2000 : 3)] as const;
  });
}

describe('the Huffman code', () => {
  it('is that of RFC 7541 appendix B', () => {
    const codeOf = (symbol: number) => [HUFFMAN_CODES[symbol], HUFFMAN_BITS[symbol]];
    expect(codeOf(48)).toEqual([0, 5]);
    expect(codeOf(0)).toEqual([0x1ff8, 13]);
    expect(codeOf(10)).toEqual([0x3ffffffc, 30]);
    expect(codeOf(203)).toEqual([0x7ffffde, 27]);
    expect(codeOf(255)).toEqual([0x3ffffee, 26]);
    expect(codeOf(256)).toEqual([0x3fffffff, 30]);
  });

  it('gives back every text', () => {
    const random = seeded(7);
    const texts = [...ALL, ALL, ALL.repeat(3)];
    for (let round = 0; round < 2000; round++) texts.push(textOf(random, ALL, 40));
    for (const text of texts) {
      const code = Buffer.alloc(huffmanBytesOf(text));
      expect(encodeHuffman(text, code, 0)).toBe(code.length);
      const out = Buffer.alloc(text.length + 2);
      const end = decodeHuffman(code, { start: 0, end: code.length }, out, 0);
      expect(out.toString('latin1', 0, end)).toBe(text);
    }
  });
});

describe('a block of ours', () => {
  it('takes fields of the static table, and of its own the second time', () => {
    const encoder = new HpackEncoder(4096);
    const pairs: Pair[] = [
      [':status', '200'],
      ['server', 'a'],
    ];
    expect(encodeBlock(encoder, pairs)).toEqual(fromHex('88 76 01 61'));
    expect(encodeBlock(encoder, pairs)).toEqual(fromHex('88 be'));
  });

  it.each(['authorization', 'cookie', 'set-cookie', 'proxy-authorization', 'x-api-key'])(
    'marks %s as never to be indexed',
    (name) => {
      const encoder = new HpackEncoder(4096);
      const first = encodeBlock(encoder, [[name, 'secret']]);
      expect((first[0] ?? 0) & 0xf0).toBe(0x10);
      expect(encodeBlock(encoder, [[name, 'secret']])).toEqual(first);
    },
  );

  it.each([':path', 'etag', 'content-length', 'x-request-id'])('keeps no %s', (name) => {
    const encoder = new HpackEncoder(4096);
    const first = encodeBlock(encoder, [[name, '/17']]);
    expect((first[0] ?? 0) & 0xf0).toBe(0);
    expect(encodeBlock(encoder, [[name, '/17']])).toEqual(first);
  });

  it.each([':authority', 'access-control-allow-credentials', 'x-frame-options'])(
    'keeps %s',
    (name) => {
      const encoder = new HpackEncoder(4096);
      encodeBlock(encoder, [[name, 'true']]);
      expect(encodeBlock(encoder, [[name, 'true']])).toEqual(fromHex('be'));
    },
  );

  it('depends on nothing before it where the table has no size', () => {
    const encoder = new HpackEncoder(0);
    expect(encodeBlock(encoder, [['x-a', 'b']])[0]).toBe(0x20);
    const second = encodeBlock(encoder, [['x-a', 'b']]);
    expect(encodeBlock(encoder, [['x-a', 'b']])).toEqual(second);
    expect(second[0]).toBe(0);
  });

  it('tells the smallest and the last size of the table', () => {
    const encoder = new HpackEncoder(4096);
    encoder.resize(100);
    encoder.resize(0);
    encoder.resize(64);
    expect(encodeBlock(encoder, [])).toEqual(fromHex('20 3f 21'));
    expect(encodeBlock(encoder, [])).toEqual(fromHex(''));
    encoder.resize(1 << 30);
    expect(encodeBlock(encoder, [])).toEqual(fromHex('3f e1 1f'));
  });

  it('is read back, whatever is in it and however the table changes', () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = seeded(seed);
      const encoder = new HpackEncoder([0, 100, 300, 4096][seed % 4] ?? 0);
      const decoder = new HpackDecoder();
      for (let round = 0; round < 60; round++) {
        if (below(random, 10) === 0) encoder.resize(below(random, 500));
        const pairs = someFields(random, ALL);
        expect(decodeBlock(decoder, encodeBlock(encoder, pairs))).toEqual(pairs);
      }
    }
  });
});

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Header blocks that come from a socket, each without its frame. */
async function* headerBlocks(socket: Socket, preface: number): AsyncGenerator<Buffer> {
  let bytes = Buffer.alloc(0);
  let skip = preface;
  for await (const piece of socket) {
    bytes = Buffer.concat([bytes, piece as Buffer]);
    if (skip > 0 && bytes.length >= skip) {
      bytes = bytes.subarray(skip);
      skip = 0;
    }
    while (skip === 0 && bytes.length >= 9 && bytes.length >= 9 + bytes.readUIntBE(0, 3)) {
      const end = 9 + bytes.readUIntBE(0, 3);
      const payload = bytes.subarray(9, end);
      if (bytes[3] === 1) yield (bytes[4] ?? 0) & 0x20 ? payload.subarray(5) : payload;
      bytes = bytes.subarray(end);
    }
  }
}

describe('nghttp2', () => {
  let server: Http2Server;
  const heads: string[][] = [];
  const VALUES = ALL.slice(33, 127);

  beforeAll(async () => {
    server = createServer();
    server.on('stream', (stream: ServerHttp2Stream, _: unknown, _flags: unknown, raw: string[]) => {
      heads.push(raw);
      stream.respond({ ':status': 200, 'x-raw': raw.length, server: 'node' }, { endStream: true });
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  });

  afterAll(() => new Promise((done) => server.close(done)));

  it('reads our blocks as they were meant, and we read its replies', async () => {
    const random = seeded(11);
    const encoder = new HpackEncoder(4096);
    const decoder = new HpackDecoder();
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    socket.write(Buffer.concat([PREFACE, frame(4, 0, 0, Buffer.alloc(0))]));
    const replies = headerBlocks(socket, 0);
    for (let round = 0; round < 150; round++) {
      const pairs: Pair[] = [
        [':method', 'GET'],
        [':scheme', 'http'],
        [':authority', 'a.example'],
        [':path', `/${round % 7}`],
        ...someFields(random, VALUES).filter(([name]) => !['etag', 'content-type'].includes(name)),
      ];
      socket.write(frame(1, 5, 2 * round + 1, encodeBlock(encoder, pairs)));
      const reply = (await replies.next()).value as Buffer;
      expect(heads.at(-1)).toEqual(pairs.flat());
      const fields = new Map(decodeBlock(decoder, reply));
      expect(fields.get('x-raw')).toBe(String(2 * pairs.length));
    }
    socket.destroy();
  });

  it('writes blocks that we read as they were meant', async () => {
    const random = seeded(12);
    const sockets: Socket[] = [];
    const raw = createRaw((socket) => sockets.push(socket));
    await new Promise<void>((done) => raw.listen(0, '127.0.0.1', done));
    const session = http2Connect(`http://127.0.0.1:${(raw.address() as AddressInfo).port}`);
    session.on('error', () => {});
    await new Promise((done) => session.once('connect', done));
    const lists = Array.from({ length: 90 }, () =>
      Object.fromEntries(someFields(random, VALUES).filter(([name]) => name !== 'etag')),
    );
    for (const fields of lists) session.request(fields).on('error', () => {});
    await expect.poll(() => sockets.length).toBe(1);
    const decoder = new HpackDecoder();
    const blocks = headerBlocks(sockets[0] as Socket, PREFACE.length);
    for (const fields of lists) {
      const pairs = decodeBlock(decoder, (await blocks.next()).value as Buffer) ?? [];
      const got = pairs.filter(([name]) => !name.startsWith(':'));
      const order = ([a]: Pair, [b]: Pair) => (a < b ? -1 : 1);
      expect([...got].sort(order)).toEqual(Object.entries(fields).sort(order));
    }
    session.destroy();
    raw.close();
  });
});
