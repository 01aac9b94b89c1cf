/**
 * What a call of gRPC gets from its route: its name, its deadline, and the bounds of its messages.
 *
 * Thread: worker.
 */
import { PROBLEMS } from '../../base/problems.js';
import type { CompiledGrpcJson } from '../../filters/grpc-json/options.js';
import { type LocalReply, refusal } from '../../filters/local-reply.js';
import { grpcTypeOf } from '../../wire/grpc/content-type.js';
import { type Exchange, routeOf } from '../exchange/exchange.js';
import { clientTimeoutMs, type GrpcCall, jsonCall } from '../exchange/grpc-call.js';
import type { RequestFields } from '../exchange/request-fields.js';
import type { Refusal } from './filter-runner.js';

const MESSAGE_TOO_LARGE: Refusal = {
  kind: PROBLEMS.grpcMessageTooLarge,
  detail: 'A message of the call is longer than grpc.maxRequestMessageBytes.',
};
const BODY_TOO_LARGE: Refusal = {
  kind: PROBLEMS.bodyTooLarge,
  detail: 'The messages of the request are longer than limits.bodyBytes; see grpc of the route.',
};

/** What describes a body in HTTP, or asks for one. */
const OF_HTTP = ['accept', 'accept-encoding', 'content-encoding', 'content-length'];

/** Fields that only gRPC-Web has, and what its page would read. */
const OF_WEB = ['x-grpc-web', 'accept'];

const BAD_TIMEOUT = refusal(
  PROBLEMS.badField,
  'grpc-timeout must stand once: up to eight digits and one of H, M, S, m, u, n.',
);

/** null: the call goes on. */
export function enterCall(exchange: Exchange, grpc: Readonly<GrpcCall>): LocalReply | null {
  const { head, receivedMs } = exchange;
  const { timeoutMs: routeMs, filters } = routeOf(exchange).config;
  grpc.onPath(head.path);
  const timeoutMs = clientTimeoutMs(head);
  if (Number.isNaN(timeoutMs)) return BAD_TIMEOUT;
  if (timeoutMs !== Number.POSITIVE_INFINITY) {
    grpc.onDeadline(receivedMs + timeoutMs);
    // Without a wish of the client the route's time ends with the head of the reply.
    if (routeMs > 0) grpc.endBy(receivedMs + routeMs);
  }
  if (filters.grpc !== undefined) {
    grpc.boundMessages(filters.grpc);
    if (filters.grpc.isWeb && !grpc.isTargets) translate(head.fields, grpc);
  }
  return null;
}

/** A request with JSON for a method of gRPC; its body is the affair of the route's filter. */
export function enterJsonCall(exchange: Exchange, { rule }: CompiledGrpcJson): void {
  const { head } = exchange;
  exchange.grpc = jsonCall(`/${rule.service}/${rule.method}`, head);
  head.fields.replacePlain('content-type', 'application/grpc');
  head.fields.replacePlain('te', 'trailers');
  for (const name of OF_HTTP) head.fields.replacePlain(name, '');
}

/**
 * The refusal of a call with more of its request; null: it goes on. A route that is none of gRPC
 * bounds its bodies as a whole: the acceptor leaves that to us, since it knows no routes.
 */
export function judgeCallBody(
  { route, epoch, upload }: Exchange,
  grpc: Readonly<GrpcCall>,
  bytes: Uint8Array,
): Refusal | null {
  if (!grpc.isClients) return null;
  if (!grpc.scanRequest(bytes)) return MESSAGE_TOO_LARGE;
  const isBounded = route?.config.filters.grpc === undefined && epoch !== null;
  const isTooLarge = isBounded && upload.received + bytes.length > epoch.bodyBytesMax;
  return isTooLarge ? BODY_TOO_LARGE : null;
}

/** What the target gets of a head of gRPC-Web; the body is the affair of the route's filter. */
function translate(fields: RequestFields, grpc: Readonly<GrpcCall>): void {
  grpc.translate();
  fields.replacePlain('content-type', grpcTypeOf(grpc.contentType));
  fields.replacePlain('te', 'trailers');
  for (const name of OF_WEB) fields.replacePlain(name, '');
}
