/**
 * Lines of replies that are remembered: block by block, each is what it would be if nothing were.
 */
import { describe, expect, it } from 'vitest';
import {
  entriesOf,
  type FieldBlock,
  field,
  joinFields,
  NO_FIELDS,
} from '../../../../src/base/field-block.js';
import { HpackEncoder } from '../../../../src/wire/hpack/hpack-encoder.js';
import { FRAME_BYTES_MAX } from '../../../../src/wire/http2/frame-kinds.js';
import {
  type FieldLines,
  LINE_BYTES_MAX,
  LINES_MAX,
  NOT_IN_HTTP2,
} from '../../../../src/wire/http2/known-lines.js';
import { encodeReply, replyBlockRoom, writeReply } from '../../../../src/wire/http2/reply-block.js';
import { seeded } from '../../../fuzz/mutations.js';
import { encodeBlock, type Pair } from '../../../support/hpack-blocks.js';

function linesWith(id: string, fields: FieldBlock): FieldLines {
  const bytes = Buffer.from(id + fields, 'latin1');
  return { bytes, idBytes: id.length, length: bytes.length };
}

/** The block as the encoder writes it from names and values alone. */
function plainBlock(encoder: HpackEncoder, id: string, fields: FieldBlock): string {
  const named = [...entriesOf(fields)]
    .map(([name, value]): Pair => [name.toLowerCase(), value])
    .filter(([name]) => !NOT_IN_HTTP2.has(name));
  const ids: Pair[] = id === '' ? [] : [['x-request-id', id]];
  return encodeBlock(encoder, [[':status', '200'], ...ids, ...named]).toString('hex');
}

/** Connections whose replies are written both ways. */
class TwoWays {
  private readonly sides = Array.from({ length: 3 }, () => [
    new HpackEncoder(4096),
    new HpackEncoder(4096),
  ]);
  private at = 0;

  expectSame(id: string, fields: FieldBlock): void {
    const [plain, known] = this.sides[this.at++ % this.sides.length] ?? [];
    if (plain === undefined || known === undefined) throw new Error('no such connection');
    const block = encodeReply(known, 200, linesWith(id, fields)).toString('hex');
    expect(block).toBe(plainBlock(plain, id, fields));
  }
}

const NAMES = [
  'Content-Type',
  'content-type',
  'Server',
  'ETag',
  'Content-Length',
  'X-Response-Time',
  'Set-Cookie',
  'X-Token',
  'Connection',
  'Cache-Control',
  'x-a',
  'x-ab',
];
const VALUES = ['', 'a', 'ab', 'no-store', 'x: y', '\xff\xfe', '0.003s', '1', 'v'.repeat(40)];

describe('the block of a reply whose lines are remembered', () => {
  it('is the same as without, in any order, on any connection', () => {
    const random = seeded(11);
    const pick = (texts: readonly string[]): string =>
      texts[Math.floor(random() * texts.length)] ?? '';
    const ways = new TwoWays();
    for (let round = 0; round < 4000; round++) {
      let fields = NO_FIELDS;
      for (let left = Math.floor(random() * 8); left > 0; left--) {
        fields = joinFields(fields, field(pick(NAMES), pick(VALUES)));
      }
      ways.expectSame(round % 4 === 0 ? '' : `id-${round}`, fields);
    }
  });

  it('is the same where one line begins as another one does', () => {
    const ways = new TwoWays();
    const long = field('x-long', 'a'.repeat(30));
    const short = field('x-long', 'a'.repeat(29));
    for (let round = 0; round < 12; round++) {
      for (const fields of [long, short, joinFields(long, short), joinFields(short, long)]) {
        ways.expectSame('id', fields);
      }
    }
  });

  it('is the same with more lines than are remembered, and with longer ones', () => {
    const ways = new TwoWays();
    const ends = [LINE_BYTES_MAX - 3, LINE_BYTES_MAX - 2, 5000].map((bytes) =>
      field('x', 'b'.repeat(bytes)),
    );
    for (let round = 0; round < 3; round++) {
      for (let line = 0; line < 2 * LINES_MAX; line++) {
        const fields = joinFields(field(`x-${line}`, 'a'), field('etag', `"${line}"`));
        ways.expectSame('id', fields);
        ways.expectSame('id', fields);
      }
      for (const end of ends) for (let time = 0; time < 4; time++) ways.expectSame('id', end);
    }
  });

  it('has a secret that is indexed nowhere, however often it comes', () => {
    const encoder = new HpackEncoder(4096);
    const lines = linesWith('', field('Set-Cookie', 'a=b'));
    const blocks = Array.from({ length: 9 }, () => encodeReply(encoder, 200, lines));
    // RFC 7541 6.2.3: 0001 and the index 55, which has a byte of its own.
    expect(blocks.map((block) => block.readUInt16BE(1))).toEqual(Array(9).fill(0x1f28));
  });

  it('fits into the room for it', () => {
    const wide = [NO_FIELDS, field('\x7f', '\x01'), field('x', '\xff'.repeat(FRAME_BYTES_MAX))];
    for (const one of [...wide, ...Array.from({ length: 9 }, (_, at) => field(`x${at}`, 'é'))]) {
      const fields = joinFields(joinFields(one, one), one);
      const lines = linesWith('i', fields);
      const out = Buffer.alloc(replyBlockRoom(lines.length));
      const encoder = new HpackEncoder(0);
      const end = writeReply(encoder, out, 0, { status: 599, lines });
      expect(out.toString('hex', 0, end)).toBe(
        encodeReply(new HpackEncoder(0), 599, lines).toString('hex'),
      );
      expect(end).toBeLessThanOrEqual(out.length);
    }
  });
});
