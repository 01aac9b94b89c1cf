/** HPACK blocks as they are read: the examples of RFC 7541, stories of other encoders, mistakes. */
import { describe, expect, it } from 'vitest';
import {
  FIELD_COOKIE,
  FIELD_MALFORMED,
  FIELD_OF_CONNECTION,
  FIELD_ORDINARY,
  FIELD_UNDERSCORE,
  PSEUDO_PATH,
} from '../../../../src/wire/hpack/field-class.js';
import { HpackDecoder } from '../../../../src/wire/hpack/hpack-decoder.js';
import {
  decodeBlock,
  decodeHex,
  fromHex,
  ListSink,
  type Pair,
  WIDE_LIMITS,
} from '../../../support/hpack-blocks.js';
import { describeWithData, sharedJsonFiles } from '../../../support/shared-data.js';

const REQUEST_1: Pair[] = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'www.example.com'],
];
const REQUEST_2: Pair[] = [...REQUEST_1, ['cache-control', 'no-cache']];
const REQUEST_3: Pair[] = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':path', '/index.html'],
  [':authority', 'www.example.com'],
  ['custom-key', 'custom-value'],
];
const DATE_1: Pair = ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'];
const DATE_2: Pair = ['date', 'Mon, 21 Oct 2013 20:13:22 GMT'];
const LOCATION: Pair = ['location', 'https://www.example.com'];
const PRIVATE: Pair = ['cache-control', 'private'];
const COOKIE: Pair = ['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'];
const REPLY_1: Pair[] = [[':status', '302'], PRIVATE, DATE_1, LOCATION];
const REPLY_2: Pair[] = [[':status', '307'], PRIVATE, DATE_1, LOCATION];
const REPLY_3: Pair[] = [
  [':status', '200'],
  PRIVATE,
  DATE_2,
  LOCATION,
  ['content-encoding', 'gzip'],
  COOKIE,
];

interface Example {
  readonly section: string;
  readonly tableBytes: number;
  readonly blocks: readonly (readonly [hex: string, pairs: readonly Pair[]])[];
}

const EXAMPLES: readonly Example[] = [
  {
    section: 'C.2.1',
    tableBytes: 4096,
    blocks: [
      [
        '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572',
        [['custom-key', 'custom-header']],
      ],
    ],
  },
  {
    section: 'C.2.2',
    tableBytes: 4096,
    blocks: [['040c 2f73 616d 706c 652f 7061 7468', [[':path', '/sample/path']]]],
  },
  {
    section: 'C.2.3',
    tableBytes: 4096,
    blocks: [['1008 7061 7373 776f 7264 0673 6563 7265 74', [['password', 'secret']]]],
  },
  { section: 'C.2.4', tableBytes: 4096, blocks: [['82', [[':method', 'GET']]]] },
  {
    section: 'C.3',
    tableBytes: 4096,
    blocks: [
      ['8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d', REQUEST_1],
      ['8286 84be 5808 6e6f 2d63 6163 6865', REQUEST_2],
      ['8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65', REQUEST_3],
    ],
  },
  {
    section: 'C.4',
    tableBytes: 4096,
    blocks: [
      ['8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff', REQUEST_1],
      ['8286 84be 5886 a8eb 1064 9cbf', REQUEST_2],
      ['8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf', REQUEST_3],
    ],
  },
  {
    section: 'C.5',
    tableBytes: 256,
    blocks: [
      [
        `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032
         303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63
         6f6d`,
        REPLY_1,
      ],
      ['4803 3330 37c1 c0bf', REPLY_2],
      [
        `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0
         5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851
         5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31`,
        REPLY_3,
      ],
    ],
  },
  {
    section: 'C.6',
    tableBytes: 256,
    blocks: [
      [
        `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b
         ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3`,
        REPLY_1,
      ],
      ['4883 640e ffc1 c0bf', REPLY_2],
      [
        `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad
         94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160
         65c0 03ed 4ee5 b106 3d50 07`,
        REPLY_3,
      ],
    ],
  },
];

