/**
 * Path parameters, query and header fields as objects that a schema can judge.
 *
 * Thread: worker.
 */
import type { RequestView } from '../filter.js';
import type { ParameterStyle } from './options.js';
import { type RawValues, readStyled } from './parameter-styles.js';

/** Null: it cannot be read. */
export type ParameterReader = (request: RequestView) => Record<string, unknown> | null;

/**
 * The query without its question mark, or the text of a form. A name that comes several times has a
 * list. null: an escape is broken.
 */
export function readQuery(
  text: string,
  styles: readonly ParameterStyle[] = [],
): Record<string, unknown> | null {
  const raw: RawValues = new Map();
  for (const pair of text.split('&')) {
    if (pair === '') continue;
    const mark = pair.indexOf('=');
    const name = decodeForm(mark === -1 ? pair : pair.slice(0, mark));
    if (name === null) return null;
    add(raw, name, mark === -1 ? '' : pair.slice(mark + 1));
  }
  return readStyled(raw, styles, decodeForm);
}

/** Path parameters, decoded already: an encoded comma separates like any other. */
export function readParams(
  { params }: RequestView,
  styles: readonly ParameterStyle[] = [],
): Record<string, unknown> | null {
  const raw: RawValues = new Map();
  for (const [name, text] of Object.entries(params)) if (text !== undefined) add(raw, name, text);
  return readStyled(raw, styles, asItIs);
}

/** Several fields of one name are one list in one text, as HTTP has it (RFC 9110 5.3). */
export function readFields(
  { fields }: RequestView,
  styles: readonly ParameterStyle[] = [],
): Record<string, unknown> | null {
  const list = fields.all();
  const raw: RawValues = new Map();
  for (let at = 0; at + 1 < list.length; at += 2) {
    const name = list[at] ?? '';
    const value = list[at + 1] ?? '';
    const first = raw.get(name)?.[0];
    raw.set(name, [first === undefined ? value : `${first}, ${value}`]);
  }
  return readStyled(raw, styles, asItIs);
}

/** Cookies by name; lists and objects stand in one cookie. */
export function readCookies(
  { fields }: RequestView,
  styles: readonly ParameterStyle[] = [],
): Record<string, unknown> | null {
  const raw: RawValues = new Map();
  for (const pair of fields.values('cookie').flatMap((text) => text.split(';'))) {
    const mark = pair.indexOf('=');
    if (mark === -1) continue;
    const text = pair.slice(mark + 1).trim();
    add(raw, pair.slice(0, mark).trim(), text.replace(/^"(.*)"$/, '$1'));
  }
  return readStyled(raw, styles, decodeCookie);
}

function add(raw: RawValues, name: string, text: string): void {
  const texts = raw.get(name);
  if (texts === undefined) raw.set(name, [text]);
  else texts.push(text);
}

function asItIs(text: string): string {
  return text;
}

function decodeForm(text: string): string | null {
  return decodeEscapes(text.replaceAll('+', ' '));
}

/** Cookies have no escapes of their own: one that only looks like it stays as it is. */
function decodeCookie(text: string): string {
  return decodeEscapes(text) ?? text;
}

function decodeEscapes(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
