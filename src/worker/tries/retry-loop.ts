/**
 * The tries of an exchange: which one answers the client, and whether another is made.
 *
 * Thread: worker. Owns nothing but the flow: the state is the exchange's. An exchange comes here
 * admitted to its first target, and stays until its reply is complete or its last try has failed.
 *
 *     begin ──► in the air ──head──► the client's            (first head wins, the other is ended)
 *                 │   ▲ │
 *          failed │   │ └─ hedge.after ──► ask ──► a second try beside the first
 *                 ▼   │
 *             back-off, ask (no limit, tried targets named)
 *
 * A try that failed is settled before the next is asked for. Every wait is on the deadline wheel.
 * Invariant: each try is settled once, by settle(); release() leaves none behind.
 */
import { PROBLEMS, type ProblemKind } from '../../base/problems.js';
import {
  OUTCOME_CANCELLED,
  type ReplyView,
  VERDICT_ADMITTED,
} from '../../channel/coordinator/coordinator-records.js';
import {
  END_NOT_SENT,
  END_RESET,
  END_STATUS,
  END_TIMEOUT,
  type TryEnd,
  type TryEndKind,
} from '../../policy/retry/retry-rule.js';
import { ASK_OPEN, ASK_PENDING, type CoordinatorClient } from '../admission/coordinator-client.js';
import type { DeadlineWheel } from '../deadline-wheel.js';
import {
  type Exchange,
  isReplyHandedOn,
  isTryUnderWay,
  NEVER_MS,
  nextTryTimeMs,
  upstreamOf,
} from '../exchange.js';
import type { ExchangeMetrics } from '../exchange-metrics.js';
import type { Forwarder } from '../upstream/forwarder.js';
import type { ReplyFieldBlock } from '../upstream/reply-fields.js';
import { upstreamProblem } from '../upstream/upstream-error.js';
import type { TryListener, UpstreamTry } from '../upstream/upstream-try.js';
import { HeldReply } from './held-reply.js';
import { NextTarget } from './next-target.js';
import { outcomeOfEnd, outcomeOfStatus } from './outcome-class.js';
import { retryAfterMs } from './retry-after.js';
import { isStaleConnection, type RetryPlanner } from './retry-planner.js';
import { bitOfTarget } from './tried-targets.js';

export interface RetryLoopParts {
  readonly planner: RetryPlanner;
  readonly forwarder: Forwarder;
  readonly coordinator: CoordinatorClient;
  readonly ledger: ExchangeMetrics;
  readonly wheel: DeadlineWheel;
  nowMs(): number;
  unixMs(): number;
  touch(): void;
  /** The reply is complete, and on its way. */
  onReplyComplete(exchange: Exchange): void;
  /** No try is left, and there is no reply. One that had begun is to be cut. */
  onFailed(exchange: Exchange, problem: ProblemKind): void;
  onError(error: unknown): void;
}

export class RetryLoop implements TryListener {
  private readonly nextTarget: NextTarget;

  constructor(private readonly parts: RetryLoopParts) {
    this.nextTarget = new NextTarget(parts);
  }

  /** The first try: the exchange is admitted, and its request can be sent. */
  begin(exchange: Exchange): void {
    this.parts.planner.onRequest(exchange, upstreamOf(exchange), this.parts.nowMs());
    exchange.currentTry = this.parts.forwarder.prepare(exchange, exchange, this);
    this.startRouteClock(exchange);
    this.launch(exchange, exchange.currentTry);
  }

  /** The last of the request body is here. */
  onRequestComplete(exchange: Exchange): void {
    if (exchange.tries === 0 || isReplyHandedOn(exchange)) return;
    this.startRouteClock(exchange);
    this.arm(exchange);
  }

  private startRouteClock(exchange: Exchange): void {
    const timeoutMs = exchange.route?.config.timeoutMs ?? 0;
    if (timeoutMs === 0 || !exchange.isRequestComplete) return;
    exchange.routeDeadlineMs = this.parts.nowMs() + timeoutMs;
  }

  private launch(exchange: Exchange, attempt: UpstreamTry): void {
    const nowMs = this.parts.nowMs();
    exchange.isAdmitted = false;
    exchange.tries++;
    exchange.activeMs = nowMs;
    attempt.beganMs = nowMs;
    attempt.headDeadlineMs = nowMs + upstreamOf(exchange).timeouts.perTryMs;
    this.arm(exchange);
    this.parts.forwarder.launch(attempt, false);
  }

