/**
 * What comes next: sends the first try of an exchange, and plans, asks for and sends the others.
 *
 *     begin ──► in flight ──hedge.after──► ask ──► another beside it
 *     plan ──► back-off ──► ask (no limit, tried targets named) ──► in flight
 *
 * Thread: worker. Owns nothing: the state is the exchange's. What becomes of a try that is in
 * flight is the listener's business, retry-loop.ts. Every wait is on the deadline wheel.
 */
import { assertNever } from '../../base/assert.js';
import { PROBLEMS } from '../../base/problems.js';
import {
  type RefusingVerdict,
  type ReplyView,
  VERDICT_ADMITTED,
  VERDICT_NONE,
  type Verdict,
} from '../../channel/coordinator/coordinator-records.js';
import { END_GRPC_STATUS, END_STATUS, type TryEnd } from '../../policy/retry/retry-rule.js';
import {
  ASK_ADMITTED,
  ASK_CLOSED,
  ASK_LIMITED,
  ASK_OPEN,
  ASK_PENDING,
  ASK_REFUSED,
  type AskResult,
  type CoordinatorClient,
} from '../admission/coordinator-client.js';
import { problemOfVerdict } from '../admission/verdict-problem.js';
import type { DeadlineWheel } from '../exchange/deadline-wheel.js';
import { type Exchange, upstreamOf } from '../exchange/exchange.js';
import { NEVER_MS } from '../exchange/tries-state.js';
import type { ExchangeMetrics } from '../telemetry/exchange-metrics.js';
import type { Forwarder } from '../upstream/forwarder.js';
import type { TryListener, UpstreamTry } from '../upstream/upstream-try.js';
import { NextTarget } from './next-target.js';
import type { RetryPlanner } from './retry-planner.js';
import type { TrySettler } from './try-settler.js';

export interface NextTryParts {
  readonly planner: RetryPlanner;
  readonly forwarder: Pick<Forwarder, 'prepare' | 'launch'>;
  readonly coordinator: CoordinatorClient;
  readonly ledger: ExchangeMetrics;
  readonly wheel: DeadlineWheel;
  nowMs(): number;
  touch(): void;
}

/** Who the tries are made for. */
export interface NextTryOwner {
  readonly settler: TrySettler;
  readonly listener: TryListener;
  /** No try is in flight, and none will be made. */
  onNone(exchange: Exchange): void;
}

export class NextTry {
  private readonly nextTarget: NextTarget;

  constructor(
    private readonly parts: NextTryParts,
    private readonly owner: NextTryOwner,
  ) {
    this.nextTarget = new NextTarget(parts);
  }

  /** The first try: the exchange is admitted, and its request can be sent. */
  begin(exchange: Exchange): void {
    this.startRouteClock(exchange);
    this.launchFirst(exchange);
  }

  /** The same for an exchange that has no target yet. */
  beginUnadmitted(exchange: Exchange): void {
    this.startRouteClock(exchange);
    const asked = this.nextTarget.askFirst(exchange);
    if (this.goOn(exchange, asked)) return;
    // Else there was a target, and the body was gone that it should have got.
    if (asked === ASK_CLOSED) exchange.tries.onFailed(PROBLEMS.coordinatorLost, '');
    else if (asked === ASK_REFUSED) exchange.tries.onFailed(PROBLEMS.overloaded, '');
    this.owner.onNone(exchange);
  }

  private launchFirst(exchange: Exchange): void {
    this.parts.planner.onRequest(exchange, upstreamOf(exchange), this.parts.nowMs());
    this.launch(exchange);
  }

  /** The last of the request body is here: the route's time begins. */
  onRequestComplete(exchange: Exchange): void {
    this.startRouteClock(exchange);
    this.arm(exchange);
  }

  private startRouteClock(exchange: Exchange): void {
    const { route, upload, grpc } = exchange;
    const timeoutMs = route?.config.timeoutMs ?? 0;
    const isRunning = timeoutMs > 0 && upload.isComplete;
    const routeEndMs = isRunning ? this.parts.nowMs() + timeoutMs : NEVER_MS;
    const callEndMs = grpc === null ? routeEndMs : Math.min(routeEndMs, grpc.deadlineMs);
    const endMs = Math.min(callEndMs, exchange.tries.routeDeadlineMs);
    if (endMs !== NEVER_MS) exchange.tries.endBy(endMs);
  }

  /** Sends a try with the last admission of the exchange. */
  private launch(exchange: Exchange): void {
    const { admission, tries } = exchange;
    const attempt = this.parts.forwarder.prepare(exchange, admission, this.owner.listener);
    const nowMs = this.parts.nowMs();
    admission.handOver();
    tries.onSent(attempt);
    attempt.begin(nowMs, nowMs + upstreamOf(exchange).timeouts.perTryMs);
    this.arm(exchange);
    // A tunnel keeps its connection: one that others could use stays for them.
    this.parts.forwarder.launch(attempt, exchange.tunnel !== null);
  }

