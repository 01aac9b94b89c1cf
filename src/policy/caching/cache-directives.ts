/**
 * What Cache-Control, or a targeted field in its place, says to a cache.
 *
 * Thread: any (pure). RFC 9111 section 5.2, RFC 9213, RFC 5861, RFC 8246.
 * Invariant: of two values for one directive the stricter holds, and a value that cannot be read
 * makes a reply stale and never fresh (RFC 9111 section 4.2.1).
 */
import { type BareItem, parseDictionary } from './structured-field.js';

/** Not said. */
export const ABSENT_S = -1;
/** As good as for ever (RFC 9111 section 1.2.2). */
export const SECONDS_MAX = 2 ** 31;

/** Seconds are ABSENT_S to SECONDS_MAX. */
export class CacheDirectives {
  noStore = false;
  noCache = false;
  /** Lower-case names: only these fields need validation, the reply as such does not. */
  noCacheFields: readonly string[] = [];
  isPrivate = false;
  privateFields: readonly string[] = [];
  isPublic = false;
  mustRevalidate = false;
  proxyRevalidate = false;
  mustUnderstand = false;
  noTransform = false;
  onlyIfCached = false;
  maxAgeS = ABSENT_S;
  sharedMaxAgeS = ABSENT_S;
  minFreshS = ABSENT_S;
  /** SECONDS_MAX: however stale. */
  maxStaleS = ABSENT_S;
  staleWhileRevalidateS = ABSENT_S;
  staleIfErrorS = ABSENT_S;
}

const DIRECTIVE =
  /[\t ,]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:=(?:"((?:[^"\\]|\\.)*)"|([^\s",]*)))?([^,]*)/y;
const DIGITS = /^\d+$/;

/** All lines of Cache-Control as one; '' when there are none. */
export function parseCacheControl(text: string): CacheDirectives {
  const found = new CacheDirectives();
  DIRECTIVE.lastIndex = 0;
  for (;;) {
    const match = DIRECTIVE.exec(text);
    if (match === null) return found;
    const [, name = '', quoted, plain, rest = ''] = match;
    const isSpoilt = rest.trim() !== '';
    const value = quoted === undefined ? plain : quoted.replace(/\\(.)/g, '$1');
    take(found, name.toLowerCase(), isSpoilt ? '' : value);
  }
}

function take(found: CacheDirectives, name: string, value: string | undefined): void {
  switch (name) {
    case 'no-store':
      found.noStore = true;
      break;
    case 'no-cache':
      if (isList(value)) found.noCacheFields = [...found.noCacheFields, ...namesIn(value)];
      else found.noCache = true;
      break;
    case 'private':
      if (isList(value)) found.privateFields = [...found.privateFields, ...namesIn(value)];
      else found.isPrivate = true;
      break;
    case 'public':
      found.isPublic = true;
      break;
    case 'must-revalidate':
      found.mustRevalidate = true;
      break;
    case 'proxy-revalidate':
      found.proxyRevalidate = true;
      break;
    case 'must-understand':
      found.mustUnderstand = true;
      break;
    case 'no-transform':
      found.noTransform = true;
      break;
    case 'only-if-cached':
      found.onlyIfCached = true;
      break;
    default:
      takeSeconds(found, name, value);
  }
}

function takeSeconds(found: CacheDirectives, name: string, value: string | undefined): void {
  switch (name) {
    case 'max-age':
      found.maxAgeS = stricter(found.maxAgeS, secondsOf(value));
      break;
    case 's-maxage':
      found.sharedMaxAgeS = stricter(found.sharedMaxAgeS, secondsOf(value));
      break;
    case 'stale-while-revalidate':
      found.staleWhileRevalidateS = stricter(found.staleWhileRevalidateS, secondsOf(value));
      break;
    case 'stale-if-error':
      found.staleIfErrorS = stricter(found.staleIfErrorS, secondsOf(value));
      break;
    case 'min-fresh':
      found.minFreshS = Math.max(found.minFreshS, secondsOf(value));
      break;
    case 'max-stale':
      found.maxStaleS = stricter(
        found.maxStaleS,
        value === undefined ? SECONDS_MAX : secondsOf(value),
      );
      break;
    default:
  }
}

function stricter(before: number, next: number): number {
  return before === ABSENT_S ? next : Math.min(before, next);
}

/** What cannot be read counts as none. */
function secondsOf(value: string | undefined): number {
  return value !== undefined && DIGITS.test(value) ? Math.min(Number(value), SECONDS_MAX) : 0;
}

function isList(value: string | undefined): value is string {
  return value !== undefined && namesIn(value).length > 0;
}

function namesIn(value: string): string[] {
  return value
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '');
}

/** A field for caches of one kind (RFC 9213); null: it is to be ignored. */
export function parseTargeted(text: string): CacheDirectives | null {
  const members = parseDictionary(text);
  if (members === null || members.size === 0) return null;
  const found = new CacheDirectives();
  for (const [name, item] of members) takeMember(found, name, item);
  return found;
}

/** A member with a value of another type than its directive has is as if it were not there. */
function takeMember(found: CacheDirectives, name: string, item: BareItem): void {
  if (item.kind === 'boolean') {
    if (item.isTrue) take(found, name, undefined);
  } else if (item.kind === 'integer') {
    takeSeconds(found, name, String(item.number));
  } else if (item.kind === 'string' && (name === 'private' || name === 'no-cache')) {
    take(found, name, item.text);
  }
}
