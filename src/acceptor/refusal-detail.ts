/**
 * What a client is told about a request that the guard has refused: what was wrong, so that its
 * developer can correct it. No value of the request is repeated.
 *
 * Thread: acceptor.
 */
import { PROBLEMS, type ProblemKind } from '../base/problems.js';

const DETAILS: ReadonlyMap<ProblemKind, string> = new Map([
  [PROBLEMS.badMethod, 'The method is not a token of up to 32 characters (RFC 9110 9.1).'],
  [PROBLEMS.unknownMethod, 'CONNECT is not taken: this gateway opens no tunnels.'],
  [
    PROBLEMS.badRequestLine,
    'The request does not begin with METHOD TARGET HTTP/1.1, one space between them (RFC 9112 3).',
  ],
  [PROBLEMS.badVersion, 'The versions that are taken are HTTP/1.1 and HTTP/1.0 (RFC 9112 2.3).'],
  [PROBLEMS.badTarget, 'The target is not a path with a query (RFC 3986): see its characters.'],
  [
    PROBLEMS.badHost,
    'There must be one Host field, with a host and a port or none (RFC 9112 3.2).',
  ],
  [PROBLEMS.misdirected, 'This host has a certificate of its own: open a connection for it.'],
  [PROBLEMS.httpsRequired, 'Ask for this by https.'],
  [PROBLEMS.badField, 'A field has a character that its name or value may not have (RFC 9110 5).'],
  [PROBLEMS.badLength, 'Content-Length is not one decimal number (RFC 9110 8.6).'],
  [
    PROBLEMS.badFraming,
    'Content-Length and Transfer-Encoding leave open where the body ends (RFC 9112 6.3).',
  ],
  [
    PROBLEMS.badChunk,
    'The chunks or the trailer fields of the body are malformed or too long (RFC 9112 7.1).',
  ],
  [
    PROBLEMS.expectationFailed,
    'The only expectation that is met is 100-continue (RFC 9110 10.1.1).',
  ],
  [PROBLEMS.bodyNotAllowed, 'This request may have no body here.'],
  [
    PROBLEMS.lengthRequired,
    'The gateway takes no chunked bodies; send Content-Length (RFC 9112 6.3).',
  ],
  [
    PROBLEMS.upgradeUnsupported,
    'This listener does not speak WebSocket (`engine: uws`); send requests without Upgrade.',
  ],
  [
    PROBLEMS.badHandshake,
    'A handshake is a GET without a body, with Connection: Upgrade and Upgrade: websocket ' +
      '(RFC 6455 4.1).',
  ],
  [PROBLEMS.unknownCoding, 'The only transfer coding that is taken is chunked.'],
  [
    PROBLEMS.targetTooLong,
    'The target, with its query, has more bytes than limits.headerBytes: send the data in a body.',
  ],
  [
    PROBLEMS.headTooLarge,
    'The head has too many fields (limits.headerFields), or more bytes than limits.headerBytes.',
  ],
  [PROBLEMS.requestTimeout, 'The request did not come in time.'],
  [PROBLEMS.bodyTooLarge, 'The body is longer than limits.bodyBytes.'],
]);

export function refusalDetail(kind: ProblemKind): string {
  return DETAILS.get(kind) ?? 'The request was refused.';
}
