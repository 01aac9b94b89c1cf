/**
 * The contract of an authenticator, which reads one request and finds out who calls.
 *
 * Thread: worker. test/contract/authenticator.contract.ts checks that every kind keeps this
 * contract.
 */
import type { FieldBlock } from '../../base/field-block.js';
import type { LocalReply } from '../local-reply.js';
import type { CredentialPlace } from './options.js';

/**
 * What is known about a caller. All requests with the same credentials share it, so it never
 * changes.
 */
export interface Identity {
  readonly consumer: string;
  readonly claims: Claims;
  /** What the caller may do. */
  readonly scopes: ReadonlySet<string>;
  /** Fields for the upstream: names and values in turn. */
  readonly fields: readonly string[];
  /** Fields for the client, in whatever reply it gets. Absent: none. */
  readonly replyFields?: FieldBlock;
  /** When the credentials end, in ms since 1970. Absent: they do not end by themselves. */
  readonly endsAtUnixMs?: number;
}

/** What was verified about the caller, by claim name. */
export type Claims = Readonly<Record<string, unknown>>;

/** The result for the credentials of one request. */
export type AuthenticationResult =
  | { readonly verdict: 'accepted'; readonly identity: Identity }
  /** There were no credentials of this kind. */
  | { readonly verdict: 'absent' }
  /**
   * The credentials are not valid. The caller gets the reason, which says nothing about keys; the
   * operator gets the cause, which may name claims and what was expected. Absent: the reason says
   * all. `challenge`: for WWW-Authenticate, in place of the authenticator's own; with one there may
   * be `fields`, further ones of the reply.
   */
  | {
      readonly verdict: 'refused';
      readonly reason: string;
      readonly cause?: string;
      readonly challenge?: string;
      readonly fields?: FieldBlock;
    }
  /** The caller is known and may not do this. */
  | { readonly verdict: 'denied'; readonly reason: string }
  /**
   * The service that was asked has an answer for the client: a way to its login page, a challenge
   * of its own. `isFinal`: the caller is known and may not do this, so that no other authenticator
   * is asked.
   */
  | { readonly verdict: 'answered'; readonly reply: LocalReply; readonly isFinal: boolean }
  /** Unknown for now: the service that must be asked does not answer. */
  | { readonly verdict: 'unavailable'; readonly reason: string };

export const ABSENT: AuthenticationResult = { verdict: 'absent' };

/** The digest of a token that stands in a head which its connection sends over and over. */
export interface KnownDigest {
  readonly token: string;
  readonly digest: string;
}

/** What keeps it: the same for each request with that head. */
export interface DigestMemory {
  tokenDigest: KnownDigest | null;
}

/** The part of a request that an authenticator sees. */
export interface AuthenticationRequest {
  readonly method: string;
  /** Path and query as the client wrote them. */
  readonly target: string;
  /** The path by which it was routed, with the query. */
  readonly routedTarget: string;
  readonly scheme: string;
  readonly clientIp: string;
  readonly requestId: string;
  /** The client's certificate, as base/client-certificate.ts reads it; '': it has none. */
  readonly certificate: string;
  readonly fields: RequestFieldsView;
  /** For a head that its connection sends over and over; null or absent: it is another. */
  readonly known?: DigestMemory | null;
  /** The body as it came: for those alone that have {@link Authenticator.bodyBytesMax}. */
  wholeBody(): Buffer;
}

export interface RequestFieldsView {
  readonly authorization: string;
  readonly host: string;
  /** Every value of the fields of this lower-case name, in order. */
  values(name: string): readonly string[];
}

/** Serves the paths of a login: the way back from the provider, and logouts. */
export interface LoginPaths {
  /** For people: which paths there are, and what each does. */
  readonly summary: string;
  /** `body`: of the request, whole. A promise never rejects because of input. */
  serve(
    request: AuthenticationRequest,
    body: string,
    unixSeconds: number,
  ): LocalReply | Promise<LocalReply>;
}

export interface Authenticator {
  readonly name: string;
  /** For WWW-Authenticate (RFC 9110 11.6.1), without parameters about an error. */
  readonly challenge: string;
  /** Another scheme in which the same credentials may come, like {@link challenge}. */
  readonly otherChallenge?: string;
  /**
   * The credentials are a bearer token, whose errors have a name in the challenge (RFC 6750 3.1).
   */
  readonly isBearer: boolean;
  /**
   * Lower-case fields that the client may not set itself: the upstream would believe that the
   * gateway has set them.
   */
  readonly ownedFields: readonly string[];
  /** Whether accepted credentials in Authorization are removed from the request. */
  readonly stripsAuthorization: boolean;
  /**
   * Whether this authenticator reads Authorization. When another one of the route accepts the
   * request, nobody has judged that field, and the upstream must not trust it.
   */
  readonly readsAuthorization: boolean;
  /**
   * Checks the credentials: at once when possible, else later. Never rejects or throws because of
   * input from a client or from a service.
   */
  authenticate(
    request: AuthenticationRequest,
    unixSeconds: number,
  ): AuthenticationResult | Promise<AuthenticationResult>;
  /**
   * Of one that looks in other places as well: whether it is Authorization that it goes by for this
   * request. Absent: always, where it reads that field at all.
   */
  usesAuthorization?(request: AuthenticationRequest): boolean;
  /** Cookies and parameters of the query that the upstream does not get. Absent: none. */
  readonly hides?: readonly CredentialPlace[];
  /**
   * Of an authenticator that asks a service about every request: whether the request has anything
   * that could be credentials. Absent: {@link authenticate} says so itself.
   */
  hasCredentials?(request: AuthenticationRequest): boolean;
  /**
   * Of one that judges the body: the longest that it may be. It is collected before
   * {@link authenticate}, where {@link hasCredentials} says that the request has something for it.
   * Absent: it looks at no body.
   */
  readonly bodyBytesMax?: number;
  /** Of a login in the browser: what serves its own paths. Absent: there are none. */
  readonly login?: LoginPaths;
  /** Closes connections; the authenticator is not used any more. */
  close?(): Promise<void>;
}

/** For credentials that stand several times in one place. */
export const SEVERAL = refused('the request has several credentials');

export function refused(reason: string, cause = ''): AuthenticationResult {
  return cause === '' ? { verdict: 'refused', reason } : { verdict: 'refused', reason, cause };
}

export function unavailable(reason: string): AuthenticationResult {
  return { verdict: 'unavailable', reason };
}

/** The text after the scheme (lower case, with its blank), or ''. */
export function schemeValue(authorization: string, scheme: string): string {
  if (authorization.length <= scheme.length) return '';
  if (authorization.slice(0, scheme.length).toLowerCase() !== scheme) return '';
  return authorization.slice(scheme.length).trim();
}