  onHead(attempt: UpstreamTry, status: number, block: ReplyFieldBlock): void {
    const { exchange } = attempt;
    this.parts.ledger.countHead(attempt, this.parts.nowMs());
    const { statuses } = upstreamOf(exchange).retry.conditions;
    if (statuses.includes(status) && this.holdBack(attempt, status, block)) return;
    this.win(exchange, attempt);
    this.deliverHead(exchange, status, block);
  }

  onBody(attempt: UpstreamTry, chunk: Buffer): boolean {
    const { exchange } = attempt;
    if (exchange.held?.attempt === attempt) return exchange.held.onBody(chunk);
    const { forwarder } = this.parts;
    if (!forwarder.deliverBody(exchange, chunk)) return !exchange.isReplyPaused;
    this.complete(exchange);
    return true;
  }

  onComplete(attempt: UpstreamTry): void {
    const { exchange } = attempt;
    if (exchange.held?.attempt === attempt) {
      exchange.held.isComplete = true;
      return;
    }
    this.parts.forwarder.deliverEnd(exchange);
    this.complete(exchange);
  }

  onFailure(attempt: UpstreamTry, error: unknown): void {
    const { exchange } = attempt;
    if (exchange.held?.attempt === attempt) {
      exchange.held.isBroken = true;
      return;
    }
    if (isStaleConnection(attempt, error)) {
      this.resendFresh(attempt);
      return;
    }
    const problem = upstreamProblem(error);
    if (problem === PROBLEMS.internal) this.parts.onError(error);
    this.onTryFailed(attempt, attempt.isSent ? END_RESET : END_NOT_SENT, problem);
  }

  private resendFresh(attempt: UpstreamTry): void {
    const { exchange } = attempt;
    exchange.hasRetriedStale = true;
    this.parts.ledger.countStaleRetry();
    const fresh = this.parts.forwarder.prepare(exchange, attempt, this);
    attempt.isSettled = true;
    fresh.beganMs = attempt.beganMs;
    fresh.headDeadlineMs = attempt.headDeadlineMs;
    if (exchange.hedgeTry === attempt) exchange.hedgeTry = fresh;
    else exchange.currentTry = fresh;
    this.parts.forwarder.launch(fresh, true);
  }

  private onTryFailed(attempt: UpstreamTry, kind: TryEndKind, problem: ProblemKind): void {
    const { exchange } = attempt;
    this.parts.ledger.countTryFailure(attempt.targetIndex, problem);
    const isOurs = problem === PROBLEMS.internal;
    // A request that we could not even hand over says nothing about the target.
    this.settle(attempt, isOurs ? OUTCOME_CANCELLED : outcomeOfEnd(kind, upstreamOf(exchange)));
    exchange.lastProblem = problem;
    this.leaveAir(exchange, attempt);
    if (exchange.isReplyStarted) {
      this.parts.onFailed(exchange, problem);
    } else if (!isTryUnderWay(exchange)) {
      // What was to be sent together with its body has not been sent.
      exchange.isHeadHeld = false;
      if (!isOurs && this.plan(exchange, { kind, status: 0 }, 0)) this.waitOrResume(exchange);
      else this.giveLast(exchange);
    }
  }

  /** A status that is retried. False: it goes to the client, there will be no other try. */
  private holdBack(attempt: UpstreamTry, status: number, block: ReplyFieldBlock): boolean {
    const { exchange } = attempt;
    const askedMs = retryAfterMs(block.fields, this.parts.unixMs());
    this.leaveAir(exchange, attempt);
    const isHeld =
      isTryUnderWay(exchange) || this.plan(exchange, { kind: END_STATUS, status }, askedMs);
    if (!isHeld) return false;
    this.dropHeld(exchange);
    exchange.held = new HeldReply(attempt, status, block);
    this.settle(attempt, outcomeOfStatus(status, upstreamOf(exchange)));
    if (exchange.resumeAtMs !== NEVER_MS) this.waitOrResume(exchange);
    return true;
  }

  private plan(exchange: Exchange, end: TryEnd, askedMs: number): boolean {
    const times = { nowMs: this.parts.nowMs(), askedMs };
    return this.parts.planner.tryPlan(exchange, upstreamOf(exchange), end, times);
  }

