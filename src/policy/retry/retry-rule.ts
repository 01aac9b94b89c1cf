/**
 * Decides whether another try may follow a try that has ended.
 *
 * Thread: any (pure). A request may be sent again when nothing of it was sent before; or when
 * sending it twice has the effect of sending it once, its whole body is kept, and no reply has
 * begun for the client.
 */

/** Nothing of the request was sent. */
export const END_NOT_SENT = 1;
/** The connection was lost, or the bytes on it were not HTTP. */
export const END_RESET = 2;
/** No head of a reply came in time. */
export const END_TIMEOUT = 3;
/** A reply came whose status counts as a failure. */
export const END_STATUS = 4;
/** A call of gRPC ended without a message, with a status that counts as a failure. */
export const END_GRPC_STATUS = 5;
export type TryEndKind =
  | typeof END_NOT_SENT
  | typeof END_RESET
  | typeof END_TIMEOUT
  | typeof END_STATUS
  | typeof END_GRPC_STATUS;

/** How a try has ended. `status` is 0 unless `kind` is END_STATUS or END_GRPC_STATUS. */
export interface TryEnd {
  readonly kind: TryEndKind;
  readonly status: number;
}

export interface RetryConditions {
  readonly connectFailure: boolean;
  readonly reset: boolean;
  readonly timeout: boolean;
  /** Ascending. */
  readonly statuses: readonly number[];
  /** Codes of gRPC, ascending. */
  readonly grpcStatuses: readonly number[];
}

/** The properties of the request that the decision depends on. */
export interface RequestReplay {
  readonly isIdempotent: boolean;
  /** The whole body is kept in memory, or there is none. */
  readonly isBodyKept: boolean;
  /** The client has been sent the head of a reply. */
  readonly isReplyStarted: boolean;
}

/** Whether sending the request once more cannot have an effect twice. */
export function isSafeToRepeat(end: TryEndKind, request: RequestReplay): boolean {
  if (request.isReplyStarted) return false;
  if (end === END_NOT_SENT) return true;
  // Who names a code says that methods which end with it may be called again.
  if (end === END_GRPC_STATUS) return request.isBodyKept;
  return request.isIdempotent && request.isBodyKept;
}

/**
 * The same for somebody else's targets, which know nothing of the request: a target that says it
 * has too much to do (429, 503) has done nothing of it.
 */
export function isSafeElsewhere(end: TryEnd, request: RequestReplay): boolean {
  if (isSafeToRepeat(end.kind, request)) return true;
  const isRefused = end.kind === END_STATUS && (end.status === 429 || end.status === 503);
  return isRefused && request.isBodyKept && !request.isReplyStarted;
}

/** Whether the configuration wants another try after this end. */
export function isRetriable(end: TryEnd, conditions: RetryConditions): boolean {
  switch (end.kind) {
    case END_NOT_SENT:
      return conditions.connectFailure;
    case END_RESET:
      return conditions.reset;
    case END_TIMEOUT:
      return conditions.timeout;
    case END_GRPC_STATUS:
      return conditions.grpcStatuses.includes(end.status);
    default:
      return conditions.statuses.includes(end.status);
  }
}
