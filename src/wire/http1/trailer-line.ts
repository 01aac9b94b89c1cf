/**
 * One line of a trailer section (RFC 9110 6.5, RFC 9112 7.1.2).
 *
 * Thread: any (pure). A field that would have to be known before the body is not taken from a
 * trailer: one of framing makes the message malformed, others are dropped.
 */
import { type FieldBlock, field, NO_FIELDS } from '../../base/field-block.js';
import { areAllIn, COLON, CR, LF, TOKEN_BYTES, VALUE_BYTES } from './characters.js';
import { trimmed } from './token-list.js';

const FRAMING: ReadonlySet<string> = new Set(['content-length', 'transfer-encoding']);

/** Routing, connections, credentials, and how the content is to be read (RFC 9110 6.5.1). */
const NOT_IN_TRAILERS: ReadonlySet<string> = new Set([
  'host',
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'upgrade',
  'http2-settings',
  'expect',
  'max-forwards',
  'cache-control',
  'range',
  'content-range',
  'content-encoding',
  'content-type',
  'content-disposition',
  'authorization',
  'proxy-authorization',
  'proxy-authenticate',
  'www-authenticate',
  'cookie',
  'set-cookie',
  'forwarded',
  'via',
  'cdn-loop',
  'x-request-id',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
]);

/** `line` ends with LF. Null: it is malformed. NO_FIELDS: nothing of it goes on. */
export function readTrailerLine(line: string, keepsUnderscores: boolean): FieldBlock | null {
  const end = line.length - 2;
  if (line.charCodeAt(end) !== CR || line.charCodeAt(end + 1) !== LF) return null;
  const colon = line.indexOf(':');
  const name = line.slice(0, colon);
  if (colon <= 0 || line.charCodeAt(colon) !== COLON) return null;
  if (!areAllIn(TOKEN_BYTES, name) || !areAllIn(VALUE_BYTES, line.slice(colon + 1, end))) {
    return null;
  }
  const lowerName = name.toLowerCase();
  if (FRAMING.has(lowerName)) return null;
  if (!mayTrail(lowerName, keepsUnderscores)) return NO_FIELDS;
  return field(name, trimmed(line, colon + 1, end));
}

/** Whether a field of this name, which is in lower case, may go on behind a body. */
export function mayTrail(lowerName: string, keepsUnderscores: boolean): boolean {
  return !NOT_IN_TRAILERS.has(lowerName) && (keepsUnderscores || !lowerName.includes('_'));
}
