/**
 * What the coordinator is told of a try, which depends on what the upstream's breaker counts.
 *
 * Thread: worker. Ejection of outliers goes by whether the answer was a 5xx, or there was none,
 * whatever the breaker makes of it.
 */
import {
  OUTCOME_5XX,
  OUTCOME_CANCELLED,
  OUTCOME_FAILURE,
  OUTCOME_SUCCESS,
} from '../../channel/coordinator/coordinator-records.js';
import type { CompiledUpstream } from '../../config/compiled-config.js';
import { END_NOT_SENT, END_TIMEOUT, type TryEndKind } from '../../policy/retry/retry-rule.js';

/** A reply with this status came. */
export function outcomeOfStatus(status: number, upstream: CompiledUpstream): number {
  const { status5xx, statuses } = upstream.circuitBreaker.failureOn;
  const is5xx = status >= 500;
  const isFailure = (is5xx && status5xx) || statuses.includes(status);
  return (isFailure ? OUTCOME_FAILURE : OUTCOME_SUCCESS) | (is5xx ? OUTCOME_5XX : 0);
}

/** No reply came, or it broke off. What the breaker does not count says nothing to it. */
export function outcomeOfEnd(kind: TryEndKind, upstream: CompiledUpstream): number {
  const { connectFailure, timeout, reset } = upstream.circuitBreaker.failureOn;
  const isCounted = kind === END_NOT_SENT ? connectFailure : kind === END_TIMEOUT ? timeout : reset;
  return (isCounted ? OUTCOME_FAILURE : OUTCOME_CANCELLED) | OUTCOME_5XX;
}
