/**
 * What a client of gRPC gets in place of a reply that the gateway itself makes.
 *
 * Thread: worker. Every refusal becomes a reply without a message; what a route answers with a
 * status of success stays as it is.
 */
import type { FieldBlock } from '../../base/field-block.js';
import { grpcStatusOfRefusal } from '../../base/grpc-status.js';
import { buildProblemReply } from '../../base/problem-reply.js';
import type { LocalReply } from '../../filters/local-reply.js';
import { GRPC_HTTP_STATUS, trailersOnlyFields } from '../../wire/grpc/trailers-only.js';
import type { GrpcCall } from '../exchange/grpc-call.js';

const SUCCESS_END = 300;

/** A reply as it goes to a client of gRPC, and its code. */
export interface GrpcRefusal {
  readonly local: LocalReply;
  readonly grpcStatus: number;
}

/** null: the reply is no refusal. `fields`: those of every reply of the exchange. */
export function grpcRefusalOf(
  { contentType }: Pick<GrpcCall, 'contentType'>,
  local: LocalReply,
  { requestId, fields }: { readonly requestId: string; readonly fields: FieldBlock },
): GrpcRefusal | null {
  const { problem, status, detail } = local;
  if (problem === null && status < SUCCESS_END) return null;
  const all =
    problem === null ? fields : buildProblemReply(problem, requestId, detail, fields).fields;
  const message = detail || (problem?.title ?? `HTTP status ${status}`);
  return {
    grpcStatus: grpcStatusOfRefusal(status),
    local: {
      ...local,
      status: GRPC_HTTP_STATUS,
      detail,
      fields: trailersOnlyFields(contentType, { status, fields: all, message }),
      body: '',
    },
  };
}
