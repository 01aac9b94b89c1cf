/**
 * Sends a request to another upstream of its route once the present one has failed.
 *
 * Thread: worker. Owns nothing: the state is the exchange's. What has failed goes on only if that
 * can do no harm, as for retries (policy/retry/retry-rule.ts), and what goes on is a request with
 * no try behind it: it keeps nothing of its upstream before but the time that is left, and a reply
 * for the case that no other comes. Invariant: what an exchange takes of an upstream (its place
 * under adaptive concurrency, its part of the retry budget) goes back before the next one has it.
 */
import { isIdempotentMethod } from '../../base/http-method.js';
import {
  END_NOT_SENT,
  END_RESET,
  END_STATUS,
  END_TIMEOUT,
  isSafeElsewhere,
  type TryEnd,
} from '../../policy/retry/retry-rule.js';
import type { AdmissionGate } from '../admission/admission-gate.js';
import { type Exchange, routeOf, upstreamOf } from '../exchange/exchange.js';
import type { FallbackPlan } from '../route/worker-route.js';
import type { ExchangeMetrics } from '../telemetry/exchange-metrics.js';
import type { RetryPlanner } from './retry-planner.js';

export interface FallbacksParts {
  readonly planner: Pick<RetryPlanner, 'onRequestDone'>;
  readonly gate: Pick<AdmissionGate, 'tryEnter' | 'leave'>;
  readonly ledger: Pick<ExchangeMetrics, 'countFallback' | 'countNoFallback'>;
  nowMs(): number;
}

export class Fallbacks {
  constructor(private readonly parts: FallbacksParts) {}

  /** Whether a reply with this status is one that another upstream may make good. */
  isFailure(exchange: Exchange, status: number): boolean {
    const plan = planOf(exchange);
    return plan !== null && isMeant({ kind: END_STATUS, status }, plan.on);
  }

  /** Whether the request may go to another upstream after this end. */
  mayGoOn(exchange: Exchange, end: TryEnd): boolean {
    const plan = planOf(exchange);
    if (plan === null || !isMeant(end, plan.on)) return false;
    const { head, upload, reply, tries } = exchange;
    const request = {
      isIdempotent: isIdempotentMethod(head.method),
      isBodyKept: upload.canRepeat,
      isReplyStarted: reply.isStarted,
    };
    if (isSafeElsewhere(end, request)) return true;
    if (tries.noFallback === '') {
      tries.onNoFallback(request.isBodyKept ? 'method' : 'body');
      this.parts.ledger.countNoFallback(routeOf(exchange).config.index);
    }
    return false;
  }

  /** No try is in flight. True: the request has another upstream, and is to be sent there. */
  tryGoOn(exchange: Exchange): boolean {
    const { tries } = exchange;
    const { lastEnd } = tries;
    if (lastEnd === null || !this.mayGoOn(exchange, lastEnd)) return false;
    const nowMs = this.parts.nowMs();
    if (tries.routeDeadlineMs <= nowMs) return false;
    // What comes of the body while a target is found waits for that one.
    if (lastEnd.kind !== END_STATUS) exchange.upload.tryRewind();
    this.leave(exchange, lastEnd, nowMs);
    let plan = planOf(exchange);
    while (plan !== null) {
      exchange.takeSide(plan.route);
      if (this.parts.gate.tryEnter(exchange, plan.route, nowMs)) {
        tries.onFallback(plan.name);
        this.parts.ledger.countFallback(plan.route.config.index, plan.position);
        return true;
      }
      plan = plan.route.fallback;
    }
    return false;
  }

  private leave(exchange: Exchange, { kind }: TryEnd, nowMs: number): void {
    const { gate, planner } = this.parts;
    gate.leave(exchange, nowMs, kind === END_TIMEOUT);
    if (exchange.tries.sent > 0) planner.onRequestDone(upstreamOf(exchange));
    exchange.tries.onLeft();
  }
}

/** null: it has no other upstream. Calls and handshakes stay where they are. */
function planOf(exchange: Exchange): FallbackPlan | null {
  const { fallback } = routeOf(exchange);
  return fallback === null || exchange.grpc !== null || exchange.tunnel !== null ? null : fallback;
}

function isMeant({ kind, status }: TryEnd, on: FallbackPlan['on']): boolean {
  switch (kind) {
    case END_NOT_SENT:
      return on.connectFailure;
    case END_RESET:
      return on.reset;
    case END_TIMEOUT:
      return on.timeout;
    case END_STATUS:
      return (on.status5xx && status >= 500) || on.statuses.includes(status);
    default:
      return false;
  }
}
