/**
 * Verifies a token in the compact form of JWS (RFC 7515) with the keys of a ring.
 *
 * Thread: worker. jose does the cryptography. What jose accepts too easily is refused before:
 * spellings of base64url that are not canonical, members that occur twice, extensions that change
 * the meaning.
 */
import { compactVerify } from 'jose/jws/compact/verify';
import type { KeyRing } from './key-ring.js';
import { decodeCanonical, parseStrictObject, type StrictObject } from './strict-json.js';

/** The contents of a token before its signature is checked. Nothing here may be believed. */
export interface TokenParts {
  readonly token: string;
  readonly header: StrictObject;
  readonly algorithm: string;
  readonly kid: string | undefined;
  readonly payload: Buffer;
}

/** Takes a token apart; undefined: it is malformed. */
export function readToken(token: string): TokenParts | undefined {
  const parts = token.split('.');
  if (parts.length !== 3) return undefined;
  const [header, payload, signature] = parts.map(decodeCanonical);
  if (header === undefined || payload === undefined || signature === undefined) return undefined;
  const fields = parseStrictObject(header);
  if (fields === undefined || !isPlainHeader(fields)) return undefined;
  const { alg, kid } = fields;
  if (typeof alg !== 'string' || (kid !== undefined && typeof kid !== 'string')) return undefined;
  return { token, header: fields, algorithm: alg, kid, payload };
}

/**
 * The gateway knows no extensions (RFC 7515 4.1.11), and a payload is always encoded (RFC 7797 7).
 */
function isPlainHeader(header: StrictObject): boolean {
  return header['crit'] === undefined && header['b64'] === undefined && header['zip'] === undefined;
}

/** Why the signature must not be believed, or '' when one of the keys has made it. */
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
