/**
 * The schema of `websocket` of a route.
 *
 * Thread: any (pure). A part of config-schema.ts.
 */
import {
  booleanNode,
  durationNode,
  integerNode,
  listNode,
  objectNode,
  sizeNode,
  switchNode,
  textNode,
} from '../../schema/schema-node.js';
import { TOKEN_PATTERN, textShape } from '../../schema/text-shapes.js';
import { DEFAULTS } from './defaults.js';

const ORIGIN_TEXT = textShape(
  '^(\\*|https?://[a-z0-9.-]+(:[0-9]{1,5})?)$',
  'an origin in lower case such as "https://app.example", or "*"',
);

const SUBPROTOCOL_TEXT = textShape(`^${TOKEN_PATTERN}$`, 'a token');

const MESSAGES_NODE = objectNode(
  'WebSocketMessagesConfig',
  'How many messages a client may send: `limit` at once, and as many again in each window.',
  {
    limit: integerNode('Messages, pings and pongs.', [1, 1_000_000]),
    window: durationNode('In which as many may come again.', ['100ms', '1h']),
  },
  'limit',
  'window',
);

export const WEBSOCKET_NODE = switchNode(
  'WebSockets to the upstream: `true` lets them pass, `false` refuses every handshake, an ' +
    'object says more. What the two ends say goes on unchanged. For routes with an upstream.',
  objectNode('WebSocketConfig', 'What is asked of WebSockets.', {
    origins: listNode(
      'Pages that may open one, by the Origin field; `*`: all. Who sends no Origin is no page.',
      textNode(ORIGIN_TEXT),
      {
        'x-absent':
          'pages of the same host where credentials may stand in a cookie; else all of them',
        minItems: 1,
        maxItems: 256,
        uniqueItems: true,
      },
    ),
    subprotocols: listNode(
      'Subprotocols that clients may offer. A handshake with none, or with another one, is ' +
        'refused.',
      textNode(SUBPROTOCOL_TEXT),
      { 'x-absent': 'any, and none', minItems: 1, maxItems: 64, uniqueItems: true },
    ),
    messageBytes: sizeNode(
      'Largest message of a client, as it is sent: with permessage-deflate that is the ' +
        'compressed size. A larger one ends the socket with 1009.',
      ['1KiB', '512MiB'],
      { 'x-absent': 'no such limit' },
    ),
    messages: MESSAGES_NODE,
    closeAtTokenExpiry: booleanNode(
      'Whether a socket ends when the credentials that it was opened with expire (`exp` of a ' +
        'token or of an introspection), and when their session is revoked at the token service.',
      DEFAULTS.websocket.closeAtTokenExpiry,
    ),
    expiryCode: integerNode('Code of the Close at that time.', [3000, 4999], {
      default: DEFAULTS.websocket.expiryCode,
    }),
    idle: durationNode(
      'A socket through which nothing came in either direction for so long is closed with 1001.',
      ['1s', '24h'],
      { default: DEFAULTS.websocket.idle },
    ),
    maxLifetime: durationNode('A socket is closed with 1001 after this time.', ['1s', '30d'], {
      'x-absent': 'no such limit',
    }),
    pingInterval: durationNode(
      'The gateway sends pings to both ends so often. A client that sends nothing for three of ' +
        'them is closed with 1001.',
      ['1s', '1h'],
      { 'x-absent': 'no pings' },
    ),
  }),
  { default: DEFAULTS.websocket.isOn },
);
