/**
 * Options of JSON for methods of gRPC: a route for each rule of google.api.http.
 *
 * Thread: any (pure). A route of the configuration becomes one for its calls and one for each
 * rule: see config/compile/compile-routes.ts, which has what the rules say of each.
 */
import { objectNode, sizeNode, stringNode } from '../../schema/schema-node.js';
import { filterOptions } from '../filter-options.js';
import type { HttpRule } from './http-rules.js';

/** Of `maxMessageBytes`. */
export const GRPC_JSON_MESSAGE_BYTES = '4MiB';

const GRPC_JSON_NODE = objectNode(
  'GrpcJsonConfig',
  'Requests of HTTP with JSON for the methods of `match.grpc`, as their google.api.http rules ' +
    'say. Each rule becomes a route, to which all else here applies. Streams of replies are ' +
    'lines of JSON.',
  {
    descriptors: stringNode(
      'Name of a file with a FileDescriptorSet that holds all imports (`buf build -o`, `protoc ' +
        '--include_imports --descriptor_set_out`); relative to this one.',
      { minLength: 1, maxLength: 1024 },
    ),
    maxMessageBytes: sizeNode('Largest message of a reply.', ['1KiB', '64MiB'], {
      default: GRPC_JSON_MESSAGE_BYTES,
    }),
  },
  'descriptors',
);

/** What one route of JSON needs. */
export interface CompiledGrpcJson {
  readonly rule: HttpRule;
  /** The descriptors in base64; in shared configurations the place of that text. */
  readonly descriptors: string | number;
  readonly maxMessageBytes: number;
  /** Largest body of a request. */
  readonly bodyBytesMax: number;
}

export const GRPC_JSON = filterOptions({
  name: 'grpcJson',
  route: { grpcJson: GRPC_JSON_NODE },
  gateway: {},
  places: ['requestBody', 'replyStage'],
  // What a route has of it depends on its rule.
  compile: (): CompiledGrpcJson | null => null,
});
