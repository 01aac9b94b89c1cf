/**
 * Verifies a token in the compact form of JWS (RFC 7515) with the keys of a ring.
 *
 * Thread: worker. jose does the cryptography; what it is lenient about is refused before: spellings
 * of base64url that are not canonical, members that stand twice, extensions that change the
 * meaning.
 */
import { compactVerify } from 'jose/jws/compact/verify';
import type { KeyRing } from './key-ring.js';
import { decodeCanonical, parseStrictObject, type StrictObject } from './strict-json.js';

/** What a token says before its signature is looked at. Nothing here is to be believed. */
export interface TokenParts {
  readonly token: string;
  readonly algorithm: string;
  readonly kid: string | undefined;
  readonly payload: Buffer;
}

/** Takes a token apart, or undefined when it is malformed. */
export function readToken(token: string): TokenParts | undefined {
  const parts = token.split('.');
  if (parts.length !== 3) return undefined;
  const [header, payload, signature] = parts.map(decodeCanonical);
  if (header === undefined || payload === undefined || signature === undefined) return undefined;
  const fields = parseStrictObject(header);
  if (fields === undefined || !isPlainHeader(fields)) return undefined;
  const { alg, kid } = fields;
  if (typeof alg !== 'string' || (kid !== undefined && typeof kid !== 'string')) return undefined;
  return { token, algorithm: alg, kid, payload };
}

/** No extension is understood (RFC 7515 4.1.11); a payload is always encoded (RFC 7797 7). */
function isPlainHeader(header: StrictObject): boolean {
  return header['crit'] === undefined && header['b64'] === undefined && header['zip'] === undefined;
}

/** Why the signature is not to be believed, or '' when one of the keys has made it. */
export async function signatureProblem(parts: TokenParts, ring: KeyRing): Promise<string> {
  const keys = ring.find(parts.algorithm, parts.kid);
  if (keys.length === 0) return KEY_UNKNOWN;
  for (const key of keys) {
    try {
      await compactVerify(parts.token, key, { algorithms: [parts.algorithm] });
      return '';
    } catch (error) {
      if (codeOf(error) !== 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED') return MALFORMED;
    }
  }
  return 'the signature of the token does not fit';
}

export const KEY_UNKNOWN = 'the key of the token is not known, or not for its algorithm';
export const MALFORMED = 'the token is malformed';

function codeOf(error: unknown): unknown {
  return (error as { readonly code?: unknown } | null)?.code;
}
