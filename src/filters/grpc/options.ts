/**
 * Options of calls of gRPC on a route.
 *
 * Thread: any (pure). The bounds of messages are kept where bodies come by: see the worker's
 * exchange/grpc-call.ts.
 */
import { sizeBytes } from '../../base/quantities.js';
import { booleanNode, objectNode, sizeNode } from '../../schema/schema-node.js';
import { filterOptions } from '../filter-options.js';

/** The length of a message has 32 bits. */
const NO_BOUND = 0xffff_ffff;

const GRPC_NODE = objectNode(
  'GrpcConfig',
  'Bounds on the messages of gRPC and gRPC-Web calls, each message by itself. With this key, and ' +
    'on routes with `match.grpc`, a call may send any number of messages; elsewhere ' +
    '`limits.bodyBytes` bounds all messages of a request together.',
  {
    maxRequestMessageBytes: sizeNode(
      'Largest message of a client. A call with a larger one ends with RESOURCE_EXHAUSTED.',
      ['1', '1024MiB'],
      { 'x-absent': '`limits.bodyBytes`' },
    ),
    maxReplyMessageBytes: sizeNode(
      'Largest message of a target. A call with a larger one ends with RESOURCE_EXHAUSTED.',
      ['1', '1024MiB'],
      { 'x-absent': 'no such limit' },
    ),
  },
);

const GRPC_WEB_NODE = booleanNode(
  'Whether requests of gRPC-Web (`application/grpc-web`, and `application/grpc-web-text` in ' +
    'base64) are translated for targets of gRPC, as pages of browsers need it. `cors` of the ' +
    'route then lets pages send the fields of gRPC-Web and read the status. Without it such ' +
    'requests go on as they come.',
  false,
);

/** Fields that pages send with gRPC-Web, and those that they must read; lower case. */
export const WEB_REQUEST_FIELDS = ['content-type', 'grpc-timeout', 'x-grpc-web', 'x-user-agent'];
export const WEB_REPLY_FIELDS = ['grpc-status', 'grpc-message', 'grpc-status-details-bin'];

export interface CompiledGrpc {
  /** Nothing else is taken: the route says `match.grpc`. */
  readonly isOnly: boolean;
  readonly maxRequestMessageBytes: number;
  readonly maxReplyMessageBytes: number;
  /** gRPC-Web is translated. */
  readonly isWeb: boolean;
  /** Largest body of a request in base64. */
  readonly webBytesMax: number;
}

export const GRPC = filterOptions({
  name: 'grpc',
  route: { grpc: GRPC_NODE, grpcWeb: GRPC_WEB_NODE },
  gateway: {},
  places: ['enter', 'requestBody', 'replyStage'],
  compile: ({ grpc, grpcWeb = false }, { isGrpc, bodyBytes }): CompiledGrpc | null => {
    if (grpc === undefined && !isGrpc && !grpcWeb) return null;
    const { maxRequestMessageBytes: request, maxReplyMessageBytes: reply } = grpc ?? {};
    return {
      isOnly: isGrpc,
      maxRequestMessageBytes: request === undefined ? bodyBytes : sizeBytes(request),
      maxReplyMessageBytes: reply === undefined ? NO_BOUND : sizeBytes(reply),
      isWeb: grpcWeb,
      webBytesMax: bodyBytes,
    };
  },
});
