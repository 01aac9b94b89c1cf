/**
 * The problem that a client gets for a verdict that refuses its request.
 *
 * Thread: worker. The codes and titles are in base/problems.ts.
 */
import { assertNever } from '../../base/assert.js';
import { PROBLEMS, type ProblemKind } from '../../base/problems.js';
import {
  type RefusingVerdict,
  VERDICT_CIRCUIT_OPEN,
  VERDICT_NO_HEALTHY_TARGET,
  VERDICT_RATE_LIMITED,
} from '../../channel/coordinator/coordinator-records.js';

export function problemOfVerdict(verdict: RefusingVerdict): ProblemKind {
  switch (verdict) {
    case VERDICT_RATE_LIMITED:
      return PROBLEMS.rateLimited;
    case VERDICT_CIRCUIT_OPEN:
      return PROBLEMS.circuitOpen;
    case VERDICT_NO_HEALTHY_TARGET:
      return PROBLEMS.noHealthyTarget;
    default:
      return assertNever(verdict);
  }
}

/** One sentence for the client. */
export function detailOfVerdict(verdict: RefusingVerdict): string {
  switch (verdict) {
    case VERDICT_RATE_LIMITED:
      return 'The limit of this route is used up; Retry-After says when to come back.';
    case VERDICT_CIRCUIT_OPEN:
      return 'The targets of this route have failed too often and are given a rest.';
    case VERDICT_NO_HEALTHY_TARGET:
      return 'No target of this route can take requests now.';
    default:
      return assertNever(verdict);
  }
}
