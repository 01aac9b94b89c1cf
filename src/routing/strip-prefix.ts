/**
 * Removes a prefix from a path.
 *
 * Thread: any (pure).
 */

/**
 * The path without `prefix`, which must end at a segment's end. An empty `prefix` removes nothing.
 */
export function stripPathPrefix(prefix: string, path: string): string {
  if (prefix === '' || !path.startsWith(prefix)) return path;
  const rest = path.slice(prefix.length);
  if (rest === '') return '/';
  return rest.startsWith('/') ? rest : path;
}
