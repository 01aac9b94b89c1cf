/**
 * Which requests one of several replies to a URL is for.
 *
 * Thread: any (pure). RFC 9111 section 4.1. A variant is the fields that Vary names, with the
 * values that the request had for them, as one text: one line a field, sorted by name.
 */

/** The fields of a request. */
export interface VariedRequest {
  /** All values of a field as one list, or ''. */
  value(lowerName: string): string;
}

const NAMES_MAX = 32;

/** The variant of a reply to this request; '': it is for all; null: for no other request. */
export function variantOf(vary: string, request: VariedRequest): string | null {
  if (vary === '') return '';
  const names = [...new Set(vary.toLowerCase().split(',').map(trimmed))].filter(isNamed).sort();
  if (names.includes('*') || names.length > NAMES_MAX) return null;
  return names.map((name) => lineOf(name, request)).join('\n');
}

/** Whether a reply of this variant is for the request. */
export function fitsVariant(variant: string, request: VariedRequest): boolean {
  if (variant === '') return true;
  return variant.split('\n').every((line) => {
    const end = line.indexOf(':');
    return line === lineOf(line.slice(0, end), request);
  });
}

/** Blanks around the members of a list say nothing. */
function lineOf(name: string, request: VariedRequest): string {
  return `${name}:${request.value(name).split(',').map(trimmed).join(',')}`;
}

function trimmed(text: string): string {
  return text.trim();
}

function isNamed(name: string): boolean {
  return name !== '';
}
