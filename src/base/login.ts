/**
 * Logins in a browser, as the main thread, which speaks with OpenID providers, and the workers tell
 * each other of them.
 *
 * Thread: any (pure). Types only: plain data that survives a structured clone.
 */

/**
 * What a browser's session is made of. Whoever has it is the user: it leaves the gateway sealed.
 */
export interface LoginSession {
  /** Random; the same through all renewals. */
  readonly id: string;
  /** Grows by one with each set of tokens from the provider. */
  readonly generation: number;
  /** The ID token, which was verified when it came. */
  readonly idToken: string;
  /** '': it is not kept. */
  readonly accessToken: string;
  /** '': there is none, and the session ends by its own times only. */
  readonly refreshToken: string;
  /** From when on new tokens are fetched, in seconds since 1970; 0: never. */
  readonly refreshAt: number;
  /** Until when it is good without new tokens. */
  readonly tokenEndsAt: number;
  /** When the user logged in, when a request was last noted, and when all of it ends. */
  readonly beganAt: number;
  readonly seenAt: number;
  readonly endsAt: number;
}

/** What workers need to know of a provider to send browsers there. */
export interface ProviderFacts {
  readonly authorizationEndpoint: string;
}

/** Sessions that have ended before their time. */
export interface LoginEnd {
  /** Whose sessions they are (`realm` of a provider, filters/authentication/options.ts). */
  readonly realm: string;
  /** By what sessions are known: their own id, or `sid` or `sub` of their ID tokens. */
  readonly by: 'id' | 'sid' | 'sub';
  readonly value: string;
  /** Sessions that began later go on: the user has logged in again. */
  readonly beganBy: number;
  /** By then all of them are over anyway, in seconds since 1970. */
  readonly until: number;
}

/** What the main thread says to an ask. */
export type LoginReply =
  /** `sealed` is what the cookie of the session is to hold. */
  | { readonly kind: 'session'; readonly session: LoginSession; readonly sealed: string }
  /** The session as the store has it. */
  | { readonly kind: 'known'; readonly session: LoginSession }
  /** The session is over: the provider does not renew it, or the store has none. */
  | { readonly kind: 'over' }
  /** The session was ended everywhere; `location` of the provider's own logout, or ''. */
  | { readonly kind: 'ended'; readonly location: string }
  /** What the browser or the provider brought is not good. `cause` is for the operator. */
  | { readonly kind: 'refused'; readonly reason: string; readonly cause: string }
  /** The provider or the store does not answer, or not in a way that could be understood. */
  | { readonly kind: 'unavailable'; readonly reason: string }
  /** A mistake in the gateway; the log has the details. */
  | { readonly kind: 'failed' };

/** What workers ask about browsers that log in, have a session, and log out. */
export type LoginAsk =
  /** The provider has sent a browser back. */
  | {
      readonly kind: 'code';
      /** Each works once. */
      readonly state: string;
      /** The query of the callback. */
      readonly query: string;
      readonly verifier: string;
      readonly nonce: string;
      readonly redirectUri: string;
    }
  | { readonly kind: 'refresh'; readonly session: LoginSession }
  /** The session of this id in the store. */
  | { readonly kind: 'read'; readonly id: string }
  /** A request has come with the session of this id; the store is to know. */
  | { readonly kind: 'seen'; readonly id: string; readonly seenAt: number }
  /** The user logs out; `returnTo`: where the provider may send the browser then. */
  | { readonly kind: 'end'; readonly session: LoginSession; readonly returnTo: string }
  /** The same, with the session in the store. */
  | { readonly kind: 'endStored'; readonly id: string; readonly returnTo: string }
  /** The provider says that sessions have ended. */
  | { readonly kind: 'logoutToken'; readonly token: string };
