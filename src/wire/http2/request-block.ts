/**
 * The header blocks of requests, and of their trailers.
 *
 * Thread: any (pure). RFC 9113 8.2 and 8.3.1, RFC 8441 4. Nothing is escaped: method, target and
 * fields have passed the parser of requests, or the schema of the configuration.
 */
import {
  HPACK_BLOCK_EXTRA_BYTES,
  HPACK_FIELD_EXTRA_BYTES,
  type HpackEncoder,
} from '../hpack/hpack-encoder.js';
import { NOT_IN_HTTP2 } from './known-lines.js';

/** What a request in HTTP/2 begins with. */
export interface RequestStart {
  readonly method: string;
  readonly scheme: 'http' | 'https';
  readonly authority: string;
  readonly path: string;
  /** Of an extended CONNECT; '': none. */
  readonly protocol: string;
}

/** Fields that the pseudo-fields stand for, or that have another form. */
const WRITTEN_OTHERWISE: ReadonlySet<string> = new Set(['host', 'te', 'http2-settings']);

// Hot path (bench/gateway/plain-get): every request to such a target.
/** The block of a request. `fields`: names, in any case, and values in turn. */
export function encodeRequest(
  encoder: HpackEncoder,
  start: RequestStart,
  fields: readonly string[],
): Buffer {
  const { method, scheme, authority, path, protocol } = start;
  const pseudoBytes = method.length + authority.length + path.length + protocol.length;
  const out = Buffer.allocUnsafe(roomFor(fields, 7) + pseudoBytes + 64);
  let to = encoder.begin(out, 0);
  to = encoder.field(out, to, ':method', method);
  to = encoder.field(out, to, ':scheme', scheme);
  to = encoder.field(out, to, ':authority', authority);
  to = encoder.field(out, to, ':path', path);
  if (protocol !== '') to = encoder.field(out, to, ':protocol', protocol);
  to = encodeFields(encoder, out, to, fields);
  // Whatever the client takes: the gateway itself takes trailers of its targets.
  if (protocol === '') to = encoder.field(out, to, 'te', 'trailers');
  return out.subarray(0, to);
}

function encodeFields(
  encoder: HpackEncoder,
  out: Buffer,
  at: number,
  fields: readonly string[],
): number {
  let to = at;
  for (let place = 0; place + 1 < fields.length; place += 2) {
    const name = (fields[place] ?? '').toLowerCase();
    if (NOT_IN_HTTP2.has(name) || WRITTEN_OTHERWISE.has(name)) continue;
    to = encoder.field(out, to, name, (fields[place + 1] ?? '').trim());
  }
  return to;
}

function roomFor(fields: readonly string[], more: number): number {
  let bytes = HPACK_BLOCK_EXTRA_BYTES + more * HPACK_FIELD_EXTRA_BYTES;
  for (const text of fields) bytes += text.length + HPACK_FIELD_EXTRA_BYTES / 2;
  return bytes;
}
