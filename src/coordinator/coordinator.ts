/**
 * Decides upon admissions: the limit, the target, the breaker.
 *
 * Thread: coordinator. The only writer of policy state: limiter rows, breakers, cursors, probes.
 * All of the state lies in shared memory, so that a coordinator that is started again goes on.
 *
 * An ask has two questions, one about limits and one about a target, or only the first. Both are
 * decided in one go: check the limits, choose a target, then take both. So a request that finds no
 * target uses up no limit, and a request over its limit takes no probe. A request whose caller is
 * not known yet asks about limits only, and gets a turn of a target for later if it can. An ask
 * that needs an answer from outside the coordinator waits before anything is checked: see
 * deferred-asks.ts.
 */
import type { CoordinatorEnd, CoordinatorHandler } from '../channel/coordinator/coordinator-end.js';
import type { CoordinatorMemory } from '../channel/coordinator/coordinator-memory.js';
import {
  ASK_GRANT_ONLY,
  AskView,
  ReplyFields,
  type TellView,
  VERDICT_ADMITTED,
  VERDICT_RATE_LIMITED,
} from '../channel/coordinator/coordinator-records.js';
import { CoordinatorStatus, counterIndex } from '../channel/coordinator/coordinator-status.js';
import type { ReturnView } from '../channel/coordinator/key-grant-returns.js';
import type { CheckResult } from '../channel/coordinator/target-states.js';
import type { ToldCosts } from '../channel/coordinator/tell-costs.js';
import type { UnitedConfig } from '../config/shared/unite-configs.js';
import { NO_POSITION } from '../policy/load-balancing/candidates.js';
import { seededRandom } from '../policy/load-balancing/seeded-random.js';
import type { ClusterLimits } from './cluster-limits.js';
import { ConcurrencyLimits } from './concurrency-limits.js';
import { type DeferredAsk, DeferredAsks, NO_WAIT, type OutsideLimits } from './deferred-asks.js';
import { RateLimits } from './rate-limits.js';
import { type RolloutListener, Rollouts } from './rollouts.js';
import type { PlaceHolder } from './state/in-flight-tickets.js';
import type { TargetListener } from './state/target-events.js';
import { UpstreamTargets } from './upstream-targets.js';

const ASKS = counterIndex('asks');
const ADMITTED = counterIndex('admitted');
const DEFERRED_ASKS = counterIndex('deferredAsks');
const UNDEFERRED_ASKS = counterIndex('undeferredAsks');
const RATE_LIMITED = counterIndex('rateLimited');
const TELLS = counterIndex('tells');

/** Lets the coordinator give some verdicts later. */
export interface Deferral {
  readonly outside: OutsideLimits;
  readonly replies: Pick<CoordinatorEnd, 'canReplyLate' | 'replyLate'>;
}

/** The thread that the coordinator runs on. */
export interface CoordinatorHost extends TargetListener {
  /** Absent: every ask is decided upon at once. */
  readonly deferral?: Deferral;
  /** Limits that count over all gateways; absent: no store is configured. */
  readonly cluster?: ClusterLimits;
  /** Absent: nobody is told when the share of a split changes its course. */
  readonly rollouts?: RolloutListener;
  onMail(): void;
  onStop(): void;
}

export class Coordinator implements CoordinatorHandler {
  private readonly status: CoordinatorStatus;
  private readonly laneCount: number;
  private readonly limits: RateLimits;
  private readonly targets: UpstreamTargets;
  private readonly concurrency: ConcurrencyLimits;
  private readonly rollouts: Rollouts;
  /** null: every ask is decided upon at once. */
  private readonly deferred: DeferredAsks | null;
  private readonly lateAsk = new AskView();
  private readonly lateReply = new ReplyFields();
  /** Reused for every ask. */
  private readonly holder = { lane: 0, generation: 0, askId: 0 };

