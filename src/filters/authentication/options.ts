/**
 * Authenticators as the threads use them, with defaults filled in and keys loaded.
 *
 * Thread: any (pure). Types only; plain data, so that it can be cloned to threads. Made by
 * config/compile/compile-authenticators.ts.
 */
import type { Jwk } from '../../base/json-web-key.js';
import type { ProofMemoryPlace } from '../../base/proof-use.js';

export interface CredentialPlace {
  readonly kind: 'header' | 'cookie' | 'query' | 'subprotocol';
  /**
   * Of a field in lower case; of a subprotocol what stands before the token. Of a cookie that is
   * hidden a star at the end stands for whatever follows.
   */
  readonly name: string;
}

/** What kinds have that look for a token or a key in places that the configuration names. */
interface Placed {
  /** In the order in which they are looked at. */
  readonly from: readonly CredentialPlace[];
  readonly forwardPlaces: boolean;
}

interface Common {
  readonly index: number;
  readonly name: string;
  /** Lower-case field names, and the claims that they hold. */
  readonly claimHeaders: readonly (readonly [header: string, claim: string])[];
  readonly forwardCredentials: boolean;
}

/** Checks on claims that tokens and introspected tokens have in common. */
export interface ClaimChecks {
  /** Empty: not checked. */
  readonly issuer: string;
  /** The token is for one of these; empty: not checked. */
  readonly audiences: readonly string[];
  readonly clockSkewMs: number;
  /** Names of claims; for tokens that are verified here `exp` is one of them. */
  readonly requiredClaims: readonly string[];
}

/** What is asked of tokens that are bound to a key of their holder (RFC 9449), and of others. */
export interface DpopRule {
  /** `bound`: bound tokens need a proof; `accepted`: callers are told so; `required`: no others. */
  readonly dpop: 'bound' | 'accepted' | 'required';
  /** How far the time of a proof may be from now, either way. */
  readonly dpopWindowMs: number;
  /** Where it is remembered that a proof was used. */
  readonly dpopMemory: ProofMemoryPlace;
  /** How long a nonce of the gateway is good; 0: proofs need none. */
  readonly dpopNonceMs: number;
}

export interface CompiledJwtAuthenticator extends Common, ClaimChecks, Placed, DpopRule {
  readonly type: 'jwt';
  readonly algorithms: readonly string[];
  /** Empty: there is no shared secret. */
  readonly secret: string;
  /** Public keys in the configuration itself. */
  readonly keys: readonly Jwk[];
  /** null: the keys are in the configuration. */
  readonly keySource: CompiledKeySource | null;
  readonly consumerClaim: string;
  readonly binding: TokenBinding;
}

/** Keys that the main thread fetches; equal ids mean the same keys. */
export interface CompiledKeySource {
  readonly id: string;
  readonly kind: 'jwks' | 'discovery' | 'tokenService';
  /** The URL of the key set, or of the issuer whose discovery document is to be read. */
  readonly url: string;
  readonly cacheMs: number;
  readonly cooldownMs: number;
  readonly allowHttp: boolean;
}

export interface CompiledApiKeyAuthenticator extends Common, Placed {
  readonly type: 'apiKey';
  readonly keys: readonly {
    readonly id: string;
    /** Lower-case hexadecimal. */
    readonly sha256: string;
    readonly scopes: readonly string[];
  }[];
  /** Keys that are made at run time are accepted too. */
  readonly isManaged: boolean;
}

export interface CompiledBasicAuthenticator extends Common {
  readonly type: 'basic';
  readonly users: readonly {
    readonly id: string;
    readonly passwordHash: string;
    readonly scopes: readonly string[];
  }[];
}

export interface CompiledIntrospectionAuthenticator extends Common, ClaimChecks, Placed, DpopRule {
  readonly type: 'introspection';
  readonly url: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly timeoutMs: number;
  readonly cacheMs: number;
  readonly consumerClaim: string;
  readonly binding: TokenBinding;
}

export interface CompiledForwardAuthenticator extends Common {
  readonly type: 'forwardAuth';
  readonly url: string;
  readonly timeoutMs: number;
  /** Lower case, like the others. */
  readonly requestHeaders: readonly string[];
  /** Names, or beginnings of names with a star behind them; none: any cookie may say who calls. */
  readonly credentialCookies: readonly string[];
  readonly responseHeaders: readonly string[];
  /** Of every answer, to the client. */
  readonly clientHeaders: readonly string[];
  /** Empty: no such field. */
  readonly consumerHeader: string;
}

/** The part of a certificate that names the consumer. */
export type CertificateName =
  | 'spiffeId'
  | 'commonName'
  | 'subject'
  | 'dns'
  | 'uri'
  | 'email'
  | 'sha256';

export interface CompiledCertificateAuthenticator extends Common {
  readonly type: 'clientCertificate';
  /** Where the consumer's name is, for certificates that `clients` does not name. */
  readonly consumerFrom: CertificateName;
  /** null: every certificate that was verified is accepted. */
  readonly clients: readonly CompiledCertificateClient[] | null;
}

