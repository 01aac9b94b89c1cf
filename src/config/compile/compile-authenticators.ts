/**
 * Compiles authenticators and what routes ask of their callers.
 *
 * Thread: loader. A part of compile-config.ts; runs on a configuration that was checked. Reads the
 * files that hold keys.
 */
import { assertNever, defined } from '../../base/assert.js';
import type { Jwk } from '../../base/json-web-key.js';
import { durationMs } from '../../base/quantities.js';
import type {
  CompiledApiKeyAuthenticator,
  CompiledAuthenticator,
  CompiledAuthorization,
  CompiledCertificateAuthenticator,
  CompiledForwardAuthenticator,
  CompiledIntrospectionAuthenticator,
  CompiledJwtAuthenticator,
  CompiledKeySource,
  DpopRule,
} from '../../filters/authentication/options.js';
import type { CompiledKeys, CompiledTokenService } from '../compiled-config.js';
import type {
  ApiKeyAuthenticatorConfig,
  AuthenticatorConfig,
  AuthorizeConfig,
  CertificateAuthenticatorConfig,
  CredentialPlaceName,
  ForwardAuthenticatorConfig,
  IntrospectionAuthenticatorConfig,
  JwtAuthenticatorConfig,
  KeysConfig,
  TokenServiceConfig,
} from '../gateway-config.js';
import { credentialPlace } from '../references/credential-place.js';
import { readKeyFile, readPublicKeys } from '../references/key-material.js';
import { CERTIFICATE_NAMES } from '../schema/authenticator-nodes.js';
import { DEFAULTS } from '../schema/defaults.js';
import { compileHmac } from './compile-hmac.js';
import { compileHttpSignature } from './compile-http-signature.js';
import { compileOidc } from './compile-oidc.js';

const { authenticator: defaults } = DEFAULTS;

/** Compiles all authenticators, in the order of the file. */
export function compileAuthenticators(
  configs: Readonly<Record<string, AuthenticatorConfig>>,
): CompiledAuthenticator[] {
  return Object.entries(configs).map(([name, config], index) => compileOne(config, name, index));
}

/** Kinds whose credentials no target gets unless the configuration says so. */
const KEEPS_CREDENTIALS: ReadonlySet<AuthenticatorConfig['type']> = new Set([
  'apiKey',
  'basic',
  'oidc',
]);

function compileOne(
  config: AuthenticatorConfig,
  name: string,
  index: number,
): CompiledAuthenticator {
  const forwardsByDefault = !KEEPS_CREDENTIALS.has(config.type);
  const common = {
    index,
    name,
    claimHeaders: Object.entries(config.claimHeaders ?? {}).map(
      ([header, claim]) => [header.toLowerCase(), claim] as const,
    ),
    forwardCredentials: config.forwardCredentials ?? forwardsByDefault,
  };
  switch (config.type) {
    case 'jwt':
      return { ...common, ...compileJwt(config) };
    case 'apiKey':
      return { ...common, ...compileApiKeys(config) };
    case 'basic':
      return {
        ...common,
        type: 'basic',
        users: config.users.map((user) => ({ ...user, scopes: [...(user.scopes ?? [])] })),
      };
    case 'introspection':
      return { ...common, ...compileIntrospection(config) };
    case 'forwardAuth':
      return { ...common, ...compileForward(config) };
    case 'clientCertificate':
      return { ...common, ...compileCertificates(config) };
    case 'hmac':
      return { ...common, ...compileHmac(config, name) };
    case 'httpSignature':
      return { ...common, ...compileHttpSignature(config) };
    case 'oidc':
      return { ...common, ...compileOidc(config, name) };
    default:
      return assertNever(config);
  }
}

type Own<T> = Omit<T, 'index' | 'name' | 'claimHeaders' | 'forwardCredentials'>;

