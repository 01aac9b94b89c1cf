/**
 * Remembers field lines of replies that came more than once, and what HPACK makes of them.
 *
 * Thread: any (pure). One memory for all connections of a thread: what is remembered depends on the
 * bytes of the line alone, never on the table of a connection. Targets send the same few lines over
 * and over, and to make texts of a line takes several times as long as to compare its bytes.
 *
 * Invariants: a block is the same as if nothing were remembered, so that its length tells nothing
 * of other connections. A line is remembered when it comes a second time: lines that never repeat
 * push out none. Secrets are remembered nowhere. The memory is bounded: LINES_MAX lines and names,
 * each of LINE_BYTES_MAX.
 */
import { type FieldName, fieldNameOf } from '../hpack/field-name.js';
import type { HpackEncoder } from '../hpack/hpack-encoder.js';
import { INDEX_NEVER, INDEX_NONE } from '../hpack/index-policy.js';

/** A power of two: each line has one place. */
export const LINES_MAX = 256;
/** Longer lines are read each time. */
export const LINE_BYTES_MAX = 256;

/** What HTTP/1.1 says of a connection, and HTTP/2 does not allow. */
export const NOT_IN_HTTP2: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
]);

const CR = 13;
const COLON = 58;
/** Of FNV-1a. */
const HASH_FACTOR = 0x01000193;
const CRLF_BYTES = 2;
/** What stands between a name and its value. */
const COLON_BYTES = 2;

/** The fields of a reply in latin-1, as they stand in a lane. */
export interface FieldLines {
  /** A value of X-Request-Id, or none; then lines: CRLF, a name, colon, blank, a value. */
  readonly bytes: Buffer;
  /** Bytes of that value; 0: there is no such field. */
  readonly idBytes: number;
  /** Bytes in all. */
  readonly length: number;
}

/** Something by its bytes. */
interface Known {
  readonly bytes: Uint8Array;
}

interface KnownName extends Known {
  /** null: HTTP/2 has no such field. */
  readonly name: FieldName | null;
}

interface KnownLine extends KnownName {
  readonly value: string;
  /** What stands in each block for it; null: that depends on the table. */
  readonly literal: Uint8Array | null;
  /** The place of the line that came behind it last. */
  next: number;
}

/** By the hash of their bytes. */
const lines: (KnownLine | null)[] = new Array<KnownLine | null>(LINES_MAX).fill(null);
const names: (KnownName | null)[] = new Array<KnownName | null>(LINES_MAX).fill(null);
/** By place: the hash of the line that was read there last. */
const lastHashes = new Int32Array(LINES_MAX);
/** The place of the line with which replies begin. */
let first = 0;

// Hot path (bench/gateway/http2-multiplexed): every line of every reply.
/**
 * Writes the fields into a block; returns where it ends. They need room as field() does. Lines come
 * in the same order, mostly: one is compared with what followed on the last one before it is
 * looked up.
 */
export function encodeLines(
  encoder: HpackEncoder,
  out: Uint8Array,
  at: number,
  { bytes, idBytes, length }: FieldLines,
): number {
  let to = at;
  let previous: KnownLine | null = null;
  let start = idBytes + CRLF_BYTES;
  while (start < length) {
    const expected: KnownLine | null = lines[previous === null ? first : previous.next] ?? null;
    if (expected !== null && stands(expected, bytes, start, length)) {
      to = encodeKnown(encoder, out, to, expected);
      start += expected.bytes.length + CRLF_BYTES;
      previous = expected;
      continue;
    }
    let hash = 0;
    let end = start;
    for (; end < length; end++) {
      const code = bytes[end] ?? CR;
      if (code === CR) break;
      hash = Math.imul(hash ^ code, HASH_FACTOR);
    }
    const place = placeOf(hash);
    const line = lines[place] ?? null;
    if (line !== null && stands(line, bytes, start, length)) {
      to = encodeKnown(encoder, out, to, line);
      if (previous === null) first = place;
      else previous.next = place;
      previous = line;
    } else to = encodeLine(encoder, out, to, { bytes, start, end, hash });
    start = end + CRLF_BYTES;
  }
  return to;
}

function placeOf(hash: number): number {
  return (hash ^ (hash >>> 15)) & (LINES_MAX - 1);
}

/** The line, and no longer one, begins at `start`. */
function stands({ bytes: line }: Known, bytes: Buffer, start: number, length: number): boolean {
  const end = start + line.length;
  if (end > length || (end < length && bytes[end] !== CR)) return false;
  return isAt(line, bytes, start);
}

function isAt(known: Uint8Array, bytes: Buffer, start: number): boolean {
  const { length } = known;
  for (let at = 0; at < length; at++) if (known[at] !== bytes[start + at]) return false;
  return true;
}

function encodeKnown(
  encoder: HpackEncoder,
  out: Uint8Array,
  at: number,
  { name, value, literal }: KnownLine,
): number {
  if (name === null) return at;
  if (literal === null) return encoder.write(out, at, name, value);
  for (let from = 0; from < literal.length; from++) out[at + from] = literal[from] ?? 0;
  return at + literal.length;
}

/** A line without its CRLF. */
interface Line {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  readonly hash: number;
}

function encodeLine(encoder: HpackEncoder, out: Uint8Array, at: number, line: Line): number {
  const { bytes, start, end, hash } = line;
  const { name, bytes: spelling } = nameOf(bytes, start, end);
  const value = bytes.toString('latin1', start + spelling.length + COLON_BYTES, end);
  const to = name === null ? at : encoder.write(out, at, name, value);
  const place = placeOf(hash);
  if (lastHashes[place] !== hash) {
    lastHashes[place] = hash;
  } else if (end - start <= LINE_BYTES_MAX && name?.policy !== INDEX_NEVER) {
    const literal = name?.policy === INDEX_NONE ? copyOf(out, at, to) : null;
    lines[place] = { bytes: copyOf(bytes, start, end), name, value, literal, next: 0 };
  }
  return to;
}

/** The name with which a line begins. */
function nameOf(bytes: Buffer, start: number, end: number): KnownName {
  let hash = 0;
  let colon = start;
  for (; colon < end && bytes[colon] !== COLON; colon++) {
    hash = Math.imul(hash ^ (bytes[colon] ?? 0), HASH_FACTOR);
  }
  const place = placeOf(hash);
  const before = names[place] ?? null;
  if (before?.bytes.length === colon - start && isAt(before.bytes, bytes, start)) return before;
  const text = bytes.toString('latin1', start, colon).toLowerCase();
  const name = NOT_IN_HTTP2.has(text) ? null : fieldNameOf(text);
  const found: KnownName = { bytes: copyOf(bytes, start, colon), name };
  if (colon - start <= LINE_BYTES_MAX) names[place] = found;
  return found;
}

function copyOf(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return Uint8Array.from(bytes.subarray(start, end));
}
