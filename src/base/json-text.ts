/**
 * JSON strings for documents that are put together by hand because many are written, and JSON
 * Pointers (RFC 6901).
 *
 * Thread: any (pure).
 */

/** Anything but printable ASCII without `"` and `\`. */
const ESCAPED = /[^ !#-[\]-~]/;

/** The text as a JSON string, quotes included. Fast where no character needs an escape. */
export function quoteJson(text: string): string {
  return ESCAPED.test(text) ? JSON.stringify(text) : `"${text}"`;
}

/** The pointer one level deeper. The pointer to the root is the empty string. */
export function childPointer(parent: string, key: string | number): string {
  if (typeof key === 'number') return `${parent}/${key}`;
  return `${parent}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}
