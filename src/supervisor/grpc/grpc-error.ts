/**
 * How a call of gRPC failed.
 *
 * Thread: supervisor (on the main thread).
 */
import { GRPC_STATUS_NAMES } from '../../base/grpc-status.js';

export class GrpcError extends Error {
  override readonly name = 'GrpcError';

  /** `code`: a status of gRPC other than OK; `detail`: what the server or the connection said. */
  constructor(
    readonly code: number,
    readonly detail: string,
  ) {
    super(`${GRPC_STATUS_NAMES[code] ?? `status ${code}`}: ${detail}`);
  }
}
