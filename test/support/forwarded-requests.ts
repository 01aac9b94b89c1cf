/** What a target gets of requests that a parser has read, written as the gateway writes it. */
import {
  CHUNK_END,
  chunkStart,
  fieldLines,
  requestEnd,
  requestStart,
} from '../../src/wire/http1/request-writer.js';
import type { ParsedRequest } from './request-outcome.js';

const PIECE_BYTES = 7;

/** Chunked bodies go on as chunks of other sizes, with their trailers. */
export function forwarded(request: ParsedRequest): string {
  const { method, target, fields, bodyBytes, body, trailers } = request;
  const named = namedFields(fields);
  const list: string[] = [];
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] ?? '';
    if (name !== 'host' && !named.has(name)) list.push(name, fields[at + 1] ?? '');
  }
  const host = fields[fields.indexOf('host') + 1] ?? '';
  const head = requestStart(method, target, host) + fieldLines(list, list.length);
  const start = head + requestEnd(method, bodyBytes);
  if (bodyBytes !== -1) return start + body;
  let chunks = '';
  for (let at = 0; at < body.length; at += PIECE_BYTES) {
    const piece = body.slice(at, at + PIECE_BYTES);
    chunks += chunkStart(piece.length) + piece + CHUNK_END;
  }
  return `${start}${chunks}0${trailers}\r\n\r\n`;
}

/** As the worker does: fields that Connection names go no further. */
function namedFields(fields: readonly string[]): ReadonlySet<string> {
  const named = new Set(['connection']);
  for (let at = 0; at < fields.length; at += 2) {
    if (fields[at] !== 'connection') continue;
    for (const token of (fields[at + 1] ?? '').toLowerCase().split(',')) named.add(token.trim());
  }
  return named;
}
