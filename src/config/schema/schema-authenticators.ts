/**
 * The JSON Schema of authenticators, one kind each, and of what a route asks of its callers.
 *
 * Thread: any (pure). A part of schema.ts, which puts it into the whole.
 */
import type {
  ApiKeyAuthenticatorConfig,
  ApiKeyConfig,
  AuthorizeConfig,
  BasicAuthenticatorConfig,
  BasicUserConfig,
  ForwardAuthenticatorConfig,
  IntrospectionAuthenticatorConfig,
  JwtAuthenticatorConfig,
  SignatureAlgorithm,
} from '../authenticator-config.js';
import { DEFAULTS } from '../defaults.js';
import type { TokenServiceConfig } from '../token-service-config.js';
import {
  booleanNode,
  CLAIM_NAME_PATTERN,
  durationNode,
  HEADER_NAME_PATTERN,
  integerNode,
  listNode,
  mapNode,
  objectNode,
  SCOPE_PATTERN,
  type SchemaNode,
  SHA256_PATTERN,
  stringNode,
  unionNode,
} from './schema-node.js';

const { authenticator: defaults } = DEFAULTS;

const HEADER_NAME: SchemaNode = { type: 'string', pattern: HEADER_NAME_PATTERN };
const CLAIM_NAME: SchemaNode = { type: 'string', pattern: CLAIM_NAME_PATTERN };
const SCOPES = { type: 'string', pattern: SCOPE_PATTERN } as const;
const URL_LENGTH = { minLength: 1, maxLength: 2048 };
const NAME_LENGTH = { minLength: 1, maxLength: 1024 };

const ALGORITHMS: readonly SignatureAlgorithm[] = [
  ...(['HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512'] as const),
  ...(['PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'] as const),
];

function typeNode(type: string): SchemaNode {
  return stringNode('Kind of authenticator.', { enum: [type] });
}

/** What every kind has. */
function commonNodes(forwardsCredentials: boolean) {
  return {
    claimHeaders: mapNode(
      'Fields that the upstream gets, by the claim that each holds. Printable ASCII but % stands ' +
        "as it is, all else percent-encoded. The client's own fields of these names are removed.",
      CLAIM_NAME,
      { type: 'object', propertyNames: HEADER_NAME, maxProperties: 32 },
    ),
    forwardCredentials: booleanNode(
      'Whether the upstream gets the credentials too.',
      forwardsCredentials,
    ),
  };
}

const ISSUER_NODE = stringNode('What iss must be. Absent: not checked.', NAME_LENGTH);
const AUDIENCE_NODE = stringNode('What aud must be or contain. Absent: not checked.', NAME_LENGTH);
const CONSUMER_CLAIM_NODE = stringNode('The claim that names the consumer.', {
  pattern: CLAIM_NAME_PATTERN,
  default: defaults.consumerClaim,
});
const ALLOW_HTTP_NODE = booleanNode('Allows http:// beyond this machine.', false);
const SCOPES_NODE = listNode('What the holder may do.', SCOPES, {
  maxItems: 32,
  uniqueItems: true,
});

