/**
 * What happens to the tries of an exchange: which one answers the client, and what a failure means.
 *
 * Thread: worker. Owns nothing but the flow: the state is the exchange's. An exchange comes here
 * admitted to its first target, and stays until it is over.
 *
 *     begin ──► in flight ──head──► the client's             (first head wins, the other is ended)
 *                   │
 *                failed ──► settled ──► next-try.ts plans another, or the last reply is given
 *
 * A status that is retried is kept until that is decided, and goes to the client unchanged when no
 * better reply comes. Once a head was handed on nothing else is tried, but when it could be taken
 * back. That a target is done settles its try; when the client has all is told by the reply path.
 * Invariant: each try is settled once, by try-settler.ts; release() leaves none behind.
 */
import { type FieldBlock, joinFields, NO_FIELDS } from '../../base/field-block.js';
import { PROBLEMS } from '../../base/problems.js';
import {
  OUTCOME_CANCELLED,
  type ReplyView,
} from '../../channel/coordinator/coordinator-records.js';
import { CONTINUE } from '../../channel/records/field-records.js';
import {
  END_GRPC_STATUS,
  END_STATUS,
  END_TIMEOUT,
  type TryEnd,
} from '../../policy/retry/retry-rule.js';
import type { ReplyFieldBlock } from '../../wire/http1/reply-fields.js';
import { SWITCHING_PROTOCOLS } from '../../wire/http1/status-line.js';
import { bitOfTarget } from '../admission/tried-targets.js';
import { type Exchange, upstreamOf } from '../exchange/exchange.js';
import { type GrpcCall, NO_GRPC_STATUS } from '../exchange/grpc-call.js';
import { KeptReply } from '../exchange/kept-reply.js';
import type { MirrorEnd } from '../exchange/mirror-end.js';
import { openCost } from '../exchange/told-costs.js';
import { NEVER_MS } from '../exchange/tries-state.js';
import type { TryInFlight } from '../exchange/try-in-flight.js';
import { viaOf } from '../reply/via.js';
import { failureCause, isUnasked, upstreamProblem } from '../upstream/upstream-error.js';
import type { TryListener, UpstreamTry } from '../upstream/upstream-try.js';
import {
  codeIn,
  isCallReply,
  lastFieldsOf,
  outcomeOfCode,
  outcomeOfReply,
} from './call-outcome.js';
import { Fallbacks } from './fallbacks.js';
import { NextTry } from './next-try.js';
import { OtherReplies } from './other-replies.js';
import { outcomeOfEnd, outcomeOfStatus } from './outcome-class.js';
import { DO_NOT_RETRY, pushbackMs, retryAfterMs } from './retry-after.js';
import type { RetryLoopParts } from './retry-loop-parts.js';
import { isStaleConnection } from './retry-planner.js';
import { endKindOf, NO_REPLY_IN_TIME, NOT_SENT_IN_TIME, type TryFailure } from './try-failure.js';
import { TrySettler } from './try-settler.js';

/** A reply that may be retried. */
interface RetriedEnd {
  readonly end: TryEnd;
  readonly askedMs: number;
  readonly outcome: number;
}

export class RetryLoop implements TryListener {
  private readonly settler: TrySettler;
  private readonly next: NextTry;
  private readonly instead: OtherReplies;
  private readonly fallbacks: Fallbacks;

  constructor(private readonly parts: RetryLoopParts) {
    this.settler = new TrySettler(parts);
    this.instead = new OtherReplies(parts, this.settler);
    this.fallbacks = new Fallbacks(parts);
    this.next = new NextTry(parts, {
      settler: this.settler,
      listener: this,
      onNone: (exchange) => this.giveLast(exchange),
    });
  }

  /** The first try: the exchange is admitted, and its request can be sent. */
  begin(exchange: Exchange): void {
    this.next.begin(exchange);
  }

  /** The same for an exchange that is admitted to no target yet. */
  beginUnadmitted = (exchange: Exchange): void => this.next.beginUnadmitted(exchange);

  /** The same for an exchange without a client, which is over by this time. */
  beginAside(exchange: Exchange, untilMs: number): void {
    exchange.tries.endBy(untilMs);
    this.next.beginUnadmitted(exchange);
  }

  /** The last of the request body is here. */
  onRequestComplete(exchange: Exchange): void {
    if (exchange.tries.sent === 0 || exchange.reply.isHandedOn) return;
    this.next.onRequestComplete(exchange);
  }