/** A certificate is this client's if it has every part that is named here. */
export interface CompiledCertificateClient {
  readonly id: string;
  readonly scopes: readonly string[];
  readonly parts: readonly (readonly [part: CertificateName, value: string])[];
}

/** Senders of webhooks, by an HMAC of the body. */
export interface CompiledHmacAuthenticator extends Common {
  readonly type: 'hmac';
  readonly format: 'github' | 'stripe' | 'slack' | 'standard' | 'plain';
  readonly secrets: readonly string[];
  readonly consumer: string;
  readonly scopes: readonly string[];
  readonly toleranceMs: number;
  readonly bodyBytesMax: number;
  readonly algorithm: 'sha256' | 'sha384' | 'sha512';
  /** Fields are in lower case. */
  readonly header: string;
  /** What stands before the signature. */
  readonly prefix: string;
  readonly encoding: 'hex' | 'base64';
  /** Empty: no time is signed, but where the format has it in the signature's own field. */
  readonly timestampHeader: string;
}

/** Callers who sign their requests (RFC 9421). */
export interface CompiledHttpSignatureAuthenticator extends Common {
  readonly type: 'httpSignature';
  readonly keys: readonly CompiledSignatureKey[];
  /** What a signature must cover. */
  readonly components: readonly string[];
  /** The query too, where there is one. */
  readonly coversQuery: boolean;
  /** A digest of the body too, where there is one. */
  readonly coversBody: boolean;
  /** Empty: of any label. */
  readonly label: string;
  /** Empty: with any tag, or none. */
  readonly tag: string;
  readonly maxAgeMs: number;
  readonly clockSkewMs: number;
  readonly bodyBytesMax: number;
  /** Where it is remembered that a signature was used; null: it may come again. */
  readonly memory: ProofMemoryPlace | null;
}

export interface CompiledSignatureKey {
  readonly keyId: string;
  readonly consumer: string;
  readonly algorithm:
    | 'hmac-sha256'
    | 'ed25519'
    | 'ecdsa-p256-sha256'
    | 'rsa-pss-sha512'
    | 'rsa-v1_5-sha256';
  /** In base64; empty: the key is public. */
  readonly secret: string;
  /** null: the key is a secret. */
  readonly jwk: Jwk | null;
  readonly scopes: readonly string[];
}

/** Login in a browser (OpenID Connect). */
export interface CompiledOidcAuthenticator extends Common {
  readonly type: 'oidc';
  /** What the main thread asks, for all workers. */
  readonly provider: CompiledProvider;
  /** Further parameters of the request that browsers bring to the provider, besides `scope`. */
  readonly parameters: readonly (readonly [name: string, value: string])[];
  /** Words with blanks between them, `openid` first. */
  readonly scope: string;
  /** Scheme, host and port; empty: those of each request. */
  readonly origin: string;
  readonly redirectPath: string;
  readonly logoutPath: string;
  /** Empty: there is none. */
  readonly backchannelLogoutPath: string;
  readonly afterLogout: string;
  /** Name of the session's first cookie, without a prefix. */
  readonly cookie: string;
  /** Lower case; empty: no target gets the access token. */
  readonly accessTokenHeader: string;
  readonly consumerClaim: string;
}

/** An OpenID provider as the main thread uses it; equal ids mean the same one. */
export interface CompiledProvider {
  readonly id: string;
  /** Equal ones have the same sessions, whatever else about the provider has changed. */
  readonly realm: string;
  /** Of the authenticator. */
  readonly name: string;
  readonly issuer: string;
  readonly keySource: CompiledKeySource;
  readonly clientId: string;
  /** Empty: a public client. */
  readonly clientSecret: string;
  readonly clientAuthentication: 'basic' | 'post';
  readonly clockSkewMs: number;
  readonly timeoutMs: number;
  readonly allowHttp: boolean;
  /** Those that cookies are opened with; the first one also closes them. */
  readonly secrets: readonly string[];
  /** Sessions are in the store that gateways share; else in cookies. */
  readonly isStored: boolean;
  /** Sessions hold the access token too. */
  readonly keepsAccessToken: boolean;
  readonly idleMs: number;
  readonly lifetimeMs: number;
}

/** Whether tokens that are bound to a certificate (RFC 8705) are held against the client's. */
export type TokenBinding = 'verify' | 'require' | 'ignore';

export type CompiledAuthenticator =
  | CompiledJwtAuthenticator
  | CompiledApiKeyAuthenticator
  | CompiledBasicAuthenticator
  | CompiledIntrospectionAuthenticator
  | CompiledForwardAuthenticator
  | CompiledCertificateAuthenticator
  | CompiledOidcAuthenticator
  | CompiledHmacAuthenticator
  | CompiledHttpSignatureAuthenticator;

/** The permissions that a caller needs on one route. */
export interface CompiledAuthorization {
  readonly scopes: readonly string[];
  /** Each of these claims must be, or contain, one of its values. */
  readonly claims: readonly {
    readonly claim: string;
    readonly values: readonly (string | number | boolean)[];
  }[];
}
