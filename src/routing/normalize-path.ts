/**
 * One spelling for every path, so that routing and the upstream see the same path.
 *
 * Thread: any (pure). RFC 3986 section 6.2.2: unreserved characters are decoded, the hex digits of
 * other escapes are upper case, dot segments are removed; repeated slashes become one. A path that
 * upstreams read in different ways is refused: encoded slashes, backslashes and controls, broken
 * escapes, and dot segments with a parameter (`/..;x/`). Path parameters (`/admin;x`, which some
 * upstreams read as `/admin`) are refused too, unless the configuration allows them.
 */

/** What happens to a path with `;` or its encoded form. */
export type PathParameters = 'refuse' | 'allow';

/**
 * The normalised path, or '' for a path that must be refused. `path` begins with a slash and has no
 * query.
 */
export function normalizePath(path: string, parameters: PathParameters = 'refuse'): string {
  if (!needsWork(path)) return path;
  const decoded = path.includes('%') ? decodeUnreserved(path) : path;
  if (decoded === '') return '';
  if (parameters === 'refuse' && /;|%3B/.test(decoded)) return '';
  return removeDotSegments(decoded);
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
    if (code < 0x20 || code === 0x2f || code === 0x5c || code === 0x7f) return '';
    const plain = String.fromCharCode(code);
    decoded += /[A-Za-z0-9._~-]/.test(plain) ? plain : `%${hex.toUpperCase()}`;
    at += 2;
  }
  return decoded;
}

function removeDotSegments(path: string): string {
  const kept: string[] = [];
  const segments = path.split('/');
  for (let at = 1; at < segments.length; at++) {
    const segment = segments[at] ?? '';
    if (/^\.\.?(?:;|%3B)/.test(segment)) return '';
    if (segment === '..') kept.pop();
    else if (segment !== '.' && segment !== '') kept.push(segment);
  }
  const last = segments.at(-1);
  const endsInDirectory = last === '' || last === '.' || last === '..';
  return `/${kept.join('/')}${endsInDirectory && kept.length > 0 ? '/' : ''}`;
}