  /** The coordinator has answered an ask for another try. */
  onVerdict(exchange: Exchange, reply: ReplyView): void {
    this.next.onVerdict(exchange, reply);
  }

  // Hot path (bench/gateway/stream-down): each of these three at least once for every reply.

  onHead(attempt: UpstreamTry, status: number, block: ReplyFieldBlock): void {
    const { exchange } = attempt;
    const upstreamMs = this.parts.nowMs() - attempt.beganMs;
    exchange.tries.onHead(upstreamMs);
    this.parts.ledger.countHead(attempt.targetIndex, upstreamMs);
    const { statuses } = upstreamOf(exchange).retry.conditions;
    const isFailure = statuses.includes(status) || this.fallbacks.isFailure(exchange, status);
    if (isFailure && this.tryKeep(attempt, status, block)) return;
    if (exchange.grpc !== null && this.tryKeepCode(attempt, status, block)) return;
    this.win(exchange, attempt, status);
    if (status === SWITCHING_PROTOCOLS) this.settler.onTunnel(exchange, attempt);
    this.giveHead(exchange, attempt, status, block);
  }

  onBody(attempt: UpstreamTry, chunk: Buffer, isLast: boolean): boolean {
    const { exchange } = attempt;
    const { keptReply } = exchange.tries;
    if (keptReply?.attempt === attempt) return keptReply.onBody(chunk);
    if (exchange.mirror !== null) {
      exchange.mirror.onData(chunk);
      if (exchange.isAside) return this.takeCopied(exchange, exchange.mirror, isLast);
    }
    // Without trailers behind it the reply of a call is not complete.
    const isCall = exchange.grpc?.isTargets === true;
    // The target of a tunnel may still take what comes from the client.
    if (isLast && !isCall && !exchange.reply.isTunnel) this.onTargetDone(exchange);
    if (exchange.caching !== null) this.parts.cache.onData(exchange, chunk, isLast);
    // Its client may have got the end from the cache just now.
    if (exchange.isFinished) return true;
    if (isCall) return this.parts.replies.data(exchange, chunk, false);
    return this.giveData(exchange, chunk, isLast);
  }

  /** The reply to a copy goes nowhere, and is not read for ever. */
  private takeCopied(exchange: Exchange, mirror: MirrorEnd, isLast: boolean): boolean {
    if (isLast) this.endCopied(exchange, mirror);
    else if (mirror.isTooLong) this.parts.onAsideDone(exchange);
    return true;
  }

  private endCopied(exchange: Exchange, mirror: MirrorEnd): void {
    mirror.onWhole();
    this.onTargetDone(exchange);
    this.parts.onAsideDone(exchange);
  }

  private giveData(exchange: Exchange, chunk: Buffer, isLast: boolean): boolean {
    const { caching, isAside } = exchange;
    const { replies, cache } = this.parts;
    if (!isAside && (caching === null || caching.reader === null)) {
      const goesOn = replies.data(exchange, chunk, isLast);
      if (isLast || caching === null) return goesOn;
      return goesOn ? (caching.flight?.mayGoOn() ?? true) : cache.followers.detach(exchange);
    }
    // Whoever gets it has it from the cache.
    if (isAside) replies.skip(exchange);
    const isOfUse = caching?.isFetching === true || cache.followers.isWanted(exchange);
    if (isAside && (isLast || !isOfUse)) this.parts.onAsideDone(exchange);
    return caching?.flight?.mayGoOn() ?? true;
  }

  onComplete(attempt: UpstreamTry, trailers: FieldBlock): void {
    const { exchange } = attempt;
    const { keptReply } = exchange.tries;
    if (keptReply?.attempt === attempt) {
      keptReply.onComplete(trailers);
      return;
    }
    const last = lastFieldsOf(exchange, trailers);
    const { caching, mirror, isAside } = exchange;
    if (mirror !== null && isAside) {
      this.endCopied(exchange, mirror);
      return;
    }
    this.onTargetDone(exchange);
    if (caching?.validated != null) {
      this.parts.cache.serveValidated(exchange);
      if (exchange.isAside) this.parts.onAsideDone(exchange);
      return;
    }
    this.endReply(exchange, last);
  }

