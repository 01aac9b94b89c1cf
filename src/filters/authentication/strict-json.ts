/**
 * Reads parts of tokens, and refuses any that could be read in two ways.
 *
 * Thread: any (pure). RFC 7515 section 4 and RFC 7519 section 4 let a reader take the last of two
 * members with one name; a reader that takes the first would see another token. Base64url has
 * several spellings of the same bytes, of which one is canonical (RFC 4648 3.5). Both are refused.
 */

/** An object without repeated members, or undefined. */
export type StrictObject = Readonly<Record<string, unknown>>;

const NESTING_MAX = 32;

/** Bytes of base64url in its one canonical spelling, or undefined. */
export function decodeCanonical(part: string): Buffer | undefined {
  const bytes = Buffer.from(part, 'base64url');
  return bytes.toString('base64url') === part ? bytes : undefined;
}

/** Parses UTF-8 JSON that is an object in which no name stands twice, at any level. */
export function parseStrictObject(bytes: Uint8Array): StrictObject | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    return hasRepeatedName(text) ? undefined : (value as StrictObject);
  } catch {
    return undefined;
  }
}

/** `text` is valid JSON. Extremely deep nesting counts as a repeated name: no real token has it. */
function hasRepeatedName(text: string): boolean {
  const open: (Set<string> | null)[] = [];
  let at = 0;
  while (at < text.length) {
    const char = text[at];
    if (char === '"') {
      const end = stringEnd(text, at);
      const names = open.at(-1) ?? null;
      // Only the name of a member is followed by a colon.
      if (names !== null && isColonNext(text, end)) {
        const name = JSON.parse(text.slice(at, end)) as string;
        if (names.has(name)) return true;
        names.add(name);
      }
      at = end;
      continue;
    }
    if (char === '{') open.push(new Set());
    else if (char === '[') open.push(null);
    else if (char === '}' || char === ']') open.pop();
    if (open.length > NESTING_MAX) return true;
    at += 1;
  }
  return false;
}

function isColonNext(text: string, from: number): boolean {
  let at = from;
  while (text.charCodeAt(at) <= 0x20) at += 1;
  return text[at] === ':';
}

/** The position behind the string that begins at `start`. */
function stringEnd(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}
