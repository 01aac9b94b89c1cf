/**
 * Finds the target of another try, when the first one has failed or is slow.
 *
 * Thread: worker. Owns nothing. The coordinator is asked, without limits and with the tried targets
 * named; when it is lost, or does not answer in time, the route's onCoordinatorLost says what
 * becomes of the try, as it does for a request's first one.
 */
import { defined } from '../../base/assert.js';
import type { CoordinatorClient } from '../admission/coordinator-client.js';
import {
  ASK_ADMITTED,
  ASK_CLOSED,
  ASK_OPEN,
  ASK_PENDING,
  ASK_WAIT_MS,
  type AskResult,
} from '../admission/coordinator-client.js';
import { bitOfTarget } from '../admission/tried-targets.js';
import { type Exchange, routeOf } from '../exchange/exchange.js';
import { upstreamOfRoute } from '../route/worker-route.js';
import type { ExchangeMetrics } from '../telemetry/exchange-metrics.js';

export interface NextTargetParts {
  readonly coordinator: CoordinatorClient;
  readonly ledger: ExchangeMetrics;
  nowMs(): number;
  touch(): void;
}

export class NextTarget {
  constructor(private readonly parts: NextTargetParts) {}

  /** The same for a first try: the exchange was admitted by its limits only. */
  askFirst(exchange: Exchange): AskResult {
    const { coordinator, ledger } = this.parts;
    const { targetAdmission } = routeOf(exchange);
    const nowMs = this.parts.nowMs();
    const asked = coordinator.askAdmission(exchange, targetAdmission, nowMs);
    if (asked === ASK_ADMITTED) ledger.countGranted(exchange, nowMs);
    return this.note(exchange, asked, nowMs);
  }

  /**
   * ASK_PENDING: the verdict comes. ASK_OPEN: the exchange has its target, without the coordinator.
   * Anything else: there is none.
   */
  ask(exchange: Exchange): AskResult {
    const { coordinator } = this.parts;
    const route = defined(exchange.route, 'the route of a try');
    const nowMs = this.parts.nowMs();
    const asked = coordinator.askAgain(exchange, route, triedMaskOf(exchange), nowMs);
    return this.note(exchange, asked, nowMs);
  }

  private note(exchange: Exchange, asked: AskResult, nowMs: number): AskResult {
    const { ledger } = this.parts;
    if (asked === ASK_OPEN) ledger.countOpen();
    if (asked !== ASK_PENDING) return asked;
    ledger.countAsk(exchange, nowMs);
    exchange.tries.awaitVerdict(nowMs + ASK_WAIT_MS);
    this.parts.touch();
    return asked;
  }

  /** The coordinator has not answered in time: ASK_OPEN, or ASK_CLOSED. */
  goOnWithoutVerdict(exchange: Exchange): AskResult {
    const { coordinator, ledger } = this.parts;
    exchange.tries.endWait();
    coordinator.abandon(exchange);
    ledger.countAskTimeout();
    const route = defined(exchange.route, 'the route of a try');
    // Its limits have been asked for by then, where it has any: there is nothing else to wait for.
    const isFirst = exchange.tries.sent === 0;
    if (!isFirst && route.config.onCoordinatorLost !== 'open') return ASK_CLOSED;
    const asked = coordinator.admitOpen(exchange, route, triedMaskOf(exchange));
    if (asked === ASK_OPEN) ledger.countOpen();
    return asked;
  }
}

/** Those that were tried, and the one that is being tried. */
function triedMaskOf(exchange: Exchange): number {
  const { route, tries } = exchange;
  if (route === null || tries.current === null) return tries.triedMask;
  return tries.triedMask | bitOfTarget(upstreamOfRoute(route), tries.current.targetIndex);
}
