/**
 * A worker's side of the conversation with the coordinator: asks, grants held, outcomes told.
 *
 * Thread: worker. Owns the asks that wait for a reply and the grants of this worker.
 * Invariant: an admitted exchange is settled exactly once, whatever becomes of it.
 */

import { defined } from '../../base/assert.js';
import type { HalfSipHash } from '../../base/half-sip-hash.js';
import type {
  CoordinatorWorkerEnd,
  ReplyHandler,
} from '../../channel/coordinator/coordinator-channel.js';
import {
  ASK_GRANT_ONLY,
  ASK_KEY_GRANT_SHIFT,
  addLimit,
  createAskFields,
  LIMIT_WORDS,
  NO_PREFERENCE,
  NO_TARGET,
  NO_UPSTREAM,
  OUTCOME_CANCELLED,
  OUTCOME_SUCCESS,
  type ReplyView,
  VERDICT_ADMITTED,
  VERDICT_RATE_LIMITED,
} from '../../channel/coordinator/coordinator-records.js';
import { createTellCosts } from '../../channel/coordinator/tell-costs.js';
import type { CompiledLimiter, CompiledUpstream } from '../../config/compiled-config.js';
import type { Admission } from '../exchange/admission-state.js';
import { admissionOf, type Exchange, routeOf, upstreamOf } from '../exchange/exchange.js';
import { PendingAsks } from '../exchange/exchange-table.js';
import { limiterKey } from '../exchange/limiter-keys.js';
import { fillCosts } from '../exchange/told-costs.js';
import { rateLimitField } from '../route/rate-limit-fields.js';
import { type AdmissionPlan, upstreamOfRoute, type WorkerRoute } from '../route/worker-route.js';
import { type GrantKey, type KeyGrant, KeyGrants } from './key-grants.js';
import { RefusedKeys } from './refused-keys.js';
import type { TargetGrants } from './target-grants.js';
import type { TargetPreference } from './target-preference.js';
import { bitOfTarget } from './tried-targets.js';

/** Decided without an ask: the request goes on, with a target where it needs one. */
export const ASK_ADMITTED = 0;
/** The verdict comes later. */
export const ASK_PENDING = 1;
/** There is no room for asks: the caller sheds. */
export const ASK_REFUSED = 2;
/** The coordinator is lost, and the route wants no request to go on without it. */
export const ASK_CLOSED = 3;
/** The coordinator is lost, and the route lets requests through without it. */
export const ASK_OPEN = 4;
/** The limit was used up a moment ago, and still is. */
export const ASK_LIMITED = 5;

/** What comes of asking for an admission. */
export type AskResult =
  | typeof ASK_ADMITTED
  | typeof ASK_PENDING
  | typeof ASK_REFUSED
  | typeof ASK_CLOSED
  | typeof ASK_OPEN
  | typeof ASK_LIMITED;

/** How long a request waits for a coordinator that does not answer. */
export const ASK_WAIT_MS = 100;

/** Wishes that may wait for their reply: more than there are keys in a burst of asks. */
const WISHES_MAX = 1024;

/** Hears the verdict of an ask that was pending. The view is valid inside the call only. */
export type VerdictHandler = (exchange: Exchange, reply: ReplyView) => void;

export class CoordinatorClient implements ReplyHandler {
  private readonly waiting = new PendingAsks();
  private readonly fields = createAskFields();
  private readonly costs = createTellCosts();
  /** The ask for turns in advance that each upstream waits for. */
  private readonly ahead = new Map<number, number>();
  private readonly keyGrants: KeyGrants;
  private readonly refusedKeys = new RefusedKeys();
  /** Asks that wish for a key grant, and for which key; also of requests that gave up waiting. */
  private readonly wishes = new Map<number, GrantKey>();
  /** Turns of requests that go on without the coordinator. */
  private openTurn = 0;

  constructor(
    private readonly end: CoordinatorWorkerEnd,
    private readonly grants: TargetGrants,
    private readonly hash: HalfSipHash,
    private readonly preference: TargetPreference,
    private readonly nowMs: () => number,
    private readonly onVerdict: VerdictHandler,
  ) {
    this.keyGrants = new KeyGrants((rest) => end.giveBackKeyGrant(rest));
  }