  /**
   * A coordinator on used memory goes on from its state, under another configuration as well: a
   * limiter or target that keeps its row keeps its state. Random choices are determined by the
   * seed.
   */
  constructor(
    config: UnitedConfig,
    memory: CoordinatorMemory,
    private readonly host: CoordinatorHost,
    seed = 1,
  ) {
    this.laneCount = memory.lanes.length;
    this.status = new CoordinatorStatus(memory.status);
    this.limits = new RateLimits(config, memory, this.status, host.cluster);
    host.cluster?.listen((awaited) => this.onHeard(awaited));
    this.targets = new UpstreamTargets(config, memory, host, seed);
    const random = seededRandom(seed);
    this.concurrency = new ConcurrencyLimits(config, memory, this.status, random);
    this.rollouts = new Rollouts(config, memory, host.rollouts ?? { onRolloutChange: () => {} });
    const { status } = this;
    this.deferred =
      host.deferral === undefined
        ? null
        : new DeferredAsks(
            memory.lanes.map((_, lane) => status.deferredOf(lane)),
            host.cluster?.timeoutMs,
          );
  }

  /** Takes another configuration: a limiter or target that keeps its row keeps its state. */
  adopt(config: UnitedConfig): void {
    this.limits.adopt(config);
    this.targets.adopt(config);
    this.concurrency.adopt(config);
    this.rollouts.adopt(config);
  }

  /**
   * Hot path, watched by bench/micro/coordinator/decisions: every admission that no grant covers.
   */
  onAsk(lane: number, ask: AskView, reply: ReplyFields, nowMs: number): boolean {
    this.status.count(ASKS, 1);
    if ((ask.flags & ASK_GRANT_ONLY) !== 0) {
      this.targets.grant(lane, ask, reply, nowMs);
      return true;
    }
    if (this.deferred !== null && this.tryDefer(this.deferred, lane, ask, nowMs)) return false;
    this.decide(lane, ask, reply, nowMs);
    return true;
  }

  private decide(lane: number, ask: AskView, reply: ReplyFields, nowMs: number): void {
    const isLimited = ask.limitCount > 0;
    if (isLimited && !this.limits.peek(ask, reply, nowMs)) {
      reply.verdict = VERDICT_RATE_LIMITED;
      this.status.count(RATE_LIMITED, 1);
      return;
    }
    if (!ask.wantsTarget) {
      this.limits.commit(this.hold(lane, ask), ask, reply, nowMs);
      reply.verdict = VERDICT_ADMITTED;
      this.status.count(ADMITTED, 1);
      if (ask.wantsTurnForLater) this.targets.grant(lane, ask, reply, nowMs);
      return;
    }
    const position = this.targets.choose(ask, nowMs);
    if (position === NO_POSITION) {
      this.targets.refuse(ask, reply, nowMs);
      return;
    }
    if (isLimited) this.limits.commit(this.hold(lane, ask), ask, reply, nowMs);
    this.targets.admit(lane, ask, position, reply, nowMs);
    if (ask.wantsGrant) this.targets.grant(lane, ask, reply, nowMs);
  }

  /** True: the verdict comes later. Without room to wait the ask is decided upon at once. */
  private tryDefer(deferred: DeferredAsks, lane: number, ask: AskView, nowMs: number): boolean {
    const awaited = this.awaitedBy(ask, nowMs);
    if (awaited === NO_WAIT) return false;
    const isDeferred = deferred.tryAdd(lane, ask, awaited, nowMs);
    this.status.count(isDeferred ? DEFERRED_ASKS : UNDEFERRED_ASKS, 1);
    return isDeferred;
  }

  private awaitedBy(ask: AskView, nowMs: number): number {
    const outside = this.host.deferral?.outside;
    if (outside === undefined || this.isRefusedAlready(ask, nowMs)) return NO_WAIT;
    // All are asked at once, so that they are waited for together.
    let first = NO_WAIT;
    for (let position = 0; position < ask.limitCount; position += 1) {
      const [high, low] = [ask.keyHashHighAt(position), ask.keyHashLowAt(position)];
      const awaited = outside.awaits(ask.limiterIndexAt(position), high, low, nowMs);
      if (first === NO_WAIT) first = awaited;
    }
    return first;
  }

  /** What one limit refuses need not be asked of another one. */
  private isRefusedAlready(ask: AskView, nowMs: number): boolean {
    const { cluster } = this.host;
    if (cluster === undefined) return false;
    for (let position = 0; position < ask.limitCount; position += 1) {
      const [high, low] = [ask.keyHashHighAt(position), ask.keyHashLowAt(position)];
      if (cluster.refuses(ask.limiterIndexAt(position), high, low, nowMs)) return true;
    }
    return this.limits.refusesAlone(ask, nowMs);
  }

