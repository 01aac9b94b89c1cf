/**
 * Why a text is no YAML, in words for whoever wrote it.
 *
 * Thread: supervisor or loader. Pure. The library speaks of its own tokens and options.
 */
import type { YAMLError } from 'yaml';

const REASON_BY_CODE: Readonly<Record<string, string>> = {
  TAG_RESOLVE_FAILED: 'tags are not supported; quote a value that begins with "!"',
  BAD_DIRECTIVE: 'a line that begins with "%" is a directive, and this one is not known',
  NON_STRING_KEY: 'a key must be a string',
};

/** Messages of the library, and what stands in their place; what is not here is plain enough. */
const REASONS: readonly (readonly [RegExp, string])[] = [
  [
    /^Flow (?:map|sequence) in block collection must be .* end with a (.)$/,
    'a bracket is not closed: "$1" is missing, or a line in between is not indented enough',
  ],
  [
    /^Unexpected \S+ at node end$/,
    'something follows a value that has ended: quote the whole value',
  ],
  [/^Unexpected flow-(?:map|seq)-end token.*$/s, 'a bracket is closed that is not open'],
  [/^Missing closing (["'])quote$/, 'a value that begins with $1 has no $1 at its end'],
  [
    /^Nested mappings are not allowed in compact mappings$/,
    'a second ": " in one line: quote the value, or begin a new line',
  ],
  [/^Plain value cannot start with .* (.)$/, 'a value that begins with $1 must be quoted'],
  [
    /^All mapping items must start at the same column$/,
    'keys of one mapping must begin at the same column',
  ],
];

export function syntaxReason({ code, message }: Pick<YAMLError, 'code' | 'message'>): string {
  const known = REASON_BY_CODE[code];
  if (known !== undefined) return known;
  for (const [pattern, reason] of REASONS) {
    if (pattern.test(message)) return message.replace(pattern, reason);
  }
  // What some messages say after a colon is the offending text; what comes before is enough.
  return message.split(': ')[0] ?? '';
}
