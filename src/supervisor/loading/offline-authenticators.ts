/**
 * Authenticators for explanations, which ask no service. An authenticator that would have to fetch
 * keys, or to ask a service, says so in its result.
 *
 * Thread: supervisor (on the main thread).
 */
import {
  ABSENT,
  type Authenticator,
  unavailable,
} from '../../filters/authentication/authenticator.js';
import { createAuthenticator } from '../../filters/authentication/create-authenticator.js';
import { Credentials } from '../../filters/authentication/credentials.js';
import type { ProofFeed } from '../../filters/authentication/dpop/proof-feed.js';
import { mayBeKnown } from '../../filters/authentication/forward-credentials.js';
import type { KeySetFeed } from '../../filters/authentication/key-set-feed.js';
import { NO_MANAGED_KEYS } from '../../filters/authentication/managed-keys.js';
import type { LoginFeed } from '../../filters/authentication/oidc/login-feed.js';
import type { CompiledAuthenticator } from '../../filters/authentication/options.js';
import type { AuthenticatorSource } from '../../worker/worker-epoch.js';

/** Sessions are opened, and nobody is asked about them. */
function loginsOf(config: CompiledAuthenticator): LoginFeed {
  const issuer = config.type === 'oidc' ? config.provider.issuer : '';
  return {
    factsOf: () => ({ authorizationEndpoint: issuer }),
    ask: () => Promise.resolve({ kind: 'unavailable', reason: 'the provider is not asked here' }),
    isEnded: () => false,
    storeEpoch: 0,
  };
}

const NO_FEED: KeySetFeed = {
  subscribe: () => () => {},
  askNewer: () => null,
  isRevoked: () => false,
};

/** An explanation uses nothing up. */
const UNUSED_PROOFS: ProofFeed = { use: async () => 'first', nonceKey: null };

/** These authenticators keep nothing open, so there is nothing to close. */
export const OFFLINE_AUTHENTICATORS: AuthenticatorSource = {
  acquire: (configs) =>
    Promise.all(
      configs.map((config) =>
        needsAnswer(config)
          ? unanswered(config)
          : createAuthenticator(config, {
              keySets: NO_FEED,
              logins: loginsOf(config),
              apiKeys: NO_MANAGED_KEYS,
              proofs: UNUSED_PROOFS,
            }),
      ),
    ),
  release: async () => {},
};

function needsAnswer(config: CompiledAuthenticator): config is AskingConfig {
  if (config.type === 'jwt') return config.keySource !== null;
  return config.type === 'introspection' || config.type === 'forwardAuth';
}

type AskingConfig = Extract<
  CompiledAuthenticator,
  { readonly type: 'jwt' | 'introspection' | 'forwardAuth' }
>;

function unanswered(config: AskingConfig): Authenticator {
  const { name, claimHeaders } = config;
  const common = {
    name,
    challenge: 'Bearer realm="sluice"',
    ownedFields: claimHeaders.map(([header]) => header),
    stripsAuthorization: false,
  };
  const elsewhere = unavailable(
    `${name} would ask elsewhere; --consumer ID takes a caller as given`,
  );
  if (config.type === 'forwardAuth') {
    return {
      ...common,
      isBearer: false,
      readsAuthorization: config.requestHeaders.includes('authorization'),
      authenticate: () => elsewhere,
      hasCredentials: (request) => mayBeKnown(config, request),
    };
  }
  const credentials = new Credentials(config, true);
  const { readsAuthorization, hides } = credentials;
  return {
    ...common,
    isBearer: true,
    readsAuthorization,
    hides,
    authenticate: (request) => (credentials.read(request) === '' ? ABSENT : elsewhere),
  };
}
