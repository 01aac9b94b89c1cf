/**
 * Judges the handshake of a WebSocket before anybody else does: form, version, page, subprotocol.
 *
 * Thread: worker. RFC 6455 4.2.1, 4.2.2 and 10.2. The engine has judged what belongs to its version
 * of HTTP: that a tunnel is asked for at all.
 */
import { field, joinFields, NO_FIELDS } from '../../base/field-block.js';
import { PROBLEMS } from '../../base/problems.js';
import { PROTOCOL_HTTP_2 } from '../../channel/records/request-head.js';
import type { CompiledRoute } from '../../config/compiled-config.js';
import type { CompiledWebSocket } from '../../config/compiled-websocket.js';
import { type LocalReply, refusal } from '../../filters/local-reply.js';
import { tokensOf } from '../../wire/http1/token-list.js';
import { isHandshakeKey, WEBSOCKET_VERSION } from '../../wire/websocket/handshake.js';
import type { RequestHead } from '../exchange/request-head.js';
import type { HiddenCredentials } from '../route/hidden-credentials.js';
import { subprotocolsOf } from './subprotocols.js';

/** What holds on a route of which the configuration says nothing. */
export const DEFAULT_WEBSOCKET: CompiledWebSocket = {
  isOn: true,
  origins: 'any',
  subprotocols: [],
  messageBytes: 0,
  messages: null,
  tokenExpiryCode: 0,
  idleMs: 600_000,
  maxLifetimeMs: 0,
  pingIntervalMs: 0,
};

/** What holds for WebSockets on this route. */
export function webSocketRulesOf({
  websocket,
}: Pick<CompiledRoute, 'websocket'>): CompiledWebSocket {
  return websocket ?? DEFAULT_WEBSOCKET;
}

/** Of those that a client may write in Upgrade and Connection (RFC 9110 15.5.22). */
const UPGRADE_FIELDS = joinFields(field('Upgrade', 'websocket'), field('Connection', 'Upgrade'));
const VERSION_FIELD = field('Sec-WebSocket-Version', WEBSOCKET_VERSION);

const OFF = refusal(
  PROBLEMS.webSocketDenied,
  'This route takes no WebSocket (`websocket: false`).',
);
const FOREIGN_PAGE = refusal(
  PROBLEMS.webSocketDenied,
  'Pages of this origin may not open a WebSocket here (`websocket.origins`).',
);
const NO_SUBPROTOCOL = refusal(
  PROBLEMS.webSocketDenied,
  'Sec-WebSocket-Protocol names nothing that this route takes (`websocket.subprotocols`).',
);
const BAD_KEY = refusal(
  PROBLEMS.badHandshake,
  'Sec-WebSocket-Key must be there once, with 16 bytes in base64 (RFC 6455 4.1).',
);

/**
 * null: the handshake may go on. Else what the client gets. `hides`: of what is offered these are
 * no subprotocols, but credentials.
 */
export function judgeHandshake(
  head: Readonly<RequestHead>,
  rules: CompiledWebSocket,
  hides: HiddenCredentials | null,
): LocalReply | null {
  if (!rules.isOn) return OFF;
  const { fields, protocol } = head;
  const [version = '', ...versions] = fields.values('sec-websocket-version');
  if (version !== WEBSOCKET_VERSION || versions.length > 0) return otherVersion(protocol);
  if (protocol !== PROTOCOL_HTTP_2) {
    const keys = fields.values('sec-websocket-key');
    if (keys.length !== 1 || !isHandshakeKey(keys[0] ?? '')) return BAD_KEY;
  }
  if (tokensOf(fields.connection).some((name) => name.startsWith('sec-websocket-'))) return BAD_KEY;
  if (!isOriginIn(head, rules.origins)) return FOREIGN_PAGE;
  if (rules.subprotocols.length === 0) return null;
  const prefixes = hides?.subprotocols ?? [];
  const offered = subprotocolsOf(fields).filter(
    (name) => !prefixes.some((prefix) => name.startsWith(prefix)),
  );
  const isKnown = offered.every((name) => rules.subprotocols.includes(name));
  return isKnown && offered.length > 0 ? null : NO_SUBPROTOCOL;
}

function otherVersion(protocol: number): LocalReply {
  const upgrade = protocol === PROTOCOL_HTTP_2 ? NO_FIELDS : UPGRADE_FIELDS;
  return refusal(PROBLEMS.handshakeVersion, 'The version of WebSocket that is taken is 13.', {
    fields: joinFields(VERSION_FIELD, upgrade),
  });
}

/** Who is no page sends no Origin, and could send any. */
function isOriginIn(
  { fields, clientScheme }: Readonly<RequestHead>,
  origins: CompiledWebSocket['origins'],
): boolean {
  if (origins === 'any') return true;
  const sent = fields.values('origin');
  const [origin = ''] = sent;
  if (sent.length === 0) return true;
  if (sent.length > 1) return false;
  const known = origins === 'sameHost' ? [`${clientScheme}://${fields.host}`] : origins;
  return known.includes(origin.toLowerCase());
}
