/**
 * The parameters of a query, one by one, as they came.
 *
 * Thread: any (pure). Only `&` separates them. Names and values are decoded as a form's are.
 */

export interface QueryParameter {
  /** Decoded. */
  readonly name: string;
  /** Decoded. */
  readonly value: string;
  /** As it came. */
  readonly text: string;
}

/** `query`: with its question mark, or ''. */
export function parametersOf(query: string): QueryParameter[] {
  return query
    .slice(1)
    .split('&')
    .filter((text) => text !== '')
    .map((text) => {
      const mark = text.indexOf('=');
      const name = decode(mark === -1 ? text : text.slice(0, mark));
      return { name, value: mark === -1 ? '' : decode(text.slice(mark + 1)), text };
    });
}

/** A broken escape stands for itself, as most readers take it. */
function decode(text: string): string {
  const spaced = text.replaceAll('+', ' ');
  try {
    return decodeURIComponent(spaced);
  } catch {
    return spaced;
  }
}
