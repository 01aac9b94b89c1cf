/**
 * The fields of one message as one string: the form in which they travel to the client.
 *
 * Thread: any (pure). Only this file knows the encoding: each field is CRLF, its name, ": " and
 * its value, and the empty string is a block without fields. Two blocks are joined by writing
 * one behind the other, and an HTTP/1.1 head takes a block as it is.
 *
 * Invariant: a block holds no CR or LF but those that begin its fields. Names and values are
 * checked where they enter the gateway (parsers, configuration, ReplyHead.add) and not here.
 * Characters are latin-1: one character is one byte on the wire.
 */

declare const brand: unique symbol;

/** Fields, in order. Made by the functions below only. */
export type FieldBlock = string & { readonly [brand]: true };

/** A block without fields. */
export const NO_FIELDS = '' as FieldBlock;

// Hot path (bench/gateway/plain-get): several times for every reply. V8 inlines these functions,
// and a block stays one concatenation.
/** One field. Neither `name` nor `value` holds CR or LF; `value` has no blanks around it. */
export function field(name: string, value: string): FieldBlock {
  return `\r\n${name}: ${value}` as FieldBlock;
}

/** The fields of `first`, then those of `second`. */
export function joinFields(first: FieldBlock, second: FieldBlock): FieldBlock {
  return (first + second) as FieldBlock;
}

/**
 * The lines of a checked HTTP/1.1 head as they were received: `text` from `start`, the first
 * character of a name, to `end`, the CRLF of the last line. CRLF stands before `start`, and each
 * line has exactly one space behind its colon.
 */
export function fieldsOfLines(text: string, start: number, end: number): FieldBlock {
  return text.slice(start - 2, end) as FieldBlock;
}

/** Reads the bytes of a block that crossed a lane. */
export function fieldsOfBytes({ buffer, byteOffset, byteLength }: Uint8Array): FieldBlock {
  return Buffer.from(buffer, byteOffset, byteLength).toString('latin1') as FieldBlock;
}

/** The fields of a block in order, each as name and value. Names are spelt as they came. */
export function* entriesOf(block: FieldBlock): Generator<readonly [name: string, value: string]> {
  let start = 2;
  while (start < block.length) {
    const next = block.indexOf('\r\n', start);
    const end = next === -1 ? block.length : next;
    const colon = block.indexOf(':', start);
    yield [block.slice(start, colon), block.slice(colon + 2, end)];
    start = end + 2;
  }
}

/** The block without its first field, which it has. */
export function withoutFirst(block: FieldBlock): FieldBlock {
  const next = block.indexOf('\r\n', 2);
  return next === -1 ? NO_FIELDS : (block.slice(next) as FieldBlock);
}

/** The value of the first field of this name, or ''. `lowerName` is in lower case. */
export function firstValueOf(block: FieldBlock, lowerName: string): string {
  for (const [name, value] of entriesOf(block)) {
    if (name.toLowerCase() === lowerName) return value;
  }
  return '';
}

/** The fields whose names, in lower case, are not in `lowerNames`. */
export function withoutFields(block: FieldBlock, lowerNames: ReadonlySet<string>): FieldBlock {
  let kept = NO_FIELDS;
  for (const [name, value] of entriesOf(block)) {
    if (!lowerNames.has(name.toLowerCase())) kept = joinFields(kept, field(name, value));
  }
  return kept;
}
