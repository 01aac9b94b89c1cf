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
import type { DeadlineWheel } from '../exchange/deadline-wheel.js';
import { type Exchange, upstreamOf } from '../exchange/exchange.js';
import { KeptReply } from '../exchange/kept-reply.js';
import type { ReplyFieldBlock } from '../exchange/reply-state.js';
import { NEVER_MS } from '../exchange/tries-state.js';
import type { TryInFlight } from '../exchange/try-in-flight.js';
import type { ExchangeMetrics } from '../exchange-metrics.js';
import type { Forwarder } from '../upstream/forwarder.js';
import { upstreamProblem } from '../upstream/upstream-error.js';
import type { TryListener, UpstreamTry } from '../upstream/upstream-try.js';
import { NextTarget } from './next-target.js';
import { outcomeOfEnd, outcomeOfStatus } from './outcome-class.js';
import { retryAfterMs } from './retry-after.js';
import { isStaleConnection, type RetryPlanner } from './retry-planner.js';
import { bitOfTarget } from './tried-targets.js';

/** How a try has failed. */
interface TryFailure {
  readonly kind: TryEndKind;
  readonly problem: ProblemKind;
}

const NO_REPLY_IN_TIME: TryFailure = { kind: END_TIMEOUT, problem: PROBLEMS.responseTimeout };
const NOT_SENT_IN_TIME: TryFailure = { kind: END_NOT_SENT, problem: PROBLEMS.connectTimeout };

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
    this.startRouteClock(exchange);
    this.launch(exchange, this.parts.forwarder.prepare(exchange, exchange.admission, this));
  }

  /** The last of the request body is here. */
  onRequestComplete(exchange: Exchange): void {
    if (exchange.tries.sent === 0 || exchange.reply.isHandedOn) return;
    this.startRouteClock(exchange);
    this.arm(exchange);
  }

  private startRouteClock(exchange: Exchange): void {
    const timeoutMs = exchange.route?.config.timeoutMs ?? 0;
    if (timeoutMs === 0 || !exchange.upload.isComplete) return;
    exchange.tries.endBy(this.parts.nowMs() + timeoutMs);
  }

  private launch(exchange: Exchange, attempt: UpstreamTry): void {
    const nowMs = this.parts.nowMs();
    exchange.admission.handOver();
    exchange.tries.onSent(attempt);
    attempt.begin(nowMs, nowMs + upstreamOf(exchange).timeouts.perTryMs);
    this.arm(exchange);
    this.parts.forwarder.launch(attempt, false);
  }

  onHead(attempt: UpstreamTry, status: number, block: ReplyFieldBlock): void {
    const { exchange } = attempt;
    const upstreamMs = this.parts.nowMs() - attempt.beganMs;
    exchange.tries.onHead(upstreamMs);
    this.parts.ledger.countHead(attempt.targetIndex, upstreamMs);
    const { statuses } = upstreamOf(exchange).retry.conditions;
    if (statuses.includes(status) && this.holdBack(attempt, status, block)) return;
    this.win(exchange, attempt);
    this.deliverHead(exchange, status, block);
  }

  onBody(attempt: UpstreamTry, chunk: Buffer): boolean {
    const { exchange } = attempt;
    const { keptReply } = exchange.tries;
    if (keptReply?.attempt === attempt) return keptReply.onBody(chunk);
    return this.deliverBody(exchange, chunk);
  }

  private deliverBody(exchange: Exchange, chunk: Buffer): boolean {
    if (!this.parts.forwarder.deliverBody(exchange, chunk)) return !exchange.reply.isPaused;
    this.complete(exchange);
    return true;
  }

  onComplete(attempt: UpstreamTry): void {
    const { exchange } = attempt;
    const { keptReply } = exchange.tries;
    if (keptReply?.attempt === attempt) keptReply.onComplete();
    else this.deliverEnd(exchange);
  }

  private deliverEnd(exchange: Exchange): void {
    this.parts.forwarder.deliverEnd(exchange);
    this.complete(exchange);
  }

  onFailure(attempt: UpstreamTry, error: unknown): void {
    const { exchange } = attempt;
    const { keptReply } = exchange.tries;
    if (keptReply?.attempt === attempt) {
      keptReply.onBroken();
      return;
    }
    if (isStaleConnection(attempt, error)) {
      this.resendFresh(attempt);
      return;
    }
    const problem = upstreamProblem(error);
    if (problem === PROBLEMS.internal) this.parts.onError(error);
    const kind = attempt.isSent ? END_RESET : END_NOT_SENT;
    this.onTryFailed(exchange, attempt, { kind, problem });
  }

  private resendFresh(attempt: UpstreamTry): void {
    const { exchange } = attempt;
    this.parts.ledger.countStaleRetry();
    const fresh = this.parts.forwarder.prepare(exchange, attempt, this);
    // What the stale one was admitted with is the fresh one's now.
    attempt.trySettle();
    fresh.begin(attempt.beganMs, attempt.headDeadlineMs);
    exchange.tries.onResent(attempt, fresh);
    this.parts.forwarder.launch(fresh, true);
  }

  private onTryFailed(exchange: Exchange, attempt: TryInFlight, failure: TryFailure): void {
    const { kind, problem } = failure;
    this.parts.ledger.countTryFailure(attempt.targetIndex, problem);
    const isOurs = problem === PROBLEMS.internal;
    // A request that we could not even hand over says nothing about the target.
    const outcome = isOurs ? OUTCOME_CANCELLED : outcomeOfEnd(kind, upstreamOf(exchange));
    this.settle(exchange, attempt, outcome);
    exchange.tries.onFailed(problem);
    this.leave(exchange, attempt);
    if (exchange.reply.isStarted) {
      this.parts.onFailed(exchange, problem);
    } else if (!exchange.tries.isUnderWay) {
      // What was to be sent together with its body has not been sent.
      exchange.reply.takeHeadBack();
      if (!isOurs && this.plan(exchange, { kind, status: 0 }, 0)) this.waitOrResume(exchange);
      else this.giveLast(exchange);
    }
  }

  /** A status that is retried. False: it goes to the client, there will be no other try. */
  private holdBack(attempt: UpstreamTry, status: number, block: ReplyFieldBlock): boolean {
    const { exchange } = attempt;
    const askedMs = retryAfterMs(block.fields, this.parts.unixMs());
    this.leave(exchange, attempt);
    const isHeld =
      exchange.tries.isUnderWay || this.plan(exchange, { kind: END_STATUS, status }, askedMs);
    if (!isHeld) return false;
    this.dropKept(exchange);
    exchange.tries.keep(new KeptReply(attempt, status, block));
    this.settle(exchange, attempt, outcomeOfStatus(status, upstreamOf(exchange)));
    if (exchange.tries.resumeAtMs !== NEVER_MS) this.waitOrResume(exchange);
    return true;
  }

  private plan(exchange: Exchange, end: TryEnd, askedMs: number): boolean {
    const times = { nowMs: this.parts.nowMs(), askedMs };
    return this.parts.planner.tryPlan(exchange, upstreamOf(exchange), end, times);
  }

  private waitOrResume(exchange: Exchange): void {
    if (exchange.tries.resumeAtMs <= this.parts.nowMs()) this.resume(exchange);
    else this.arm(exchange);
  }

  /** The back-off is over. */
  private resume(exchange: Exchange): void {
    exchange.tries.endBackOff();
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
    const { tries, admission } = exchange;
    tries.endWait();
    const isAdmitted = reply.verdict === VERDICT_ADMITTED;
    // With no other left the coordinator names one that was tried: good for a retry only.
    if (!isAdmitted || tries.current?.targetIndex === admission.targetIndex) {
      this.parts.coordinator.giveBack(exchange, upstreamOf(exchange).index);
      if (tries.current === null) this.giveLast(exchange);
      else this.arm(exchange);
      return;
    }
    this.launchNext(exchange);
  }

  private launchNext(exchange: Exchange): void {
    const { tries } = exchange;
    if (tries.current === null) {
      this.parts.ledger.countRetry(upstreamOf(exchange).index);
      // A reply that is still coming would keep its connection for as long as the next try takes.
      if (tries.keptReply?.isComplete === false) this.dropKept(exchange);
    } else {
      this.parts.ledger.countHedge(upstreamOf(exchange).index);
    }
    this.launch(exchange, this.parts.forwarder.prepare(exchange, exchange.admission, this));
  }

  onDeadline(exchange: Exchange, nowMs: number): void {
    const { tries, reply } = exchange;
    if (reply.isHandedOn) {
      this.onIdleDeadline(exchange, nowMs);
      return;
    }
    if (tries.routeDeadlineMs <= nowMs) {
      this.onRouteDeadline(exchange);
      return;
    }
    if (tries.askDeadlineMs <= nowMs) this.onAskDeadline(exchange);
    else if (tries.resumeAtMs <= nowMs) this.resume(exchange);
    if (tries.hedgeAtMs <= nowMs) {
      const mayHedge = this.parts.planner.tryHedge(exchange, upstreamOf(exchange), nowMs);
      if (mayHedge) this.goOn(exchange, this.nextTarget.ask(exchange));
    }
    const { current, hedge } = tries;
    if (current !== null) this.checkHeadDeadline(exchange, current, nowMs);
    if (hedge !== null) this.checkHeadDeadline(exchange, hedge, nowMs);
    if (!exchange.isFinished && !reply.isHandedOn) this.arm(exchange);
  }

  private checkHeadDeadline(exchange: Exchange, attempt: TryInFlight, nowMs: number): void {
    if (attempt.isSettled || attempt.headDeadlineMs > nowMs) return;
    const { upload } = exchange;
    // An upload that still moves is the client's time, not the target's.
    const movedMs = Math.max(attempt.beganMs, upload.movedMs);
    const movedUntilMs = movedMs + upstreamOf(exchange).timeouts.responseMs;
    if (!upload.isComplete && movedUntilMs > nowMs) {
      attempt.extend(movedUntilMs);
      return;
    }
    attempt.abort();
    this.onTryFailed(exchange, attempt, attempt.isSent ? NO_REPLY_IN_TIME : NOT_SENT_IN_TIME);
  }

  private onRouteDeadline(exchange: Exchange): void {
    const problem = PROBLEMS.routeTimeout;
    const { current } = exchange.tries;
    if (current !== null) this.parts.ledger.countTryFailure(current.targetIndex, problem);
    this.endTries(exchange, outcomeOfEnd(END_TIMEOUT, upstreamOf(exchange)));
    this.parts.onFailed(exchange, problem);
  }

  private onAskDeadline(exchange: Exchange): void {
    if (this.goOn(exchange, this.nextTarget.goOnWithoutVerdict(exchange))) return;
    if (exchange.tries.current === null) this.giveLast(exchange);
  }

  private onIdleDeadline(exchange: Exchange, nowMs: number): void {
    const movedMs = Math.max(exchange.reply.movedMs, exchange.upload.movedMs);
    const idleUntilMs = movedMs + upstreamOf(exchange).timeouts.idleMs;
    if (idleUntilMs > nowMs) {
      this.parts.wheel.set(exchange.deadline, idleUntilMs);
      return;
    }
    const { current } = exchange.tries;
    if (current === null) return;
    current.abort();
    this.onTryFailed(exchange, current, NO_REPLY_IN_TIME);
  }

  /** The first head: this try answers the client. */
  private win(exchange: Exchange, attempt: UpstreamTry): void {
    const { tries } = exchange;
    const loser = tries.current === attempt ? tries.hedge : tries.current;
    tries.onAnswered(attempt);
    if (loser !== null) this.endTry(exchange, loser, OUTCOME_CANCELLED);
    tries.endWait();
    this.parts.coordinator.abandon(exchange);
    this.dropKept(exchange);
  }

  /** No other try will be made: what the last one came to goes to the client. */
  private giveLast(exchange: Exchange): void {
    const { tries } = exchange;
    const { keptReply: kept } = tries;
    if (kept === null || kept.isBroken) {
      this.parts.onFailed(exchange, tries.lastProblem ?? PROBLEMS.upstreamReset);
      return;
    }
    tries.keep(null);
    tries.onAnswered(kept.attempt);
    this.deliverHead(exchange, kept.status, kept);
    for (const chunk of kept.chunks) {
      if (!exchange.isFinished) this.deliverBody(exchange, chunk);
    }
    if (exchange.isFinished) return;
    if (kept.isComplete) this.deliverEnd(exchange);
    else kept.attempt.resume();
  }

  private deliverHead(exchange: Exchange, status: number, block: ReplyFieldBlock): void {
    if (this.parts.forwarder.deliverHead(exchange, status, block)) this.complete(exchange);
    else this.onIdleDeadline(exchange, exchange.reply.movedMs);
  }

  /** The reply is complete for the client; the transport may still have its end to read. */
  private complete(exchange: Exchange): void {
    const { tries, reply } = exchange;
    const { current } = tries;
    tries.clear();
    if (current !== null) {
      current.detach();
      this.settle(exchange, current, outcomeOfStatus(reply.status, upstreamOf(exchange)));
    }
    this.parts.onReplyComplete(exchange);
  }

  /** The exchange is over, whatever the reason: nothing of it stays behind. */
  release(exchange: Exchange): void {
    if (exchange.tries.sent > 0) this.parts.planner.onRequestDone(upstreamOf(exchange));
    this.endTries(exchange, OUTCOME_CANCELLED);
    this.dropKept(exchange);
    exchange.upload.release();
  }

  private endTries(exchange: Exchange, outcome: number): void {
    const { tries } = exchange;
    const { current, hedge } = tries;
    tries.clear();
    if (current !== null) this.endTry(exchange, current, outcome);
    if (hedge !== null) this.endTry(exchange, hedge, outcome);
  }

  private endTry(exchange: Exchange, attempt: TryInFlight, outcome: number): void {
    attempt.abort();
    this.settle(exchange, attempt, outcome);
  }

  private dropKept({ tries }: Exchange): void {
    tries.keptReply?.drop();
    tries.keep(null);
  }

  private settle(exchange: Exchange, attempt: TryInFlight, outcome: number): void {
    if (!attempt.trySettle()) return;
    this.parts.ledger.countTry(exchange, attempt, outcome);
    this.parts.coordinator.settleTry(attempt, upstreamOf(exchange).index, outcome);
    this.parts.touch();
  }

  /** The target counts as tried; another try that is in flight stays. */
  private leave(exchange: Exchange, attempt: TryInFlight): void {
    exchange.tries.onEnded(attempt, bitOfTarget(upstreamOf(exchange), attempt.targetIndex));
  }

  private arm(exchange: Exchange): void {
    const atMs = exchange.tries.nextTimeMs;
    if (atMs !== NEVER_MS) this.parts.wheel.set(exchange.deadline, atMs);
  }
}
