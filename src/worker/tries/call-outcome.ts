/**
 * What the reply of a target means to a call of gRPC, and what its end says of the target.
 *
 * Thread: worker. The status of a call stands in its trailers, or in the head of a reply without a
 * message; the status of HTTP says nothing but that the target speaks gRPC.
 */
import { type FieldBlock, firstValueOf, joinFields } from '../../base/field-block.js';
import {
  GRPC_INTERNAL,
  grpcStatusOfTarget,
  httpStatusOfGrpc,
  parseGrpcStatus,
} from '../../base/grpc-status.js';
import { PROBLEMS } from '../../base/problems.js';
import type { CompiledUpstream } from '../../config/compiled-config.js';
import { type LocalReply, plainReply, refusal } from '../../filters/local-reply.js';
import { grpcDialectOf } from '../../wire/grpc/content-type.js';
import {
  GRPC_HTTP_STATUS,
  grpcStatusFields,
  grpcTypeField,
} from '../../wire/grpc/trailers-only.js';
import { type Exchange, upstreamOf } from '../exchange/exchange.js';
import { type GrpcCall, NO_GRPC_STATUS } from '../exchange/grpc-call.js';
import { outcomeOfStatus } from './outcome-class.js';

/** What counts for a target that answers 200 with something else than gRPC. */
const BAD_GATEWAY = 502;

const NOT_GRPC = 'The target has not answered in gRPC.';

const NO_STATUS = grpcStatusFields(GRPC_INTERNAL, 'The target ended the call without a status.');

/** Whether the target answers in gRPC: else it is a proxy before it, or no server of gRPC. */
export function isCallReply(status: number, fields: FieldBlock): boolean {
  if (status !== GRPC_HTTP_STATUS) return false;
  return grpcDialectOf(firstValueOf(fields, 'content-type')) !== 0;
}

/** The code in these fields; NO_GRPC_STATUS: none, or not a code. */
export function codeIn(fields: FieldBlock): number {
  return parseGrpcStatus(firstValueOf(fields, 'grpc-status'));
}

/** What the client gets in place of a reply that is no gRPC. */
export function foreignReply(grpc: Readonly<GrpcCall>, status: number): LocalReply {
  if (!grpc.isClients) return refusal(PROBLEMS.upstreamProtocol, NOT_GRPC);
  const code = grpcStatusOfTarget(status);
  const message = `The target answered with HTTP status ${status}, and not in gRPC.`;
  const fields = joinFields(grpcTypeField(grpc.contentType), grpcStatusFields(code, message));
  return plainReply(GRPC_HTTP_STATUS, fields);
}

export function outcomeOfForeign(status: number, upstream: CompiledUpstream): number {
  return outcomeOfStatus(status === GRPC_HTTP_STATUS ? BAD_GATEWAY : status, upstream);
}

/** The fields behind a reply: those of the target, with a status where it has given none. */
function trailersOfCall(grpc: Readonly<GrpcCall>, trailers: FieldBlock): FieldBlock {
  if (grpc.status !== NO_GRPC_STATUS) return trailers;
  const code = codeIn(trailers);
  grpc.onStatus(code === NO_GRPC_STATUS ? GRPC_INTERNAL : code);
  return code === NO_GRPC_STATUS ? joinFields(trailers, NO_STATUS) : trailers;
}

/** A code counts as the status of HTTP that stands for it. */
export function outcomeOfCode(code: number, upstream: CompiledUpstream): number {
  return outcomeOfStatus(httpStatusOfGrpc(code), upstream);
}

/** What the coordinator is told of a reply that has come to its end. */
export function outcomeOfReply(exchange: Exchange): number {
  const { grpc, tries } = exchange;
  const upstream = upstreamOf(exchange);
  if (grpc?.isTargets === true) return outcomeOfCode(grpc.status, upstream);
  return outcomeOfStatus(tries.answerStatus, upstream);
}

/** What follows the reply; a call gets a status in any case. */
export function lastFieldsOf({ grpc }: Exchange, trailers: FieldBlock): FieldBlock {
  return grpc?.isTargets === true ? trailersOfCall(grpc, trailers) : trailers;
}
