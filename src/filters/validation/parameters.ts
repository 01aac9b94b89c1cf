/**
 * Path parameters, query and header fields as objects that a schema can judge.
 *
 * Thread: worker.
 */
import type { RequestView } from '../filter.js';

/** Texts by name; a name that comes several times has a list. */
export type Parameters = Record<string, string | string[]>;

/** Null: it cannot be read. */
export type ParameterReader = (request: RequestView) => Parameters | null;

/** The query without its question mark, or the text of a form; null: an escape is broken. */
export function readQuery(text: string): Parameters | null {
  const values = new Map<string, string | string[]>();
  for (const pair of text.split('&')) {
    if (pair === '') continue;
    const mark = pair.indexOf('=');
    const name = decode(mark === -1 ? pair : pair.slice(0, mark));
    const value = mark === -1 ? '' : decode(pair.slice(mark + 1));
    if (name === null || value === null) return null;
    add(values, name, value);
  }
  // Own members whatever their names: fromEntries defines, it does not assign.
  return Object.fromEntries(values);
}

export function readParams({ params }: RequestView): Parameters {
  return Object.fromEntries(
    Object.entries(params).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

/** Several fields of one name are one list in one text, as HTTP has it (RFC 9110 5.3). */
export function readFields({ fields }: RequestView): Parameters {
  const list = fields.all();
  const values = new Map<string, string>();
  for (let at = 0; at + 1 < list.length; at += 2) {
    const name = list[at] ?? '';
    const value = list[at + 1] ?? '';
    const first = values.get(name);
    values.set(name, first === undefined ? value : `${first}, ${value}`);
  }
  return Object.fromEntries(values);
}

function add(values: Map<string, string | string[]>, name: string, value: string): void {
  const first = values.get(name);
  if (first === undefined) values.set(name, value);
  else if (typeof first === 'string') values.set(name, [first, value]);
  else first.push(value);
}

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return null;
  }
}
