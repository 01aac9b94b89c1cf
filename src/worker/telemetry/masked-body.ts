/**
 * A body as an access record shows it: without what is secret, and short.
 *
 * Thread: worker. Invariant: nothing is shown of a body in which it cannot be told what is secret:
 * of what is neither JSON nor a form, is compressed, is broken, or is not all there.
 */
import { isObject } from '../../base/json-object.js';
import { isCoded, isOfFormat, parseContentType } from '../../filters/collected-body.js';
import { readForm } from '../../filters/form-text.js';
import { EVERY } from '../../filters/transformation/body-pointer.js';
import type { BodyCopy } from '../exchange/body-copy.js';

/** Longer bodies are not shown. */
export const SHOWN_BODY_BYTES_MAX = 65_536;
/** Characters of a body in a record. */
export const SHOWN_BODY_CHARS_MAX = 1024;

const HIDDEN = '***';
/** Deeper documents are not shown. */
const DEPTH_MAX = 64;
const TYPE_CHARS_MAX = 64;

/** Without regard to case, `-` and `_`. */
const SECRET_NAMES: ReadonlySet<string> = new Set([
  ...['password', 'passwd', 'pwd', 'passphrase', 'pin', 'otp', 'secret', 'clientsecret', 'token'],
  ...['accesstoken', 'refreshtoken', 'idtoken', 'apikey', 'authorization', 'cookie', 'sessionid'],
  ...['privatekey', 'credential', 'credentials', 'cvc', 'cvv', 'assertion', 'clientassertion'],
]);

/** As text; '': there is none. */
export function maskedBody(body: BodyCopy, masks: readonly (readonly string[])[]): string {
  if (body.length === 0) return '';
  const { mediaType } = parseContentType(body.contentType);
  const document = readBody(body, mediaType);
  if (document === undefined) return summaryOf(body, mediaType);
  const shown = hide(document, masks, 0);
  if (shown === undefined) return summaryOf(body, mediaType);
  const text = JSON.stringify(shown);
  return text.length <= SHOWN_BODY_CHARS_MAX ? text : `${text.slice(0, SHOWN_BODY_CHARS_MAX)}…`;
}

function summaryOf({ length, codings }: BodyCopy, mediaType: string): string {
  const type = mediaType === '' ? 'no type' : mediaType.slice(0, TYPE_CHARS_MAX);
  const coding = isCoded(codings) ? ', compressed' : '';
  return `(${length} bytes, ${type}${coding})`;
}

/** undefined: it cannot be read. */
function readBody({ bytes, length, codings }: BodyCopy, mediaType: string): unknown {
  if (bytes === null || bytes.length !== length || length > SHOWN_BODY_BYTES_MAX) return undefined;
  if (isCoded(codings)) return undefined;
  const text = bytes.toString('utf8');
  if (isOfFormat(mediaType, 'form')) {
    const form = readForm(text);
    return form.isValid ? form.value : undefined;
  }
  if (!isOfFormat(mediaType, 'json')) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A copy without what is secret; undefined: it is too deep. */
function hide(value: unknown, masks: readonly (readonly string[])[], depth: number): unknown {
  if (depth > DEPTH_MAX) return undefined;
  const isList = Array.isArray(value);
  if (!isList && !isObject(value)) return value;
  const entries: [string, unknown][] = [];
  for (const [key, inner] of Object.entries(value)) {
    const shown = isSecret(key, masks, depth, isList)
      ? HIDDEN
      : hide(inner, masksWithin(key, masks, depth), depth + 1);
    if (shown === undefined) return undefined;
    entries.push([key, shown]);
  }
  return isList ? entries.map(([, shown]) => shown) : Object.fromEntries(entries);
}

function isSecret(
  key: string,
  masks: readonly (readonly string[])[],
  depth: number,
  isItem: boolean,
): boolean {
  if (!isItem && SECRET_NAMES.has(key.toLowerCase().replaceAll(/[-_]/g, ''))) return true;
  return masks.some((keys) => keys.length === depth + 1 && names(keys, key, depth));
}

/** Those that lead on through this member. */
function masksWithin(
  key: string,
  masks: readonly (readonly string[])[],
  depth: number,
): readonly (readonly string[])[] {
  return masks.filter((keys) => keys.length > depth + 1 && names(keys, key, depth));
}

function names(keys: readonly string[], key: string, depth: number): boolean {
  return keys[depth] === EVERY || keys[depth] === key;
}
