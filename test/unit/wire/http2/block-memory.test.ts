/** The same block again: what a request says must not depend on whether it was remembered. */
import { describe, expect, it } from 'vitest';
import { HpackDecoder } from '../../../../src/wire/hpack/hpack-decoder.js';
import { HpackEncoder } from '../../../../src/wire/hpack/hpack-encoder.js';
import { HeadNumbers } from '../../../../src/wire/http1/head-memory.js';
import {
  BLOCK_BYTES_MAX,
  BLOCKS_MAX,
  TEXT_CHARS_MAX,
} from '../../../../src/wire/http2/block-memory.js';
import { CLIENT_PREFACE, NO_ERROR } from '../../../../src/wire/http2/frame-kinds.js';
import { type Http2RequestHead, RequestFields } from '../../../../src/wire/http2/request-fields.js';
import { ServerConnection } from '../../../../src/wire/http2/server-connection.js';
import { below, type Random, seeded } from '../../../fuzz/mutations.js';
import { encodeBlock, type Pair } from '../../../support/hpack-blocks.js';
import { frame } from '../../../support/http2-frames.js';
import { RULES } from '../../../support/request-outcome.js';

const ORIGIN = { peer: '192.0.2.7', connection: 'http', fallbackHost: '' };
const OPTIONS = {
  streamsMax: 100,
  streamWindowBytes: 65_535,
  windowBytes: 65_535,
  mayConnect: true,
};

type Heads = (Http2RequestHead | string)[];

/** A connection whose streams end as soon as their head has come. */
class Client {
  readonly heads: Heads = [];
  readonly encoder = new HpackEncoder(4096);
  private stream = -1;
  private readonly connection = new ServerConnection(
    OPTIONS,
    {
      onHead: (stream, head) => {
        // What is said of one request stays as it was.
        this.heads.push({ ...head });
        this.connection.reset(stream, NO_ERROR);
      },
      onData: () => {},
      onEnd: () => {},
      onReset: () => {},
      onMalformed: (_method, _path, reason) => this.heads.push(reason),
      onMistake: () => {},
      onWindow: () => {},
      onClose: (_code, reason) => this.heads.push(`closed: ${reason}`),
    },
    { rules: RULES, origin: ORIGIN, nowMs: 0, numbers: new HeadNumbers() },
  );

  constructor() {
    this.connection.receive(Buffer.concat([CLIENT_PREFACE, frame(4, 0, 0)]), 0);
  }

  send(block: Buffer, ends = true): Http2RequestHead | string | undefined {
    this.stream += 2;
    this.connection.receive(frame(1, ends ? 5 : 4, this.stream, block), 1e6 * this.stream);
    return this.heads.at(-1);
  }

  /** The number that the head gets. */
  number(pairs: readonly Pair[], ends = true): number {
    const head = this.send(encodeBlock(this.encoder, pairs), ends);
    if (typeof head !== 'object') throw new Error(`no head: ${head}`);
    return head.number;
  }

  adopt(rules: typeof RULES): void {
    this.connection.adopt(rules);
  }
}

const START: Pair[] = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':authority', 'a.example'],
];
const GET: Pair[] = [...START, [':path', '/a?b'], ['accept', '*/*']];

const PARTS: Pair[][] = [
  [[':path', '/a']],
  [[':path', '/b']],
  [[':path', '*']],
  [
    [':path', '/a'],
    [':path', '/a'],
  ],
  [
    [':path', '/a'],
    ['cookie', 'a=b'],
    ['cookie', 'c=d'],
  ],
  [
    [':path', '/a'],
    ['cookie', 'a=c'],
    ['cookie', 'c=d'],
  ],
  [
    [':path', '/a'],
    ['authorization', 'Bearer 1'],
  ],
  [
    [':path', '/a'],
    ['x-long', 'y'.repeat(300)],
  ],
  [
    [':path', '/a'],
    ['x_under', '1'],
  ],
  [
    [':path', '/a'],
    ['te', 'trailers'],
  ],
  [
    [':path', '/a'],
    ['te', 'gzip'],
  ],
  [
    [':path', '/a'],
    ['content-length', '3'],
  ],
  [
    [':path', '/a'],
    ['content-length', '0'],
  ],
  [
    [':path', '/a'],
    ['host', 'b.example'],
  ],
  [
    [':path', '/a'],
    ['expect', '100-continue'],
  ],
  [
    [':path', '/a'],
    ['connection', 'close'],
  ],
];

