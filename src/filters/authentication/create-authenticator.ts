/**
 * Makes authenticators from the compiled configuration.
 *
 * Thread: worker. The code of a kind is loaded only when a route can use it, since libraries take
 * time to load.
 */
import { assertNever } from '../../base/assert.js';
import type { Authenticator } from './authenticator.js';
import type { ProofFeed } from './dpop/proof-feed.js';
import type { KeySetFeed } from './key-set-feed.js';
import type { ManagedKeyFeed } from './managed-keys.js';
import type { LoginFeed } from './oidc/login-feed.js';
import type { CompiledAuthenticator } from './options.js';

/** What authenticators learn from the main thread. */
export interface AuthenticatorFeeds {
  readonly keySets: KeySetFeed;
  readonly logins: LoginFeed;
  readonly apiKeys: ManagedKeyFeed;
  readonly proofs: ProofFeed;
}

export async function createAuthenticator(
  config: CompiledAuthenticator,
  feeds: AuthenticatorFeeds,
): Promise<Authenticator> {
  switch (config.type) {
    case 'jwt': {
      const { JwtAuthenticator } = await import('./jwt-authenticator.js');
      return JwtAuthenticator.create(config, feeds.keySets, feeds.proofs);
    }
    case 'apiKey': {
      const { ApiKeyAuthenticator } = await import('./api-key-authenticator.js');
      return new ApiKeyAuthenticator(config, feeds.apiKeys);
    }
    case 'basic': {
      const { BasicAuthenticator } = await import('./basic-authenticator.js');
      return new BasicAuthenticator(config);
    }
    case 'introspection': {
      const { IntrospectionAuthenticator } = await import('./introspection-authenticator.js');
      return new IntrospectionAuthenticator(config, feeds.proofs);
    }
    case 'forwardAuth': {
      const { ForwardAuthenticator } = await import('./forward-authenticator.js');
      return new ForwardAuthenticator(config);
    }
    case 'clientCertificate': {
      const { CertificateAuthenticator } = await import('./certificate-authenticator.js');
      return new CertificateAuthenticator(config);
    }
    case 'oidc': {
      const { OidcAuthenticator } = await import('./oidc/oidc-authenticator.js');
      return new OidcAuthenticator(config, feeds.logins);
    }
    case 'hmac': {
      const { HmacAuthenticator } = await import('./hmac/hmac-authenticator.js');
      return new HmacAuthenticator(config);
    }
    case 'httpSignature': {
      const { HttpSignatureAuthenticator } = await import(
        './http-signature/http-signature-authenticator.js'
      );
      return new HttpSignatureAuthenticator(config, feeds.proofs);
    }
    default:
      return assertNever(config);
  }
}
