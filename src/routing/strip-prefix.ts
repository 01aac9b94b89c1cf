/**
 * Removes a prefix from a path.
 *
 * Thread: any (pure).
 */
import { withOneSlash } from './normalize-path.js';

const SLASH = 47;

/**
 * The path without `prefix`, which must end at a segment's end. An empty `prefix` removes nothing.
 */
export function stripPathPrefix(prefix: string, path: string): string {
  if (prefix === '' || !path.startsWith(prefix)) return path;
  const rest = path.slice(prefix.length);
  if (rest === '') return '/';
  return rest.startsWith('/') ? rest : path;
}

/** The same of `sent`, a spelling of `path` with the same segments, and empty ones. */
export function stripSentPrefix(prefix: string, path: string, sent: string): string {
  const stripped = stripPathPrefix(prefix, path);
  if (sent === path) return stripped;
  return stripped === path ? sent : dropSegments(sent, prefix.split('/').length - 1);
}

/** The path without its first segments; one slash is at its start. Empty segments do not count. */
function dropSegments(path: string, count: number): string {
  let at = 0;
  for (let dropped = 0; dropped < count; dropped += 1) {
    while (path.charCodeAt(at) === SLASH) at += 1;
    while (at < path.length && path.charCodeAt(at) !== SLASH) at += 1;
  }
  return withOneSlash(path.slice(at));
}
