/**
 * How a try has failed, and what that means for another one.
 *
 * Thread: worker.
 */
import { PROBLEMS, type ProblemKind } from '../../base/problems.js';
import {
  END_NOT_SENT,
  END_RESET,
  END_TIMEOUT,
  type TryEndKind,
} from '../../policy/retry/retry-rule.js';
import { isHandshakeFailure } from '../upstream/upstream-error.js';
import type { UpstreamTry } from '../upstream/upstream-try.js';

/** How a try has failed. */
export interface TryFailure {
  readonly kind: TryEndKind;
  readonly problem: ProblemKind;
  /** What the operator is told besides; empty: nothing. */
  readonly cause: string;
}

export const NO_REPLY_IN_TIME: TryFailure = {
  kind: END_TIMEOUT,
  problem: PROBLEMS.responseTimeout,
  cause: '',
};
export const NOT_SENT_IN_TIME: TryFailure = {
  kind: END_NOT_SENT,
  problem: PROBLEMS.connectTimeout,
  cause: '',
};

/**
 * In TLS 1.3 a target refuses a certificate only when the first request is on its way to it, and
 * reads none of that. Of a body that streams some is gone all the same.
 */
export function endKindOf({ isSent, exchange }: UpstreamTry, error: unknown): TryEndKind {
  const isUnread = !isSent || (isHandshakeFailure(error) && exchange.upload.isCollected);
  return isUnread ? END_NOT_SENT : END_RESET;
}