  /**
   * Asks whether the limits of the plan, one of those of the exchange's route, have room; and for
   * the first target if it wants one: in one message. ASK_ADMITTED: decided under a grant.
   * ASK_LIMITED: refused by a verdict that still holds, see {@link retryAfterMs}.
   */
  askAdmission(exchange: Exchange, plan: AdmissionPlan, nowMs: number): AskResult {
    const route = routeOf(exchange);
    if (this.mustDoWithout(route, nowMs)) return this.admitLost(exchange, plan, 0);
    if (plan.upstream !== null) this.preference.look(exchange, plan.upstream);
    if (plan.limiters.length === 0) return this.askUnlimited(exchange, plan, nowMs);
    this.fillAsk(route, plan.upstream);
    this.addLimits(exchange, plan);
    if (plan.mayHoldKeyGrants) return this.askWithKeyGrant(exchange, plan, nowMs);
    if (this.isRefused(plan, nowMs)) return this.refuseAgain(exchange, plan);
    this.wishForLater(plan, nowMs);
    return this.sendAsk(exchange, plan.isFirst);
  }

  /** The message about limits is to bring the turn of a target that is wanted afterwards. */
  private wishForLater({ laterUpstream }: AdmissionPlan, nowMs: number): void {
    if (laterUpstream === null) return;
    const flags = this.grants.laterFlags(laterUpstream.index, nowMs);
    if (flags === 0) return;
    this.fields.flags |= flags;
    this.fields.upstreamIndex = laterUpstream.index;
  }

  /** Whether the coordinator has just refused what the fields ask for, and would again. */
  private isRefused({ mayHoldRefusals }: AdmissionPlan, nowMs: number): boolean {
    return mayHoldRefusals && this.refusedKeys.find(this.fields.limits, nowMs);
  }

  /** Other limits may be in force: what was refused under those before says nothing. */
  forgetRefusals(): void {
    this.refusedKeys.clear();
  }

  /** Of the last ASK_LIMITED. */
  get retryAfterMs(): number {
    return this.refusedKeys.retryAfterMs;
  }

  /** The same: until when the same request would get the same reply. */
  get sameUntilMs(): number {
    return this.refusedKeys.sameUntilMs;
  }

  /** A refusal by an earlier verdict, of which the coordinator knows nothing. */
  countRefusal(limiterIndex: number): void {
    this.end.countRefusal(limiterIndex);
  }

  private refuseAgain(exchange: Exchange, plan: AdmissionPlan): AskResult {
    const limiter = defined(plan.limiters[0], 'the limit of a route');
    const { remaining, resetMs } = this.refusedKeys;
    noteLimit(exchange, limiter, remaining, resetMs);
    this.end.countRefusal(limiter.index);
    return ASK_LIMITED;
  }

  private askUnlimited(exchange: Exchange, plan: AdmissionPlan, nowMs: number): AskResult {
    if (this.tryTarget(exchange, plan, nowMs)) return ASK_ADMITTED;
    const upstream = defined(plan.upstream, 'what a plan without limits wants');
    this.fillAsk(routeOf(exchange), upstream);
    this.fields.flags = this.grants.askFlags(upstream.index, nowMs);
    return this.sendAsk(exchange, plan.isFirst);
  }

  /**
   * Lets a request through without a limit, at a target that was not tried if there is one. No
   * target is free: ASK_CLOSED.
   */
  admitOpen(
    exchange: Exchange,
    { upstream }: Pick<AdmissionPlan, 'upstream'>,
    triedMask = 0,
  ): typeof ASK_OPEN | typeof ASK_CLOSED {
    if (upstream === null) return ASK_OPEN;
    let targetIndex = this.openTarget(upstream, triedMask);
    // Beside a try that is in the air another one at the same target is of no use.
    const mayRepeat = triedMask !== 0 && exchange.tries.current === null;
    if (targetIndex === NO_TARGET && mayRepeat) targetIndex = this.openTarget(upstream, 0);
    if (targetIndex === NO_TARGET) return ASK_CLOSED;
    this.beginGranted(exchange, targetIndex);
    return ASK_OPEN;
  }

