/**
 * The schema of a login in the browser (OpenID Connect), and of the route that serves it.
 *
 * Thread: any (pure). A part of config-schema.ts.
 */
import {
  booleanNode,
  durationNode,
  listNode,
  mapNode,
  objectNode,
  stringNode,
  textNode,
} from '../../schema/schema-node.js';
import { HEADER_NAME_TEXT, textShape } from '../../schema/text-shapes.js';
import {
  ALLOW_HTTP_NODE,
  CONSUMER_CLAIM_NODE,
  commonNodes,
  NAME_LENGTH,
  SCOPE_TEXT,
  typeNode,
  URL_LENGTH,
} from './authenticator-parts.js';
import { DEFAULTS } from './defaults.js';

const { oidc: defaults } = DEFAULTS;

/** No query, no segment that is a step up, nothing that a browser takes for another host. */
const OWN_PATH_TEXT = textShape(
  "^/(?!/)(?!.*(/\\.\\.?(/|$)|//))[A-Za-z0-9._~!$&'()*+,;=:@/-]{0,255}$",
  'a path of this gateway without query and escapes, such as "/login/callback"',
);
const COOKIE_NAME_TEXT = textShape('^[A-Za-z0-9_-]{1,40}$', 'a name of letters, digits, _ and -');
const ORIGIN_TEXT = textShape(
  '^https?://[0-9A-Za-z.:\\[\\]-]{1,255}$',
  'scheme, host and port without a path, such as "https://app.example"',
);

const SECRET = { minLength: 32, maxLength: 1024, writeOnly: true };

const SESSION_NODE = objectNode(
  'OidcSessionConfig',
  'How callers stay known once they have logged in.',
  {
    secret: stringNode(
      'What cookies are encrypted with (AES-256-GCM): at least 32 characters, random (`openssl ' +
        'rand -hex 32`), the same on all gateways.',
      SECRET,
    ),
    previousSecrets: listNode(
      'Earlier secrets, whose cookies are still good. To change the secret without ending ' +
        'sessions put the old one here for as long as `lifetime`.',
      stringNode('', SECRET),
      { maxItems: 4 },
    ),
    store: booleanNode(
      'Whether sessions are kept in the `store` that gateways share, sealed with its secret: the ' +
        'cookie holds no more than a random name, and a logout ends a session for good. Without ' +
        'the store nobody with such a session is let in (503).',
      defaults.store,
    ),
    cookie: stringNode(
      'Name of the cookie. Over https it gets the prefix `__Host-`. A session above 3.6 KB takes ' +
        'up to three cookies: NAME, NAME.1 and NAME.2.',
      { 'x-absent': '`sluice-` and the name of the authenticator', ...COOKIE_NAME_TEXT },
    ),
    idle: durationNode('How long a session lasts without a request.', ['1m', '30d'], {
      default: defaults.idle,
    }),
    lifetime: durationNode(
      'How long it lasts at most: then the provider is asked again who calls.',
      ['1m', '90d'],
      { default: defaults.lifetime },
    ),
  },
  'secret',
);

export const OIDC_NODE = objectNode(
  'OidcAuthenticatorConfig',
  'Login in a browser at an OpenID provider (authorization code with PKCE). Browsers that ask ' +
    'for a page are sent to the provider and come back to that page; everybody else gets 401. A ' +
    'route with `login` serves the paths of this authenticator.',
  {
    type: typeNode('oidc'),
    issuer: stringNode(
      'The provider. Its endpoints and keys are found by discovery (OpenID Connect Discovery 1.0).',
      URL_LENGTH,
    ),
    clientId: stringNode('The name under which the provider knows this gateway.', NAME_LENGTH),
    clientSecret: stringNode('The password to that name.', {
      'x-absent': 'a public client, which has PKCE only',
      ...NAME_LENGTH,
      writeOnly: true,
    }),
    clientAuthentication: stringNode('How the provider gets that password.', {
      default: defaults.clientAuthentication,
      enum: ['basic', 'post'],
    }),
    scopes: listNode(
      'What is asked for besides `openid`. With `offline_access` most providers give a refresh ' +
        'token, by which sessions are renewed and users who were locked out are found.',
      textNode(SCOPE_TEXT),
      { maxItems: 32, uniqueItems: true },
    ),
    parameters: mapNode(
      'Further parameters of the request to the provider: `prompt`, `acr_values`, `audience`, ' +
        '`resource` and the like.',
      stringNode('', { minLength: 1, maxLength: 1024 }),
      {
        propertyNames: textNode(textShape('^[A-Za-z0-9_.-]{1,64}$', 'the name of a parameter')),
        maxProperties: 16,
      },
    ),
    origin: stringNode('How browsers call this gateway. The provider sends them back there.', {
      'x-absent': 'scheme and host of each request',
      ...ORIGIN_TEXT,
    }),
    redirectPath: stringNode(
      'Where the provider sends browsers back to. With the origin it is the redirect URI to ' +
        'register there.',
      { default: defaults.redirectPath, ...OWN_PATH_TEXT },
    ),
    logoutPath: stringNode(
      'Where a session ends: with POST from a page of the same origin, or with GET by a link on ' +
        'one. Links elsewhere get a page that asks first.',
      { default: defaults.logoutPath, ...OWN_PATH_TEXT },
    ),
    backchannelLogoutPath: stringNode(
      'Where the provider says that a session has ended (OpenID Connect Back-Channel Logout 1.0).',
      { 'x-absent': 'it cannot', ...OWN_PATH_TEXT },
    ),
    afterLogout: stringNode(
      'Where browsers go after a logout; the provider must know it (post logout redirect URI).',
      { default: defaults.afterLogout, ...OWN_PATH_TEXT },
    ),
    session: SESSION_NODE,
    accessTokenHeader: stringNode(
      'Field in which the upstream gets the access token of the session: after `Bearer` in ' +
        '`authorization`, as it is in any other.',
      { 'x-absent': 'it gets none', ...HEADER_NAME_TEXT },
    ),
    consumerClaim: CONSUMER_CLAIM_NODE,
    clockSkew: durationNode(
      'How far the clocks of the provider and the gateway may disagree.',
      ['0s', '10m'],
      { default: DEFAULTS.authenticator.clockSkew },
    ),
    timeout: durationNode('How long an answer of the provider may take.', ['100ms', '30s'], {
      default: defaults.timeout,
    }),
    allowHttp: ALLOW_HTTP_NODE,
    ...commonNodes(false),
  },
  'type',
  'issuer',
  'clientId',
  'session',
);

/** `login` of a route. */
export const LOGIN_NODE = stringNode(
  'Name of an authenticator of type `oidc`: the route answers its `redirectPath`, `logoutPath` ' +
    'and `backchannelLogoutPath`, all of which `match.path` must cover.',
  { minLength: 1, maxLength: 64 },
);