function compileJwt(config: JwtAuthenticatorConfig): Own<CompiledJwtAuthenticator> {
  const { secret, secretFile } = config;
  const fromFile = secretFile === undefined ? '' : withoutLineEnd(keyFile(secretFile));
  return {
    type: 'jwt',
    ...compilePlaces(config, 'header:authorization'),
    algorithms: [...config.algorithms],
    secret: secret ?? fromFile,
    keys: compilePublicKeys(config),
    keySource: compileKeySource(config),
    issuer: config.issuer ?? '',
    audiences: oneOrMany(config.audience),
    clockSkewMs: durationMs(config.clockSkew ?? defaults.clockSkew),
    // A token that never ends could never be taken back.
    requiredClaims: [...new Set(['exp', ...(config.requiredClaims ?? [])])],
    binding: config.certificateBinding ?? defaults.certificateBinding,
    ...compileDpop(config),
    consumerClaim: config.consumerClaim ?? defaults.consumerClaim,
  };
}

function compileDpop({
  dpop,
  dpopWindow,
  dpopMemory,
  dpopNonce,
}: Pick<JwtAuthenticatorConfig, 'dpop' | 'dpopWindow' | 'dpopMemory' | 'dpopNonce'>): DpopRule {
  return {
    dpop: dpop ?? 'bound',
    dpopWindowMs: durationMs(dpopWindow ?? defaults.dpopWindow),
    dpopMemory: dpopMemory ?? defaults.dpopMemory,
    dpopNonceMs: dpopNonce === undefined ? 0 : durationMs(dpopNonce),
  };
}

/** Only what is accepted in Authorization may go on without anybody having said so. */
function compilePlaces(
  { from, forwardCredentials }: Pick<JwtAuthenticatorConfig, 'from' | 'forwardCredentials'>,
  byDefault: CredentialPlaceName,
): Pick<CompiledJwtAuthenticator, 'from' | 'forwardPlaces'> {
  return {
    from: (from ?? [byDefault]).map(credentialPlace),
    forwardPlaces: forwardCredentials ?? false,
  };
}

function oneOrMany(value: string | readonly string[] | undefined): readonly string[] {
  return value === undefined ? [] : [value].flat();
}

/** Of a text that was checked. */
function compilePublicKeys({ publicKey, publicKeyFile }: JwtAuthenticatorConfig): readonly Jwk[] {
  const text = publicKeyFile === undefined ? publicKey : keyFile(publicKeyFile);
  if (text === undefined) return [];
  const read = readPublicKeys(text);
  return defined('keys' in read ? read.keys : undefined, 'a checked key');
}

function compileKeySource(config: JwtAuthenticatorConfig): CompiledKeySource | null {
  const { jwksUri, discovery, tokenService, issuer = '' } = config;
  const rest = {
    cacheMs: durationMs(config.jwksCache ?? defaults.jwksCache),
    cooldownMs: durationMs(config.jwksCooldown ?? defaults.jwksCooldown),
    allowHttp: config.allowHttp ?? false,
  };
  if (jwksUri !== undefined) return { id: jwksUri, kind: 'jwks', url: jwksUri, ...rest };
  if (discovery) return { id: `discovery ${issuer}`, kind: 'discovery', url: issuer, ...rest };
  if (tokenService) return { id: 'tokenService', kind: 'tokenService', url: '', ...rest };
  return null;
}

function compileApiKeys(config: ApiKeyAuthenticatorConfig): Own<CompiledApiKeyAuthenticator> {
  return {
    type: 'apiKey',
    ...compilePlaces(config, `header:${config.header ?? defaults.apiKeyHeader}`),
    isManaged: config.managed ?? defaults.managed,
    keys: (config.keys ?? []).map(({ id, sha256, scopes = [] }) => {
      return { id, sha256: sha256.toLowerCase(), scopes: [...scopes] };
    }),
  };
}

