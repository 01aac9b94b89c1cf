/**
 * What texts in a configuration look like, and what that means to a person.
 *
 * Thread: any (pure). Shapes that one feature alone uses stand with its options.
 */
import type { TextShape } from './schema-node.js';

/** A text that fits `pattern`; `meaning` completes the sentence "it must be …". */
export function textShape<T extends string = string>(
  pattern: string,
  meaning: string,
): TextShape<T> {
  return { pattern, 'x-meaning': meaning };
}

/** A text of which TypeScript knows more than that it is one; `typescript`: how that is written. */
export function typedShape<T extends string>(
  pattern: string,
  meaning: string,
  typescript: string,
): TextShape<T> {
  return { pattern, 'x-meaning': meaning, 'x-typescript': typescript };
}

/** The characters of a token (RFC 9110 5.6.2), as names of fields and cookies are made of. */
export const TOKEN_PATTERN = "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}";

/** A method that can be forwarded. */
export const METHOD_TEXT = textShape(
  "^(?!(CONNECT|[*])$)[!#$%&'*+.^_`|~0-9A-Z-]{1,32}$",
  'an HTTP method in upper case, but not CONNECT',
);

/** The same, or `*` for every method. */
export const METHOD_OR_ALL_TEXT = textShape(
  "^(?!CONNECT$)[!#$%&'*+.^_`|~0-9A-Z-]{1,32}$",
  'an HTTP method in upper case, but not CONNECT, or "*"',
);

/** A name that other parts of the configuration refer to, and that counters carry. */
export const REFERENCE_NAME_TEXT = textShape(
  '^[A-Za-z][A-Za-z0-9_-]{0,63}$',
  'a name of up to 64 letters, digits, _ and -, beginning with a letter',
);

export const ROUTE_NAME_TEXT = textShape(
  '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$',
  'a name of up to 64 letters, digits, ".", "_" and "-", beginning with a letter or a digit',
);

export const HEADER_NAME_TEXT = textShape(`^${TOKEN_PATTERN}$`, 'the name of a header field');

export const HEADER_VALUE_TEXT = textShape(
  '^([!-~]([ -~]*[!-~])?)?$',
  'printable ASCII without blanks at the ends',
);

export const STATUS_RANGE_TEXT = textShape(
  '^[1-5][0-9]{2}(-[1-5][0-9]{2})?$',
  'a status or a range of them (written 200, 200-299)',
);

export const VERSION_TEXT = textShape(
  '^[A-Za-z0-9]([A-Za-z0-9._-]{0,30}[A-Za-z0-9])?$',
  'a version of letters, digits, ".", "_" and "-" (written "1" or "2024-10")',
);

export const LINK_TEXT = textShape('^https?://[!-~]{1,1000}$', 'an http or https URL');

export const HOST_TEXT = textShape(
  // An IPv6 address has two colons at least: one is that of a port.
  '^[0-9A-Za-z]([0-9A-Za-z.-]{0,251}[0-9A-Za-z])?$' +
    '|^[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]{0,35}$',
  'a host name or an IP address (no port; IPv6 without brackets)',
);

/** Longest path pattern; request targets themselves are bounded by limits.headerBytes. */
export const PATH_LENGTH_MAX = 1024;

/** How many times as much as something else. */
export const FACTOR_TEXT = typedShape<`${number}x`>(
  '^([1-9][0-9]?|100)([.][0-9]{1,2})?x$',
  'how many times, such as "2x" or "1.5x"',
  'FactorText = `${number}x`',
);
