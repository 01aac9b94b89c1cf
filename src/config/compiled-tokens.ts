/**
 * The token service, and API keys that are made at run time, as the threads use them.
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

export interface CompiledKeys {
  readonly kept: 'store' | 'file' | 'memory';
  /** Absolute, or relative to where the gateway was started; '': they are not in a file. */
  readonly file: string;
}
