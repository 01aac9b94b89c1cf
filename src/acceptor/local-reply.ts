/**
 * Builds the replies that the acceptor makes without a worker.
 *
 * Thread: acceptor.
 */
import type { ErrorPage } from '../base/error-pages.js';
import { type FieldBlock, joinFields } from '../base/field-block.js';
import {
  buildProblemReply,
  RETRY_SOON,
  responseTimeField,
  withErrorPage,
} from '../base/problem-reply.js';
import type { ProblemKind } from '../base/problems.js';
import { FLAG_BODILESS, FLAG_END } from '../channel/records/record-kind.js';
import type { HttpProtocol } from '../channel/records/request-head.js';
import { GRPC_HTTP_STATUS, trailersOnlyFields } from '../wire/grpc/trailers-only.js';
import type { ReplyHead } from './client-engine.js';
import { grpcTypeIn } from './head-facts.js';

/** What the acceptor reports about a reply that it made. */
export interface LocalReplyRecord {
  readonly requestId: string;
  readonly method: string;
  readonly protocol: HttpProtocol;
  readonly target: string;
  readonly peer: string;
  readonly kind: ProblemKind;
  /** What is not told to the client, for the log; '': nothing. */
  readonly cause: string;
  readonly durationMs: number;
}

/** What a refusal has of its route, or of the whole gateway. */
export interface RefusalShape {
  readonly fields: FieldBlock;
  /** null: the problem document. */
  readonly page: ErrorPage | null;
  /** Text of the request's head, or a part of it. */
  readonly head: string;
}

/** A request that is refused, and what its client is told. */
export interface RefusedRequest {
  readonly record: LocalReplyRecord;
  readonly detail: string;
}

const NO_BYTES = new Uint8Array(0);

/**
 * A problem document, or a page. `detail` says to the client what was wrong and what to do; `more`
 * are fields besides those that every such reply has.
 */
export function localReplyHead(
  record: LocalReplyRecord,
  detail: string,
  { fields: more, page, head: asked }: RefusalShape,
): ReplyHead {
  const { requestId, kind } = record;
  const time = joinFields(responseTimeField(record.durationMs), more);
  const extra = kind.status === 503 ? joinFields(time, RETRY_SOON) : time;
  const problem = buildProblemReply(kind, requestId, detail, extra);
  const grpcType = grpcTypeIn(record.method, asked);
  if (grpcType !== '') return grpcReplyHead(record, { grpcType, detail, fields: problem.fields });
  const { fields, body } = withErrorPage(problem, page);
  const text = Buffer.from(requestId + fields, 'latin1');
  const head = { status: kind.status, idBytes: requestId.length, text };
  if (record.method === 'HEAD') {
    return { ...head, flags: FLAG_END | FLAG_BODILESS, bodyBytes: -1, inlineBody: NO_BYTES };
  }
  const inlineBody = Buffer.from(body, 'utf8');
  return { ...head, flags: FLAG_END, bodyBytes: inlineBody.length, inlineBody };
}

interface GrpcRefusal {
  readonly grpcType: string;
  readonly detail: string;
  readonly fields: FieldBlock;
}

/** The same for a client of gRPC: all that it gets stands in the head. */
function grpcReplyHead(
  { requestId, kind }: LocalReplyRecord,
  { grpcType, detail, fields }: GrpcRefusal,
): ReplyHead {
  const refusal = { status: kind.status, fields, message: detail };
  const text = requestId + trailersOnlyFields(grpcType, refusal);
  return {
    status: GRPC_HTTP_STATUS,
    idBytes: requestId.length,
    text: Buffer.from(text, 'latin1'),
    flags: FLAG_END,
    bodyBytes: 0,
    inlineBody: NO_BYTES,
  };
}
