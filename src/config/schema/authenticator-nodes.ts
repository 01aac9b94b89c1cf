/**
 * The schema of authenticators, one kind each, and of what a route asks of its callers.
 *
 * Thread: any (pure). A part of config-schema.ts.
 */
import {
  booleanNode,
  durationNode,
  lengthNode,
  listNode,
  mapNode,
  objectNode,
  oneOrListNode,
  type SchemaNode,
  stringNode,
  textNode,
  unionNode,
} from '../../schema/schema-node.js';
import {
  HEADER_NAME_TEXT,
  TOKEN_PATTERN,
  textShape,
  typedShape,
} from '../../schema/text-shapes.js';
import {
  ALLOW_HTTP_NODE,
  CLAIM_NAME_TEXT,
  CONSUMER_CLAIM_NODE,
  commonNodes,
  NAME_LENGTH,
  SCOPE_TEXT,
  typeNode,
  URL_LENGTH,
} from './authenticator-parts.js';
import { DEFAULTS } from './defaults.js';
import { DPOP_NODES } from './dpop-nodes.js';
import { HMAC_NODE } from './hmac-node.js';
import { HTTP_SIGNATURE_NODE } from './http-signature-node.js';
import { OIDC_NODE } from './oidc-node.js';

const { authenticator: defaults } = DEFAULTS;

/** A star behind it stands for whatever follows. */
const COOKIE_NAME_TEXT = textShape(`^${TOKEN_PATTERN}$`, 'the name of a cookie');

const SHA256_TEXT = textShape('^[0-9A-Fa-f]{64}$', 'a SHA-256 hash in hexadecimal, 64 digits');

/** Names of signature algorithms (RFC 7518 3.1, RFC 8037). */
const ALGORITHMS = [
  ...(['HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512'] as const),
  ...(['PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'] as const),
];

type PlaceName = `${'header' | 'cookie' | 'query' | 'subprotocol'}:${string}`;

const PLACE_TEXT = typedShape<PlaceName>(
  `^(header|cookie|query|subprotocol):${TOKEN_PATTERN}$`,
  'one of "header:NAME", "cookie:NAME", "query:NAME", "subprotocol:PREFIX"',
  "CredentialPlaceName = `${'header' | 'cookie' | 'query' | 'subprotocol'}:${string}`",
);

/** `what` is looked for there. */
function fromNode(what: string, byDefault: string): SchemaNode<readonly PlaceName[]> {
  return listNode(
    `Where ${what} may stand: \`header:NAME\`, \`cookie:NAME\`, \`query:NAME\`, or ` +
      '`subprotocol:PREFIX` of a WebSocket, since pages can set no field there: what follows the ' +
      'prefix, such as `bearer.`, in one of the subprotocols that they offer. The first place ' +
      'that has something counts; two values in one place are refused. The upstream gets ' +
      'neither such cookies, parameters and subprotocols nor such fields, unless ' +
      '`forwardCredentials` is `true`; records hide them. What stands in the query gets into the ' +
      'logs of others and into histories: prefer the others.',
    textNode(PLACE_TEXT),
    { 'x-absent': byDefault, minItems: 1, maxItems: 8, uniqueItems: true },
  );
}

const TOKEN_FROM_NODE = fromNode('the token', '`[header:authorization]`');

const AUDIENCE_NODE = oneOrListNode(
  'What `aud` must be or contain; of several audiences, one of them.',
  lengthNode(NAME_LENGTH.minLength, NAME_LENGTH.maxLength),
  { 'x-absent': '`aud` is not checked', minItems: 1, maxItems: 32, uniqueItems: true },
);
const SCOPES_NODE = listNode(
  'What the holder may do, for `authorize.scopes` of routes.',
  textNode(SCOPE_TEXT),
  { maxItems: 32, uniqueItems: true },
);

const BINDING_NODE = stringNode(
  'Tokens that are bound to a client certificate (`cnf.x5t#S256`, RFC 8705). `verify`: refused ' +
    'when the connection has another certificate, or none. `require`: tokens that are not bound ' +
    'are refused too. `ignore`: the binding means nothing, because a proxy in front ends TLS.',
  { default: defaults.certificateBinding, enum: ['verify', 'require', 'ignore'] },
);

