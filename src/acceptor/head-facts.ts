/**
 * What the text of a request's head says, for requests that never reach a worker.
 *
 * Thread: acceptor. Read for refusals only. The text of a request that the guard refused may hold
 * any character.
 */
import { HEAD_FIELDS, PROTOCOL_HTTP_2 } from '../channel/records/request-head.js';
import { DIALECT_GRPC, grpcDialectOf } from '../wire/grpc/content-type.js';
import type { ClientRequest } from './client-engine.js';

/** What may stand in the head of a reply: the guard may have refused the request for this field. */
const FIELD_TEXT = /^[\x20-\x7e]*$/;

/** Fields by which a refusal is made readable for its client: all that is kept of a long head. */
const KEPT_FIELDS: ReadonlySet<string> = new Set(['accept', 'content-type', 'host', 'origin']);

/** All values of a field. `name`: in lower case; `text`: as records/request-head.ts has it. */
export function valuesIn(text: string, name: string): string[] {
  const values: string[] = [];
  let at = fieldsStart(text);
  while (at !== -1) {
    const value = lineEnd(text, at) + 1;
    if (value === 0) break;
    const end = lineEnd(text, value);
    if (isLine(text, at, name)) values.push(text.slice(value, end === -1 ? text.length : end));
    at = end === -1 ? -1 : end + 1;
  }
  return values;
}

/** Where the first field begins; -1: there is none. */
function fieldsStart(text: string): number {
  let at = 0;
  for (let part = 0; part < HEAD_FIELDS; part++) {
    at = lineEnd(text, at) + 1;
    if (at === 0) return -1;
  }
  return at;
}

/** -1: the line is the last one. */
function lineEnd(text: string, at: number): number {
  return text.indexOf('\n', at);
}

function isLine(text: string, at: number, line: string): boolean {
  return text.startsWith(line, at) && text[at + line.length] === '\n';
}

/** The Content-Type of a request of gRPC; '': it is none. */
export function grpcTypeIn(method: string, text: string): string {
  if (method !== 'POST') return '';
  const [type = ''] = valuesIn(text, 'content-type');
  return grpcDialectOf(type) === 0 || !FIELD_TEXT.test(type) ? '' : type;
}

/**
 * Whether the body says that it is a stream of messages of gRPC, which may have any length: the
 * worker bounds each message, or the whole where the route is none of gRPC. The windows bound what
 * is here of it.
 */
export function isCallStream({ protocol, bodyBytes, method, text }: ClientRequest): boolean {
  if (protocol !== PROTOCOL_HTTP_2 || bodyBytes !== -1 || method !== 'POST') return false;
  const [type = ''] = valuesIn(text, 'content-type');
  return grpcDialectOf(type) === DIALECT_GRPC;
}

/** The head without most of its fields. */
export function briefHead(text: string): string {
  const parts = text.split('\n');
  const kept = parts.slice(0, HEAD_FIELDS);
  for (let at = HEAD_FIELDS; at + 1 < parts.length; at += 2) {
    const name = parts[at] ?? '';
    if (KEPT_FIELDS.has(name)) kept.push(name, parts[at + 1] ?? '');
  }
  return kept.join('\n');
}