/** What the blocks say where nothing is remembered. */
function readEach(blocks: readonly (readonly [block: Buffer, ends: boolean])[]): Heads {
  const decoder = new HpackDecoder(4096);
  return blocks.map(([block, ends]) => {
    const fields = new RequestFields(RULES, ORIGIN, true);
    fields.begin();
    const limits = { bytesMax: RULES.headerBytes, fieldsMax: RULES.headerFields };
    if (!decoder.decode(block, fields, limits)) return `closed: ${decoder.reason}`;
    return fields.finish(decoder.text, decoder.isOversize, ends) ?? fields.mistake;
  });
}

function withoutNumbers(heads: Heads): Heads {
  return heads.map((head) => (typeof head === 'string' ? head : { ...head, number: 0 }));
}

/** Blocks of which many have come before, while the table grows, shrinks and forgets. */
function blocksOf(random: Random, encoder: HpackEncoder): [Buffer, boolean][] {
  const favourites = Array.from({ length: 3 }, () => below(random, PARTS.length));
  const blocks: [Buffer, boolean][] = [];
  for (let count = 0; count < 60; count += 1) {
    const chance = below(random, 30);
    const place = favourites[chance] ?? (chance < 24 ? favourites[0] : below(random, PARTS.length));
    const pairs = [...START, ...(PARTS[place ?? 0] ?? [])];
    if (chance === 29) pairs.push([`x-${count}`, 'z'.repeat(200)]);
    if (chance === 28) encoder.resize(below(random, 2) === 0 ? 100 : 4096);
    blocks.push([encodeBlock(encoder, pairs), below(random, 8) > 0]);
  }
  return blocks;
}

/** GET / of https://a, then fields as a sender may write them that uses its table in any way. */
function rawBlock(random: Random): Buffer {
  const chance = below(random, 20);
  const resize = chance === 0 ? [0x20 | below(random, 2)] : chance === 1 ? [0x3f, 0xe1, 0x1f] : [];
  const kept = [0x40, 3, 0x78, 0x2d, 0x61, 1, 0x30 + below(random, 3)];
  const field = chance < 2 ? [] : chance < 7 ? kept : [0xbe + below(random, 2)];
  return Buffer.from([...resize, 0x82, 0x87, 0x84, 0x01, 1, 0x61, ...field]);
}

/** Blocks that come again and are not looked up, at least, after a thousand that did not. */
const PAUSED_MIN = 20;