  private openTarget(upstream: CompiledUpstream, triedMask: number): number {
    const { targetIndexes } = upstream;
    for (let step = 1; step <= targetIndexes.length; step += 1) {
      const turn = (this.openTurn + step) & 0x7fffffff;
      const targetIndex = targetIndexes[turn % targetIndexes.length];
      if (targetIndex === undefined || !this.end.targets.isFree(targetIndex)) continue;
      if ((triedMask & bitOfTarget(upstream, targetIndex)) !== 0) continue;
      // A retry takes nobody's turn: else every next request would begin at what failed.
      if (triedMask === 0) this.openTurn = turn;
      return targetIndex;
    }
    return NO_TARGET;
  }

  private mustDoWithout({ config }: WorkerRoute, nowMs: number): boolean {
    return config.onCoordinatorLost !== 'wait' && this.end.isCoordinatorLost(nowMs);
  }

  private admitLost(
    exchange: Exchange,
    plan: Pick<AdmissionPlan, 'upstream'>,
    triedMask: number,
  ): AskResult {
    if (routeOf(exchange).config.onCoordinatorLost === 'closed') return ASK_CLOSED;
    return this.admitOpen(exchange, plan, triedMask);
  }

  /** Under a grant for its keys and one for its target a request waits for nobody. */
  private askWithKeyGrant(exchange: Exchange, plan: AdmissionPlan, nowMs: number): AskResult {
    const grant = this.keyGrants.entryOf(this.fields, nowMs);
    const isGranted = grant.isValid(nowMs);
    if (isGranted && this.tryTarget(exchange, plan, nowMs)) {
      grant.take();
      noteGranted(exchange, grant, nowMs);
      return ASK_ADMITTED;
    }
    // This comes after the grant: granted admissions are used up before anybody is refused.
    if (this.isRefused(plan, nowMs)) return this.refuseAgain(exchange, plan);
    const wish = grant.wish(nowMs);
    // Turns in advance are useful only together with admissions in advance.
    if (plan.upstream !== null && (isGranted || wish > 0)) {
      this.fields.flags = this.grants.askFlags(plan.upstream.index, nowMs);
    }
    this.wishForLater(plan, nowMs);
    this.fields.flags |= wish << ASK_KEY_GRANT_SHIFT;
    const asked = this.sendAsk(exchange, plan.isFirst);
    if (wish > 0 && asked === ASK_PENDING) this.noteWish(exchange.admission.askId);
    return asked;
  }

  private noteWish(askId: number): void {
    const { limits, limitCount } = this.fields;
    this.wishes.set(askId, { limits: limits.slice(0, limitCount * LIMIT_WORDS), limitCount });
    if (this.wishes.size <= WISHES_MAX) return;
    // Its reply never came: a coordinator has ended in between.
    for (const oldest of this.wishes.keys()) {
      this.wishes.delete(oldest);
      return;
    }
  }

  /** Whether the exchange has all that it needs of targets. */
  private tryTarget(exchange: Exchange, { upstream }: AdmissionPlan, nowMs: number): boolean {
    if (upstream === null) return true;
    // A grant knows nothing of what this request wants.
    if (exchange.admission.preferredTarget !== NO_PREFERENCE) return false;
    const targetIndex = this.grants.tryTake(upstream.index, nowMs);
    if (targetIndex === NO_TARGET) return false;
    this.beginGranted(exchange, targetIndex);
    this.askAhead(routeOf(exchange), nowMs);
    return true;
  }

  private beginGranted(exchange: Exchange, targetIndex: number): void {
    exchange.admission.onAdmitted(targetIndex, 0);
    this.end.beginGranted(targetIndex);
  }

