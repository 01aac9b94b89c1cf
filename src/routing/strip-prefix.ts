/**
 * Cuts the start off a path.
 *
 * Thread: any (pure).
 */

/** The path without `prefix`, of which only whole segments are cut off. Empty: nothing is. */
export function stripPathPrefix(prefix: string, path: string): string {
  if (prefix === '' || !path.startsWith(prefix)) return path;
  const rest = path.slice(prefix.length);
  if (rest === '') return '/';
  return rest.startsWith('/') ? rest : path;
}
