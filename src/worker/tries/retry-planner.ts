/**
 * Decides whether an exchange gets another try, and when.
 *
 * Thread: worker. Owns a retry budget for each upstream; the rules themselves are in policy/retry.
 */
import { defined } from '../../base/assert.js';
import { isIdempotentMethod } from '../../base/http-method.js';
import type { CompiledUpstream, GatewaySettings } from '../../config/compiled-config.js';
import { backOffMs, retryWaitMs, WAIT_TOO_LONG } from '../../policy/retry/back-off.js';
import { RetryBudget } from '../../policy/retry/retry-budget.js';
import { isRetriable, isSafeToRepeat, type TryEnd } from '../../policy/retry/retry-rule.js';
import type { Exchange } from '../exchange/exchange.js';
import type { ExchangeMetrics } from '../telemetry/exchange-metrics.js';
import { isConnectionLoss } from '../upstream/upstream-error.js';
import type { UpstreamTry } from '../upstream/upstream-try.js';

interface UpstreamBudget {
  readonly name: string;
  readonly budget: RetryBudget;
}

export class RetryPlanner {
  private readonly budgets: (UpstreamBudget | undefined)[] = [];

  /** `random` gives numbers in [0, 1). */
  constructor(
    config: GatewaySettings,
    private readonly ledger: ExchangeMetrics,
    private readonly random: () => number,
  ) {
    this.adopt(config);
  }

  /** Budgets of this configuration's upstreams; what was counted for them stays. */
  adopt(config: GatewaySettings): void {
    for (const { index, name, retry } of config.upstreams) {
      const before = this.budgets[index];
      if (before?.name === name) before.budget.adopt(retry);
      else this.budgets[index] = { name, budget: new RetryBudget(retry) };
    }
  }

  /** The first try of an exchange is about to be made. */
  onRequest(exchange: Exchange, upstream: CompiledUpstream, nowMs: number): void {
    this.budgetOf(upstream).onRequest(nowMs);
    const { hedgeAfterMs } = upstream;
    if (hedgeAfterMs < 0 || !canRepeat(exchange) || isCopy(exchange)) return;
    exchange.tries.planHedge(nowMs + hedgeAfterMs);
  }

  onRequestDone(upstream: CompiledUpstream): void {
    this.budgetOf(upstream).onRequestDone();
  }

  /**
   * Whether there may be another try after this end; then resumeAtMs says when, and it is paid for
   * out of the budget. `askedMs` is how long the target wants to be left alone.
   */
  tryPlan(exchange: Exchange, upstream: CompiledUpstream, end: TryEnd, times: PlanTimes): boolean {
    const { retry, timeouts } = upstream;
    const { tries, head, upload } = exchange;
    if (tries.retries >= retry.attempts || !isRetriable(end, retry.conditions)) return false;
    if (isCopy(exchange)) return false;
    const request = {
      isIdempotent: isIdempotentMethod(head.method),
      isBodyKept: upload.canRepeat,
      isReplyStarted: exchange.reply.isStarted,
    };
    if (!isSafeToRepeat(end.kind, request)) return false;
    const { nowMs, askedMs } = times;
    const drawnMs = backOffMs(retry.backOff, tries.retries + 1, this.random());
    // Without a deadline of the route nobody waits longer than for a reply.
    const leftMs = Math.min(tries.routeDeadlineMs - nowMs, timeouts.responseMs);
    const waitMs = retryWaitMs(drawnMs, askedMs, leftMs);
    if (waitMs === WAIT_TOO_LONG || !this.takeBudget(upstream, nowMs)) return false;
    tries.planRetry(nowMs + waitMs);
    return true;
  }

  /** Its time has come: whether a hedge may be made. It is paid for out of the budget. */
  tryHedge(exchange: Exchange, upstream: CompiledUpstream, nowMs: number): boolean {
    const { tries, admission } = exchange;
    tries.endHedgePlan();
    const isFirstInFlight = tries.current !== null && tries.sent === 1;
    return isFirstInFlight && !admission.isAsking && this.takeBudget(upstream, nowMs);
  }

  private takeBudget(upstream: CompiledUpstream, nowMs: number): boolean {
    if (this.budgetOf(upstream).tryTake(nowMs)) return true;
    this.ledger.countBudgetExhausted(upstream.index);
    return false;
  }

  private budgetOf(upstream: CompiledUpstream): RetryBudget {
    return defined(this.budgets[upstream.index], 'the budget of an upstream').budget;
  }
}

export interface PlanTimes {
  readonly nowMs: number;
  /** 0: the target did not say. */
  readonly askedMs: number;
}

/** A copy is sent once. */
function isCopy({ isAside, mirror }: Exchange): boolean {
  return isAside && mirror !== null;
}

/** Whether the request may be at two targets at once. */
function canRepeat({ head, upload }: Exchange): boolean {
  return isIdempotentMethod(head.method) && upload.isCollected;
}

/** A kept-alive connection was closed while it was idle: that is nobody's failure. */
export function isStaleConnection(attempt: UpstreamTry, error: unknown): boolean {
  const { exchange, hasBegun, isReused } = attempt;
  if (hasBegun || !isReused || exchange.tries.hasResent) return false;
  return isConnectionLoss(error) && canRepeat(exchange);
}