  private endReply(exchange: Exchange, trailers: FieldBlock): void {
    const { replies, cache } = this.parts;
    const { caching } = exchange;
    if (caching !== null) cache.onEnd(caching, trailers);
    if (exchange.isFinished) return;
    if (exchange.isAside) this.parts.onAsideDone(exchange);
    else if (caching !== null && caching.reader !== null) return;
    else if (trailers === NO_FIELDS) replies.end(exchange);
    else replies.trailers(exchange, trailers);
  }

  /** Goes on where the reply is likely to come from the same target; 100 is the gateway's own. */
  onInterim({ exchange }: UpstreamTry, status: number, fields: FieldBlock): void {
    const { tries } = exchange;
    if (exchange.isAside) return;
    if (status === CONTINUE || tries.hedge !== null || tries.keptReply !== null) return;
    this.parts.replies.interim(exchange, status, fields);
  }

  /** The target has said all that its reply has; the transport may still have its end to read. */
  private onTargetDone(exchange: Exchange): void {
    const { tries } = exchange;
    const { current } = tries;
    if (current === null) return;
    tries.clear();
    current.detach();
    this.settler.settle(exchange, current, outcomeOfReply(exchange));
  }

  onFailure(attempt: UpstreamTry, error: unknown): void {
    const { exchange } = attempt;
    const { keptReply } = exchange.tries;
    if (keptReply?.attempt === attempt) {
      keptReply.onBroken();
      return;
    }
    if (isStaleConnection(attempt, error)) {
      this.next.resendFresh(attempt);
      return;
    }
    const problem = upstreamProblem(error);
    if (problem === PROBLEMS.internal) this.parts.onError(error);
    const cause = failureCause(error);
    this.onTryFailed(exchange, attempt, { kind: endKindOf(attempt, error), problem, cause });
  }

  private onTryFailed(exchange: Exchange, attempt: TryInFlight, failure: TryFailure): void {
    const { kind, problem, cause } = failure;
    this.parts.ledger.countTryFailure(attempt.targetIndex, problem);
    // A request that we could not even hand over says nothing about the target.
    const wasNotAsked = isUnasked(problem);
    const outcome = wasNotAsked ? OUTCOME_CANCELLED : outcomeOfEnd(kind, upstreamOf(exchange));
    this.settler.settle(exchange, attempt, outcome);
    const end = { kind, status: 0 } as const;
    exchange.tries.onFailed(problem, cause, wasNotAsked ? null : end);
    this.leave(exchange, attempt);
    if (exchange.reply.isStarted) {
      this.parts.onFailed(exchange, problem);
    } else if (!exchange.tries.isUnderWay) {
      // What was to be sent together with its body has not been sent.
      this.parts.replies.takeBack(exchange);
      this.parts.cache.dropBegun(exchange);
      const isPlanned = !wasNotAsked && this.next.tryPlan(exchange, end, 0);
      if (isPlanned) this.next.waitOrResume(exchange);
      else this.giveLast(exchange);
    }
  }

  /** A status that is retried. False: it goes to the client, there will be no other try. */
  private tryKeep(attempt: UpstreamTry, status: number, block: ReplyFieldBlock): boolean {
    const askedMs = retryAfterMs(block.fields, this.parts.unixMs());
    const { exchange } = attempt;
    const outcome = outcomeOfStatus(status, upstreamOf(exchange));
    const kept = new KeptReply(attempt, status, block, exchange.tries.fallback);
    const end = { kind: END_STATUS, status } as const;
    return this.keepIfPlanned(exchange, kept, { end, askedMs, outcome });
  }

  /** A call that a target ended without a message, with a code that is retried. False: as above. */
  private tryKeepCode(attempt: UpstreamTry, status: number, block: ReplyFieldBlock): boolean {
    const { exchange } = attempt;
    const upstream = upstreamOf(exchange);
    const { grpcStatuses } = upstream.retry.conditions;
    if (grpcStatuses.length === 0 || exchange.grpc?.isTargets !== true) return false;
    const code = codeIn(block.fields);
    if (!grpcStatuses.includes(code) || !isCallReply(status, block.fields)) return false;
    const askedMs = pushbackMs(block.fields);
    if (askedMs === DO_NOT_RETRY) return false;
    const end = { kind: END_GRPC_STATUS, status: code } as const;
    const outcome = outcomeOfCode(code, upstream);
    const kept = new KeptReply(attempt, status, block, exchange.tries.fallback);
    return this.keepIfPlanned(exchange, kept, { end, askedMs, outcome });
  }

