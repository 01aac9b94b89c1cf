/**
 * The bytes of one stored reply.
 *
 * Thread: any (both ends). An entry is put together in memory of its writer and copied out by its
 * readers, so that only this file knows what is where, and nobody reads shared bytes twice.
 *
 *     +0   length with the padding, int32   +4 its slot   +8 hash of its key
 *     +12  status   +16 lengths of key, variant, fields and date   +32 pairs   +36 body
 *     +40  born, fresh, whileRevalidate, ifError, float64 each, in ms
 *     +72  flags, int16: always validated, a coded form   +74 its number, 48 bits
 *     +80  born on the monotonic clock, float64, in ms
 *     +88  pairs: hash of a place, and its serial when the reply was asked for
 *     …    key, variant, fields, date: latin-1; then the body
 */
import { assert } from '../../base/assert.js';
import { type FieldBlock, fieldsOfBytes } from '../../base/field-block.js';

/** Entries begin at multiples of this. */
export const ENTRY_STEP = 32;
export const LENGTH_WORD = 0;
export const SLOT_WORD = 1;
export const HASH_WORD = 2;

const HEADER_BYTES = 88;
const PAIR_BYTES = 8;
const FLAGS_AT = 72;
const NUMBER_AT = 74;
const NUMBER_BYTES = 6;
const BORN_MS_AT = 80;
const ALWAYS_VALIDATED = 1;
const CODED_FORM = 2;

/** What is stored of a reply, but for its body. */
export interface EntryHead {
  /** What is asked for, and under which rules. */
  readonly key: string;
  /** Which of the requests with this key it is for. */
  readonly variant: string;
  readonly status: number;
  readonly fields: FieldBlock;
  /** Date, where it is not among the fields; '': none. */
  readonly date: string;
  /** When it was made, on the monotonic clock. */
  readonly bornMs: number;
  /** The same on the wall clock. */
  readonly bornUnixMs: number;
  readonly freshMs: number;
  readonly whileRevalidateMs: number;
  readonly ifErrorMs: number;
  readonly isAlwaysValidated: boolean;
  /** Hashes of places and their serials, in turn: it is void once one of them has moved. */
  readonly serials: readonly number[];
}

/** Which entry it is. */
export interface EntryName {
  /** Of its key. */
  readonly hash: number;
  /** Its own; that of the reply whose body it is, in a coded form. */
  readonly number: number;
  /** It holds the body of another entry in a content coding: see coded-forms.ts. */
  readonly isForm: boolean;
}

/** The bytes of an entry that has no slot yet. */
export function encodeEntry(
  head: EntryHead,
  { hash, number, isForm }: EntryName,
  body: Buffer,
): Buffer {
  const { key, variant, fields, date, serials } = head;
  const pairsEnd = HEADER_BYTES + (serials.length / 2) * PAIR_BYTES;
  const headBytes = pairsEnd + key.length + variant.length + fields.length + date.length;
  const length = Math.ceil((headBytes + body.length) / ENTRY_STEP) * ENTRY_STEP;
  const bytes = Buffer.alloc(length);
  const ints = [length, -1, hash, head.status, key.length, variant.length, fields.length];
  ints.push(date.length, serials.length / 2, body.length);
  for (const [at, value] of ints.entries()) bytes.writeInt32LE(value, at * 4);
  bytes.writeDoubleLE(head.bornMs, BORN_MS_AT);
  bytes.writeDoubleLE(head.bornUnixMs, 40);
  bytes.writeDoubleLE(head.freshMs, 48);
  bytes.writeDoubleLE(head.whileRevalidateMs, 56);
  bytes.writeDoubleLE(head.ifErrorMs, 64);
  const flags = (head.isAlwaysValidated ? ALWAYS_VALIDATED : 0) | (isForm ? CODED_FORM : 0);
  bytes.writeInt16LE(flags, FLAGS_AT);
  bytes.writeUIntLE(number, NUMBER_AT, NUMBER_BYTES);
  for (const [at, value] of serials.entries()) bytes.writeInt32LE(value, HEADER_BYTES + at * 4);
  bytes.write(key + variant + fields + date, pairsEnd, 'latin1');
  bytes.set(body, headBytes);
  return bytes;
}

/** Bytes before the body. */
export function headBytesOf(bytes: Buffer): number {
  let length = HEADER_BYTES + bytes.readInt32LE(32) * PAIR_BYTES;
  for (let at = 16; at < 32; at += 4) length += bytes.readInt32LE(at);
  return length;
}

/** The same of an entry that may be written just now, by its first word: then it is any number. */
export function headBytesAt(words: Int32Array, entry: number): number {
  const wordOf = (at: number): number => words[entry + at] as number;
  const texts = wordOf(4) + wordOf(5) + wordOf(6) + wordOf(7);
  return HEADER_BYTES + texts + wordOf(8) * PAIR_BYTES;
}

/** Bytes of the body. */
export function bodyBytesOf(bytes: Buffer): number {
  return bytes.readInt32LE(36);
}

export function numberOf(bytes: Buffer): number {
  return bytes.readUIntLE(NUMBER_AT, NUMBER_BYTES);
}

export function isCodedForm(bytes: Buffer): boolean {
  return (bytes.readInt16LE(FLAGS_AT) & CODED_FORM) !== 0;
}

/** `bytes`: all that stands before the body, copied while nobody wrote there. */
export function decodeHead(bytes: Buffer): EntryHead {
  const serials: number[] = [];
  let at = HEADER_BYTES;
  for (let left = bytes.readInt32LE(32) * 2; left > 0; left -= 1) {
    serials.push(bytes.readInt32LE(at));
    at += 4;
  }
  const next = (lengthAt: number): Buffer => {
    const end = at + bytes.readInt32LE(lengthAt);
    assert(end <= bytes.length, 'a text of an entry lies within it');
    const part = bytes.subarray(at, end);
    at = end;
    return part;
  };
  const key = next(16).toString('latin1');
  const variant = next(20).toString('latin1');
  const fields = fieldsOfBytes(next(24));
  const date = next(28).toString('latin1');
  return {
    key,
    variant,
    fields,
    date,
    serials,
    status: bytes.readInt32LE(12),
    bornMs: bytes.readDoubleLE(BORN_MS_AT),
    bornUnixMs: bytes.readDoubleLE(40),
    freshMs: bytes.readDoubleLE(48),
    whileRevalidateMs: bytes.readDoubleLE(56),
    ifErrorMs: bytes.readDoubleLE(64),
    isAlwaysValidated: (bytes.readInt16LE(FLAGS_AT) & ALWAYS_VALIDATED) !== 0,
  };
}