describe('a connection that gets the same head again', () => {
  it('says of it what reading it again would say, and has one number for one head', () => {
    let numbered = 0;
    for (let seed = 0; seed < 80; seed += 1) {
      const client = new Client();
      const blocks = blocksOf(seeded(seed), client.encoder);
      for (const [block, ends] of blocks) client.send(block, ends);
      expect(withoutNumbers(client.heads)).toEqual(readEach(blocks));
      const texts = new Map<number, unknown>();
      for (const head of client.heads) {
        if (typeof head === 'string' || head.number === 0) continue;
        numbered += 1;
        const said = texts.get(head.number) ?? head;
        expect(head).toEqual(said);
        texts.set(head.number, said);
      }
    }
    expect(numbered).toBeGreaterThan(800);
  });

  it('says what an index means now, and closes where it means nothing any more', () => {
    let closed = 0;
    for (let seed = 0; seed < 200; seed += 1) {
      const random = seeded(seed);
      const client = new Client();
      const blocks = Array.from({ length: 40 }, () => [rawBlock(random), true] as const);
      for (const [block] of blocks) client.send(block);
      const expected = readEach(blocks);
      const end = expected.findIndex((head) => typeof head === 'string');
      if (end !== -1) closed += 1;
      expect(withoutNumbers(client.heads)).toEqual(expected.slice(0, end === -1 ? 40 : end + 1));
    }
    expect(closed).toBeGreaterThan(20);
    expect(closed).toBeLessThan(200);
  });

  it('has no number for the first one, nor while its own fields come into the table', () => {
    const client = new Client();
    expect([1, 2, 3, 4].map(() => client.number(GET))).toEqual([0, 0, 1, 1]);
  });

  it('knows several of them side by side', () => {
    const client = new Client();
    const numbers: number[] = [];
    for (let turn = 0; turn < 4; turn += 1) {
      for (let at = 0; at < BLOCKS_MAX; at += 1) {
        numbers.push(client.number([...GET, ['x-id', `${at}`], ['cookie', 'a']]));
      }
    }
    const last = numbers.slice(-BLOCKS_MAX);
    expect(new Set(last).size).toBe(BLOCKS_MAX);
    expect(Math.min(...last)).toBeGreaterThan(0);
  });

  it('keeps no more than that many, and the newest of them', () => {
    const client = new Client();
    const of = (at: number): Pair[] => [...START, [':path', `/${at}`]];
    client.number(of(0));
    for (let at = 0; at <= BLOCKS_MAX; at += 1) client.number(of(at));
    expect(client.number(of(BLOCKS_MAX))).toBeGreaterThan(0);
    expect(client.number(of(0))).toBe(0);
  });

  it('looks for one that comes again at last, after many that did not', () => {
    const client = new Client();
    for (let at = 0; at < 1000; at += 1) client.number([...START, [':path', `/${at}`]]);
    const again = (): number => {
      let turns = 0;
      while (client.number(GET) === 0) expect(++turns).toBeLessThan(200);
      return turns;
    };
    // Blocks are not looked up meanwhile: that would cost more than it brings.
    expect(again()).toBeGreaterThan(PAUSED_MIN);
    expect(client.number(GET)).toBeGreaterThan(0);
    // It was worth the while: the next ones are looked up at once.
    for (let at = 0; at < 20; at += 1) client.number([...START, [':path', `/other/${at}`]]);
    expect(again()).toBeLessThan(5);
  });

  it('reads it again under other rules, and where another table has another meaning', () => {
    const client = new Client();
    const block = [...GET, ['x_under', '1'] as Pair];
    while (client.number(block) === 0);
    client.adopt({ ...RULES, underscores: 'refuse' });
    expect(client.send(encodeBlock(client.encoder, block))).toMatchObject({
      problem: expect.anything(),
      number: 0,
    });
    client.adopt(RULES);
    while (client.number(block) === 0);
    client.encoder.resize(0);
    expect(client.number(block)).toBe(0);
  });

  it('tells a head with a body from the same one without', () => {
    const client = new Client();
    while (client.number(GET) === 0);
    const known = client.number(GET);
    expect(client.number(GET, false)).not.toBe(known);
    expect(client.heads.at(-1)).toMatchObject({ bodyBytes: -1 });
    client.number(GET);
    expect(client.heads.at(-1)).toMatchObject({ bodyBytes: 0 });
  });

  const others: [string, Pair[]][] = [
    ['a long block', [['cookie', '<'.repeat(BLOCK_BYTES_MAX)]]],
    ['a refused one', [['expect', 'a miracle']]],
    ['one that waits for 100', [['expect', '100-continue']]],
  ];
  it.each(others)('never has a number for %s', (_, more) => {
    const client = new Client();
    for (let turn = 0; turn < 5; turn += 1) expect(client.number([...GET, ...more], false)).toBe(0);
  });

  it('never has a number for a long text out of a short block', () => {
    const client = new Client();
    const long = Array.from({ length: 4 }, (_, at): Pair => [`x-${at}`, 'y'.repeat(600)]);
    expect(4 * 600).toBeGreaterThan(TEXT_CHARS_MAX);
    for (let turn = 0; turn < 5; turn += 1) expect(client.number([...GET, ...long])).toBe(0);
    expect(encodeBlock(client.encoder, [...GET, ...long]).length).toBeLessThan(BLOCK_BYTES_MAX);
  });

  it('never has a number for a tunnel', () => {
    const client = new Client();
    const tunnel: Pair[] = [
      [':method', 'CONNECT'],
      [':protocol', 'websocket'],
      ...START.slice(1),
      [':path', '/chat'],
    ];
    for (let turn = 0; turn < 5; turn += 1) expect(client.number(tunnel, false)).toBe(0);
  });
});
