/**
 * Writes the header blocks of one connection.
 *
 * Thread: any (pure). RFC 7541. With a table of size 0 blocks depend on nothing that was sent
 * before; that is for connections to targets, which carry requests of several clients: one of them
 * could find out by the lengths what another one has sent.
 *
 * Invariant: the table is the one that the other side has after it has read all that was written.
 * What begin() and field() write must be sent, and in this order.
 */
import { assert } from '../../base/assert.js';
import { ENTRY_EXTRA_BYTES } from './dynamic-table.js';
import { encodeHuffman, huffmanBytesOf } from './huffman-encoder.js';
import { INDEX_KEPT, INDEX_NEVER, type IndexPolicy, indexPolicyOf } from './index-policy.js';
import { STATIC_COUNT, STATIC_FIELDS, STATIC_NAMES } from './static-table.js';

/** What a field takes at most beside its name and its value. */
export const HPACK_FIELD_EXTRA_BYTES = 16;
/** What a block takes at most beside its fields. */
export const HPACK_BLOCK_EXTRA_BYTES = 10;

const INDEXED = 0x80;
const LITERAL_KEPT = 0x40;
const LITERAL_NEVER = 0x10;
const LITERAL = 0;
const RESIZE = 0x20;
const HUFFMAN = 0x80;
const INDEXED_MASK = 0x7f;
const KEPT_MASK = 0x3f;
const LITERAL_MASK = 0x0f;
const RESIZE_MASK = 0x1f;
const LENGTH_MASK = 0x7f;
/** A field larger than this part of the table is not kept: it would push out too many. */
const TABLE_PARTS = 4;

export class HpackEncoder {
  /** What the table may have at most by the other side's word; and what it has. */
  private bytesMax: number;
  private bytes = 0;
  /** The smallest size that was set and is not told yet; -1: nothing is to be told. */
  private untoldMin = -1;
  /** Entries by name LF value, oldest first: how many were inserted before each. */
  private readonly fields = new Map<string, number>();
  /** The same by name: the newest entry that has it. */
  private readonly names = new Map<string, number>();
  private inserted = 0;
  private evicted = 0;

  /** `ownBytesMax`: no table is larger, whatever the other side allows, which is 4,096 at first. */
  constructor(private readonly ownBytesMax: number) {
    this.bytesMax = ownBytesMax;
    assert(ownBytesMax <= 4096, 'a table is as small as the other side allows');
    if (ownBytesMax < 4096) this.untoldMin = ownBytesMax;
  }

  /** The other side's SETTINGS_HEADER_TABLE_SIZE. */
  resize(bytes: number): void {
    const next = Math.min(bytes, this.ownBytesMax);
    if (next === this.bytesMax) return;
    this.untoldMin = this.untoldMin === -1 ? next : Math.min(this.untoldMin, next);
    this.bytesMax = next;
    this.evictTo(next);
  }

  /** Begins a block at `at`; returns where its first field goes. */
  begin(out: Uint8Array, at: number): number {
    if (this.untoldMin === -1) return at;
    let next = at;
    // RFC 7541 4.2: the smallest size between two blocks is told, and then the last one.
    if (this.untoldMin < this.bytesMax) {
      next = writeNumber(out, next, RESIZE | (RESIZE_MASK << 8), this.untoldMin);
    }
    this.untoldMin = -1;
    return writeNumber(out, next, RESIZE | (RESIZE_MASK << 8), this.bytesMax);
  }

  // Hot path (bench/gateway/plain-get): every field of every reply.
  /**
   * Writes a field; returns where the next one goes. `name` is in lower case, both are latin-1. It
   * needs their lengths and HPACK_FIELD_EXTRA_BYTES.
   */
  field(out: Uint8Array, at: number, name: string, value: string): number {
    const policy = indexPolicyOf(name);
    const key = `${name}\n${value}`;
    if (policy !== INDEX_NEVER) {
      const index = this.indexOf(key);
      if (index !== 0) return writeNumber(out, at, INDEXED | (INDEXED_MASK << 8), index);
    }
    const isKept = policy === INDEX_KEPT && this.isWorthAPlace(key);
    const next = this.writeName(out, at, name, isKept ? LITERAL_KEPT : prefixOf(policy));
    if (isKept) this.insert(key, name);
    return writeText(out, next, value);
  }

  private indexOf(key: string): number {
    const known = STATIC_FIELDS.get(key);
    if (known !== undefined) return known;
    const place = this.fields.get(key);
    return place === undefined ? 0 : this.indexAt(place);
  }

  private indexAt(place: number): number {
    return STATIC_COUNT + this.inserted - place;
  }

  private isWorthAPlace(key: string): boolean {
    return entryBytesOf(key) * TABLE_PARTS <= this.bytesMax;
  }

  private writeName(out: Uint8Array, at: number, name: string, prefix: number): number {
    const mask = prefix === LITERAL_KEPT ? KEPT_MASK : LITERAL_MASK;
    const place = this.names.get(name);
    const index = STATIC_NAMES.get(name) ?? (place === undefined ? 0 : this.indexAt(place));
    const next = writeNumber(out, at, prefix | (mask << 8), index);
    return index === 0 ? writeText(out, next, name) : next;
  }

  private insert(key: string, name: string): void {
    const bytes = entryBytesOf(key);
    this.evictTo(this.bytesMax - bytes);
    this.fields.set(key, this.inserted);
    this.names.set(name, this.inserted);
    this.inserted++;
    this.bytes += bytes;
  }

  private evictTo(bytes: number): void {
    if (this.bytes <= bytes) return;
    for (const key of this.fields.keys()) {
      this.fields.delete(key);
      const name = key.slice(0, key.indexOf('\n'));
      if (this.names.get(name) === this.evicted) this.names.delete(name);
      this.evicted++;
      this.bytes -= entryBytesOf(key);
      if (this.bytes <= bytes) return;
    }
  }
}

function entryBytesOf(key: string): number {
  return key.length - 1 + ENTRY_EXTRA_BYTES;
}

function prefixOf(policy: IndexPolicy): number {
  return policy === INDEX_NEVER ? LITERAL_NEVER : LITERAL;
}

/** RFC 7541 5.1. `form`: the bits before the number, and above them the mask of its own bits. */
function writeNumber(out: Uint8Array, at: number, form: number, value: number): number {
  const mask = form >>> 8;
  const prefix = form & 0xff;
  if (value < mask) {
    out[at] = prefix | value;
    return at + 1;
  }
  out[at] = prefix | mask;
  let next = at + 1;
  let rest = value - mask;
  for (; rest >= 0x80; rest >>>= 7) out[next++] = (rest & 0x7f) | 0x80;
  out[next] = rest;
  return next + 1;
}

/** In Huffman code where that is shorter. */
function writeText(out: Uint8Array, at: number, text: string): number {
  const bytes = huffmanBytesOf(text);
  if (bytes < text.length) {
    return encodeHuffman(text, out, writeNumber(out, at, HUFFMAN | (LENGTH_MASK << 8), bytes));
  }
  const start = writeNumber(out, at, LENGTH_MASK << 8, text.length);
  for (let from = 0; from < text.length; from++) out[start + from] = text.charCodeAt(from);
  return start + text.length;
}
