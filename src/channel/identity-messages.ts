/**
 * What the main thread and the workers say to each other about who may enter, by postMessage on the
 * lane's port: rare, not urgent.
 *
 * Thread: any (both ends). Plain data that survives a structured clone.
 */

/** From the main thread: keys and revocations to all workers, a reply to the one that asked. */
export type IdentityNotice = KeySetNotice | RevocationNotice | TokenReplyNotice;

/** A set of keys that tokens are verified with. */
export interface KeySetNotice {
  readonly type: 'keySet';
  /** Id of the source (filters/authentication/options.ts). */
  readonly source: string;
  /** Grows with each set that differs; 0: none could be fetched so far. */
  readonly version: number;
  /** JSON Web Keys. */
  readonly keys: readonly Readonly<Record<string, unknown>>[];
  /** Before this time, on the monotonic clock, asking for a newer set is of no use. */
  readonly nextFetchMs: number;
}

/** Sessions of the token service whose access tokens are good no more. */
export interface RevocationNotice {
  readonly type: 'revoked';
  /** To be acknowledged under this number; 0: need not be. */
  readonly serial: number;
  readonly sessions: readonly Revocation[];
}

export interface Revocation {
  /** What the tokens have as `sid`. */
  readonly sessionId: string;
  /** Seconds since 1970; the last access token of the session has expired then. */
  readonly until: number;
}

export interface TokenReplyNotice {
  readonly type: 'tokenReply';
  readonly askId: number;
  readonly reply: TokenReply;
}

export type TokenReply =
  | {
      readonly kind: 'tokens';
      readonly accessToken: string;
      readonly refreshToken: string;
      readonly expiresInSeconds: number;
      readonly scope: string;
    }
  /** The refresh token is no good. */
  | { readonly kind: 'refused' }
  | { readonly kind: 'revoked' }
  /** There are too many sessions. */
  | { readonly kind: 'full' }
  /** A mistake of ours; it is in the log. */
  | { readonly kind: 'failed' };

/** From a worker. */
export type IdentityRequest =
  /** A token names a key that is not in the set of this version. */
  | { readonly type: 'keySetWanted'; readonly source: string; readonly version: number }
  | { readonly type: 'tokenAsk'; readonly askId: number; readonly ask: TokenAsk }
  | { readonly type: 'acknowledged'; readonly serial: number };

export type TokenAsk =
  | {
      readonly kind: 'issue';
      readonly consumer: string;
      readonly scope: string;
      /** Further claims that the tokens are to carry. */
      readonly claims: Readonly<Record<string, unknown>>;
    }
  | { readonly kind: 'refresh'; readonly refreshToken: string }
  /** An access or a refresh token. */
  | { readonly kind: 'revoke'; readonly token: string };
