/**
 * The token service as the threads use it.
 *
 * Thread: any (pure). Types only; a part of compiled-config.ts.
 */

/** What the token service does for a route. */
export type CompiledTokenEndpoint = 'issue' | 'refresh' | 'revoke' | 'keys';

export interface CompiledTokenService {
  readonly issuer: string;
  readonly audience: string;
  readonly algorithm: 'ES256' | 'ES384' | 'EdDSA' | 'RS256' | 'PS256';
  readonly rotateMs: number;
  readonly accessTokenMs: number;
  readonly refreshTokenMs: number;
  readonly claims: readonly string[];
  readonly maxSessions: number;
  /** Keys and sessions are in the store, which has a secret. */
  readonly isShared: boolean;
}