  /**
   * Asks for another try of an exchange, at a target that was not tried. It was counted against
   * its limits already, and a grant does not know what was tried.
   */
  askAgain(exchange: Exchange, route: WorkerRoute, triedMask: number, nowMs: number): AskResult {
    if (this.mustDoWithout(route, nowMs)) return this.admitLost(exchange, route, triedMask);
    this.fillAsk(route, route.upstream);
    this.fields.triedMask = triedMask;
    return this.sendAsk(exchange, false);
  }

  /**
   * Asks for the next turns when half of the granted ones are used, so that no request has to wait.
   */
  private askAhead(route: WorkerRoute, nowMs: number): void {
    const upstream = upstreamOfRoute(route);
    const { index } = upstream;
    const flags = this.grants.aheadFlags(index, nowMs);
    if (flags === 0) return;
    // The last one got no answer in time: it is given up, like an ask that waits in vain.
    const askId = this.ahead.get(index);
    if (askId !== undefined) this.end.abandonAsk({ askId, upstreamIndex: index });
    this.ahead.delete(index);
    this.fillAsk(route, upstream);
    this.fields.flags = flags;
    if (this.end.ask(this.fields)) this.ahead.set(index, this.fields.askId);
  }

  private onReplyAhead(reply: ReplyView): boolean {
    if (this.ahead.get(reply.upstreamIndex) !== reply.askId) return false;
    this.ahead.delete(reply.upstreamIndex);
    this.grants.onReply(reply, this.nowMs());
    return true;
  }

  private sendAsk(exchange: Exchange, isFirst: boolean): AskResult {
    const { admission } = exchange;
    this.fields.balanceHash = admission.balanceHash;
    this.fields.preferredTarget = admission.preferredTarget;
    if (!this.end.ask(this.fields)) return ASK_REFUSED;
    admission.onAsked(this.fields.askId, isFirst);
    this.waiting.add(exchange);
    return ASK_PENDING;
  }

  private fillAsk(route: WorkerRoute, upstream: CompiledUpstream | null): void {
    const { fields } = this;
    fields.askId = this.waiting.nextId();
    fields.routeIndex = route.config.index;
    fields.upstreamIndex = upstream === null ? NO_UPSTREAM : upstream.index;
    fields.triedMask = 0;
    fields.flags = 0;
    fields.limitCount = 0;
  }

  private addLimits(exchange: Exchange, { limiters }: AdmissionPlan): void {
    for (const limiter of limiters) {
      this.hash.hash(limiterKey(exchange, limiter));
      addLimit(this.fields, limiter.index, this.hash.high, this.hash.low);
    }
  }

  /** Gives up waiting: a reply that comes later is given back. */
  abandon(exchange: Exchange): void {
    const { admission } = exchange;
    if (!admission.isAsking) return;
    const { askId } = admission;
    const upstream = admission.asksFirst ? null : routeOf(exchange).upstream;
    this.waiting.take(askId);
    admission.onAskOver();
    this.end.abandonAsk({ askId, upstreamIndex: upstream?.index ?? NO_UPSTREAM });
  }

  /** Says what came of a try, once for each. */
  settleTry(attempt: Admission, upstreamIndex: number, outcome: number): void {
    this.end.tellOutcome(attempt.targetIndex, attempt.ticket, outcome, upstreamIndex);
  }

  /** A probe has succeeded, and its try goes on: it counts as in flight at its target. */
  settleProbe(attempt: Admission, upstreamIndex: number): void {
    this.settleTry(attempt, upstreamIndex, OUTCOME_SUCCESS);
    this.end.beginGranted(attempt.targetIndex);
  }

  /** Gives back the exchange's last admission, if no try was made with it. */
  giveBack(exchange: Exchange): void {
    const { admission } = exchange;
    if (!admission.isAdmitted) return;
    admission.handOver();
    this.settleTry(admission, upstreamOf(exchange).index, OUTCOME_CANCELLED);
  }

  /**
   * Gives back the exchange's places under limits on requests in flight, and says what it has cost,
   * once.
   */
  endInFlight(exchange: Exchange): void {
    const { admission } = exchange;
    const { inFlightTicket, firstInFlightTicket } = admission;
    if (inFlightTicket === 0 && firstInFlightTicket === 0) return;
    fillCosts(exchange, this.costs);
    if (inFlightTicket !== 0) this.end.tellInFlightEnd(inFlightTicket, this.costs);
    if (firstInFlightTicket !== 0) this.end.tellInFlightEnd(firstInFlightTicket, this.costs);
    admission.onPlacesLeft();
  }

