/**
 * Authenticators as the threads use them: every default filled in, every key at hand.
 *
 * Thread: any (pure). Types only; plain data, so that it can be cloned to threads. Made by
 * config/compile/compile-authenticators.ts.
 */
import type { Jwk } from '../../base/json-web-key.js';

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
  /** Empty: not checked. */
  readonly audience: string;
  readonly clockSkewMs: number;
  /** Names of claims; `exp` is among them for tokens that are verified here. */
  readonly requiredClaims: readonly string[];
}

export interface CompiledJwtAuthenticator extends Common, ClaimChecks {
  readonly type: 'jwt';
  readonly algorithms: readonly string[];
  /** Empty: there is no shared secret. */
  readonly secret: string;
  /** Public keys that the configuration holds itself. */
  readonly keys: readonly Jwk[];
  /** null: keys are in the configuration. */
  readonly keySource: CompiledKeySource | null;
  readonly consumerClaim: string;
}

/** Keys that are fetched by the main thread; equal ids are the same keys. */
export interface CompiledKeySource {
  readonly id: string;
  readonly kind: 'jwks' | 'discovery' | 'tokenService';
  /** Of the key set, or the issuer whose discovery document is to be read. */
  readonly url: string;
  readonly cacheMs: number;
  readonly cooldownMs: number;
  readonly allowHttp: boolean;
}

export interface CompiledApiKeyAuthenticator extends Common {
  readonly type: 'apiKey';
  /** Lower case. */
  readonly header: string;
  readonly keys: readonly {
    readonly id: string;
    /** Lower-case hexadecimal. */
    readonly sha256: string;
    readonly scopes: readonly string[];
  }[];
}

export interface CompiledBasicAuthenticator extends Common {
  readonly type: 'basic';
  readonly users: readonly {
    readonly id: string;
    readonly passwordHash: string;
    readonly scopes: readonly string[];
  }[];
}

export interface CompiledIntrospectionAuthenticator extends Common, ClaimChecks {
  readonly type: 'introspection';
  readonly url: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly timeoutMs: number;
  readonly cacheMs: number;
  readonly consumerClaim: string;
}

export interface CompiledForwardAuthenticator extends Common {
  readonly type: 'forwardAuth';
  readonly url: string;
  readonly timeoutMs: number;
  /** Lower case, as are the others. */
  readonly requestHeaders: readonly string[];
  readonly responseHeaders: readonly string[];
  /** Empty: none. */
  readonly consumerHeader: string;
}

export type CompiledAuthenticator =
  | CompiledJwtAuthenticator
  | CompiledApiKeyAuthenticator
  | CompiledBasicAuthenticator
  | CompiledIntrospectionAuthenticator
  | CompiledForwardAuthenticator;

/** What a caller must be allowed to do on one route. */
export interface CompiledAuthorization {
  readonly scopes: readonly string[];
  /** Each claim must be, or contain, one of the values. */
  readonly claims: readonly {
    readonly claim: string;
    readonly values: readonly (string | number | boolean)[];
  }[];
}
