/**
 * JSON strings for documents that are put together by hand because many are written.
 *
 * Thread: any (pure).
 */

/** Printable ASCII without `"` and `\` stands for itself. */
const ESCAPED = /[^ !#-[\]-~]/;

/** The text as a JSON string, quotes included. Quick where nothing is to be escaped. */
export function quoteJson(text: string): string {
  return ESCAPED.test(text) ? JSON.stringify(text) : `"${text}"`;
}
