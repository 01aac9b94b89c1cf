/**
 * Keys that verify signatures, each for the algorithms of its own kind only.
 *
 * Thread: worker. A token names an algorithm and perhaps a key; it never brings a key of its own
 * (RFC 8725 3.1, 3.5): `jwk`, `jku`, `x5u` and `x5c` of its header are ignored. A key's own
 * statements (`alg`, `use`, `key_ops`) are obeyed (RFC 7517 section 4).
 */
import type { CryptoKey } from 'jose';
import { importJWK } from 'jose/key/import';
import { algorithmsOf, type Jwk } from '../../base/json-web-key.js';

/** Most keys that are tried for a token that names none. */
const CANDIDATES_MAX = 8;

/** The type of a JWK that jose takes. */
type ImportableJwk = Parameters<typeof importJWK>[0];

interface RingKey {
  /** Undefined: the key has no name, and is tried for every token. */
  readonly kid: string | undefined;
  readonly algorithm: string;
  readonly key: CryptoKey | Uint8Array;
}

export class KeyRing {
  private constructor(private readonly keys: readonly RingKey[]) {}

  /**
   * Imports each key for those of `algorithms` that fit it. A key that cannot be imported is left
   * out.
   */
  static async create(jwks: readonly Jwk[], algorithms: readonly string[]): Promise<KeyRing> {
    const keys: RingKey[] = [];
    for (const jwk of jwks) {
      const kid = jwk['kid'];
      if (kid !== undefined && typeof kid !== 'string') continue;
      for (const algorithm of algorithmsOf(jwk)) {
        if (!algorithms.includes(algorithm)) continue;
        const key = await importKey(jwk, algorithm);
        if (key !== undefined) keys.push({ kid, algorithm, key });
      }
    }
    return new KeyRing(keys);
  }

  get size(): number {
    return this.keys.length;
  }

  /** Keys that may have made a signature; none: the key is unknown, or not for this algorithm. */
  find(algorithm: string, kid: string | undefined): (CryptoKey | Uint8Array)[] {
    const found: (CryptoKey | Uint8Array)[] = [];
    for (const one of this.keys) {
      if (one.algorithm !== algorithm || found.length >= CANDIDATES_MAX) continue;
      if (kid === undefined || one.kid === undefined || one.kid === kid) found.push(one.key);
    }
    return found;
  }
}

/** Only the public part of a key is imported. */
async function importKey(jwk: Jwk, algorithm: string): Promise<CryptoKey | Uint8Array | undefined> {
  const { kty, crv, n, e, x, y, k } = jwk;
  const part = kty === 'oct' ? { kty, k } : { kty, crv, n, e, x, y };
  const known = Object.fromEntries(Object.entries(part).filter(([, value]) => value !== undefined));
  try {
    return await importJWK(known as ImportableJwk, algorithm);
  } catch {
    // The key is broken (a point that is not on its curve, a modulus that is not a number): nobody
    // can use it.
    return undefined;
  }
}
