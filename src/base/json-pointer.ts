/**
 * JSON Pointers (RFC 6901).
 *
 * Thread: any (pure).
 */

/** The pointer one level deeper. The root is the empty string. */
export function childPointer(parent: string, key: string | number): string {
  if (typeof key === 'number') return `${parent}/${key}`;
  return `${parent}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}
