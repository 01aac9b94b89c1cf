/**
 * What a call of gRPC gets from its route: its name, its deadline, and the bounds of its messages.
 *
 * Thread: worker.
 */
import { PROBLEMS } from '../../base/problems.js';
import { type LocalReply, refusal } from '../../filters/local-reply.js';
import { type Exchange, routeOf } from '../exchange/exchange.js';
import { clientTimeoutMs, type GrpcCall } from '../exchange/grpc-call.js';

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
  if (filters.grpc !== undefined) grpc.boundMessages(filters.grpc);
  return null;
}
