/**
 * JSON strings for documents that are put together by hand because many are written.
 *
 * Thread: any (pure).
 */

/** Anything but printable ASCII without `"` and `\`. */
const ESCAPED = /[^ !#-[\]-~]/;

/** The text as a JSON string, quotes included. Fast where no character needs an escape. */
export function quoteJson(text: string): string {
  return ESCAPED.test(text) ? JSON.stringify(text) : `"${text}"`;
}
