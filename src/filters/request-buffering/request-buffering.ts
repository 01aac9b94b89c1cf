/**
 * Collects bodies whose length the client does not tell, so that targets get it.
 *
 * Thread: worker. What is collected has a length (RFC 9112 6.2) and no trailers any more.
 */
import { DIALECT_GRPC, grpcDialectOf } from '../../wire/grpc/content-type.js';
import type { FilterSteps, RequestView } from '../filter.js';
import type { CompiledRequestBuffering } from './options.js';

export function requestBufferingSteps({
  maxBytes,
}: CompiledRequestBuffering): FilterSteps<'requestBody'> {
  return {
    requestBody: { maxBytes, limits: null, keepsCoding: true, step: () => null, isNeeded },
  };
}

/** Clients of gRPC wait for replies before they end what they send. */
function isNeeded({ bodyBytes, fields }: RequestView): boolean {
  return bodyBytes < 0 && grpcDialectOf(fields.value('content-type')) !== DIALECT_GRPC;
}