const JWT_NODE = objectNode<JwtAuthenticatorConfig>(
  'Bearer tokens that are signed (JWT). Exactly one of secret, secretFile, publicKey, ' +
    'publicKeyFile, jwksUri, discovery and tokenService says where keys come from.',
  {
    type: typeNode('jwt'),
    algorithms: listNode(
      'Signature algorithms that are accepted.',
      { type: 'string', enum: ALGORITHMS },
      { minItems: 1, uniqueItems: true },
    ),
    secret: stringNode(
      'The shared secret: at least 32 bytes for HS256, 48 for HS384, 64 for HS512 (RFC 7518 3.2).',
      { minLength: 1, maxLength: 4096, writeOnly: true },
    ),
    secretFile: stringNode('A file that holds the secret.', NAME_LENGTH),
    publicKey: stringNode('A public key or certificate in PEM, or a JWK or JWK set in JSON.', {
      minLength: 1,
      maxLength: 65_536,
    }),
    publicKeyFile: stringNode('A file that holds such a key.', NAME_LENGTH),
    jwksUri: stringNode('Where the issuer publishes its keys (RFC 7517).', URL_LENGTH),
    discovery: booleanNode('Asks issuer where its keys are (OpenID Connect Discovery).', false),
    tokenService: booleanNode("Keys of this gateway's own token service.", false),
    jwksCache: durationNode('How long fetched keys are kept.', ['10s', '24h'], {
      default: defaults.jwksCache,
    }),
    jwksCooldown: durationNode(
      'Least time between two fetches because of unknown keys.',
      ['1s', '1h'],
      { default: defaults.jwksCooldown },
    ),
    allowHttp: ALLOW_HTTP_NODE,
    issuer: ISSUER_NODE,
    audience: AUDIENCE_NODE,
    clockSkew: durationNode(
      'How far the clocks may disagree when exp and nbf are judged.',
      ['0s', '10m'],
      { default: defaults.clockSkew },
    ),
    requiredClaims: listNode('Claims that must be there, besides exp.', CLAIM_NAME, {
      maxItems: 32,
      uniqueItems: true,
    }),
    consumerClaim: CONSUMER_CLAIM_NODE,
    ...commonNodes(true),
  },
  'type',
  'algorithms',
);

const API_KEY_NODE = objectNode<ApiKeyAuthenticatorConfig>(
  'Keys that callers send in a field of their own.',
  {
    type: typeNode('apiKey'),
    header: stringNode('Name of the field.', {
      pattern: HEADER_NAME_PATTERN,
      default: defaults.apiKeyHeader,
    }),
    keys: listNode(
      'The keys.',
      objectNode<ApiKeyConfig>(
        'One key, of which the configuration knows only a hash.',
        {
          id: stringNode('Who it belongs to: the consumer.', { minLength: 1, maxLength: 256 }),
          sha256: stringNode('SHA-256 of the key in hexadecimal; the key must be random.', {
            pattern: SHA256_PATTERN,
            writeOnly: true,
          }),
          scopes: SCOPES_NODE,
        },
        'id',
        'sha256',
      ),
      { minItems: 1, maxItems: 10_000 },
    ),
    ...commonNodes(false),
  },
  'type',
  'keys',
);

const BASIC_NODE = objectNode<BasicAuthenticatorConfig>(
  'User name and password in each request (RFC 7617). Use it over TLS only.',
  {
    type: typeNode('basic'),
    users: listNode(
      'The users.',
      objectNode<BasicUserConfig>(
        'One user.',
        {
          id: stringNode('The user name: the consumer. Without a colon.', {
            minLength: 1,
            maxLength: 256,
          }),
          passwordHash: stringNode('What `sluice hash-password` prints.', {
            minLength: 1,
            maxLength: 256,
            writeOnly: true,
          }),
          scopes: SCOPES_NODE,
        },
        'id',
        'passwordHash',
      ),
      { minItems: 1, maxItems: 10_000 },
    ),
    ...commonNodes(false),
  },
  'type',
  'users',
);

const INTROSPECTION_NODE = objectNode<IntrospectionAuthenticatorConfig>(
  'Bearer tokens that the server which made them is asked about (RFC 7662).',
  {
    type: typeNode('introspection'),
    url: stringNode('Where to ask.', URL_LENGTH),
    clientId: stringNode('By what name the gateway asks.', NAME_LENGTH),
    clientSecret: stringNode('The password to that name.', { ...NAME_LENGTH, writeOnly: true }),
    issuer: ISSUER_NODE,
    audience: AUDIENCE_NODE,
    timeout: durationNode('How long an answer may take. Later: 503.', ['10ms', '30s'], {
      default: defaults.introspectionTimeout,
    }),
    cache: durationNode('How long an answer is remembered, at most until exp.', ['0s', '1h'], {
      default: defaults.introspectionCache,
    }),
    allowHttp: ALLOW_HTTP_NODE,
    consumerClaim: CONSUMER_CLAIM_NODE,
    ...commonNodes(true),
  },
  'type',
  'url',
  'clientId',
  'clientSecret',
);

