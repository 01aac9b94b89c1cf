/**
 * What the coordinator is told of a try.
 *
 * Thread: worker.
 */
import { PROBLEMS, type ProblemKind } from '../../base/gateway-error.js';
import {
  OUTCOME_CANCELLED,
  OUTCOME_FAILURE,
  OUTCOME_SUCCESS,
} from '../../channel/coordinator-records.js';

/** A reply with this status came, and was complete or was given up. */
export function outcomeOfStatus(status: number): number {
  return status >= 500 ? OUTCOME_FAILURE : OUTCOME_SUCCESS;
}

/** No reply came, or it broke off. */
export function outcomeOfProblem(problem: ProblemKind): number {
  // A request that we could not even hand over says nothing about the target.
  return problem === PROBLEMS.internal ? OUTCOME_CANCELLED : OUTCOME_FAILURE;
}