  private keepIfPlanned(exchange: Exchange, kept: KeptReply, ended: RetriedEnd): boolean {
    const { end, askedMs, outcome } = ended;
    const { attempt } = kept;
    const { tries } = exchange;
    this.leave(exchange, attempt);
    const isTriedAgain = tries.isUnderWay || this.next.tryPlan(exchange, end, askedMs);
    if (!isTriedAgain && !this.fallbacks.mayGoOn(exchange, end)) return false;
    this.settler.dropKept(exchange);
    tries.onKept(kept, end);
    this.settler.settle(exchange, attempt, outcome);
    if (tries.resumeAtMs !== NEVER_MS) this.next.waitOrResume(exchange);
    else if (!isTriedAgain) this.giveLast(exchange);
    return true;
  }

  /** The target counts as tried; another try that is in flight stays. */
  private leave(exchange: Exchange, attempt: TryInFlight): void {
    exchange.tries.onEnded(attempt, bitOfTarget(upstreamOf(exchange), attempt.targetIndex));
  }

  /** The first head: this try answers the client. */
  private win(exchange: Exchange, attempt: TryInFlight, status: number): void {
    const { tries } = exchange;
    const loser = tries.current === attempt ? tries.hedge : tries.current;
    tries.onAnswered(attempt, status);
    if (loser !== null) this.settler.end(exchange, loser, OUTCOME_CANCELLED);
    tries.endWait();
    this.parts.coordinator.abandon(exchange);
    this.settler.dropKept(exchange);
  }

  private giveHead(
    exchange: Exchange,
    { isHttp2 }: TryInFlight,
    status: number,
    block: ReplyFieldBlock,
  ): boolean {
    const { grpc, mirror } = exchange;
    const { cache } = this.parts;
    if (mirror !== null) {
      mirror.onHead(status, block.fields);
      if (exchange.isAside) return true;
    }
    if (cache.isOn) {
      cache.onWritten(exchange, status, block.fields);
      if (exchange.caching !== null && this.instead.isFromMemory(exchange, status, block)) {
        if (exchange.caching.isServing && !exchange.isFinished) this.watchReply(exchange);
        return exchange.isAside && !exchange.isFinished;
      }
    }
    if (grpc?.isTargets === true) {
      if (!isCallReply(status, block.fields)) {
        this.instead.ofForeign(exchange, grpc, status);
        return false;
      }
      const code = codeIn(block.fields);
      if (code !== NO_GRPC_STATUS) grpc.onStatus(code);
    }
    if (exchange.tunnel !== null && status >= 200 && status < 300) {
      this.instead.ofNoTunnel(exchange, status);
      return false;
    }
    const cookie = this.parts.preference.cookieField(exchange);
    const addsVia = exchange.epoch?.via.inReplies === true;
    const ownFields = addsVia ? joinFields(cookie, viaOf(isHttp2)) : cookie;
    openCost(exchange, status, block.fields);
    this.parts.replies.head(exchange, status, block, ownFields);
    if (!exchange.isFinished && !exchange.reply.isTunnel) this.watchReply(exchange);
    return true;
  }

  /** No other try is made here: another upstream has it, or the client what the last came to. */
  private giveLast(exchange: Exchange): void {
    if (this.fallbacks.tryGoOn(exchange)) {
      this.next.beginUnadmitted(exchange);
      return;
    }
    const { tries } = exchange;
    const { keptReply: kept } = tries;
    if (kept === null || kept.isBroken) {
      this.parts.onFailed(exchange, tries.lastProblem ?? PROBLEMS.upstreamReset);
      return;
    }
    tries.onKeptGiven(kept);
    if (kept.isComplete) this.onTargetDone(exchange);
    const isOn = this.giveHead(exchange, kept.attempt, kept.status, kept);
    if (isOn) this.giveKeptBody(exchange, kept);
  }

  private giveKeptBody(exchange: Exchange, kept: KeptReply): void {
    const { chunks, isComplete, trailers, attempt } = kept;
    const last = lastFieldsOf(exchange, trailers);
    const endsInData = isComplete && last === NO_FIELDS;
    let goesOn = true;
    for (const [at, chunk] of chunks.entries()) {
      if (exchange.isFinished) return;
      const isLast = endsInData && at === chunks.length - 1;
      exchange.mirror?.onData(chunk);
      if (exchange.caching !== null) this.parts.cache.onData(exchange, chunk, isLast);
      if (exchange.isFinished) return;
      goesOn = this.giveData(exchange, chunk, isLast);
    }
    if (exchange.isFinished) return;
    if (!isComplete) {
      if (goesOn) attempt.resume();
    } else if (!endsInData || chunks.length === 0) {
      this.endReply(exchange, last);
    }
  }

