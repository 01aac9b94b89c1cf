/**
 * Verifies what a provider has signed: ID tokens (OpenID Connect Core 3.1.3.7) and logout tokens
 * (Back-Channel Logout 1.0, 2.6).
 *
 * Thread: supervisor (on the main thread).
 */
import { hash } from 'node:crypto';
import { isObject } from '../../base/json-object.js';
import type { Jwk } from '../../base/json-web-key.js';
import type { Claims } from '../../filters/authentication/authenticator.js';
import { claimsProblem, quoted } from '../../filters/authentication/claim-checks.js';
import { KeyRing } from '../../filters/authentication/key-ring.js';
import type { CompiledProvider } from '../../filters/authentication/options.js';
import {
  KEY_UNKNOWN,
  readToken,
  signatureProblem,
  type TokenParts,
} from '../../filters/authentication/signed-token.js';
import { parseStrictObject } from '../../filters/authentication/strict-json.js';

/** Signatures that are made with a private key. */
const ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA'],
];
const LOGOUT_EVENT = 'http://schemas.openid.net/event/backchannel-logout';
/** A logout token that is older was sent before. */
const LOGOUT_SECONDS_MAX = 300;

export interface ProviderKeys {
  keysOf(sourceId: string): readonly Jwk[];
  askNewer(sourceId: string): Promise<void> | null;
}

/** What a token is not good for; the message is for the operator. */
export class TokenRefusedError extends Error {}

/** What an ID token must say besides. */
export interface IdTokenWish {
  /** null: it was not asked for, as at a renewal. */
  readonly nonce: string | null;
  readonly accessToken: string;
  /** '': any. */
  readonly subject: string;
}

export class ProviderTokens {
  private ring: KeyRing | null = null;
  private keys: readonly Jwk[] = [];

  constructor(
    private readonly provider: CompiledProvider,
    private readonly source: ProviderKeys,
    private readonly unixSeconds: () => number,
  ) {}

  /** Its claims. Rejects with a TokenRefusedError. */
  async readIdToken(token: string, wish: IdTokenWish): Promise<Claims> {
    const { parts, claims } = await this.read(token, ['exp', 'iat', 'sub']);
    const { clientId } = this.provider;
    const { aud, azp, nonce } = claims;
    const isForSeveral = Array.isArray(aud) && aud.length > 1;
    if (azp === undefined ? isForSeveral : azp !== clientId) refuse('azp', azp, clientId);
    if (wish.nonce !== null && nonce !== wish.nonce) refuse('nonce', nonce, 'that of this login');
    if (wish.subject !== '' && claims['sub'] !== wish.subject) {
      refuse('sub', claims['sub'], wish.subject);
    }
    const wanted = claims['at_hash'];
    if (wanted !== undefined && wanted !== halfHash(parts.algorithm, wish.accessToken)) {
      refuse('at_hash', wanted, 'that of the access token');
    }
    return claims;
  }

  /** Its claims. Rejects with a TokenRefusedError. */
  async readLogoutToken(token: string): Promise<Claims> {
    const { claims } = await this.read(token, ['iat', 'jti']);
    const { events, nonce, sid, sub, iat } = claims;
    const event: unknown = isObject(events) ? Reflect.get(events, LOGOUT_EVENT) : undefined;
    if (!isObject(event)) refuse('events', events, LOGOUT_EVENT);
    if (nonce !== undefined) throw new TokenRefusedError('a logout token has no nonce');
    if (typeof sid !== 'string' && typeof sub !== 'string') {
      throw new TokenRefusedError('neither sid nor sub says whose session it is');
    }
    const age = this.unixSeconds() - Number(iat);
    if (age > LOGOUT_SECONDS_MAX + this.provider.clockSkewMs / 1000) {
      refuse('iat', iat, `${LOGOUT_SECONDS_MAX} s ago at most`);
    }
    if (age < -this.provider.clockSkewMs / 1000) refuse('iat', iat, 'no time to come');
    return claims;
  }

  private async read(
    token: string,
    requiredClaims: readonly string[],
  ): Promise<{ readonly parts: TokenParts; readonly claims: Claims }> {
    const parts = readToken(token);
    if (parts === undefined) throw new TokenRefusedError('the token is malformed');
    if (!ALGORITHMS.includes(parts.algorithm)) refuse('alg', parts.algorithm, 'a public key');
    let problem = await this.signatureProblem(parts);
    if (problem === KEY_UNKNOWN) {
      const asked = this.source.askNewer(this.provider.keySource.id);
      if (asked !== null) {
        await asked;
        problem = await this.signatureProblem(parts);
      }
    }
    if (problem !== '') throw new TokenRefusedError(problem);
    const claims = parseStrictObject(parts.payload);
    if (claims === undefined) throw new TokenRefusedError('the token is malformed');
    const { issuer, clientId, clockSkewMs } = this.provider;
    const checks = { issuer, audiences: [clientId], clockSkewMs, requiredClaims };
    const unfit = claimsProblem(claims, checks, this.unixSeconds());
    if (unfit !== null) throw new TokenRefusedError(unfit.cause);
    return { parts, claims };
  }

  private async signatureProblem(parts: TokenParts): Promise<string> {
    const keys = this.source.keysOf(this.provider.keySource.id);
    if (this.ring === null || keys !== this.keys) {
      this.ring = await KeyRing.create(keys, ALGORITHMS);
      this.keys = keys;
    }
    return signatureProblem(parts, this.ring);
  }
}

function refuse(claim: string, value: unknown, expected: string): never {
  throw new TokenRefusedError(`${claim} is ${quoted(value)}, expected ${expected}`);
}

/** The left half of the hash that belongs to the algorithm (OpenID Connect Core 3.1.3.6). */
function halfHash(algorithm: string, accessToken: string): string {
  const bits = algorithm === 'EdDSA' ? '512' : algorithm.slice(-3);
  const digest = hash(`sha${bits}`, accessToken, 'buffer');
  return digest.subarray(0, digest.length / 2).toString('base64url');
}
