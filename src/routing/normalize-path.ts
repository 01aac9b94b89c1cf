/**
 * One spelling for every path, by which it is routed, and the spelling that the target gets.
 *
 * Thread: any (pure). RFC 3986 section 6.2.2: in the normal spelling unreserved characters are
 * decoded, the hex digits of other escapes are upper case, dot segments are removed; repeated
 * slashes are one. A path that upstreams read in different ways is refused: controls, broken
 * escapes, dot segments with a parameter (`/..;x/`) or beside an encoded slash, and dot segments
 * that would remove an empty segment or one with an encoded slash. Path parameters (`/admin;x`,
 * which some upstreams read as `/admin`) are refused too, where the configuration says so.
 *
 * Invariant: a usual target reads the spelling that it gets as the normal one, but for empty
 * segments, of which no route knows, and encoded slashes and path parameters, of which
 * worker/request/path-readings.ts knows.
 * A usual target decodes escapes once or not at all, keeps empty segments or drops them, and takes
 * `%2F`, `%5C` for a slash or not.
 */

/** What happens to a path with `;` or its encoded form. */
export type PathParameters = 'refuse' | 'allow';

const ENCODED_SLASH = /%2F|%5C/;
const OTHER_READINGS = /%2F|%5C|;|%3B/;
/** A part of a segment that a target could resolve. */
const DOT_PART = /(?:^|%2F|%5C)\.\.?(?:$|;|%3B|%2F|%5C)/;
const DOT_SEGMENT = /\/(?:\.|%2e){1,2}(?:\/|$)/i;

/**
 * The normalised path, or '' for a path that must be refused. `path` begins with a slash and has no
 * query. Encoded slashes stay as they are: see {@link slashReadings}.
 */
export function normalizePath(path: string, parameters: PathParameters | '' = ''): string {
  if (!needsWork(path)) return path;
  const decoded = path.includes('%') ? decodeUnreserved(path) : path;
  if (decoded === '') return '';
  if (parameters === 'refuse' && PARAMETERS.test(decoded)) return '';
  return removeDotSegments(decoded);
}

/**
 * The spelling that the target gets: as the path came, so that signatures over it hold. Dot
 * segments are resolved all the same. At its start there is one slash: what begins with two is
 * read as the name of a host by those that take it for a reference (RFC 3986 4.2).
 * `normal` is the normalised path, and not refused.
 */
export function sentSpelling(path: string, normal: string): string {
  if (path === normal || DOT_SEGMENT.test(path)) return normal;
  return withOneSlash(path);
}

/** The path with one slash at its start. */
export function withOneSlash(path: string): string {
  let at = 0;
  while (path.charCodeAt(at) === 47) at += 1;
  return at === 1 ? path : `/${path.slice(at)}`;
}

/** The path with one slash where there are several. */
export function mergeSlashes(path: string): string {
  return path.replace(/\/{2,}/g, '/');
}

const PARAMETERS = /;|%3B/;

/** Whether a normalised path holds `;` or `%3B`. */
export function hasParameters(normal: string): boolean {
  return PARAMETERS.test(normal);
}

/** What targets cut off: in each segment or of the whole path, and encoded or not. */
const CUTS = [/;[^/]*/g, /(?:;|%3B)[^/]*/g, /;.*/, /(?:;|%3B).*/];

/** How targets read a normalised path that cut parameters off, in each reading of its slashes. */
export function parameterReadings(normal: string): readonly string[] {
  const cut = [normal, ...slashReadings(normal)].flatMap((path) =>
    CUTS.map((part) => mergeSlashes(path.replace(part, '')) || '/'),
  );
  const readings = new Set([...cut, ...cut.flatMap(slashReadings)]);
  return [...readings].filter((reading) => reading !== normal);
}

/** Whether a normalised path holds `%2F`, `%5C`, `;` or `%3B`: worker/request/path-readings.ts. */
export function hasOtherReadings(normal: string): boolean {
  return OTHER_READINGS.test(normal);
}

/** Whether a normalised path holds `%2F` or `%5C`. */
export function hasEncodedSlash(normal: string): boolean {
  return ENCODED_SLASH.test(normal);
}

/** How targets read a normalised path that take `%2F`, `%5C` or both for a slash. */
export function slashReadings(normal: string): readonly string[] {
  const readings = [/%2F|%5C/g, /%2F/g, /%5C/g].map((encoded) => decodeSlashes(normal, encoded));
  return [...new Set(readings)].filter((reading) => reading !== normal);
}

/** A normalised path with slashes in place of those that are encoded. */
export function decodeSlashes(normal: string, encoded: RegExp = /%2F|%5C/g): string {
  return mergeSlashes(normal.replace(encoded, '/'));
}

// Hot path, watched by bench/gateway/plain-get: most paths are normal already.
function needsWork(path: string): boolean {
  let previous = 0;
  for (let at = 0; at < path.length; at++) {
    const code = path.charCodeAt(at);
    if (code === 37 || code === 59) return true;
    if (previous === 47 && (code === 47 || code === 46)) return true;
    previous = code;
  }
  return false;
}

function decodeUnreserved(path: string): string {
  let decoded = '';
  for (let at = 0; at < path.length; at++) {
    const char = path.charAt(at);
    if (char !== '%') {
      decoded += char;
      continue;
    }
    const hex = path.slice(at + 1, at + 3);
    if (!/^[0-9A-Fa-f]{2}$/.test(hex)) return '';
    const code = Number.parseInt(hex, 16);
    if (code < 0x20 || code === 0x7f) return '';
    const plain = String.fromCharCode(code);
    decoded += /[A-Za-z0-9._~-]/.test(plain) ? plain : `%${hex.toUpperCase()}`;
    at += 2;
  }
  return decoded;
}

function removeDotSegments(path: string): string {
  const kept: string[] = [];
  // As those read the path to whom empty segments are segments.
  const strict: string[] = [];
  const segments = path.split('/');
  for (let at = 1; at < segments.length; at++) {
    const segment = segments[at] ?? '';
    if (segment === '..') {
      // One that has a slash in it is two segments to some.
      if (ENCODED_SLASH.test(kept.pop() ?? '')) return '';
      strict.pop();
    } else if (segment !== '.') {
      if (DOT_PART.test(segment)) return '';
      if (segment !== '') kept.push(segment);
      strict.push(segment);
    }
  }
  const read = strict.filter((segment) => segment !== '');
  if (read.join('/') !== kept.join('/')) return '';
  const last = segments.at(-1);
  const endsInDirectory = last === '' || last === '.' || last === '..';
  return `/${kept.join('/')}${endsInDirectory && kept.length > 0 ? '/' : ''}`;
}
