/**
 * Names of hosts, in the form by which routes are found.
 *
 * Thread: any (pure). DNS ignores case, and allows a dot at the end.
 */

/** Longest name that DNS has. */
const HOST_CHARS_MAX = 253;
const LETTERS = /[A-Z]/;

/**
 * The host without port and final dot, in lower case; empty: not a valid name. An address in
 * brackets keeps its brackets.
 */
export function hostName(authority: string): string {
  let end = authority.length;
  if (authority.startsWith('[')) end = authority.indexOf(']') + 1;
  else {
    const colon = authority.indexOf(':');
    if (colon !== -1) end = colon;
  }
  if (end > 1 && authority.charCodeAt(end - 1) === 46) end -= 1;
  if (end > HOST_CHARS_MAX) return '';
  const name = end === authority.length ? authority : authority.slice(0, end);
  return LETTERS.test(name) ? name.toLowerCase() : name;
}
