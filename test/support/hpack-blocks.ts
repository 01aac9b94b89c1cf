/** Header blocks for tests of HPACK: what is read out of them, and how they are written. */
import type { FieldClass } from '../../src/wire/hpack/field-class.js';
import {
  type DecodedField,
  type FieldSink,
  type HeadLimits,
  HpackDecoder,
} from '../../src/wire/hpack/hpack-decoder.js';
import {
  HPACK_BLOCK_EXTRA_BYTES,
  HPACK_FIELD_EXTRA_BYTES,
  type HpackEncoder,
} from '../../src/wire/hpack/hpack-encoder.js';

export type Pair = readonly [name: string, value: string];

export const WIDE_LIMITS: HeadLimits = { bytesMax: 1 << 20, fieldsMax: 10_000 };

/** Keeps all fields, and what it was told of each. */
export class ListSink implements FieldSink {
  pairs: Pair[] = [];
  classes: FieldClass[] = [];

  take(field: DecodedField): boolean {
    this.pairs.push([field.name, field.value]);
    this.classes.push(field.fieldClass);
    return true;
  }
}

/** The fields of a block; null: it is malformed. */
export function decodeBlock(decoder: HpackDecoder, block: Buffer): Pair[] | null {
  const sink = new ListSink();
  if (!decoder.decode(block, sink, WIDE_LIMITS)) return null;
  const text = sink.pairs.map(([name, value]) => `\n${name}\n${value}`).join('');
  if (decoder.text !== text) throw new Error('the text differs from the fields');
  return sink.pairs;
}

/** The fields of blocks without a table before them; null: malformed. */
export function decodeHex(hex: string): Pair[] | null {
  return decodeBlock(new HpackDecoder(), fromHex(hex));
}

export function fromHex(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(/\s/g, ''), 'hex');
}

/** A block with these fields. It fills a buffer of exactly the room that is asked for. */
export function encodeBlock(encoder: HpackEncoder, pairs: readonly Pair[]): Buffer {
  let bytes = HPACK_BLOCK_EXTRA_BYTES;
  for (const [name, value] of pairs) bytes += name.length + value.length + HPACK_FIELD_EXTRA_BYTES;
  const out = Buffer.alloc(bytes);
  let at = encoder.begin(out, 0);
  for (const [name, value] of pairs) at = encoder.field(out, at, name, value);
  if (at > bytes) throw new Error('the block is larger than the room for it');
  return out.subarray(0, at);
}
