/**
 * Authenticators for explanations, which ask no service. An authenticator that would have to fetch
 * keys, or to ask a service, says so in its result.
 *
 * Thread: acceptor.
 */
import {
  ABSENT,
  type AuthenticationResult,
  type Authenticator,
  unavailable,
} from '../../filters/authentication/authenticator.js';
import { bearerToken } from '../../filters/authentication/bearer-token.js';
import { createAuthenticator } from '../../filters/authentication/create-authenticator.js';
import { mayBeKnown } from '../../filters/authentication/forward-credentials.js';
import type { KeySetFeed } from '../../filters/authentication/key-set-feed.js';
import type { CompiledAuthenticator } from '../../filters/authentication/options.js';
import type { AuthenticatorSource } from '../../worker/worker-epoch.js';

const NO_FEED: KeySetFeed = {
  subscribe: () => () => {},
  askNewer: () => null,
  isRevoked: () => false,
};

/** These authenticators keep nothing open, so there is nothing to close. */
export const OFFLINE_AUTHENTICATORS: AuthenticatorSource = {
  acquire: (configs) =>
    Promise.all(
      configs.map((config) =>
        needsAnswer(config) ? unanswered(config) : createAuthenticator(config, NO_FEED),
      ),
    ),
  release: async () => {},
};

function needsAnswer(config: CompiledAuthenticator): boolean {
  if (config.type === 'jwt') return config.keySource !== null;
  return config.type === 'introspection' || config.type === 'forwardAuth';
}

function unanswered(config: CompiledAuthenticator): Authenticator {
  const { name, claimHeaders } = config;
  const asked = config.type === 'forwardAuth' ? config : null;
  const elsewhere = unavailable(
    `${name} would ask elsewhere; --consumer ID takes a caller as given`,
  );
  return {
    name,
    challenge: 'Bearer realm="sluice"',
    isBearer: asked === null,
    ownedFields: claimHeaders.map(([header]) => header),
    stripsAuthorization: false,
    readsAuthorization: asked === null || asked.requestHeaders.includes('authorization'),
    authenticate: ({ fields }): AuthenticationResult =>
      asked === null && bearerToken(fields.authorization) === '' ? ABSENT : elsewhere,
    ...(asked !== null && { hasCredentials: (request) => mayBeKnown(asked, request) }),
  };
}
