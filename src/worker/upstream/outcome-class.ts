/**
 * What the coordinator is told of a try: whether it counts against the target.
 *
 * Thread: worker. The breaker goes by `failureOn` of the upstream; ejection of outliers by whether
 * the answer was a 5xx, or there was none, whatever the breaker makes of it.
 */
import { PROBLEMS, type ProblemKind } from '../../base/gateway-error.js';
import {
  OUTCOME_5XX,
  OUTCOME_CANCELLED,
  OUTCOME_FAILURE,
  OUTCOME_SUCCESS,
} from '../../channel/coordinator-records.js';
import type { CompiledBreaker } from '../../config/compiled-config.js';
import { isConnectFailure } from './upstream-error.js';

type FailureOn = CompiledBreaker['failureOn'];

const STATUS_GATEWAY_TIMEOUT = 504;

/** A reply with this status came, and was complete or was given up. */
export function outcomeOfStatus(failureOn: FailureOn, status: number): number {
  const is5xx = status >= 500;
  const isFailure = (is5xx && failureOn.status5xx) || failureOn.statuses.includes(status);
  return (isFailure ? OUTCOME_FAILURE : OUTCOME_SUCCESS) | (is5xx ? OUTCOME_5XX : 0);
}

/** No reply came, or it broke off. */
export function outcomeOfProblem(failureOn: FailureOn, problem: ProblemKind): number {
  // A request that we could not even hand over says nothing about the target.
  if (problem === PROBLEMS.internal) return OUTCOME_CANCELLED;
  return (isFailure(failureOn, problem) ? OUTCOME_FAILURE : OUTCOME_SUCCESS) | OUTCOME_5XX;
}

function isFailure(failureOn: FailureOn, problem: ProblemKind): boolean {
  if (isConnectFailure(problem)) return failureOn.connectFailure;
  if (problem.status === STATUS_GATEWAY_TIMEOUT) return failureOn.timeout;
  return failureOn.reset;
}