function compileIntrospection(
  config: IntrospectionAuthenticatorConfig,
): Own<CompiledIntrospectionAuthenticator> {
  return {
    type: 'introspection',
    ...compilePlaces(config, 'header:authorization'),
    url: config.url,
    clientId: config.clientId,
    clientSecret: config.clientSecret,
    issuer: config.issuer ?? '',
    audiences: oneOrMany(config.audience),
    clockSkewMs: 0,
    requiredClaims: [],
    binding: config.certificateBinding ?? defaults.certificateBinding,
    ...compileDpop(config),
    timeoutMs: durationMs(config.timeout ?? defaults.introspectionTimeout),
    cacheMs: durationMs(config.cache ?? defaults.introspectionCache),
    consumerClaim: config.consumerClaim ?? defaults.consumerClaim,
  };
}

function compileForward(config: ForwardAuthenticatorConfig): Own<CompiledForwardAuthenticator> {
  const { requestHeaders = defaults.forwardRequestHeaders } = config;
  const { responseHeaders = [], clientHeaders = [], credentialCookies = [] } = config;
  return {
    type: 'forwardAuth',
    url: config.url,
    timeoutMs: durationMs(config.timeout ?? defaults.forwardTimeout),
    requestHeaders: requestHeaders.map((name) => name.toLowerCase()),
    credentialCookies,
    responseHeaders: responseHeaders.map((name) => name.toLowerCase()),
    clientHeaders: clientHeaders.map((name) => name.toLowerCase()),
    consumerHeader: (config.consumerHeader ?? '').toLowerCase(),
  };
}

function compileCertificates({
  consumerFrom,
  clients,
}: CertificateAuthenticatorConfig): Own<CompiledCertificateAuthenticator> {
  return {
    type: 'clientCertificate',
    consumerFrom: consumerFrom ?? defaults.consumerFrom,
    clients:
      clients?.map(({ id, scopes = [], ...parts }) => ({
        id,
        scopes: [...scopes],
        parts: CERTIFICATE_NAMES.flatMap((part) => {
          const value = parts[part];
          if (value === undefined) return [];
          return [[part, part === 'sha256' ? value.toLowerCase() : value] as const];
        }),
      })) ?? null,
  };
}

/** null: the route asks nothing of its callers. */
export function compileAuthorization(
  config: AuthorizeConfig | undefined,
): CompiledAuthorization | null {
  if (config === undefined) return null;
  const claims = Object.entries(config.claims ?? {}).map(([claim, value]) => {
    return { claim, values: Array.isArray(value) ? [...value] : [value] };
  });
  return { scopes: [...(config.scopes ?? [])], claims };
}

/** null: no keys are made at run time. */
export function compileKeys(config: KeysConfig | undefined): CompiledKeys | null {
  if (config === undefined) return null;
  const { store, file = '' } = config;
  if (store === true) return { kept: 'store', file: '' };
  return { kept: file === '' ? 'memory' : 'file', file };
}

/** null: there is none. */
export function compileTokenService(
  config: TokenServiceConfig | undefined,
): CompiledTokenService | null {
  if (config === undefined) return null;
  const { tokenService } = DEFAULTS;
  return {
    issuer: config.issuer,
    audience: config.audience,
    algorithm: config.algorithm ?? tokenService.algorithm,
    rotateMs: durationMs(config.rotateKeys ?? tokenService.rotateKeys),
    accessTokenMs: durationMs(config.accessTokenLifetime ?? tokenService.accessTokenLifetime),
    refreshTokenMs: durationMs(config.refreshTokenLifetime ?? tokenService.refreshTokenLifetime),
    claims: [...(config.claims ?? [])],
    maxSessions: config.maxSessions ?? tokenService.maxSessions,
    isShared: config.shared ?? tokenService.shared,
  };
}

function keyFile(path: string): string {
  const read = readKeyFile(path);
  return defined('text' in read ? read.text : undefined, 'a checked file');
}

function withoutLineEnd(text: string): string {
  return text.replace(/\r?\n$/, '');
}
