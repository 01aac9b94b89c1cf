/**
 * Reads the header blocks of one connection.
 *
 * Thread: any (pure). RFC 7541. A block is decoded when all of it is there. Its fields are written
 * one behind the other into one buffer that the thread has for this, each as LF, name, LF, value,
 * and shown to the sink; what the sink keeps is one text in the end.
 *
 * Invariants: the table follows the sender's also behind fields that are too many, for they are
 * read on without being kept. What a block costs is bounded by its own bytes: a field that only
 * its index names is copied while it is kept, and the kept ones are bounded.
 */
import { FIELD_LINE_BYTES } from '../../base/head-size.js';
import { DynamicTable } from './dynamic-table.js';
import {
  classOfName,
  FIELD_COOKIE,
  FIELD_MALFORMED,
  type FieldClass,
  isPseudoField,
  isSoundValue,
} from './field-class.js';
import { decodeHuffman, huffmanTextBytesMax } from './huffman-decoder.js';
import { type FieldEntries, STATIC_COUNT, STATIC_ENTRIES } from './static-table.js';

/** The size of the table that is used where SETTINGS_HEADER_TABLE_SIZE says nothing. */
const TABLE_BYTES_DEFAULT = 4096;

const INDEXED = 0x80;
const LITERAL_KEPT = 0x40;
const RESIZE = 0x20;
const HUFFMAN = 0x80;
const INDEXED_MASK = 0x7f;
const KEPT_MASK = 0x3f;
const RESIZE_MASK = 0x1f;
const LITERAL_MASK = 0x0f;
const LENGTH_MASK = 0x7f;
/** A number with more bytes behind its first one is a mistake: nothing here is that large. */
const NUMBER_BYTES_MAX = 4;
const LF = 10;
/** Shorter texts are copied faster without a call into native code. */
const NATIVE_BYTES_MIN = 48;

/** What takes the fields of a block in their order. */
export interface FieldSink {
  /**
   * The field stands in `text` from `start`, an LF, to `end`; the LF behind its name is at
   * `nameEnd`. True: it stays in the text of the block.
   */
  take(field: DecodedField): boolean;
}

/** Where a field stands; the same object for every field. */
export class DecodedField {
  text = Buffer.allocUnsafe(16 * 1024);
  /** The LF before the name. */
  start = 0;
  /** The LF behind the name. */
  nameEnd = 0;
  end = 0;
  fieldClass: FieldClass = FIELD_MALFORMED;

  /** Makes room for that number of bytes from `at` on. */
  reserve(at: number, bytes: number): void {
    if (at + bytes <= this.text.length) return;
    const larger = Buffer.allocUnsafe(2 * (at + bytes));
    this.text.copy(larger, 0, 0, at);
    this.text = larger;
  }

  get name(): string {
    return this.text.toString('latin1', this.start + 1, this.nameEnd);
  }

  get value(): string {
    return this.text.toString('latin1', this.nameEnd + 1, this.end);
  }
}

/** Blocks are decoded one after the other, so one of these serves a whole thread. */
const field = new DecodedField();

export interface HeadLimits {
  /** Bytes of all fields as an HTTP/1.1 head has them: with FIELD_LINE_BYTES each. */
  readonly bytesMax: number;
  /** Fields without pseudo-fields and pieces of Cookie, which are one field in HTTP/1.1. */
  readonly fieldsMax: number;
}

export class HpackDecoder {
  /** There were more fields or bytes than the limits allow; the sink got the ones before. */
  isOversize = false;
  /** What is wrong with the block, for the log. */
  reason = '';

  private readonly table: DynamicTable;
  private block: Buffer = Buffer.alloc(0);
  private at = 0;
  private end = 0;
  private bytes = 0;
  private count = 0;
  private textEnd = 0;

  /** `tableBytesMax`: what SETTINGS_HEADER_TABLE_SIZE of this side says. */
  constructor(tableBytesMax: number = TABLE_BYTES_DEFAULT) {
    this.table = new DynamicTable(tableBytesMax);
  }

  /** A block that leaves this number as it is says the same again for as long as it stays so. */
  get tableChanges(): number {
    return this.table.changes;
  }

  /** The fields of the last block that the sink kept: (LF name LF value)*. */
  get text(): string {
    return field.text.toString('latin1', 0, this.textEnd);
  }

  // Hot path (bench/gateway/plain-get): every request.
  /** Decodes a block. False: COMPRESSION_ERROR, behind which nothing can be decoded any more. */
  decode(block: Buffer, sink: FieldSink, limits: HeadLimits): boolean {
    this.block = block;
    this.at = 0;
    this.end = block.length;
    this.bytes = 0;
    this.count = 0;
    this.textEnd = 0;
    this.isOversize = false;
    this.reason = '';
    let mayResize = true;
    while (this.at < this.end) {
      const first = block[this.at] ?? 0;
      const isResize = first < LITERAL_KEPT && first >= RESIZE;
      if (isResize ? !(mayResize && this.resize()) : !this.readField(first)) {
        if (this.reason === '') this.reason = 'a size of the table behind a field';
        return false;
      }
      if (isResize) continue;
      mayResize = false;
      if (!this.isOversize) this.offer(sink, limits);
    }
    return true;
  }

  private resize(): boolean {
    const bytes = this.readNumber(RESIZE_MASK);
    if (bytes < 0) return false;
    if (bytes > this.table.capacity) return this.fail('a table larger than was offered');
    this.table.resize(bytes);
    return true;
  }

