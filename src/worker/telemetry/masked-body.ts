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

/** In letters and digits of lower case. */
const SECRET_NAMES: ReadonlySet<string> = new Set([
  ...['pwd', 'pin', 'otp', 'cvc', 'cvv', 'jwt', 'authorization', 'cookie', 'setcookie'],
  ...['sessionid', 'credential', 'credentials', 'assertion', 'clientassertion', 'samlresponse'],
]);
/** `newPassword`, `password_confirmation`; `csrfToken`, but not `total_tokens`. */
const SECRET_PARTS = /password|passwd|passphrase|passcode|secret|apikey|privatekey|token$/;
/** Between the names in `user[password]` and `user.password`, as forms have members of members. */
const BETWEEN_NAMES = /[[\].]/;

/** As text; '': there is none. */
export function maskedBody(body: BodyCopy, masks: readonly (readonly string[])[]): string {
  if (body.length === 0) return '';
  const { mediaType } = parseContentType(body.contentType);
  const document = readBody(body, mediaType);
  // A text that stands alone has no name: it may be a token.
  if (document === undefined || typeof document === 'string') return summaryOf(body, mediaType);
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
  if (!isItem && isSecretName(key)) return true;
  return masks.some((keys) => keys.length === depth + 1 && names(keys, key, depth));
}

/** Without regard to case, and to all that is neither a letter nor a digit. */
function isSecretName(key: string): boolean {
  return [key, ...key.split(BETWEEN_NAMES)].some((part) => {
    const name = part
      .normalize('NFKC')
      .toLowerCase()
      .replaceAll(/[^a-z0-9]/g, '');
    return SECRET_NAMES.has(name) || SECRET_PARTS.test(name);
  });
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
