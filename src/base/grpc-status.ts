/**
 * The status codes of gRPC, and how they and those of HTTP stand for each other.
 *
 * Thread: any (pure). Two tables lead from HTTP to gRPC: one for what a target answers that does
 * not speak gRPC (the text http-grpc-status-mapping of the gRPC project), and one for refusals of
 * the gateway itself, which knows better what it means. google.rpc.Code has the way back.
 */

export const GRPC_OK = 0;
export const GRPC_CANCELLED = 1;
export const GRPC_UNKNOWN = 2;
export const GRPC_INVALID_ARGUMENT = 3;
export const GRPC_DEADLINE_EXCEEDED = 4;
export const GRPC_PERMISSION_DENIED = 7;
export const GRPC_RESOURCE_EXHAUSTED = 8;
export const GRPC_FAILED_PRECONDITION = 9;
export const GRPC_UNIMPLEMENTED = 12;
export const GRPC_INTERNAL = 13;
export const GRPC_UNAVAILABLE = 14;
export const GRPC_UNAUTHENTICATED = 16;

/** By code. */
export const GRPC_STATUS_NAMES = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const;

export type GrpcStatusName = (typeof GRPC_STATUS_NAMES)[number];

/** By code: the status of HTTP that stands for it (google.rpc.Code). */
const HTTP_STATUSES = [
  200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401,
] as const;

/** The value of `grpc-status`; -1: it is not there, or not the number of a code. */
export function parseGrpcStatus(text: string): number {
  if (!/^(?:\d|1[0-6])$/.test(text)) return -1;
  return Number(text);
}

/** The name of a code, as people write it; any other number is UNKNOWN (gRPC has no more). */
export function grpcStatusName(code: number): GrpcStatusName {
  return GRPC_STATUS_NAMES[code] ?? 'UNKNOWN';
}

/** The status of HTTP that a code stands for. */
export function httpStatusOfGrpc(code: number): number {
  return HTTP_STATUSES[code] ?? 500;
}

/** What a reply means that is no gRPC: the target's status, or that of a proxy before it. */
export function grpcStatusOfTarget(httpStatus: number): number {
  switch (httpStatus) {
    case 400:
      return GRPC_INTERNAL;
    case 401:
      return GRPC_UNAUTHENTICATED;
    case 403:
      return GRPC_PERMISSION_DENIED;
    case 404:
      return GRPC_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
      return GRPC_UNAVAILABLE;
    default:
      return GRPC_UNKNOWN;
  }
}

/** What a refusal of the gateway's own means to a client of gRPC. */
export function grpcStatusOfRefusal(httpStatus: number): number {
  switch (httpStatus) {
    case 400:
    case 422:
      return GRPC_INVALID_ARGUMENT;
    case 401:
      return GRPC_UNAUTHENTICATED;
    case 403:
    case 421:
      return GRPC_PERMISSION_DENIED;
    case 404:
    case 405:
    case 410:
    case 501:
      return GRPC_UNIMPLEMENTED;
    case 408:
    case 504:
      return GRPC_DEADLINE_EXCEEDED;
    case 412:
    case 428:
      return GRPC_FAILED_PRECONDITION;
    case 413:
    case 429:
    case 431:
      return GRPC_RESOURCE_EXHAUSTED;
    case 502:
    case 503:
      return GRPC_UNAVAILABLE;
    case 411:
    case 415:
    case 417:
    case 500:
    case 505:
    case 508:
      return GRPC_INTERNAL;
    default:
      return httpStatus >= 200 && httpStatus < 300 ? GRPC_OK : GRPC_UNKNOWN;
  }
}
