/**
 * Writes requests in HTTP/1.1, as text in latin-1.
 *
 * Thread: any (pure). Nothing is escaped: method, target and fields have passed the parser of
 * requests, or the schema of the configuration.
 */
import type { FieldBlock } from '../../base/field-block.js';
import { METHODS_WITH_CONTENT } from '../../base/http-method.js';

export const LINE_END = '\r\n';
/** What stands between the value of Host and the fields of a request: the connection is kept. */
export const BEHIND_HOST = `${LINE_END}connection: keep-alive\r\n`;
/** The end of each piece of a chunked body. */
export const CHUNK_END = '\r\n';

// Hot path: once for every request to a target; bench/micro/worker/upstream-transport watches it.
/** The request line, Host and Connection. */
export function requestStart(method: string, path: string, host: string): string {
  return requestLine(method, path) + host + BEHIND_HOST;
}

/** The request line, and Host up to its value. */
export function requestLine(method: string, path: string): string {
  return `${method} ${path} HTTP/1.1\r\nhost: `;
}

/** The same of a handshake for a WebSocket (RFC 6455 4.1). `key`: of Sec-WebSocket-Key. */
export function handshakeStart(path: string, host: string, key: string): string {
  return (
    `GET ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n` +
    `sec-websocket-key: ${key}\r\n`
  );
}

/** Lines of the first `count` items of a list of names and values in turn. */
export function fieldLines(list: readonly string[], count: number): string {
  let lines = '';
  for (let at = 0; at + 1 < count; at += 2) lines += `${list[at]}: ${list[at + 1]}\r\n`;
  return lines;
}

/**
 * How the end of the body is known, and the end of the head. `bodyBytes`: 0: no body follows; -1:
 * a chunked one.
 */
export function requestEnd(method: string, bodyBytes: number): string {
  if (bodyBytes === -1) return 'transfer-encoding: chunked\r\n\r\n';
  const saysLength = bodyBytes > 0 || METHODS_WITH_CONTENT.has(method);
  return saysLength ? `content-length: ${bodyBytes}\r\n\r\n` : '\r\n';
}

/** What stands before a piece of a chunked body; a piece is never empty. */
export function chunkStart(bytes: number): string {
  return `${bytes.toString(16)}\r\n`;
}

/** The end of a chunked body, with its trailers: a field block begins each line with its CRLF. */
export function lastChunk(trailers: FieldBlock): string {
  return `0${trailers}\r\n\r\n`;
}
