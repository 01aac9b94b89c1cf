/**
 * What is known of an exchange that is a call of gRPC, or of gRPC-Web.
 *
 * Thread: worker. Made with the exchange, from its content type, whichever route takes it: every
 * client of gRPC is to understand its refusals. Written by what reads the route, the messages and
 * the reply.
 */
import { GRPC_OK } from '../../base/grpc-status.js';
import { type GrpcDialect, grpcDialectOf } from '../../wire/grpc/content-type.js';
import { formatGrpcTimeout, parseGrpcTimeout } from '../../wire/grpc/grpc-timeout.js';
import type { RequestFields } from './request-fields.js';

/** No status is known. */
export const NO_GRPC_STATUS = -1;

const NEVER_MS = Number.POSITIVE_INFINITY;

export class GrpcCall {
  /** `package.Service`; '': the path is not that of a method. */
  service = '';
  method = '';
  /** What the client gets, or NO_GRPC_STATUS. */
  status = NO_GRPC_STATUS;
  /** When the client stops waiting; NEVER_MS: it did not say. */
  deadlineMs = NEVER_MS;
  /** The client's `grpc-timeout` is malformed. */
  readonly hasBadTimeout: boolean;

  constructor(
    readonly dialect: GrpcDialect,
    /** Of the request, as it came. */
    readonly contentType: string,
    timeout: string,
    receivedMs: number,
  ) {
    const timeoutMs = timeout === '' ? NEVER_MS : parseGrpcTimeout(timeout);
    this.hasBadTimeout = Number.isNaN(timeoutMs);
    if (!this.hasBadTimeout) this.deadlineMs = receivedMs + timeoutMs;
  }

  /** The request's path, which may name a method. */
  onPath(path: string): void {
    const end = path.lastIndexOf('/');
    if (end <= 0) return;
    this.service = path.slice(path.lastIndexOf('/', end - 1) + 1, end);
    this.method = path.slice(end + 1);
  }

  /** The reply ends with this. */
  onStatus(status: number): void {
    this.status = status;
  }

  /** Nobody waits longer than the route lets it. */
  endBy(deadlineMs: number): void {
    this.deadlineMs = Math.min(this.deadlineMs, deadlineMs);
  }

  get isOk(): boolean {
    return this.status === GRPC_OK;
  }

  /** The value of grpc-timeout for a target that gets the request now; '': none. */
  timeoutLeft(nowMs: number): string {
    return this.deadlineMs === NEVER_MS ? '' : formatGrpcTimeout(this.deadlineMs - nowMs);
  }
}

/** null: the request is none of gRPC. */
export function grpcCallOf(
  method: string,
  fields: RequestFields,
  receivedMs: number,
): GrpcCall | null {
  if (method !== 'POST') return null;
  const contentType = fields.value('content-type');
  const dialect = grpcDialectOf(contentType);
  if (dialect === 0) return null;
  return new GrpcCall(dialect, contentType, fields.value('grpc-timeout'), receivedMs);
}