  private waitOrResume(exchange: Exchange): void {
    if (exchange.resumeAtMs <= this.parts.nowMs()) this.resume(exchange);
    else this.arm(exchange);
  }

  /** The back-off is over. */
  private resume(exchange: Exchange): void {
    exchange.resumeAtMs = NEVER_MS;
    if (!this.goOn(exchange, this.nextTarget.ask(exchange))) this.giveLast(exchange);
  }

  /** The next try is under way, or its verdict is. False: there is no target. */
  private goOn(exchange: Exchange, asked: number): boolean {
    if (asked === ASK_OPEN) this.launchNext(exchange);
    else if (asked === ASK_PENDING) this.arm(exchange);
    return asked === ASK_OPEN || asked === ASK_PENDING;
  }

  /** The coordinator has answered an ask for another try. */
  onVerdict(exchange: Exchange, reply: ReplyView): void {
    exchange.askDeadlineMs = NEVER_MS;
    const { currentTry } = exchange;
    const isAdmitted = reply.verdict === VERDICT_ADMITTED;
    // With no other left the coordinator names one that was tried: good for a retry only.
    if (!isAdmitted || currentTry?.targetIndex === exchange.targetIndex) {
      this.parts.coordinator.giveBack(exchange, upstreamOf(exchange).index);
      if (currentTry === null) this.giveLast(exchange);
      else this.arm(exchange);
      return;
    }
    this.launchNext(exchange);
  }

  private launchNext(exchange: Exchange): void {
    const attempt = this.parts.forwarder.prepare(exchange, exchange, this);
    if (exchange.currentTry === null) {
      this.parts.ledger.countRetry(upstreamOf(exchange).index);
      // A reply that is still coming would keep its connection for as long as the next try takes.
      if (exchange.held?.isComplete === false) this.dropHeld(exchange);
      exchange.currentTry = attempt;
    } else {
      this.parts.ledger.countHedge(upstreamOf(exchange).index);
      exchange.hedgeTry = attempt;
    }
    this.launch(exchange, attempt);
  }

  onDeadline(exchange: Exchange, nowMs: number): void {
    if (isReplyHandedOn(exchange)) {
      this.onIdleDeadline(exchange, nowMs);
      return;
    }
    if (exchange.routeDeadlineMs <= nowMs) {
      this.onRouteDeadline(exchange);
      return;
    }
    if (exchange.askDeadlineMs <= nowMs) this.onAskDeadline(exchange);
    else if (exchange.resumeAtMs <= nowMs) this.resume(exchange);
    if (exchange.hedgeAtMs <= nowMs) {
      const mayHedge = this.parts.planner.tryHedge(exchange, upstreamOf(exchange), nowMs);
      if (mayHedge) this.goOn(exchange, this.nextTarget.ask(exchange));
    }
    const { currentTry, hedgeTry } = exchange;
    if (currentTry !== null) this.checkHeadDeadline(currentTry, nowMs);
    if (hedgeTry !== null) this.checkHeadDeadline(hedgeTry, nowMs);
    if (!exchange.isFinished && !isReplyHandedOn(exchange)) this.arm(exchange);
  }

  private checkHeadDeadline(attempt: UpstreamTry, nowMs: number): void {
    if (attempt.isSettled || attempt.headDeadlineMs > nowMs) return;
    const { exchange } = attempt;
    // An upload that still moves is the client's time, not the target's.
    const movedUntilMs = exchange.activeMs + upstreamOf(exchange).timeouts.responseMs;
    if (!exchange.isRequestComplete && movedUntilMs > nowMs) {
      attempt.headDeadlineMs = movedUntilMs;
      return;
    }
    const problem = attempt.isSent ? PROBLEMS.responseTimeout : PROBLEMS.connectTimeout;
    attempt.abort();
    this.onTryFailed(attempt, attempt.isSent ? END_TIMEOUT : END_NOT_SENT, problem);
  }

  private onRouteDeadline(exchange: Exchange): void {
    const problem = PROBLEMS.routeTimeout;
    const { currentTry } = exchange;
    if (currentTry !== null) this.parts.ledger.countTryFailure(currentTry.targetIndex, problem);
    this.endTries(exchange, outcomeOfEnd(END_TIMEOUT, upstreamOf(exchange)));
    this.parts.onFailed(exchange, problem);
  }

