/**
 * Forms (application/x-www-form-urlencoded) as documents, and documents as forms.
 *
 * Thread: any (pure). A form is flat: names are taken as they are written, and no bracket or dot in
 * them means anything. Names of all kinds are own members of the document, `__proto__` included.
 * What can be read in two ways is refused and never repaired.
 */
import type { NumberMarks } from './exact-numbers.js';

/** How a body is written. */
export type BodyFormat = 'json' | 'form';

export const FORM_TYPE = 'application/x-www-form-urlencoded';

/** Fields of a form, repeated names included. */
const FIELDS_MAX = 1000;
const SHOWN_CHARS_MAX = 100;

/** The document, or why there is none. */
export type ReadForm =
  | { readonly isValid: true; readonly value: Readonly<Record<string, string | string[]>> }
  | { readonly isValid: false; readonly detail: string };

/** The text, or why there is none. */
export type WrittenForm =
  | { readonly isValid: true; readonly text: string }
  | { readonly isValid: false; readonly detail: string };

/** A name that comes once is a text, one that comes more often is a list, in order. */
export function readForm(text: string): ReadForm {
  const members = new Map<string, string | string[]>();
  let count = 0;
  for (let at = 0; at < text.length; ) {
    const next = text.indexOf('&', at);
    const end = next === -1 ? text.length : next;
    const pair = text.slice(at, end);
    at = end + 1;
    if (pair === '') continue;
    count++;
    if (count > FIELDS_MAX) return failed(`it has more than ${FIELDS_MAX} fields`);
    const mark = pair.indexOf('=');
    const name = decode(mark === -1 ? pair : pair.slice(0, mark));
    const value = mark === -1 ? '' : decode(pair.slice(mark + 1));
    if (name === null || value === null) {
      return failed(`an escape in field ${count} is broken, or is not UTF-8`);
    }
    const known = members.get(name);
    if (known === undefined) members.set(name, value);
    else if (typeof known === 'string') members.set(name, [known, value]);
    else known.push(value);
  }
  return { isValid: true, value: Object.fromEntries(members) };
}

/**
 * Writes an object of texts, numbers, booleans and lists of these, as a browser would. A member
 * that is null is left out, and so is an empty list.
 */
export function writeForm(document: unknown, marks: NumberMarks): WrittenForm {
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    return failed('a form is made of an object');
  }
  const pairs: string[] = [];
  for (const [name, value] of Object.entries(document)) {
    const encodedName = encode(name);
    const isList = Array.isArray(value);
    if (value === null || value === undefined) continue;
    for (const item of isList ? value : [value]) {
      const text = textOf(item, marks);
      if (text === null) return failed(`${shown(name)} ${isList ? LIST_PROBLEM : PROBLEM}`);
      const encoded = encode(text);
      if (encoded === null || encodedName === null) {
        return failed(`${shown(name)} holds a half of a character`);
      }
      pairs.push(`${encodedName}=${encoded}`);
    }
    if (pairs.length > FIELDS_MAX) return failed(`it has more than ${FIELDS_MAX} fields`);
  }
  return { isValid: true, text: pairs.join('&') };
}

const PROBLEM = 'is an object, and a form is flat';
const LIST_PROBLEM = 'is a list with something else than texts, numbers and booleans';

function failed(detail: string): { readonly isValid: false; readonly detail: string } {
  return { isValid: false, detail };
}

function shown(name: string): string {
  return `the member ${JSON.stringify(name.slice(0, SHOWN_CHARS_MAX))}`;
}

function textOf(value: unknown, marks: NumberMarks): string | null {
  switch (typeof value) {
    case 'string':
      return marks.plain(value);
    case 'number':
    case 'boolean':
      return String(value);
    default:
      return null;
  }
}

/** null: an escape is broken, or its bytes are not UTF-8. */
function decode(text: string): string | null {
  const spaced = text.replaceAll('+', ' ');
  try {
    return decodeURIComponent(spaced);
  } catch {
    return null;
  }
}

/** As the URL standard writes forms; null: a surrogate stands alone. */
function encode(text: string): string | null {
  try {
    return encodeURIComponent(text)
      .replaceAll('%20', '+')
      .replace(/[!'()~]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
  } catch {
    return null;
  }
}
