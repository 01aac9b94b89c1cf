/**
 * What an authenticator is: it looks at one request and says who calls.
 *
 * Thread: worker. test/contract/authenticator.contract.ts holds every one of them to this.
 */

/** What a caller is known by. Shared by all requests with the same credentials: never changed. */
export interface Identity {
  readonly consumer: string;
  readonly claims: Claims;
  /** What the caller may do. */
  readonly scopes: ReadonlySet<string>;
  /** Names and values of fields for the upstream, in turn. */
  readonly fields: readonly string[];
}

/** What was verified about the caller, by claim name. */
export type Claims = Readonly<Record<string, unknown>>;

/** What became of the credentials of one request. */
export type AuthenticationResult =
  | { readonly verdict: 'accepted'; readonly identity: Identity }
  /** There were no credentials of this kind. */
  | { readonly verdict: 'absent' }
  /** They are no good. The reason goes to the caller: it tells nothing about keys. */
  | { readonly verdict: 'refused'; readonly reason: string }
  /** The caller is known and may not do this. */
  | { readonly verdict: 'denied'; readonly reason: string }
  /** Nobody can tell now: whom to ask does not answer. */
  | { readonly verdict: 'unavailable'; readonly reason: string };

export const ABSENT: AuthenticationResult = { verdict: 'absent' };

/** What an authenticator sees of a request. */
export interface AuthenticationRequest {
  readonly method: string;
  /** As the client sent it, with the query. */
  readonly target: string;
  readonly scheme: string;
  readonly clientIp: string;
  readonly requestId: string;
  readonly fields: RequestFieldsView;
}

export interface RequestFieldsView {
  readonly authorization: string;
  readonly host: string;
  /** Every value of the fields of this lower-case name, in order. */
  values(name: string): readonly string[];
}

export interface Authenticator {
  readonly name: string;
  /** For WWW-Authenticate (RFC 9110 11.6.1), without parameters that say what was wrong. */
  readonly challenge: string;
  /** Its credentials are a bearer token: errors have a name in the challenge (RFC 6750 3.1). */
  readonly isBearer: boolean;
  /** Lower-case fields that the client may not set itself: they would pass for ours. */
  readonly ownedFields: readonly string[];
  /** Credentials in Authorization end here once they are accepted. */
  readonly stripsAuthorization: boolean;
  /** It judges Authorization: where another one of the route accepts instead, nobody has judged
   * what stands there, and the upstream must not take it for good. */
  readonly readsAuthorization: boolean;
  /**
   * Looks at the credentials: at once when it can, else later. Never rejects or throws because of
   * what a client, or a service that is asked, has sent.
   */
  authenticate(
    request: AuthenticationRequest,
    unixSeconds: number,
  ): AuthenticationResult | Promise<AuthenticationResult>;
  /** Ends connections; the authenticator is not used any more. */
  close?(): Promise<void>;
}

export function refused(reason: string): AuthenticationResult {
  return { verdict: 'refused', reason };
}

export function unavailable(reason: string): AuthenticationResult {
  return { verdict: 'unavailable', reason };
}

/** The token of `Bearer TOKEN` (the scheme in any case), or '' when there is none. */
export function bearerToken(authorization: string): string {
  return schemeValue(authorization, 'bearer ');
}

/** What follows the scheme (lower case, with its blank), or ''. */
export function schemeValue(authorization: string, scheme: string): string {
  if (authorization.length <= scheme.length) return '';
  if (authorization.slice(0, scheme.length).toLowerCase() !== scheme) return '';
  return authorization.slice(scheme.length).trim();
}
