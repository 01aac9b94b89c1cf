/**
 * Which fields a plugin may write, and what may stand in them.
 *
 * Thread: worker. Fields of one connection and those that frame a message are the gateway's: with
 * them a plugin could make one message two.
 */
import { isSpecialField } from '../exchange/request-fields.js';

const FRAMING: ReadonlySet<string> = new Set([
  ...['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'te', 'trailer'],
  ...['upgrade', 'content-length', 'http2-settings'],
]);
/** The gateway itself answers it, or lets it go on. */
const EXPECT = 'expect';

const NAME = /^[!#$%&'*+.^_`|~0-9a-z-]{1,128}$/;
/** RFC 9110 5.5, without blanks at the ends; a character is a byte on the wire. */
const VALUE = /^(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?$/;
const VALUE_CHARS_MAX = 8192;

/** The name in lower case. Throws where the field is none that a plugin may write. */
export function requestFieldName(name: string): string {
  const lower = fieldName(name);
  const isOwn = lower === EXPECT || (isSpecialField(lower) && lower !== 'authorization');
  if (isOwn) throw new TypeError(`${lower} is written by the gateway itself`);
  return lower;
}

/** The same for a reply. */
export function replyFieldName(name: string): string {
  fieldName(name);
  return name;
}

function fieldName(name: string): string {
  const lower = String(name).toLowerCase();
  if (!NAME.test(lower)) throw new TypeError(`${JSON.stringify(name)} is no name of a field`);
  if (FRAMING.has(lower)) throw new TypeError(`${lower} belongs to the connection`);
  return lower;
}

/** Value of a cookie in the text of `Cookie` fields, or ''. */
export function cookieIn(fields: string, name: string): string {
  for (const part of fields.split(';')) {
    const equals = part.indexOf('=');
    if (part.slice(0, equals).trim() === name) return part.slice(equals + 1).trim();
  }
  return '';
}

/** Throws where it cannot stand in a field. */
export function fieldValue(name: string, value: string): string {
  const text = String(value);
  if (text.length > VALUE_CHARS_MAX || !VALUE.test(text)) {
    throw new TypeError(`the value for ${name} cannot stand in a field`);
  }
  return text;
}