const FORWARD_NODE = objectNode<ForwardAuthenticatorConfig>(
  'Asks a service about each request: 2xx lets it through, 401 and 3xx mean 401, any other 4xx ' +
    'means 403, everything else 503.',
  {
    type: typeNode('forwardAuth'),
    url: stringNode('Where to ask, with GET.', URL_LENGTH),
    timeout: durationNode('How long an answer may take. Later: 503.', ['10ms', '30s'], {
      default: defaults.forwardTimeout,
    }),
    requestHeaders: listNode('Fields of the request that the service gets.', HEADER_NAME, {
      default: defaults.forwardRequestHeaders,
      maxItems: 32,
      uniqueItems: true,
    }),
    responseHeaders: listNode('Fields of its answer that the upstream gets.', HEADER_NAME, {
      maxItems: 32,
      uniqueItems: true,
    }),
    consumerHeader: stringNode('The field of its answer that names the consumer.', {
      pattern: HEADER_NAME_PATTERN,
    }),
    allowHttp: ALLOW_HTTP_NODE,
    ...commonNodes(true),
  },
  'type',
  'url',
);

/** One entry of `authenticators`. */
export const AUTHENTICATOR_NODE: SchemaNode = unionNode('A way to find out who calls.', 'type', [
  JWT_NODE,
  API_KEY_NODE,
  BASIC_NODE,
  INTROSPECTION_NODE,
  FORWARD_NODE,
]);

/** `tokenService` of the whole gateway. */
export const TOKEN_SERVICE_NODE = objectNode<TokenServiceConfig>(
  'Makes tokens for callers that an authenticator has let in, and takes them back.',
  {
    issuer: stringNode('iss of the tokens.', NAME_LENGTH),
    audience: stringNode('aud of the tokens.', NAME_LENGTH),
    algorithm: stringNode('How tokens are signed.', {
      default: DEFAULTS.tokenService.algorithm,
      enum: ['ES256', 'ES384', 'EdDSA', 'RS256', 'PS256'],
    }),
    rotateKeys: durationNode('How long one key signs.', ['1m', '500h'], {
      default: DEFAULTS.tokenService.rotateKeys,
    }),
    accessTokenLifetime: durationNode('How long an access token is good.', ['10s', '24h'], {
      default: DEFAULTS.tokenService.accessTokenLifetime,
    }),
    refreshTokenLifetime: durationNode(
      'How long a session can be refreshed, from its beginning.',
      ['1m', '8760h'],
      { default: DEFAULTS.tokenService.refreshTokenLifetime },
    ),
    claims: listNode('Claims of the caller that its tokens carry too.', CLAIM_NAME, {
      maxItems: 32,
      uniqueItems: true,
    }),
    maxSessions: integerNode('Sessions at once. More: 503.', [16, 1_000_000], {
      default: DEFAULTS.tokenService.maxSessions,
    }),
  },
  'issuer',
  'audience',
);

const CLAIM_VALUE_TYPES = ['string', 'integer', 'boolean'];
const CLAIM_VALUE_BOUNDS = { maxLength: 1024, minimum: -1e9, maximum: 1e9 };

/** `authorize` of a route. */
export const AUTHORIZE_NODE = objectNode<AuthorizeConfig>(
  'What the caller must be allowed to do; else 403.',
  {
    scopes: listNode('Scopes that the caller must all have.', SCOPES, {
      minItems: 1,
      maxItems: 32,
      uniqueItems: true,
    }),
    claims: mapNode(
      'Claims and what each must be, or contain; several values: any of them.',
      {
        type: [...CLAIM_VALUE_TYPES, 'array'],
        ...CLAIM_VALUE_BOUNDS,
        minItems: 1,
        maxItems: 64,
        items: { type: CLAIM_VALUE_TYPES, ...CLAIM_VALUE_BOUNDS },
      },
      { type: 'object', propertyNames: CLAIM_NAME, minProperties: 1, maxProperties: 32 },
    ),
  },
);
