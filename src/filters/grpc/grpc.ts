/**
 * Keeps from a route of gRPC what is none of it, and translates gRPC-Web.
 *
 * Thread: worker.
 */
import { PROBLEMS } from '../../base/problems.js';
import { grpcDialectOf } from '../../wire/grpc/content-type.js';
import type { FilterSteps, RequestStep } from '../filter.js';
import { refusal } from '../local-reply.js';
import type { CompiledGrpc } from './options.js';
import { WebReplies } from './web-replies.js';
import { webTextSteps } from './web-requests.js';

const NO_CALL = refusal(
  PROBLEMS.unsupportedMediaType,
  'This route takes calls of gRPC only: send Content-Type application/grpc.',
);

export function grpcSteps(
  options: CompiledGrpc,
): FilterSteps<'enter' | 'requestBody' | 'replyStage'> {
  const { isOnly, isWeb } = options;
  return {
    enter: isOnly ? onlyCalls : null,
    requestBody: isWeb ? webTextSteps(options) : null,
    replyStage: isWeb ? new WebReplies() : null,
  };
}

const onlyCalls: RequestStep = ({ fields }) =>
  isCall(fields.values('content-type')) ? null : NO_CALL;

/** With two types nobody knows which one the target goes by. */
function isCall([type = '', second]: readonly string[]): boolean {
  return second === undefined && grpcDialectOf(type) !== 0;
}