describe('a header block', () => {
  it.each(EXAMPLES)('is read as RFC 7541 $section says', ({ tableBytes, blocks }) => {
    const decoder = new HpackDecoder(tableBytes);
    for (const [hex, pairs] of blocks) expect(decodeBlock(decoder, fromHex(hex))).toEqual(pairs);
  });

  it.each([
    ['index 0', '80'],
    ['an index behind the static table of an empty one', 'be'],
    ['a name by such an index', '7e 01 61'],
    ['a number that does not end', 'ff ff ff ff ff ff 01'],
    ['a number that is cut off', 'ff 80'],
    ['an index with no byte behind its first', 'ff'],
    ['a name that is cut off', '40 0a 61'],
    ['a value that is cut off', '40 01 61 0a 61'],
    ['no value', '40 01 61'],
    ['only a prefix', '40'],
    ['EOS in a text', '40 01 61 84 ff ff ff ff'],
    ['padding that is not the beginning of EOS', '40 01 61 81 00'],
    ['padding of eight bits', '40 01 61 82 1f ff'],
    ['a table larger than was offered', '3f e2 1f'],
    ['a size of the table behind a field', '82 20'],
  ])('is malformed with %s', (_, hex) => {
    const decoder = new HpackDecoder();
    expect(decodeBlock(decoder, fromHex(hex))).toBeNull();
    expect(decoder.reason).not.toBe('');
  });

  it('may set the size of the table more than once at its beginning', () => {
    expect(decodeHex('20 3f e1 1f 82')).toEqual([[':method', 'GET']]);
  });

  it('empties the table with size 0, and with a field larger than the table', () => {
    for (const emptying of ['20', `3f 01 40 01 61 20 ${'62'.repeat(32)}`]) {
      const decoder = new HpackDecoder();
      expect(decodeBlock(decoder, fromHex('40 01 61 01 62'))).toEqual([['a', 'b']]);
      expect(decodeBlock(decoder, fromHex('be'))).toEqual([['a', 'b']]);
      expect(decodeBlock(decoder, fromHex(emptying))).not.toBeNull();
      expect(decodeBlock(decoder, fromHex('be'))).toBeNull();
    }
  });

  it('takes the name of an entry that the field itself pushes out', () => {
    const decoder = new HpackDecoder(64);
    const name = 'n'.repeat(20);
    decodeBlock(decoder, Buffer.from(`\x40\x14${name}\x01a`, 'latin1'));
    expect(decodeBlock(decoder, Buffer.from('\x7e\x01b', 'latin1'))).toEqual([[name, 'b']]);
    expect(decodeBlock(decoder, Buffer.from('\xbe', 'latin1'))).toEqual([[name, 'b']]);
  });

  it('keeps the right entries while the memory of the table is used over and over', () => {
    const decoder = new HpackDecoder(256);
    const model: Pair[] = [];
    const bytesOf = ([name, value]: Pair) => name.length + value.length + 32;
    for (let round = 0; round < 3000; round++) {
      const pair: Pair = [`n${round}`, 'v'.repeat((round * 37) % 190)];
      const block = Buffer.concat([
        Buffer.from([0x40, pair[0].length]),
        Buffer.from(pair[0]),
        pair[1].length < 127 ? Buffer.from([pair[1].length]) : longLength(pair[1].length),
        Buffer.from(pair[1]),
      ]);
      model.unshift(pair);
      while (model.reduce((bytes, one) => bytes + bytesOf(one), 0) > 256) model.pop();
      const indices = model.map((_, place) => 0x80 | (62 + place));
      expect(decodeBlock(decoder, block)).toEqual([pair]);
      expect(decodeBlock(decoder, Buffer.from(indices))).toEqual(model);
      expect(decodeBlock(new HpackDecoder(), Buffer.from([0x80 | 62]))).toBeNull();
    }
  });
});

function longLength(length: number): Buffer {
  return Buffer.from([0x7f, length - 127]);
}

