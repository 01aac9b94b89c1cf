/**
 * Which signature algorithms a JSON Web Key may verify with (RFC 7517, 7518, 8037, 8725 3.1).
 *
 * Thread: any (pure). A key verifies only algorithms of its own kind: a public RSA key never
 * verifies an HMAC. The key's own statements (`alg`, `use`, `key_ops`) are obeyed.
 */

/** A JSON Web Key as its publisher wrote it. */
export type Jwk = Readonly<Record<string, unknown>>;

/** RSA keys with fewer bits can be broken (RFC 7518 3.3 and 3.5). */
const RSA_BITS_MIN = 2048;
const RSA_ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'];
const ALGORITHM_OF_CURVE: ReadonlyMap<unknown, string> = new Map([
  ['P-256', 'ES256'],
  ['P-384', 'ES384'],
  ['P-521', 'ES512'],
]);
const SECRET_BYTES_MIN: ReadonlyMap<string, number> = new Map([
  ['HS256', 32],
  ['HS384', 48],
  ['HS512', 64],
]);

/** The algorithms that a key may verify with. */
export function algorithmsOf(jwk: Jwk): readonly string[] {
  const { use, key_ops: operations, alg } = jwk;
  if (use !== undefined && use !== 'sig') return [];
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify'))) {
    return [];
  }
  const fitting = algorithmsOfKind(jwk);
  return alg === undefined ? fitting : fitting.filter((algorithm) => algorithm === alg);
}

function algorithmsOfKind(jwk: Jwk): readonly string[] {
  switch (jwk['kty']) {
    case 'oct': {
      const bytes = bytesOf(jwk['k']);
      return [...SECRET_BYTES_MIN].filter(([, min]) => bytes >= min).map(([name]) => name);
    }
    case 'RSA':
      return bitsOf(jwk['n']) >= RSA_BITS_MIN ? RSA_ALGORITHMS : [];
    case 'EC':
      return [ALGORITHM_OF_CURVE.get(jwk['crv']) ?? ''].filter((name) => name !== '');
    case 'OKP':
      return jwk['crv'] === 'Ed25519' ? ['EdDSA'] : [];
    default:
      return [];
  }
}

function bytesOf(text: unknown): number {
  return typeof text === 'string' ? Buffer.from(text, 'base64url').length : 0;
}

function bitsOf(text: unknown): number {
  const bytes = typeof text === 'string' ? Buffer.from(text, 'base64url') : Buffer.alloc(0);
  const first = bytes.findIndex((byte) => byte !== 0);
  return first === -1 ? 0 : (bytes.length - first) * 8 - Math.clz32(bytes[first] ?? 0) + 24;
}