  onDeadline(exchange: Exchange, nowMs: number): void {
    const { tries, reply, grpc } = exchange;
    if (reply.isTunnel) {
      exchange.tunnel?.onDeadline(nowMs);
      return;
    }
    if (grpc !== null && grpc.deadlineMs <= nowMs) {
      this.onCallDeadline(exchange, grpc);
      return;
    }
    if (reply.isHandedOn) {
      this.onReplyDeadline(exchange, nowMs);
      return;
    }
    if (tries.routeDeadlineMs <= nowMs) {
      this.onRouteDeadline(exchange);
      return;
    }
    this.next.onDeadline(exchange, nowMs);
    const { current, hedge } = tries;
    if (current !== null) this.checkHeadDeadline(exchange, current, nowMs);
    if (hedge !== null) this.checkHeadDeadline(exchange, hedge, nowMs);
    if (!exchange.isFinished && !reply.isHandedOn) this.next.arm(exchange);
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

  /** How long a client of gRPC wants to wait says nothing about the target. */
  private onCallDeadline(exchange: Exchange, { isRoutesDeadline }: Readonly<GrpcCall>): void {
    if (!isRoutesDeadline) this.settler.endAll(exchange, OUTCOME_CANCELLED);
    this.onRouteDeadline(exchange);
  }

  private onRouteDeadline(exchange: Exchange): void {
    const problem = PROBLEMS.routeTimeout;
    const { current } = exchange.tries;
    if (current !== null) this.parts.ledger.countTryFailure(current.targetIndex, problem);
    this.settler.endAll(exchange, outcomeOfEnd(END_TIMEOUT, upstreamOf(exchange)));
    this.parts.onFailed(exchange, problem);
  }

  /** Until when the reply must move again. */
  private idleUntilMs(exchange: Exchange): number {
    const { reply, upload, grpc } = exchange;
    const { events } = reply;
    // Heartbeats that a client takes are no sign of its target.
    if (events !== null && !reply.isTargetPaused) return events.movedMs + events.rule.idleMs;
    const { idleMs } = events === null ? upstreamOf(exchange).timeouts : events.rule;
    const untilMs = Math.max(reply.movedMs, upload.movedMs) + idleMs;
    return grpc === null ? untilMs : Math.min(untilMs, grpc.deadlineMs);
  }

  /** A deadline that is set already and comes sooner looks at the reply as well. */
  private watchReply(exchange: Exchange): void {
    const { wheel } = this.parts;
    const { deadline } = exchange;
    const untilMs = this.idleUntilMs(exchange);
    if (!wheel.isSet(deadline) || deadline.deadlineMs > untilMs) wheel.set(deadline, untilMs);
  }

  private onReplyDeadline(exchange: Exchange, nowMs: number): void {
    if (this.parts.cache.followers.isTargetHeld(exchange)) this.parts.replies.skip(exchange);
    const untilMs = this.idleUntilMs(exchange);
    if (untilMs > nowMs) {
      this.parts.wheel.set(exchange.deadline, untilMs);
      return;
    }
    const { current } = exchange.tries;
    if (current === null || exchange.reply.isTargetPaused) {
      // It is not the target that keeps the client waiting.
      this.parts.replies.onStuck(exchange);
      return;
    }
    if (exchange.reply.events !== null) {
      // That nothing has happened is no mistake of the target.
      this.parts.replies.endSilent(exchange);
      // A stage may have more of it to send.
      if (!exchange.isFinished) this.watchReply(exchange);
      return;
    }
    current.abort();
    this.onTryFailed(exchange, current, NO_REPLY_IN_TIME);
  }

  /** No target is wanted any more, whatever the reason. The second time does nothing. */
  release(exchange: Exchange): void {
    if (!exchange.tries.tryRelease()) return;
    if (exchange.tries.sent > 0) this.parts.planner.onRequestDone(upstreamOf(exchange));
    this.settler.endAll(exchange, OUTCOME_CANCELLED);
    this.settler.dropKept(exchange);
  }
}
