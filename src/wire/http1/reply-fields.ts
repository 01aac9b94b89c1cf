/**
 * The field block of a reply: the target's fields, less those of one connection, plus ours.
 *
 * Thread: any (pure). RFC 9110 7.6.1. The listener writes the framing fields itself, and Date where
 * the target wrote none (RFC 9110 6.6.1). Bytes stay what they are: latin-1 in, latin-1 out; the
 * transport has refused CR, LF and NUL.
 */
import { type FieldBlock, withoutFields } from '../../base/field-block.js';
import { tokensOf } from './token-list.js';

/** The head of a reply as the lane takes it. */
export interface ReplyFieldBlock {
  fields: FieldBlock;
  /** Content-Length; -1: none. */
  bodyBytes: number;
  /** The value of Date, in the form of RFC 9110 5.6.7 that has always the same length; '': none. */
  date: string;
  /** Reason phrase of a status that has none of its own; absent or '': none. */
  phrase?: string;
}

export const FIELD_KEPT = 0;
export const FIELD_DROPPED = 1;
export const FIELD_LENGTH = 2;
export const FIELD_CONNECTION = 3;
// Dropped too, but the connection reads them.
export const FIELD_KEEP_ALIVE = 4;
export const FIELD_PROXY_CONNECTION = 5;
export const FIELD_CODING = 6;
export const FIELD_DATE = 7;
export const FIELD_UPGRADE = 8;

/** What is done with a field of a reply. */
export type FieldClass =
  | typeof FIELD_KEPT
  | typeof FIELD_DROPPED
  | typeof FIELD_LENGTH
  | typeof FIELD_CONNECTION
  | typeof FIELD_KEEP_ALIVE
  | typeof FIELD_PROXY_CONNECTION
  | typeof FIELD_CODING
  | typeof FIELD_DATE
  | typeof FIELD_UPGRADE;

// Hot path, watched by bench/micro/worker/upstream-transport: every field of every reply. Only a
// name of one of these lengths is looked at further.
/** What becomes of the field whose name, a token, stands in `text` from `start` to `end`. */
export function classOf(text: string, start: number, end: number): FieldClass {
  switch (end - start) {
    case 2:
      return isName(text, start, 'te') ? FIELD_DROPPED : FIELD_KEPT;
    case 4:
      return isName(text, start, 'date') ? FIELD_DATE : FIELD_KEPT;
    case 7:
      if (isName(text, start, 'trailer')) return FIELD_DROPPED;
      return isName(text, start, 'upgrade') ? FIELD_UPGRADE : FIELD_KEPT;
    case 10:
      if (isName(text, start, 'connection')) return FIELD_CONNECTION;
      return isName(text, start, 'keep-alive') ? FIELD_KEEP_ALIVE : FIELD_KEPT;
    case 12:
      return isName(text, start, 'x-request-id') ? FIELD_DROPPED : FIELD_KEPT;
    case 14:
      return isName(text, start, 'content-length') ? FIELD_LENGTH : FIELD_KEPT;
    case 15:
      return isName(text, start, 'x-response-time') ? FIELD_DROPPED : FIELD_KEPT;
    case 16:
      return isName(text, start, 'proxy-connection') ? FIELD_PROXY_CONNECTION : FIELD_KEPT;
    case 17:
      return isName(text, start, 'transfer-encoding') ? FIELD_CODING : FIELD_KEPT;
    default:
      return FIELD_KEPT;
  }
}

/** The bit that makes a letter small leaves the other characters of these names as they are. */
function isName(text: string, start: number, name: string): boolean {
  for (let at = 0; at < name.length; at++) {
    if ((text.charCodeAt(start + at) | 0x20) !== name.charCodeAt(at)) return false;
  }
  return true;
}

/** True when Connection lists more than what stands for the connection itself. */
export function namesFields(connection: string): boolean {
  if (connection === '') return false;
  return tokensOf(connection).some((token) => !['', 'close', 'keep-alive'].includes(token));
}

/** The fields less those that Connection lists. */
export function withoutNamed(fields: FieldBlock, connection: string): FieldBlock {
  const named = new Set(tokensOf(connection));
  return withoutFields(fields, named);
}