const JWT_NODE = objectNode(
  'JwtAuthenticatorConfig',
  'Bearer tokens that are signed (JWT, RFC 7519). Exactly one of `secret`, `secretFile`, ' +
    '`publicKey`, `publicKeyFile`, `jwksUri`, `discovery` and `tokenService` says where keys ' +
    'come from.',
  {
    type: typeNode('jwt'),
    algorithms: listNode(
      'Signature algorithms that are accepted. A token with any other is refused. A key is used ' +
        'only with algorithms of its own kind.',
      stringNode('', { 'x-typescript': 'SignatureAlgorithm', enum: ALGORITHMS }),
      { minItems: 1, uniqueItems: true },
    ),
    secret: stringNode(
      'The shared secret; its UTF-8 bytes are the key. At least 32 bytes for HS256, 48 for HS384 ' +
        'and 64 for HS512 (RFC 7518 3.2). Best given as a variable: `${JWT_SECRET}`.',
      { minLength: 1, maxLength: 4096, writeOnly: true },
    ),
    secretFile: stringNode(
      'A file that holds the secret. One line end behind it does not count. A relative path ' +
        'begins where the configuration file is.',
      NAME_LENGTH,
    ),
    publicKey: stringNode(
      'A public key or certificate in PEM, or a JWK or JWK set in JSON. RSA needs 2048 bits or ' +
        'more.',
      { minLength: 1, maxLength: 65_536 },
    ),
    publicKeyFile: stringNode(
      'A file that holds such a key. A relative path begins where the configuration file is.',
      NAME_LENGTH,
    ),
    jwksUri: stringNode(
      'Where the issuer publishes its keys (RFC 7517). They are fetched once for all workers, ' +
        'again before `jwksCache` is over, and when a token names a key that is not known. When ' +
        'that fails, the last keys stay in use.',
      URL_LENGTH,
    ),
    discovery: booleanNode(
      'Asks `issuer` where its keys are (OpenID Connect Discovery 1.0).',
      false,
    ),
    tokenService: booleanNode("Takes the keys of this gateway's own token service.", false),
    jwksCache: durationNode(
      'How long fetched keys are kept before they are fetched again.',
      ['10s', '24h'],
      { default: defaults.jwksCache },
    ),
    jwksCooldown: durationNode(
      'Least time between two fetches because of unknown keys.',
      ['1s', '1h'],
      { default: defaults.jwksCooldown },
    ),
    allowHttp: ALLOW_HTTP_NODE,
    issuer: stringNode('What `iss` must be. `discovery` needs it.', {
      'x-absent': '`iss` is not checked',
      ...NAME_LENGTH,
    }),
    audience: AUDIENCE_NODE,
    clockSkew: durationNode(
      'How far the clocks may disagree when `exp` and `nbf` are judged.',
      ['0s', '10m'],
      { default: defaults.clockSkew },
    ),
    requiredClaims: listNode(
      'Claims that must be there, besides `exp`.',
      textNode(CLAIM_NAME_TEXT),
      {
        maxItems: 32,
        uniqueItems: true,
      },
    ),
    consumerClaim: CONSUMER_CLAIM_NODE,
    certificateBinding: BINDING_NODE,
    ...DPOP_NODES,
    from: TOKEN_FROM_NODE,
    ...commonNodes(true),
  },
  'type',
  'algorithms',
);

const API_KEY_NODE = objectNode(
  'ApiKeyAuthenticatorConfig',
  'Keys that callers send in a field of their own.',
  {
    type: typeNode('apiKey'),
    header: stringNode('Name of the field, where `from` does not say more.', {
      ...HEADER_NAME_TEXT,
      default: defaults.apiKeyHeader,
    }),
    from: fromNode('the key', 'the field of `header`'),
    keys: listNode(
      'The keys.',
      objectNode(
        'ApiKeyConfig',
        'One key, of which the configuration knows only a hash.',
        {
          id: stringNode('Who it belongs to: the consumer.', { minLength: 1, maxLength: 256 }),
          sha256: stringNode(
            'SHA-256 of the key in hexadecimal: `printf %s "$KEY" | sha256sum`. The key must be ' +
              'random, of 128 bits or more (`openssl rand -hex 32`): a hash this fast protects ' +
              'nothing that can be guessed.',
            { ...SHA256_TEXT, writeOnly: true },
          ),
          scopes: SCOPES_NODE,
        },
        'id',
        'sha256',
      ),
      { 'x-absent': 'none; needs `managed`', minItems: 1, maxItems: 10_000 },
    ),
    managed: booleanNode(
      'Whether keys that were made for this authenticator at run time (`POST /keys` of the admin ' +
        'listener) are accepted too. Needs `keys` at the top, which says where they are kept.',
      defaults.managed,
    ),
    ...commonNodes(false),
  },
  'type',
);

