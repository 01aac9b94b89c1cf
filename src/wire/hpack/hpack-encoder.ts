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
import { assert, defined } from '../../base/assert.js';
import { ENTRY_EXTRA_BYTES } from './dynamic-table.js';
import { type FieldName, fieldNameOf } from './field-name.js';
import { INDEX_KEPT, INDEX_NEVER, type IndexPolicy } from './index-policy.js';
import { STATIC_COUNT } from './static-table.js';
import { writeNumber, writeText } from './text-literal.js';

/** What a field takes at most beside its name and its value. */
export const HPACK_FIELD_EXTRA_BYTES = 16;
/** What a block takes at most beside its fields. */
export const HPACK_BLOCK_EXTRA_BYTES = 10;

const INDEXED = 0x80;
const LITERAL_KEPT = 0x40;
const LITERAL_NEVER = 0x10;
const LITERAL = 0;
const RESIZE = 0x20;
const INDEXED_MASK = 0x7f;
const KEPT_MASK = 0x3f;
const LITERAL_MASK = 0x0f;
const RESIZE_MASK = 0x1f;
/** A field larger than this part of the table is not kept: it would push out too many. */
const TABLE_PARTS = 4;

export class HpackEncoder {
  /** What the table may have at most by the other side's word; and what it has. */
  private bytesMax: number;
  private bytes = 0;
  /** The smallest size that was set and is not told yet; -1: nothing is to be told. */
  private untoldMin = -1;
  /** Oldest first. */
  private readonly entries: TableEntry[] = [];
  /** The newest entry of each name: values change seldom, and then it is the one that is used. */
  private readonly newest = new Map<string, TableEntry>();
  private inserted = 0;

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
    return this.write(out, at, fieldNameOf(name), value);
  }

  /** The same, for who knows the name already. */
  write(out: Uint8Array, at: number, name: FieldName, value: string): number {
    const { policy, text } = name;
    if (policy !== INDEX_NEVER) {
      const index = this.indexOf(name, value);
      if (index !== 0) return writeNumber(out, at, INDEXED | (INDEXED_MASK << 8), index);
    }
    const isKept = policy === INDEX_KEPT && this.isWorthAPlace(text, value);
    const next = this.writeName(out, at, name, isKept ? LITERAL_KEPT : prefixOf(policy));
    if (isKept) this.insert(text, value);
    return writeText(out, next, value);
  }

  private indexOf({ text, policy, staticIndex, staticValues }: FieldName, value: string): number {
    for (let place = 0; place < staticValues.length; place++) {
      if (staticValues[place] === value) return staticIndex + place;
    }
    if (policy !== INDEX_KEPT) return 0;
    let entry = this.newest.get(text) ?? null;
    while (entry !== null && entry.value !== value) entry = entry.older;
    return entry === null ? 0 : this.indexAt(entry.place);
  }

  private indexAt(place: number): number {
    return STATIC_COUNT + this.inserted - place;
  }

  private isWorthAPlace(name: string, value: string): boolean {
    return entryBytesOf(name, value) * TABLE_PARTS <= this.bytesMax;
  }

  private writeName(out: Uint8Array, at: number, name: FieldName, prefix: number): number {
    const mask = prefix === LITERAL_KEPT ? KEPT_MASK : LITERAL_MASK;
    const index = this.indexOfName(name);
    const next = writeNumber(out, at, prefix | (mask << 8), index);
    if (index !== 0) return next;
    const { literal } = name;
    for (let from = 0; from < literal.length; from++) out[next + from] = literal[from] ?? 0;
    return next + literal.length;
  }

  private indexOfName({ text, staticIndex, policy }: FieldName): number {
    if (staticIndex !== 0 || policy !== INDEX_KEPT) return staticIndex;
    const entry = this.newest.get(text);
    return entry === undefined ? 0 : this.indexAt(entry.place);
  }

  private insert(name: string, value: string): void {
    const bytes = entryBytesOf(name, value);
    this.evictTo(this.bytesMax - bytes);
    const older = this.newest.get(name) ?? null;
    const entry = new TableEntry(name, value, this.inserted, older);
    if (older !== null) older.newer = entry;
    this.newest.set(name, entry);
    this.entries.push(entry);
    this.inserted++;
    this.bytes += bytes;
  }

  private evictTo(bytes: number): void {
    while (this.bytes > bytes) {
      const oldest = defined(this.entries.shift(), 'an entry of the bytes that are counted');
      const { name, value, newer } = oldest;
      if (newer === null) this.newest.delete(name);
      else newer.older = null;
      this.bytes -= entryBytesOf(name, value);
    }
  }
}

/** A field in the table. */
class TableEntry {
  readonly value: string;
  /** The entry of the same name that was inserted after it. */
  newer: TableEntry | null = null;

  constructor(
    readonly name: string,
    value: string,
    /** How many were inserted before it. */
    readonly place: number,
    /** The entry of the same name that was inserted before it. */
    public older: TableEntry | null,
  ) {
    // A part of a head keeps all of that head in memory; its copy does not, and compares faster.
    this.value = Buffer.from(value, 'latin1').toString('latin1');
  }
}

function entryBytesOf(name: string, value: string): number {
  return name.length + value.length + ENTRY_EXTRA_BYTES;
}

function prefixOf(policy: IndexPolicy): number {
  return policy === INDEX_NEVER ? LITERAL_NEVER : LITERAL;
}
