/**
 * How a call of gRPC ends whose reply has begun and cannot go on, since its worker has ended or
 * its client is too slow.
 *
 * Thread: acceptor. The client gets a status in trailers: the reset of a stream would say nothing
 * of whose fault it is, and many clients take it for an error of their own.
 */
import { type FieldBlock, NO_FIELDS } from '../base/field-block.js';
import { grpcStatusOfRefusal } from '../base/grpc-status.js';
import type { ProblemKind } from '../base/problems.js';
import { type HttpProtocol, PROTOCOL_HTTP_2 } from '../channel/records/request-head.js';
import { DIALECT_GRPC, grpcDialectOf } from '../wire/grpc/content-type.js';
import { grpcStatusFields } from '../wire/grpc/trailers-only.js';
import { grpcTypeIn } from './head-facts.js';

export interface BrokenCall {
  readonly method: string;
  readonly protocol: HttpProtocol;
  /** The request's head, or a part of it. */
  readonly text: string;
  /** The length that the head of the reply has told; -1: unknown. */
  readonly replyBytes: number;
}

/**
 * The trailers. NO_FIELDS: the client would not understand them, and has to be cut off. So it is
 * with gRPC-Web, whose trailers are a message: whether one has begun is not known here.
 */
export function fieldsOfBrokenCall(
  { method, protocol, text, replyBytes }: BrokenCall,
  kind: ProblemKind,
  detail: string,
): FieldBlock {
  if (protocol !== PROTOCOL_HTTP_2 || replyBytes !== -1) return NO_FIELDS;
  if (grpcDialectOf(grpcTypeIn(method, text)) !== DIALECT_GRPC) return NO_FIELDS;
  return grpcStatusFields(grpcStatusOfRefusal(kind.status), detail);
}