  private readField(first: number): boolean {
    field.start = this.textEnd;
    if (first < INDEXED) return this.readLiteral(first >= LITERAL_KEPT);
    const index = this.readNumber(INDEXED_MASK);
    if (index < 0) return false;
    return index <= STATIC_COUNT
      ? this.copyEntry(STATIC_ENTRIES, index === 0 ? -1 : index, false)
      : this.copyEntry(this.table.entries, this.table.slotOf(index - STATIC_COUNT - 1), false);
  }

  private copyEntry(entries: FieldEntries, slot: number, isNameOnly: boolean): boolean {
    if (slot === -1) return this.fail('an index that no entry has');
    // Fields that are too many are not copied: that is what bounds a block of indices.
    if (this.isOversize && !isNameOnly) return true;
    const start = entries.starts[slot] ?? 0;
    const nameEnd = entries.nameEnds[slot] ?? 0;
    const end = isNameOnly ? nameEnd : (entries.ends[slot] ?? 0);
    const at = field.start;
    field.reserve(at, end - start);
    copyInto(field.text, at, entries.bytes, { start, end });
    field.nameEnd = at + nameEnd - start;
    field.end = at + end - start;
    field.fieldClass = (entries.classes[slot] ?? FIELD_MALFORMED) as FieldClass;
    return true;
  }

  private readLiteral(isKept: boolean): boolean {
    const index = this.readNumber(isKept ? KEPT_MASK : LITERAL_MASK);
    if (index < 0) return false;
    if (this.isOversize && !isKept) return this.skipText(index === 0) && this.skipText(true);
    if (!(index === 0 ? this.readName() : this.copyName(index))) return false;
    field.text[field.nameEnd] = LF;
    const valueStart = field.nameEnd + 1;
    const end = this.readText(valueStart);
    if (end === -1) return false;
    field.end = end;
    if (!isSoundValue(field.text, valueStart, end)) field.fieldClass = FIELD_MALFORMED;
    if (isKept) this.table.insert(field.text, field, field.fieldClass);
    return true;
  }

  private copyName(index: number): boolean {
    if (index <= STATIC_COUNT) return this.copyEntry(STATIC_ENTRIES, index, true);
    const slot = this.table.slotOf(index - STATIC_COUNT - 1);
    if (!this.copyEntry(this.table.entries, slot, true)) return false;
    // Of that entry it may have been the value alone that was wrong.
    if (field.fieldClass === FIELD_MALFORMED) {
      field.fieldClass = classOfName(field.text, field.start + 1, field.nameEnd);
    }
    return true;
  }

  private readName(): boolean {
    const start = field.start + 1;
    const end = this.readText(start);
    if (end === -1) return false;
    field.text[field.start] = LF;
    field.nameEnd = end;
    field.fieldClass = classOfName(field.text, start, end);
    return true;
  }

  /** Reads a text into the buffer at `to`; returns its end, -1: malformed. */
  private readText(to: number): number {
    const isHuffman = ((this.block[this.at] ?? 0) & HUFFMAN) !== 0;
    const length = this.readLength();
    if (length < 0) return -1;
    const start = this.at;
    this.at += length;
    // One byte for the LF behind it, one that the decoder may write over.
    field.reserve(to, (isHuffman ? huffmanTextBytesMax(length) : length) + 2);
    if (!isHuffman) {
      copyInto(field.text, to, this.block, { start, end: this.at });
      return to + length;
    }
    const end = decodeHuffman(this.block, { start, end: this.at }, field.text, to);
    if (end === -1) this.fail('a text that is not in Huffman code');
    return end;
  }

  private skipText(isThere: boolean): boolean {
    if (!isThere) return true;
    const length = this.readLength();
    if (length < 0) return false;
    this.at += length;
    return true;
  }

  /** The length of a text that is there; -1: malformed. */
  private readLength(): number {
    const length = this.readNumber(LENGTH_MASK);
    if (length <= this.end - this.at) return length;
    this.fail('a text that ends behind its block');
    return -1;
  }

  /** RFC 7541 5.1. `mask`: the bits of the first byte; -1: malformed. */
  private readNumber(mask: number): number {
    const { block, end } = this;
    if (this.at >= end) return this.failNumber();
    let value = (block[this.at++] ?? 0) & mask;
    if (value < mask) return value;
    for (let place = 0; place < NUMBER_BYTES_MAX && this.at < end; place++) {
      const byte = block[this.at++] ?? 0;
      value += (byte & 0x7f) * 2 ** (7 * place);
      if (byte < 0x80) return value;
    }
    return this.failNumber();
  }

  private failNumber(): number {
    this.fail('a number that is too large or cut off');
    return -1;
  }

  private fail(reason: string): false {
    this.reason = reason;
    return false;
  }

  private offer(sink: FieldSink, limits: HeadLimits): void {
    const { fieldClass } = field;
    this.bytes += field.end - field.start - 2 + FIELD_LINE_BYTES;
    if (fieldClass !== FIELD_COOKIE && !isPseudoField(fieldClass)) this.count++;
    if (this.bytes > limits.bytesMax || this.count > limits.fieldsMax) {
      this.isOversize = true;
    } else if (sink.take(field)) {
      this.textEnd = field.end;
    }
  }
}

function copyInto(
  to: Buffer,
  at: number,
  from: Buffer,
  { start, end }: { readonly start: number; readonly end: number },
): void {
  if (end - start >= NATIVE_BYTES_MIN) {
    from.copy(to, at, start, end);
    return;
  }
  for (let place = start, next = at; place < end; place++, next++) to[next] = from[place] ?? 0;
}
