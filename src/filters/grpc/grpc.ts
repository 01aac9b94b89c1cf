/**
 * Keeps from a route of gRPC what is none of it.
 *
 * Thread: worker.
 */
import { PROBLEMS } from '../../base/problems.js';
import { grpcDialectOf } from '../../wire/grpc/content-type.js';
import type { FilterSteps } from '../filter.js';
import { refusal } from '../local-reply.js';
import type { CompiledGrpc } from './options.js';

const NO_CALL = refusal(
  PROBLEMS.unsupportedMediaType,
  'This route takes calls of gRPC only: send Content-Type application/grpc.',
);

export function grpcSteps({ isOnly }: CompiledGrpc): FilterSteps<'enter'> {
  if (!isOnly) return { enter: null };
  return { enter: ({ fields }) => (isCall(fields.values('content-type')) ? null : NO_CALL) };
}

/** With two types nobody knows which one the target goes by. */
function isCall([type = '', second]: readonly string[]): boolean {
  return second === undefined && grpcDialectOf(type) !== 0;
}