const BASIC_NODE = objectNode(
  'BasicAuthenticatorConfig',
  'User name and password in each request (RFC 7617). Use it over TLS only.',
  {
    type: typeNode('basic'),
    users: listNode(
      'The users.',
      objectNode(
        'BasicUserConfig',
        'One user.',
        {
          id: stringNode('The user name, which is the consumer. Without a colon.', {
            minLength: 1,
            maxLength: 256,
          }),
          passwordHash: stringNode(
            'What `sluice hash-password` prints: `$scrypt$ln=…,r=…,p=…$…$…`.',
            { minLength: 1, maxLength: 256, writeOnly: true },
          ),
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

const INTROSPECTION_NODE = objectNode(
  'IntrospectionAuthenticatorConfig',
  'Bearer tokens that the server which made them is asked about (RFC 7662).',
  {
    type: typeNode('introspection'),
    url: stringNode('Where to ask.', URL_LENGTH),
    clientId: stringNode('The name under which the gateway asks.', NAME_LENGTH),
    clientSecret: stringNode('The password to that name.', { ...NAME_LENGTH, writeOnly: true }),
    issuer: stringNode('What `iss` must be, if the server says one.', {
      'x-absent': '`iss` is not checked',
      ...NAME_LENGTH,
    }),
    audience: AUDIENCE_NODE,
    timeout: durationNode(
      'How long an answer may take. After that the request is refused with 503.',
      ['10ms', '30s'],
      { default: defaults.introspectionTimeout },
    ),
    cache: durationNode(
      'How long an answer is remembered, at most until `exp`. A token that was taken back may ' +
        'still be accepted for that long.',
      ['0s', '1h'],
      { default: defaults.introspectionCache },
    ),
    allowHttp: ALLOW_HTTP_NODE,
    consumerClaim: CONSUMER_CLAIM_NODE,
    certificateBinding: BINDING_NODE,
    ...DPOP_NODES,
    from: TOKEN_FROM_NODE,
    ...commonNodes(true),
  },
  'type',
  'url',
  'clientId',
  'clientSecret',
);

const FORWARD_NODE = objectNode(
  'ForwardAuthenticatorConfig',
  'Asks a service about each request. 2xx lets the request through, 401 and 3xx mean 401, any ' +
    'other 4xx means 403. Without an answer in time, or with any other one, the request is ' +
    'refused with 503.',
  {
    type: typeNode('forwardAuth'),
    url: stringNode(
      'Where to ask, with GET. X-Forwarded-Method, -Proto, -Host, -Uri (path and query, the path ' +
        'in the spelling that is routed) and -For describe the request.',
      URL_LENGTH,
    ),
    timeout: durationNode(
      'How long an answer may take. After that the request is refused with 503.',
      ['10ms', '30s'],
      { default: defaults.forwardTimeout },
    ),
    requestHeaders: listNode(
      'Fields of the request that the service gets. Services tell browsers, which want a login ' +
        'page, from programs by `accept` and `x-requested-with`.',
      textNode(HEADER_NAME_TEXT),
      { default: defaults.forwardRequestHeaders, maxItems: 32, uniqueItems: true },
    ),
    credentialCookies: listNode(
      'Cookies that can say who calls; a name that ends with `*` stands for all that begin so ' +
        '(`_oauth2_proxy*`). On a route with `anonymous: allow` a request that has other cookies ' +
        'only comes from nobody who is known, and the service is not asked.',
      textNode(COOKIE_NAME_TEXT),
      { 'x-absent': 'any cookie', minItems: 1, maxItems: 16, uniqueItems: true },
    ),
    responseHeaders: listNode(
      'Fields of its answer that the upstream gets. Fields of these names that the client sends ' +
        'are removed.',
      textNode(HEADER_NAME_TEXT),
      { maxItems: 32, uniqueItems: true },
    ),
    clientHeaders: listNode(
      'Fields of its answer that the client gets, whatever the status: `set-cookie` where the ' +
        'service renews its session. When the status is 3xx or 4xx, the client also gets that ' +
        'status, `location`, `set-cookie`, `www-authenticate`, `retry-after`, fields that ' +
        'protect a page, and a body of up to 64 KiB.',
      textNode(HEADER_NAME_TEXT),
      { maxItems: 32, uniqueItems: true },
    ),
    consumerHeader: stringNode('The field of its answer that names the consumer.', {
      'x-absent': 'none, and all callers are one consumer',
      ...HEADER_NAME_TEXT,
    }),
    allowHttp: ALLOW_HTTP_NODE,
    ...commonNodes(true),
  },
  'type',
  'url',
);

/** Parts of a certificate by which a client is known. */
export const CERTIFICATE_NAMES = [
  ...(['spiffeId', 'commonName', 'subject', 'dns', 'uri', 'email', 'sha256'] as const),
];

const CERTIFICATE_NODE = objectNode(
  'CertificateAuthenticatorConfig',
  'Client certificates, which a listener with `tls.clientCertificates` has verified. The claims ' +
    'are `subject`, `issuer`, `serial`, `sha256`, `commonName`, `dns`, `uris`, `emails`, ' +
    '`spiffeId`, `exp` and `sub`, the consumer. `forwardCredentials` says whether the target ' +
    'gets X-Forwarded-Client-Cert.',
  {
    type: typeNode('clientCertificate'),
    consumerFrom: stringNode(
      'The part of the certificate that names the consumer, where `clients` does not. Of several ' +
        'names of one kind the first one counts. A certificate without it is refused.',
      {
        'x-typescript': 'CertificateName',
        enum: CERTIFICATE_NAMES,
        default: defaults.consumerFrom,
      },
    ),
    clients: listNode(
      'The clients that are known, the first one that fits counts.',
      objectNode(
        'CertificateClientConfig',
        'A client, by what its certificate must have: everything that is named here.',
        {
          id: stringNode('The consumer.', { minLength: 1, maxLength: 256 }),
          spiffeId: stringNode('The SPIFFE ID, which is the only URI.', NAME_LENGTH),
          commonName: stringNode('The common name (CN) of the subject.', NAME_LENGTH),
          subject: stringNode('The subject as RFC 4514 writes it: `CN=billing,O=Example`.', {
            ...NAME_LENGTH,
          }),
          dns: stringNode('One of the DNS names.', NAME_LENGTH),
          uri: stringNode('One of the URIs.', NAME_LENGTH),
          email: stringNode('One of the e-mail addresses.', NAME_LENGTH),
          sha256: stringNode('SHA-256 of the certificate (DER) in hexadecimal.', SHA256_TEXT),
          scopes: SCOPES_NODE,
        },
        'id',
      ),
      { 'x-absent': 'everybody whose certificate was verified', minItems: 1, maxItems: 10_000 },
    ),
    ...commonNodes(true),
  },
  'type',
);

/** One entry of `authenticators`. */
export const AUTHENTICATOR_NODE = unionNode(
  'AuthenticatorConfig',
  'A way to find out who calls.',
  'type',
  [
    JWT_NODE,
    API_KEY_NODE,
    BASIC_NODE,
    INTROSPECTION_NODE,
    FORWARD_NODE,
    CERTIFICATE_NODE,
    OIDC_NODE,
    HMAC_NODE,
    HTTP_SIGNATURE_NODE,
  ],
);

const CLAIM_VALUE: SchemaNode<string | number | boolean> = {
  'x-typescript': 'ClaimValue = string | number | boolean',
  type: ['string', 'integer', 'boolean'],
  maxLength: 1024,
  minimum: -1e9,
  maximum: 1e9,
};

/** `authorize` of a route. */
export const AUTHORIZE_NODE = objectNode(
  'AuthorizeConfig',
  'What the caller must be allowed to do; others get 403. Needs `authenticate`.',
  {
    scopes: listNode(
      'Scopes that the caller must all have (`scope` or `scp` of a token).',
      textNode(SCOPE_TEXT),
      { minItems: 1, maxItems: 32, uniqueItems: true },
    ),
    claims: mapNode(
      'Claims and what each must be, or must contain if it is a list. Of several values any one ' +
        'is enough. A claim inside another is named with dots.',
      oneOrListNode('', CLAIM_VALUE, { minItems: 1, maxItems: 64 }),
      { propertyNames: textNode(CLAIM_NAME_TEXT), minProperties: 1, maxProperties: 32 },
    ),
  },
);

/** An id of a name that is used elsewhere in the configuration. */
export const USED_NAME = lengthNode(1, 64);
