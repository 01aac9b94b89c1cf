/**
 * Compiles logins in a browser.
 *
 * Thread: loader. A part of compile-authenticators.ts.
 */
import { createHash } from 'node:crypto';
import { durationMs } from '../../base/quantities.js';
import type {
  CompiledOidcAuthenticator,
  CompiledProvider,
} from '../../filters/authentication/options.js';
import type { OidcAuthenticatorConfig } from '../gateway-config.js';
import { DEFAULTS } from '../schema/defaults.js';

const { oidc: defaults, authenticator } = DEFAULTS;

type Own = Omit<
  CompiledOidcAuthenticator,
  'index' | 'name' | 'claimHeaders' | 'forwardCredentials'
>;

export function compileOidc(config: OidcAuthenticatorConfig, name: string): Own {
  return {
    type: 'oidc',
    provider: compileProvider(config, name),
    parameters: Object.entries(config.parameters ?? {}),
    scope: [...new Set(['openid', ...(config.scopes ?? [])])].join(' '),
    origin: config.origin === undefined ? '' : new URL(config.origin).origin,
    redirectPath: config.redirectPath ?? defaults.redirectPath,
    logoutPath: config.logoutPath ?? defaults.logoutPath,
    backchannelLogoutPath: config.backchannelLogoutPath ?? '',
    afterLogout: config.afterLogout ?? defaults.afterLogout,
    cookie: config.session.cookie ?? `sluice-${name}`,
    accessTokenHeader: (config.accessTokenHeader ?? '').toLowerCase(),
    consumerClaim: config.consumerClaim ?? authenticator.consumerClaim,
  };
}

function compileProvider(config: OidcAuthenticatorConfig, name: string): CompiledProvider {
  const { issuer, clientId, session, allowHttp = false } = config;
  const provider = {
    name,
    issuer,
    keySource: {
      id: `discovery ${issuer}`,
      kind: 'discovery' as const,
      url: issuer,
      cacheMs: durationMs(authenticator.jwksCache),
      cooldownMs: durationMs(authenticator.jwksCooldown),
      allowHttp,
    },
    clientId,
    clientSecret: config.clientSecret ?? '',
    clientAuthentication: config.clientAuthentication ?? defaults.clientAuthentication,
    clockSkewMs: durationMs(config.clockSkew ?? authenticator.clockSkew),
    timeoutMs: durationMs(config.timeout ?? defaults.timeout),
    allowHttp,
    secrets: [session.secret, ...(session.previousSecrets ?? [])],
    isStored: session.store ?? defaults.store,
    keepsAccessToken: config.accessTokenHeader !== undefined,
    idleMs: durationMs(session.idle ?? defaults.idle),
    lifetimeMs: durationMs(session.lifetime ?? defaults.lifetime),
  };
  const id = `${name} ${digestOf(provider)}`;
  return { id, realm: `${name} ${digestOf([issuer, clientId])}`, ...provider };
}

/** A hash, since ids stand in messages and logs. */
function digestOf(value: object): string {
  const digest = createHash('sha256').update(JSON.stringify(value)).digest('base64url');
  return digest.slice(0, 16);
}
