/**
 * What a reply of the gateway's own says to its client: in the words of gRPC, as a problem document
 * or an error page, or as it is.
 *
 * Thread: worker.
 */
import { type FieldBlock, firstValueOf } from '../../base/field-block.js';
import { parseGrpcStatus } from '../../base/grpc-status.js';
import { buildProblemReply, withErrorPage } from '../../base/problem-reply.js';
import type { LocalReply } from '../../filters/local-reply.js';
import type { Exchange } from '../exchange/exchange.js';
import { grpcRefusalOf } from './grpc-refusal.js';

/** The refusal as a client of gRPC gets it; null: the reply is none, or the client speaks HTTP. */
export function refusalOfCall(
  { grpc, head }: Exchange,
  local: LocalReply,
  fields: FieldBlock,
): LocalReply | null {
  if (grpc === null || !grpc.isClients) return null;
  const refused = grpcRefusalOf(grpc, local, { requestId: head.requestId, fields });
  if (refused === null) {
    // A reply that is in the words of gRPC already says with what the call ends.
    grpc.onStatus(parseGrpcStatus(firstValueOf(fields, 'grpc-status')));
    return null;
  }
  grpc.onStatus(refused.grpcStatus);
  return refused.local;
}

/** The body of a reply of the gateway's own, and the fields with those that describe it. */
export function contentOf(
  exchange: Exchange,
  { problem, detail, body, members }: LocalReply,
  fields: FieldBlock,
): { readonly fields: FieldBlock; readonly body: string } {
  const { route, head, epoch, grpc } = exchange;
  // A refusal of a call has all that it says in its fields.
  if (problem === null || grpc?.isClients === true) return { fields, body };
  const { requestId } = head;
  const made = buildProblemReply(problem, requestId, detail, fields, members);
  const pages = epoch?.errorPages ?? null;
  if (pages === null) return made;
  const accept = head.fields.values('accept').join(',');
  const refused = { kind: problem, detail, requestId, accept };
  return withErrorPage(made, pages.pageFor(refused, route?.config.errors));
}
