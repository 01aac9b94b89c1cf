/**
 * Options of calls of gRPC on a route.
 *
 * Thread: any (pure). The bounds of messages are kept where bodies come by: see the worker's
 * exchange/grpc-call.ts.
 */
import { sizeBytes } from '../../base/quantities.js';
import { objectNode, sizeNode } from '../../schema/schema-node.js';
import { filterOptions } from '../filter-options.js';

/** The length of a message has 32 bits. */
const NO_BOUND = 0xffff_ffff;

const GRPC_NODE = objectNode(
  'GrpcConfig',
  'Bounds on the messages of gRPC and gRPC-Web calls, each message by itself. `limits.bodyBytes` ' +
    'bounds all messages of one request together.',
  {
    maxRequestMessageBytes: sizeNode(
      'Largest message of a client. A call with a larger one ends with RESOURCE_EXHAUSTED.',
      ['1', '1024MiB'],
      { 'x-absent': 'no such limit' },
    ),
    maxReplyMessageBytes: sizeNode(
      'Largest message of a target. A call with a larger one ends with RESOURCE_EXHAUSTED.',
      ['1', '1024MiB'],
      { 'x-absent': 'no such limit' },
    ),
  },
);

export interface CompiledGrpc {
  /** Nothing else is taken: the route says `match.grpc`. */
  readonly isOnly: boolean;
  readonly maxRequestMessageBytes: number;
  readonly maxReplyMessageBytes: number;
}

export const GRPC = filterOptions({
  name: 'grpc',
  route: { grpc: GRPC_NODE },
  gateway: {},
  places: ['enter'],
  compile: ({ grpc }, { isGrpc }): CompiledGrpc | null => {
    if (grpc === undefined && !isGrpc) return null;
    const { maxRequestMessageBytes: request, maxReplyMessageBytes: reply } = grpc ?? {};
    return {
      isOnly: isGrpc,
      maxRequestMessageBytes: request === undefined ? NO_BOUND : sizeBytes(request),
      maxReplyMessageBytes: reply === undefined ? NO_BOUND : sizeBytes(reply),
    };
  },
});
