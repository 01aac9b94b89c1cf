/**
 * Answers conditional requests from a stored reply, and asks its origin by one.
 *
 * Thread: any (pure). RFC 9110 section 13, RFC 9111 sections 4.3.1 and 4.3.2.
 */
import { parseHttpDate } from '../../base/http-date.js';

/** What a request asks; '' for what it does not. */
export interface Conditions {
  readonly ifNoneMatch: string;
  readonly ifModifiedSince: string;
  readonly ifRange: string;
}

/** What identifies a stored reply; '' for what it does not have. */
export interface Validators {
  readonly etag: string;
  readonly lastModified: string;
  readonly date: string;
}

const ENTITY_TAG = /^(W\/)?("[\x21\x23-\x7e\x80-\xff]*")$/;
/** Members may hold commas. */
const ENTITY_TAGS = /(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"|[^\t ,]+/g;

/** A date is a strong validator when the reply is that much younger (section 8.8.2.2). */
const STRONG_DATE_MS = 60_000;

/** Whether the client has the stored reply already. */
export function isUnmodified(asked: Conditions, stored: Validators, nowUnixMs: number): boolean {
  // If-None-Match goes before If-Modified-Since (section 13.2.2).
  if (asked.ifNoneMatch !== '') return matchesAny(asked.ifNoneMatch, stored.etag);
  if (asked.ifModifiedSince === '') return false;
  const since = parseHttpDate(asked.ifModifiedSince, nowUnixMs);
  if (Number.isNaN(since)) return false;
  const modified = parseHttpDate(stored.lastModified || stored.date, nowUnixMs);
  return !Number.isNaN(modified) && modified <= since;
}

function matchesAny(list: string, etag: string): boolean {
  if (list.trim() === '*') return true;
  const opaque = opaqueOf(etag);
  if (opaque === '') return false;
  for (const [tag] of list.matchAll(ENTITY_TAGS)) {
    if (opaqueOf(tag) === opaque) return true;
  }
  return false;
}

/** The part that counts in weak comparison; '': it is no entity tag. */
function opaqueOf(tag: string): string {
  return ENTITY_TAG.exec(tag)?.[2] ?? '';
}

/** Whether a part may be given: the client has other parts of the same reply, or asks no such. */
export function isSameForRange(
  { ifRange }: Conditions,
  stored: Validators,
  nowUnixMs: number,
): boolean {
  if (ifRange === '') return true;
  // Only a strong comparison will do (section 13.1.5).
  if (ifRange.includes('"')) return ifRange === stored.etag && !ifRange.startsWith('W/');
  const asked = parseHttpDate(ifRange, nowUnixMs);
  const modified = parseHttpDate(stored.lastModified, nowUnixMs);
  const made = parseHttpDate(stored.date, nowUnixMs);
  return asked === modified && made - modified >= STRONG_DATE_MS;
}

/** Fields that ask the origin whether the stored reply is still good: names and values in turn. */
export function validationFields({ etag, lastModified }: Validators): readonly string[] {
  return [
    ...(etag === '' ? [] : ['if-none-match', etag]),
    ...(lastModified === '' ? [] : ['if-modified-since', lastModified]),
  ];
}

/** Whether a 304 is about the stored reply (RFC 9111 section 4.3.4). */
export function isAbout(said: Validators, stored: Validators): boolean {
  if (said.etag !== '') return opaqueOf(said.etag) === opaqueOf(stored.etag);
  return said.lastModified === '' || said.lastModified === stored.lastModified;
}
