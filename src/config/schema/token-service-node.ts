/**
 * The schema of the token service, and of what a route does for it.
 *
 * Thread: any (pure). A part of config-schema.ts.
 */
import {
  booleanNode,
  durationNode,
  integerNode,
  listNode,
  objectNode,
  stringNode,
  textNode,
} from '../../schema/schema-node.js';
import { CLAIM_NAME_TEXT, NAME_LENGTH } from './authenticator-parts.js';
import { DEFAULTS } from './defaults.js';

const { tokenService: defaults } = DEFAULTS;

/** `tokenService` of the whole gateway. */
export const TOKEN_SERVICE_NODE = objectNode(
  'TokenServiceConfig',
  'Makes tokens for callers that an authenticator has let in, and takes them back. Routes with ' +
    '`tokenService` say where; an authenticator with `tokenService: true` accepts the tokens. ' +
    'Keys and sessions are kept in memory, and a restart ends all of them, unless they are ' +
    '`shared`.',
  {
    issuer: stringNode('`iss` of the tokens.', NAME_LENGTH),
    audience: stringNode('`aud` of the tokens.', NAME_LENGTH),
    algorithm: stringNode('How tokens are signed.', {
      default: defaults.algorithm,
      enum: ['ES256', 'ES384', 'EdDSA', 'RS256', 'PS256'],
    }),
    rotateKeys: durationNode(
      'How long one key signs. It verifies until its last token ends.',
      ['1m', '500h'],
      { default: defaults.rotateKeys },
    ),
    accessTokenLifetime: durationNode('How long an access token is valid.', ['10s', '24h'], {
      default: defaults.accessTokenLifetime,
    }),
    refreshTokenLifetime: durationNode(
      'How long a session can be refreshed, from its beginning.',
      ['1m', '8760h'],
      { default: defaults.refreshTokenLifetime },
    ),
    claims: listNode(
      'Claims of the caller that its tokens carry too, besides `sub` and `scope`.',
      textNode(CLAIM_NAME_TEXT),
      { maxItems: 32, uniqueItems: true },
    ),
    shared: booleanNode(
      'Whether keys and sessions are kept in the `store`, sealed with its `secret`: then all ' +
        'gateways that share it are one token service, and a restart ends nothing.',
      defaults.shared,
    ),
    maxSessions: integerNode(
      'Sessions at once, about 500 bytes each. Further ones are refused with 503.',
      [16, 1_000_000],
      { default: defaults.maxSessions },
    ),
  },
  'issuer',
  'audience',
);

/** `keys` of the whole gateway. */
export const KEYS_NODE = objectNode(
  'KeysConfig',
  'Where API keys are kept that are made at run time, over the admin listener, for ' +
    'authenticators with `managed`. One of `store`, `file` and `memory`. Only hashes of keys ' +
    'are kept.',
  {
    store: booleanNode(
      'In the `store`, sealed with its `secret`: all gateways that share it accept the same keys.',
      false,
    ),
    file: stringNode(
      'In this file, which the gateway replaces at each change. No other process may write to it.',
      { 'x-absent': 'in no file', minLength: 1, maxLength: 1024 },
    ),
    memory: booleanNode('In the memory of the process: a restart ends all keys.', false),
  },
);

/** `tokenService` of a route. */
export const TOKEN_ENDPOINT_NODE = stringNode(
  'What the token service does here, in place of an upstream. `issue` (POST, needs ' +
    '`authenticate`): an access and a refresh token for the caller. `refresh` (POST): new ones ' +
    'for a refresh token, which is valid once; if it comes again its session ends. `revoke` ' +
    '(POST, RFC 7009): ends the session of a token. `keys` (GET): the key set that verifies ' +
    'access tokens (RFC 7517).',
  { 'x-typescript': 'TokenEndpoint', enum: ['issue', 'refresh', 'revoke', 'keys'] },
);
