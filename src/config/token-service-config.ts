/**
 * The token service as users write it.
 *
 * Thread: any (pure). Types only, a part of gateway-config.ts.
 */
import type { Duration } from '../base/quantities.js';

/**
 * Makes tokens for callers that an authenticator has let in, and takes them back. Routes with
 * `tokenService` say where; an authenticator with `tokenService: true` accepts the tokens. Keys and
 * sessions are kept in memory: a restart ends all of them.
 */
export interface TokenServiceConfig {
  /** `iss` of the tokens. */
  readonly issuer: string;
  /** `aud` of the tokens. */
  readonly audience: string;
  /** How tokens are signed. Default: ES256. */
  readonly algorithm?: 'ES256' | 'ES384' | 'EdDSA' | 'RS256' | 'PS256';
  /** How long one key signs, 1m to 500h; it verifies until its last token ends. Default: 24h. */
  readonly rotateKeys?: Duration;
  /** How long an access token is good, 10s to 24h. Default: 5m. */
  readonly accessTokenLifetime?: Duration;
  /** How long a session can be refreshed, from its beginning, 1m to 8760h. Default: 720h. */
  readonly refreshTokenLifetime?: Duration;
  /** Claims of the caller that its tokens carry too, besides sub and scope. Default: none. */
  readonly claims?: readonly string[];
  /** Sessions at once, 16 to 1000000, about 500 bytes each. More: 503. Default: 100000. */
  readonly maxSessions?: number;
}

/**
 * What a route does in place of an upstream. `issue` (POST, for callers that an authenticator of
 * the route knows): an access and a refresh token. `refresh` (POST): new ones for a refresh token,
 * which is good once; one that comes again ends its session. `revoke` (POST, RFC 7009): ends the
 * session of a token. `keys` (GET): the key set that verifies access tokens (RFC 7517).
 */
export type TokenEndpoint = 'issue' | 'refresh' | 'revoke' | 'keys';
