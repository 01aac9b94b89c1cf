/**
 * Makes an identity from verified claims, once for each set of credentials.
 *
 * Thread: any (pure).
 */
import { deepFreeze } from '../../base/deep-freeze.js';
import type { Claims, Identity } from './authenticator.js';

/** As long as the largest head that the gateway takes: a longer claim was never meant for one. */
const FIELD_CHARS_MAX = 64 * 1024;

export interface IdentityRule {
  readonly claimHeaders: readonly (readonly [header: string, claim: string])[];
  /** For how long `exp` is stretched. Absent: it is not. */
  readonly clockSkewMs?: number;
}

/** Returns undefined when a claim is too long for its field. */
export function makeIdentity(
  consumer: string,
  claims: Claims,
  rule: IdentityRule,
): Identity | undefined {
  const fields: string[] = [];
  for (const [header, claim] of rule.claimHeaders) {
    const value = fieldValue(claimAt(claims, claim));
    if (value === undefined) continue;
    if (value.length > FIELD_CHARS_MAX) return undefined;
    fields.push(header, value);
  }
  // All requests with these credentials share the result, so no request may change it.
  const identity = { consumer, claims: deepFreeze(claims), scopes: scopesOf(claims), fields };
  const { exp } = claims;
  if (typeof exp !== 'number') return identity;
  return { ...identity, endsAtUnixMs: exp * 1000 + (rule.clockSkewMs ?? 0) };
}

/**
 * The claim of this name, or the value to which the parts of the name lead; undefined: there is
 * none.
 */
export function claimAt(claims: Claims, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name];
  let value: unknown = claims;
  for (const part of name.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) {
      return undefined;
    }
    value = Reflect.get(value, part);
  }
  return value;
}

/** The name of a consumer from a claim; '' when the claim has none. */
export function textOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

/** The `scope` of RFC 8693 and RFC 7662, a string of words; or `scp`, as other issuers write it. */
function scopesOf(claims: Claims): ReadonlySet<string> {
  const scopes = new Set<string>();
  for (const value of [claims['scope'], claims['scp']]) {
    const words = typeof value === 'string' ? value.split(' ') : Array.isArray(value) ? value : [];
    for (const word of words) if (typeof word === 'string' && word !== '') scopes.add(word);
  }
  return scopes;
}

/** A claim as the value of a field; undefined: the field is left out. */
function fieldValue(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (Array.isArray(value)) {
    const items = value.map((item) => fieldValue(item) ?? '');
    return items.map((item) => item.replaceAll(',', '%2C')).join(',');
  }
  return encodeText(typeof value === 'object' ? JSON.stringify(value) : String(value));
}

/**
 * Percent-encodes everything but printable ASCII, blanks at the ends, and `%` itself: no character
 * can end the field, and no value has two meanings.
 */
function encodeText(text: string): string {
  if (/^(?:[!-$&-~](?:[ -$&-~]*[!-$&-~])?)?$/.test(text)) return text;
  let encoded = '';
  const last = text.length - 1;
  let at = 0;
  for (const char of text) {
    const isPlain = /^[!-$&-~]$/.test(char) || (char === ' ' && at > 0 && at < last);
    encoded += isPlain ? char : percentEncode(char);
    at += char.length;
  }
  return encoded;
}

/**
 * Encodes a value that a service sent for a field in the same way, but keeps the service's own
 * percent encoding.
 */
export function encodeControls(text: string): string {
  return text.replaceAll(/[^ -~]/gu, percentEncode);
}

function percentEncode(char: string): string {
  let encoded = '';
  for (const byte of Buffer.from(char, 'utf8')) {
    encoded += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}