  /** What some asks wait for is there: they are decided upon in the next tick. */
  onHeard(awaited: number): void {
    this.deferred?.onHeard(awaited);
  }

  /** When {@link onTick} must be called again at the latest; infinite: it can wait. */
  get nextDueMs(): number {
    const deferredMs = this.deferred?.nextDueMs ?? Number.POSITIVE_INFINITY;
    const clusterMs = this.host.cluster?.nextDueMs ?? Number.POSITIVE_INFINITY;
    return Math.min(deferredMs, clusterMs, this.rollouts.nextDueMs);
  }

  /** Returns what the ask goes on to wait for, or NO_WAIT when it is over. */
  private decideLate(deferred: DeferredAsk, isLast: boolean, nowMs: number): number {
    const { lateAsk, lateReply, host } = this;
    const { lane, words } = deferred;
    lateAsk.bind(words, 0);
    const awaited = isLast ? NO_WAIT : this.awaitedBy(lateAsk, nowMs);
    if (awaited !== NO_WAIT) return awaited;
    if (isLast) this.status.count(UNDEFERRED_ASKS, 1);
    const replies = host.deferral?.replies;
    if (replies?.canReplyLate(lane, lateAsk) !== true) return NO_WAIT;
    lateReply.clear();
    this.decide(lane, lateAsk, lateReply, nowMs);
    replies.replyLate(lane, lateAsk, lateReply);
    return NO_WAIT;
  }

  onAbandon(lane: number, ask: AskView, nowMs: number): void {
    if (this.deferred === null || this.deferred.abandon(lane, ask)) return;
    // The coordinator before this one may have decided upon it, and ended before it replied.
    this.onSeenAgain(lane, ask, nowMs);
  }

  onSeenAgain(lane: number, ask: AskView, nowMs: number): void {
    this.limits.releaseOfAsk(this.hold(lane, ask), nowMs);
    if (ask.wantsTarget) this.targets.releaseOfAsk(lane, ask, nowMs);
  }

  onTell(_lane: number, tell: TellView, nowMs: number): void {
    this.status.count(TELLS, 1);
    this.targets.settle(tell, nowMs);
  }

  onReturn(lane: number, rest: ReturnView, nowMs: number): void {
    this.status.count(TELLS, 1);
    this.limits.giveBack(lane, rest, nowMs);
  }

  onInFlightEnd(ticket: number, told: ToldCosts, nowMs: number): void {
    this.limits.settle(ticket, told, nowMs);
  }

  onWorkerLost(lane: number, generation: number, nowMs: number): void {
    this.deferred?.dropWorker(lane, generation);
    this.limits.onWorkerLost(lane, generation, nowMs);
    this.targets.onWorkerLost(lane, generation, nowMs);
  }

  onProbe(targetIndex: number, result: CheckResult, nowMs: number): void {
    this.targets.onProbe(targetIndex, result, nowMs);
  }

  /** Does what is due by the clock. */
  onTick(nowMs: number): void {
    this.host.cluster?.onTick(nowMs);
    this.targets.onTick(nowMs);
    this.concurrency.onTick(nowMs);
    this.rollouts.onTick(nowMs);
    if (this.deferred !== null) this.answerDeferred(this.deferred, nowMs);
  }

  /** The replies of the last tick are out: what is counted as waiting had no verdict before. */
  private answerDeferred(deferred: DeferredAsks, nowMs: number): void {
    for (let lane = 0; lane < this.laneCount; lane += 1) {
      this.status.setDeferred(lane, deferred.countOf(lane));
    }
    if (deferred.nextDueMs > nowMs) return;
    deferred.takeDue(nowMs, (ask, isLast) => this.decideLate(ask, isLast, nowMs));
  }

  onTargetsChanged(): void {
    this.targets.onTargetsChanged();
  }

  /** An operator has ordered something about a split. */
  onRolloutOrder(): void {
    this.rollouts.lookNow();
  }

  onMail(): void {
    this.host.onMail();
  }

  onStop(): void {
    this.host.onStop();
  }

  private hold(lane: number, ask: AskView): PlaceHolder {
    this.holder.lane = lane;
    this.holder.generation = ask.generation;
    this.holder.askId = ask.askId;
    return this.holder;
  }
}
