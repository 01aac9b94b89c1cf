/**
 * Authenticators as users write them: the ways to find out who calls.
 *
 * Thread: any (pure). Types only, a part of gateway-config.ts; what is checked stands in
 * schema-authenticators.ts and check-authenticators.ts.
 */
import type { Duration } from '../base/quantities.js';

/** A way to find out who calls. */
export type AuthenticatorConfig =
  | JwtAuthenticatorConfig
  | ApiKeyAuthenticatorConfig
  | BasicAuthenticatorConfig
  | IntrospectionAuthenticatorConfig
  | ForwardAuthenticatorConfig;

/** Names of signature algorithms (RFC 7518 3.1, RFC 8037). */
export type SignatureAlgorithm =
  | 'HS256'
  | 'HS384'
  | 'HS512'
  | 'RS256'
  | 'RS384'
  | 'RS512'
  | 'PS256'
  | 'PS384'
  | 'PS512'
  | 'ES256'
  | 'ES384'
  | 'ES512'
  | 'EdDSA';

/** What every authenticator may say about the caller that it has found. */
export interface ClaimHeadersConfig {
  /**
   * Fields that the upstream gets, by the claim that each holds: `x-user: sub`. A claim inside
   * another is named with dots: `realm_access.roles`. Printable ASCII but `%` stands as it is, all
   * else percent-encoded; lists are joined by commas. The client's own fields of these names are
   * removed. Default: none.
   */
  readonly claimHeaders?: Readonly<Record<string, string>>;
  /**
   * Whether the upstream gets the credentials too. Default: true for tokens that the upstream can
   * check itself (jwt, introspection) and forwardAuth, false for apiKey and basic.
   */
  readonly forwardCredentials?: boolean;
}

/**
 * Bearer tokens that are signed (JWT, RFC 7519). Exactly one of `secret`, `secretFile`,
 * `publicKey`, `publicKeyFile`, `jwksUri`, `discovery` and `tokenService` says where keys come
 * from.
 */
export interface JwtAuthenticatorConfig extends ClaimHeadersConfig {
  readonly type: 'jwt';
  /**
   * Signature algorithms that are accepted; a token with any other is refused. A key is used only
   * with algorithms of its own kind. At least one.
   */
  readonly algorithms: readonly SignatureAlgorithm[];
  /**
   * The shared secret, its UTF-8 bytes being the key: at least 32 bytes for HS256, 48 for HS384
   * and 64 for HS512 (RFC 7518 3.2). Best given as a variable: `${JWT_SECRET}`.
   */
  readonly secret?: string;
  /** A file that holds the secret; one line end behind it does not count. */
  readonly secretFile?: string;
  /** A public key or certificate in PEM, or a JWK or JWK set in JSON; RSA of 2048 bits or more. */
  readonly publicKey?: string;
  /** A file that holds such a key; a relative path begins where the configuration file is. */
  readonly publicKeyFile?: string;
  /**
   * Where the issuer publishes its keys (RFC 7517). Fetched once for all workers, again before
   * `jwksCache` is over, and when a token names a key that is not known. When that fails, the last
   * keys go on being used.
   */
  readonly jwksUri?: string;
  /** Asks `issuer` where its keys are (OpenID Connect Discovery 1.0). Default: false. */
  readonly discovery?: boolean;
  /** Keys of this gateway's own token service. Default: false. */
  readonly tokenService?: boolean;
  /** How long fetched keys are kept before they are fetched again, 10s to 24h. Default: 10m. */
  readonly jwksCache?: Duration;
  /** Least time between two fetches because of unknown keys, 1s to 1h. Default: 30s. */
  readonly jwksCooldown?: Duration;
  /** Allows http:// beyond this machine: others on the way could forge keys. Default: false. */
  readonly allowHttp?: boolean;
  /** What the token's `iss` must be. Default: not checked; `discovery` needs it. */
  readonly issuer?: string;
  /** What the token's `aud` must be or contain. Default: not checked. */
  readonly audience?: string;
  /** How far the clocks may disagree when `exp` and `nbf` are judged, 0s to 10m. Default: 30s. */
  readonly clockSkew?: Duration;
  /** Claims that must be there, besides `exp`. Default: none. */
  readonly requiredClaims?: readonly string[];
  /** The claim that names the consumer. Default: sub. */
  readonly consumerClaim?: string;
}