  /** The try's connection was closed while it was idle: another try takes its place. */
  resendFresh(stale: UpstreamTry): void {
    const { exchange } = stale;
    this.parts.ledger.countStaleRetry();
    const fresh = this.parts.forwarder.prepare(exchange, stale, this.owner.listener);
    // What the stale one was admitted with is the fresh one's now.
    stale.trySettle();
    fresh.begin(stale.beganMs, stale.headDeadlineMs);
    exchange.tries.onResent(stale, fresh);
    this.parts.forwarder.launch(fresh, true);
  }

  /**
   * Whether there will be another try after this end. `askedMs` is how long the target wants to be
   * left alone; 0: it does not say. The caller then lets it come with {@link waitOrResume}.
   */
  tryPlan(exchange: Exchange, end: TryEnd, askedMs: number): boolean {
    const times = { nowMs: this.parts.nowMs(), askedMs };
    if (!this.parts.planner.tryPlan(exchange, upstreamOf(exchange), end, times)) return false;
    // What comes of the body meanwhile waits; a target that has answered still gets it.
    if (!isStatus(end)) exchange.upload.tryRewind();
    return true;
  }

  /** The planned try is made, at once or when its time has come. */
  waitOrResume(exchange: Exchange): void {
    if (exchange.tries.resumeAtMs <= this.parts.nowMs()) this.resume(exchange);
    else this.arm(exchange);
  }

  /** The back-off is over. */
  private resume(exchange: Exchange): void {
    exchange.tries.endBackOff();
    if (!this.goOn(exchange, this.nextTarget.ask(exchange))) this.owner.onNone(exchange);
  }

  /** The next try is under way, or its verdict is. False: there is no target. */
  private goOn(exchange: Exchange, asked: AskResult): boolean {
    switch (asked) {
      case ASK_ADMITTED:
      case ASK_OPEN:
        return this.tryLaunchNext(exchange);
      case ASK_PENDING:
        this.arm(exchange);
        return true;
      case ASK_REFUSED:
      case ASK_CLOSED:
      case ASK_LIMITED:
        return false;
      default:
        return assertNever(asked);
    }
  }

  /** The coordinator has answered an ask for another try. */
  onVerdict(exchange: Exchange, reply: ReplyView): void {
    const { tries, admission } = exchange;
    tries.endWait();
    const isAdmitted = reply.verdict === VERDICT_ADMITTED;
    // With no other left the coordinator names one that was tried: good for a retry only.
    const isOther = isAdmitted && tries.current?.targetIndex !== admission.targetIndex;
    if (isOther && this.tryLaunchNext(exchange)) return;
    this.parts.coordinator.giveBack(exchange);
    if (tries.sent === 0 && isRefusal(reply.verdict)) {
      tries.onRefused(problemOfVerdict(reply.verdict), reply.retryAfterMs);
    }
    if (tries.current === null) this.owner.onNone(exchange);
    else this.arm(exchange);
  }

  /** False: the body has become too long to be kept since the try was planned. */
  private tryLaunchNext(exchange: Exchange): boolean {
    if (exchange.upload.tryRewind()) {
      this.launchNext(exchange);
      return true;
    }
    this.parts.coordinator.giveBack(exchange);
    return false;
  }

  private launchNext(exchange: Exchange): void {
    const { tries } = exchange;
    // A reply that is still coming would keep its connection for as long as the next try takes.
    const isComing = tries.keptReply?.isComplete === false;
    if (isComing && tries.current === null) this.owner.settler.dropKept(exchange);
    if (tries.sent === 0) {
      // The request may have become complete while there was no target yet.
      this.startRouteClock(exchange);
      this.launchFirst(exchange);
      return;
    }
    if (tries.current === null) {
      this.parts.ledger.countRetry(upstreamOf(exchange).index);
    } else {
      this.parts.ledger.countHedge(upstreamOf(exchange).index);
    }
    this.launch(exchange);
  }

  /** A deadline has passed: goes on with what its time has come for. */
  onDeadline(exchange: Exchange, nowMs: number): void {
    const { tries } = exchange;
    if (tries.askDeadlineMs <= nowMs) this.onAskDeadline(exchange);
    else if (tries.resumeAtMs <= nowMs) this.resume(exchange);
    if (tries.hedgeAtMs > nowMs) return;
    if (!this.parts.planner.tryHedge(exchange, upstreamOf(exchange), nowMs)) return;
    this.goOn(exchange, this.nextTarget.ask(exchange));
  }

  private onAskDeadline(exchange: Exchange): void {
    if (this.goOn(exchange, this.nextTarget.goOnWithoutVerdict(exchange))) return;
    if (exchange.tries.sent === 0) exchange.tries.onFailed(PROBLEMS.coordinatorLost, '');
    if (exchange.tries.current === null) this.owner.onNone(exchange);
  }

  /** Sets the deadline of the exchange to the next time that something is to be done. */
  arm(exchange: Exchange): void {
    const atMs = exchange.tries.nextTimeMs;
    if (atMs !== NEVER_MS) this.parts.wheel.set(exchange.deadline, atMs);
  }
}

function isRefusal(verdict: Verdict): verdict is RefusingVerdict {
  return verdict !== VERDICT_ADMITTED && verdict !== VERDICT_NONE;
}

function isStatus({ kind }: TryEnd): boolean {
  return kind === END_STATUS || kind === END_GRPC_STATUS;
}