describe('the class of a field', () => {
  const literal = (name: string, value: string) =>
    Buffer.from(
      `\x40${String.fromCharCode(name.length)}${name}${String.fromCharCode(value.length)}${value}`,
      'latin1',
    );

  it.each([
    ['x-a', 'b', FIELD_ORDINARY],
    ['x-a', '', FIELD_ORDINARY],
    ['x-a', '\xff\x80', FIELD_ORDINARY],
    ['x-a', 'b\tc', FIELD_ORDINARY],
    ['x_a', 'b', FIELD_UNDERSCORE],
    ['cookie', 'b', FIELD_COOKIE],
    ['connection', 'b', FIELD_OF_CONNECTION],
    ['transfer-encoding', 'b', FIELD_OF_CONNECTION],
    [':path', 'b', PSEUDO_PATH],
    [':unknown', 'b', FIELD_MALFORMED],
    [':', 'b', FIELD_MALFORMED],
    ['', 'b', FIELD_MALFORMED],
    ['X-A', 'b', FIELD_MALFORMED],
    ['Cookie', 'b', FIELD_MALFORMED],
    ['x a', 'b', FIELD_MALFORMED],
    ['x:a', 'b', FIELD_MALFORMED],
    ['x\0', 'b', FIELD_MALFORMED],
    ['x-é', 'b', FIELD_MALFORMED],
    ['x-a', ' b', FIELD_MALFORMED],
    ['x-a', 'b\t', FIELD_MALFORMED],
    ['x-a', 'b\nc', FIELD_MALFORMED],
    ['x-a', 'b\rc', FIELD_MALFORMED],
    ['x-a', 'b\0c', FIELD_MALFORMED],
    [':path', '/\r', FIELD_MALFORMED],
  ])('%j: %j is %i, also when the table has it', (name, value, fieldClass) => {
    const decoder = new HpackDecoder();
    const sink = new ListSink();
    expect(decoder.decode(literal(name, value), sink, WIDE_LIMITS)).toBe(true);
    expect(decoder.decode(Buffer.from([0xbe]), sink, WIDE_LIMITS)).toBe(true);
    expect(sink.classes).toEqual([fieldClass, fieldClass]);
    expect(sink.pairs[1]).toEqual([name, value]);
  });

  it('is that of the name alone where the name is indexed and the value is sound', () => {
    const decoder = new HpackDecoder();
    const sink = new ListSink();
    decoder.decode(literal('x-a', 'b\0'), sink, WIDE_LIMITS);
    // The name of an entry with a wrong value is still a name.
    decoder.decode(Buffer.from([0x0f, 62 - 15, 1, 98]), sink, WIDE_LIMITS);
    expect(sink.classes).toEqual([FIELD_MALFORMED, FIELD_ORDINARY]);
  });
});

describe('the limits of a head', () => {
  it('end the text, and the table goes on', () => {
    const decoder = new HpackDecoder();
    const sink = new ListSink();
    const block = fromHex('40 01 61 01 62 40 01 63 01 64 00 01 65 01 66');
    expect(decoder.decode(block, sink, { bytesMax: 1000, fieldsMax: 1 })).toBe(true);
    expect(decoder.isOversize).toBe(true);
    expect(sink.pairs).toEqual([['a', 'b']]);
    expect(decodeBlock(decoder, fromHex('be bf'))).toEqual([
      ['c', 'd'],
      ['a', 'b'],
    ]);
    expect(decoder.isOversize).toBe(false);
  });

  it('count bytes as HTTP/1.1 does', () => {
    const decoder = new HpackDecoder();
    const block = fromHex('40 01 61 01 62 be');
    decoder.decode(block, new ListSink(), { bytesMax: 12, fieldsMax: 9 });
    expect(decoder.isOversize).toBe(false);
    decoder.decode(block, new ListSink(), { bytesMax: 11, fieldsMax: 9 });
    expect(decoder.isOversize).toBe(true);
  });

  it('count the pieces of Cookie by their bytes only, and pseudo-fields too', () => {
    const decoder = new HpackDecoder();
    const sink = new ListSink();
    decoder.decode(fromHex('82 60 01 62 be be be'), sink, { bytesMax: 1000, fieldsMax: 1 });
    expect(decoder.isOversize).toBe(false);
    expect(sink.pairs).toHaveLength(5);
  });

  it('bound a block that names one large field over and over', () => {
    const decoder = new HpackDecoder();
    const sink = new ListSink();
    const large = Buffer.from(`\x40\x01a\x7f\x81\x1d${'b'.repeat(3840)}`, 'latin1');
    const bomb = Buffer.concat([large, Buffer.alloc(60_000, 0xbe)]);
    expect(decoder.decode(bomb, sink, { bytesMax: 16_384, fieldsMax: 90 })).toBe(true);
    expect(decoder.isOversize).toBe(true);
    expect(decoder.text.length).toBeLessThanOrEqual(16_384);
    expect(sink.pairs).toHaveLength(4);
  });
});

describeWithData(['hpack'], 'stories of other encoders (shared/data)', () => {
  interface Story {
    readonly cases: readonly {
      readonly wire: string;
      readonly header_table_size?: number;
      readonly headers: readonly Record<string, string>[];
    }[];
  }

  it.each(sharedJsonFiles('hpack'))('$path', ({ json }) => {
    const { cases } = json as Story;
    const tableBytes = Math.max(4096, ...cases.map((one) => one.header_table_size ?? 0));
    const decoder = new HpackDecoder(tableBytes);
    expect(cases.length).toBeGreaterThan(0);
    for (const { wire, headers } of cases) {
      const pairs = headers.flatMap((one) => Object.entries(one));
      expect(decodeBlock(decoder, fromHex(wire))).toEqual(pairs);
    }
  });
});