/** Keys that callers send in a field of their own. */
export interface ApiKeyAuthenticatorConfig extends ClaimHeadersConfig {
  readonly type: 'apiKey';
  /** Name of the field. Default: apikey. */
  readonly header?: string;
  /** The keys. At least one. */
  readonly keys: readonly ApiKeyConfig[];
}

/** One key, of which the configuration knows only a hash. */
export interface ApiKeyConfig {
  /** Who it belongs to: the consumer. */
  readonly id: string;
  /**
   * SHA-256 of the key in hexadecimal: `printf %s "$KEY" | sha256sum`. The key must be random, of
   * 128 bits or more (`openssl rand -hex 32`): a hash this fast protects nothing that can be
   * guessed.
   */
  readonly sha256: string;
  /** What the holder may do, for `authorize.scopes` of routes. Default: none. */
  readonly scopes?: readonly string[];
}

/** User name and password in each request (RFC 7617). Use it over TLS only. */
export interface BasicAuthenticatorConfig extends ClaimHeadersConfig {
  readonly type: 'basic';
  /** The users. At least one. */
  readonly users: readonly BasicUserConfig[];
}

/** One user. */
export interface BasicUserConfig {
  /** The user name: the consumer. Without a colon. */
  readonly id: string;
  /** What `sluice hash-password` prints: `$scrypt$ln=…,r=…,p=…$…$…`. */
  readonly passwordHash: string;
  /** What the user may do, for `authorize.scopes` of routes. Default: none. */
  readonly scopes?: readonly string[];
}

/** Bearer tokens that the server which made them is asked about (RFC 7662). */
export interface IntrospectionAuthenticatorConfig extends ClaimHeadersConfig {
  readonly type: 'introspection';
  /** Where to ask. */
  readonly url: string;
  /** By what name the gateway asks. */
  readonly clientId: string;
  /** The password to that name. */
  readonly clientSecret: string;
  /** What `iss` must be, if the server says one. Default: not checked. */
  readonly issuer?: string;
  /** What `aud` must be or contain. Default: not checked. */
  readonly audience?: string;
  /** How long an answer may take, 10ms to 30s. Default: 1s. Later: 503. */
  readonly timeout?: Duration;
  /**
   * How long an answer is remembered, at most until `exp`, 0s to 1h: so long may a token that was
   * taken back be of use. Default: 30s.
   */
  readonly cache?: Duration;
  /** Allows http:// beyond this machine. Default: false. */
  readonly allowHttp?: boolean;
  /** The claim that names the consumer. Default: sub. */
  readonly consumerClaim?: string;
}

/**
 * Asks a service about each request: 2xx lets it through, 401 and 3xx mean 401, any other 4xx
 * means 403. Without an answer in time, or with any other one, the request is refused with 503.
 */
export interface ForwardAuthenticatorConfig extends ClaimHeadersConfig {
  readonly type: 'forwardAuth';
  /**
   * Where to ask, with GET. X-Forwarded-Method, -Proto, -Host, -Uri (path and query, the path in
   * the spelling that is routed) and -For tell about what.
   */
  readonly url: string;
  /** How long an answer may take, 10ms to 30s. Default: 200ms. */
  readonly timeout?: Duration;
  /** Fields of the request that the service gets. Default: authorization, cookie. */
  readonly requestHeaders?: readonly string[];
  /**
   * Fields of its answer that the upstream gets; the client's own of these names are removed.
   * Default: none.
   */
  readonly responseHeaders?: readonly string[];
  /** The field of its answer that names the consumer. Default: none, all callers are one. */
  readonly consumerHeader?: string;
  /** Allows http:// beyond this machine. Default: false. */
  readonly allowHttp?: boolean;
}

/** What a caller must be allowed to do; else 403. */
export interface AuthorizeConfig {
  /** Scopes that the caller must all have (`scope` or `scp` of a token). Default: none. */
  readonly scopes?: readonly string[];
  /**
   * Claims and what each must be, or must contain if it is a list; several values: any of them.
   * A claim inside another is named with dots. Default: none.
   */
  readonly claims?: Readonly<Record<string, ClaimValue | readonly ClaimValue[]>>;
}

export type ClaimValue = string | number | boolean;
