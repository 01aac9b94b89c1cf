/**
 * Verifies bearer tokens signed with a shared secret (RFC 7519, RFC 6750).
 *
 * Thread: worker. Owns the verified tokens it remembers: bounded, each until its `exp`. jose does
 * the cryptography; what it is lenient about (base64url that is not canonical) is refused here.
 */
import { webcrypto } from 'node:crypto';
import type { JWTPayload, JWTVerifyOptions } from 'jose';
import { jwtVerify } from 'jose/jwt/verify';
import type { CompiledAuthenticator } from '../../config/compiled-config.js';

const TOKEN_CHARS_MAX = 4096;
const REMEMBERED_MAX = 4096;

const HASHES: Readonly<Record<string, string>> = {
  HS256: 'SHA-256',
  HS384: 'SHA-384',
  HS512: 'SHA-512',
};

/** What became of one credential. */
export type AuthenticationResult =
  | { readonly verdict: 'accepted'; readonly consumer: string }
  /** There was no credential of this kind. */
  | { readonly verdict: 'absent' }
  | { readonly verdict: 'refused'; readonly reason: string };

const ABSENT: AuthenticationResult = { verdict: 'absent' };

interface Remembered {
  readonly result: AuthenticationResult;
  /** Seconds since 1970, skew included. */
  readonly expiresAt: number;
}

export class JwtAuthenticator {
  private readonly remembered = new Map<string, Remembered>();

  private constructor(
    readonly name: string,
    private readonly keys: ReadonlyMap<string, webcrypto.CryptoKey>,
    private readonly options: JWTVerifyOptions,
    private readonly clockSkewSeconds: number,
  ) {}

  /** Imports the secret once for each algorithm. */
  static async create(config: CompiledAuthenticator): Promise<JwtAuthenticator> {
    const secret = Buffer.from(config.secret, 'utf8');
    const keys = new Map<string, webcrypto.CryptoKey>();
    for (const name of config.algorithms) {
      const algorithm = { name: 'HMAC', hash: HASHES[name] ?? '' };
      const key = await webcrypto.subtle.importKey('raw', secret, algorithm, false, ['verify']);
      keys.set(name, key);
    }
    const clockSkewSeconds = config.clockSkewMs / 1000;
    const options: JWTVerifyOptions = {
      algorithms: [...config.algorithms],
      clockTolerance: clockSkewSeconds,
      // A token that never ends could never be taken back.
      requiredClaims: ['exp'],
      ...(config.issuer === '' ? {} : { issuer: config.issuer }),
      ...(config.audience === '' ? {} : { audience: config.audience }),
    };
    return new JwtAuthenticator(config.name, keys, options, clockSkewSeconds);
  }

  /**
   * Looks at the value of an Authorization field. At once when the token is remembered or plainly
   * wrong, else when its signature has been checked; it never rejects.
   */
  authenticate(
    authorization: string,
    unixSeconds: number,
  ): AuthenticationResult | Promise<AuthenticationResult> {
    const token = bearerToken(authorization);
    if (token === '') return ABSENT;
    if (token.length > TOKEN_CHARS_MAX) return refused('the token is too long');
    const remembered = this.remembered.get(token);
    if (remembered === undefined) return this.verify(token);
    if (remembered.expiresAt > unixSeconds) return remembered.result;
    this.remembered.delete(token);
    return refused('the token has expired');
  }

  private async verify(token: string): Promise<AuthenticationResult> {
    if (!isCanonical(token)) return refused('the token is malformed');
    try {
      const { payload } = await jwtVerify(
        token,
        (header) => {
          const key = this.keys.get(header.alg);
          if (key === undefined) throw new Error('the algorithm is not allowed');
          return key;
        },
        this.options,
      );
      const result: AuthenticationResult = { verdict: 'accepted', consumer: payload.sub ?? '' };
      this.remember(token, payload, result);
      return result;
    } catch (error) {
      return refused(reasonOf(error));
    }
  }

  private remember(token: string, payload: JWTPayload, result: AuthenticationResult): void {
    if (this.remembered.size >= REMEMBERED_MAX) {
      // The one that came first; a token in use is verified again and comes back as the last.
      const oldest = this.remembered.keys().next().value;
      if (oldest !== undefined) this.remembered.delete(oldest);
    }
    const expiresAt = (payload.exp ?? 0) + this.clockSkewSeconds;
    this.remembered.set(token, { result, expiresAt });
  }
}

function refused(reason: string): AuthenticationResult {
  return { verdict: 'refused', reason };
}

/** The token of `Bearer TOKEN` (the scheme in any case), or '' when there is none. */
function bearerToken(authorization: string): string {
  if (authorization.length < 8) return '';
  const scheme = authorization.slice(0, 7).toLowerCase();
  return scheme === 'bearer ' ? authorization.slice(7).trim() : '';
}

/** Three parts, each the one spelling that its bytes have in base64url (RFC 7515 section 2). */
function isCanonical(token: string): boolean {
  const parts = token.split('.');
  return (
    parts.length === 3 &&
    parts.every((part) => Buffer.from(part, 'base64url').toString('base64url') === part)
  );
}

/** jose's codes, in words that tell a caller nothing about the key. */
function reasonOf(error: unknown): string {
  const code = (error as { readonly code?: unknown } | null)?.code;
  switch (code) {
    case 'ERR_JWT_EXPIRED':
      return 'the token has expired';
    case 'ERR_JWT_CLAIM_VALIDATION_FAILED':
      return 'a claim of the token does not fit';
    case 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED':
      return 'the signature of the token does not fit';
    case 'ERR_JOSE_ALG_NOT_ALLOWED':
      return 'the algorithm of the token is not allowed';
    default:
      return 'the token is malformed';
  }
}