  private onAskDeadline(exchange: Exchange): void {
    if (this.goOn(exchange, this.nextTarget.goOnWithoutVerdict(exchange))) return;
    if (exchange.currentTry === null) this.giveLast(exchange);
  }

  private onIdleDeadline(exchange: Exchange, nowMs: number): void {
    const idleUntilMs = exchange.activeMs + upstreamOf(exchange).timeouts.idleMs;
    if (idleUntilMs > nowMs) {
      this.parts.wheel.set(exchange.deadline, idleUntilMs);
      return;
    }
    const { currentTry } = exchange;
    if (currentTry === null) return;
    currentTry.abort();
    this.onTryFailed(currentTry, END_TIMEOUT, PROBLEMS.responseTimeout);
  }

  /** The first head: this try answers the client. */
  private win(exchange: Exchange, attempt: UpstreamTry): void {
    const { currentTry, hedgeTry } = exchange;
    const loser = currentTry === attempt ? hedgeTry : currentTry;
    exchange.currentTry = attempt;
    exchange.hedgeTry = null;
    exchange.targetIndex = attempt.targetIndex;
    if (loser !== null) {
      loser.abort();
      this.settle(loser, OUTCOME_CANCELLED);
    }
    this.parts.coordinator.abandon(exchange);
    this.dropHeld(exchange);
  }

  /** No other try will be made: what the last one came to goes to the client. */
  private giveLast(exchange: Exchange): void {
    const { held } = exchange;
    if (held === null || held.isBroken) {
      this.parts.onFailed(exchange, exchange.lastProblem ?? PROBLEMS.upstreamReset);
      return;
    }
    exchange.held = null;
    exchange.currentTry = held.attempt;
    exchange.targetIndex = held.attempt.targetIndex;
    this.deliverHead(exchange, held.status, held);
    for (const chunk of held.chunks) {
      if (!exchange.isFinished) this.onBody(held.attempt, chunk);
    }
    if (exchange.isFinished) return;
    if (held.isComplete) this.onComplete(held.attempt);
    else held.attempt.resume();
  }

  private deliverHead(exchange: Exchange, status: number, block: ReplyFieldBlock): void {
    if (this.parts.forwarder.deliverHead(exchange, status, block)) this.complete(exchange);
    else this.onIdleDeadline(exchange, exchange.activeMs);
  }

  /** The reply is complete for the client; the transport may still have its end to read. */
  private complete(exchange: Exchange): void {
    const attempt = exchange.currentTry;
    exchange.currentTry = null;
    attempt?.detach();
    const outcome = outcomeOfStatus(exchange.status, upstreamOf(exchange));
    if (attempt !== null) this.settle(attempt, outcome);
    this.parts.onReplyComplete(exchange);
  }

  /** The exchange is over, whatever the reason: nothing of it stays behind. */
  release(exchange: Exchange): void {
    if (exchange.tries > 0) this.parts.planner.onRequestDone(upstreamOf(exchange));
    this.endTries(exchange, OUTCOME_CANCELLED);
    this.dropHeld(exchange);
    this.parts.forwarder.release(exchange);
  }

  private endTries(exchange: Exchange, outcome: number): void {
    for (const attempt of [exchange.currentTry, exchange.hedgeTry]) {
      if (attempt === null) continue;
      attempt.abort();
      this.settle(attempt, outcome);
    }
    exchange.currentTry = null;
    exchange.hedgeTry = null;
  }

  private dropHeld(exchange: Exchange): void {
    exchange.held?.drop();
    exchange.held = null;
  }

  private settle(attempt: UpstreamTry, outcome: number): void {
    if (attempt.isSettled) return;
    attempt.isSettled = true;
    const { exchange } = attempt;
    this.parts.ledger.countTry(attempt, outcome);
    this.parts.coordinator.settleTry(attempt, upstreamOf(exchange).index, outcome);
    this.parts.touch();
  }

  /** The try has ended; another one that is in the air becomes the exchange's. */
  private leaveAir(exchange: Exchange, attempt: UpstreamTry): void {
    if (exchange.currentTry === attempt) exchange.currentTry = exchange.hedgeTry;
    exchange.hedgeTry = null;
    exchange.triedMask |= bitOfTarget(upstreamOf(exchange), attempt.targetIndex);
  }

  private arm(exchange: Exchange): void {
    const atMs = nextTryTimeMs(exchange);
    if (atMs !== NEVER_MS) this.parts.wheel.set(exchange.deadline, atMs);
  }
}