  onReply(reply: ReplyView): boolean {
    if ((reply.askFlags & ASK_GRANT_ONLY) !== 0) return this.onReplyAhead(reply);
    // What was given in advance is good, whether or not the request still waits for its verdict.
    this.grants.onReply(reply, this.nowMs());
    this.takeKeyGrant(reply);
    const exchange = this.waiting.take(reply.askId);
    if (exchange === undefined) return false;
    const { admission } = exchange;
    admission.onAskOver();
    if (reply.verdict === VERDICT_ADMITTED) {
      if (reply.targetIndex !== NO_TARGET) {
        admission.onAdmitted(reply.targetIndex, reply.ticket);
      }
      if (reply.inFlightTicket !== 0) admission.onPlace(reply.inFlightTicket);
    }
    noteLimits(exchange, reply);
    this.noteRefusal(exchange, reply);
    this.onVerdict(exchange, reply);
    return true;
  }

  private noteRefusal(exchange: Exchange, reply: ReplyView): void {
    if (reply.verdict !== VERDICT_RATE_LIMITED || reply.refusedUntil === 0) return;
    const plan = askedPlanOf(exchange);
    if (!plan.mayHoldRefusals) return;
    this.fields.limitCount = 0;
    this.addLimits(exchange, plan);
    this.refusedKeys.note(this.fields.limits, reply, this.nowMs());
  }

  private takeKeyGrant(reply: ReplyView): void {
    const key = this.wishes.get(reply.askId);
    if (key === undefined) return;
    this.wishes.delete(reply.askId);
    this.keyGrants.onReply(key, reply, this.nowMs());
  }

  /** Reads all replies; returns how many. */
  drain(): number {
    return this.end.drainReplies(this);
  }

  /** Whether the worker holds admissions that may have to go back. */
  get holdsGrants(): boolean {
    return this.keyGrants.openCount > 0;
  }

  /** Outcomes that were let go, since the coordinator was down for long. */
  get droppedTells(): number {
    return this.end.droppedTells;
  }

  /** Publishes asks and outcomes. True: some found no room yet, flush again soon. */
  flush(): boolean {
    if (this.keyGrants.openCount > 0) this.keyGrants.giveBackVoid(this.nowMs());
    return this.end.flush();
  }
}

/** What the last ask of the exchange was for. */
function askedPlanOf(exchange: Exchange): AdmissionPlan {
  const { asksFirst } = exchange.admission;
  return asksFirst ? routeOf(exchange).firstAdmission : admissionOf(exchange);
}

/** Notes for the reply to the client what the coordinator has said of a limit, if of any. */
function noteLimits(exchange: Exchange, { limiterIndex, remaining, resetMs }: ReplyView): void {
  const limiter = limiterOf(exchange, limiterIndex);
  if (limiter !== undefined) noteLimit(exchange, limiter, remaining, resetMs);
}

/** The same under a grant: the tightest limit as it was when the grant came. */
function noteGranted(exchange: Exchange, grant: KeyGrant, nowMs: number): void {
  const limiter = limiterOf(exchange, grant.tightestIndex);
  if (limiter === undefined) return;
  const remaining = grant.remaining + grant.left * limiter.cost;
  const resetMs = Math.max(0, grant.resetMs - (nowMs - grant.cameMs));
  noteLimit(exchange, limiter, remaining, resetMs);
}

function limiterOf(exchange: Exchange, row: number): CompiledLimiter | undefined {
  return routeOf(exchange).limiters.find(({ index }) => index === row);
}

function noteLimit(
  exchange: Exchange,
  limiter: CompiledLimiter,
  remaining: number,
  resetMs: number,
): void {
  const field = rateLimitField(limiter, remaining, resetMs);
  const left = Math.floor(remaining / limiter.cost);
  exchange.admission.onLimits(field, left);
}
