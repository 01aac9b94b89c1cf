/**
 * Decides upon admissions: the limit, the target, the breaker.
 *
 * Thread: coordinator. The only writer of policy state: limiter rows, breakers, cursors, probes.
 * All of it lies in shared memory, so that a coordinator that is started again goes on.
 *
 * An ask is answered in one go: look at the limit, choose a target, then take both. So a request
 * that finds no target uses up no limit, and one over its limit takes no probe.
 */
import { assert, defined } from '../base/assert.js';
import type { CoordinatorHandler } from '../channel/coordinator-channel.js';
import type { CoordinatorMemory } from '../channel/coordinator-memory.js';
import type { BreakerReason } from '../channel/coordinator-messages.js';
import {
  ASK_WANTS_GRANT,
  type AskView,
  type ReplyFields,
  type TellView,
  VERDICT_ADMITTED,
  VERDICT_CIRCUIT_OPEN,
  VERDICT_NO_HEALTHY_TARGET,
  VERDICT_RATE_LIMITED,
} from '../channel/coordinator-records.js';
import { CoordinatorStatus, counterIndex } from '../channel/coordinator-status.js';
import type { ReturnView } from '../channel/key-grant-returns.js';
import type { CompiledConfig } from '../config/compiled-config.js';
import {
  BREAKER_CLOSED,
  BREAKER_HALF_OPEN,
  BREAKER_OPEN,
  type BreakerState,
} from '../policy/circuit-breaker/circuit-breaker.js';
import { NO_POSITION, stepForward } from '../policy/load-balancing/round-robin.js';
import { GrantBook } from './grant-book.js';
import { RateLimits } from './rate-limits.js';
import { TargetTable } from './state/target-table.js';
import { UpstreamTable } from './state/upstream-table.js';
import { TargetSelector } from './target-selector.js';

const ASKS = counterIndex('asks');
const ADMITTED = counterIndex('admitted');
const RATE_LIMITED = counterIndex('rateLimited');
const CIRCUIT_OPEN = counterIndex('circuitOpen');
const NO_HEALTHY_TARGET = counterIndex('noHealthyTarget');
const TELLS = counterIndex('tells');
const GRANTED = counterIndex('granted');
const RELEASED_PROBES = counterIndex('releasedProbes');

/** The thread that the coordinator runs on. */
export interface CoordinatorHost {
  onBreakerTransition(change: BreakerTransition): void;
  onMail(): void;
  onStop(): void;
}

export interface BreakerTransition {
  readonly targetIndex: number;
  readonly from: BreakerState;
  readonly to: BreakerState;
  readonly reason: BreakerReason;
  readonly atMs: number;
}

export class Coordinator implements CoordinatorHandler {
  private readonly status: CoordinatorStatus;
  private readonly limits: RateLimits;
  private readonly targets: TargetTable;
  private readonly cursors: UpstreamTable;
  private readonly selectors: readonly TargetSelector[];
  private readonly grants: GrantBook;
  /** Reused for every probe. */
  private readonly holder = { lane: 0, generation: 0, askId: 0 };

  /** On memory that was used before it goes on from there: nothing is reset. */
  constructor(
    config: CompiledConfig,
    memory: CoordinatorMemory,
    private readonly host: CoordinatorHost,
  ) {
    assert(config.epoch === memory.epoch, 'the memory was laid out for this configuration');
    this.status = new CoordinatorStatus(memory.status);
    this.limits = new RateLimits(config.limiters, memory, this.status);
    this.targets = new TargetTable(config, memory);
    this.cursors = new UpstreamTable(memory.upstreams);
    this.selectors = config.upstreams.map((one) => new TargetSelector(one, this.targets));
    this.grants = new GrantBook(memory.lanes.length, config.upstreams.length);
  }

  /** Hot path: every admission that no grant covers. */
  onAsk(lane: number, ask: AskView, reply: ReplyFields, nowMs: number): void {
    this.status.count(ASKS, 1);
    const isLimited = ask.limitCount > 0;
    if (isLimited && !this.peekLimit(ask, reply, nowMs)) {
      reply.verdict = VERDICT_RATE_LIMITED;
      reply.retryAfterMs = this.limits.decision.retryAfterMs;
      this.status.count(RATE_LIMITED, 1);
      return;
    }
    const selector = defined(this.selectors[ask.upstreamIndex], 'the upstream of the ask');
    const position = this.selectPosition(lane, ask, selector, nowMs);
    if (position === NO_POSITION) {
      this.refuse(selector, reply, nowMs);
      return;
    }
    if (isLimited) {
      this.limits.commit(nowMs);
      reply.remaining = this.limits.decision.remaining;
      reply.resetMs = this.limits.decision.resetMs;
    }
    const targetIndex = selector.targetAt(position);
    reply.verdict = VERDICT_ADMITTED;
    reply.targetIndex = targetIndex;
    this.cursors.setCursor(ask.upstreamIndex, stepForward(position, 1, selector.targetCount));
    reply.ticket = this.pass(targetIndex, lane, ask, nowMs);
    this.status.count(ADMITTED, 1);
    if (!isLimited && ask.flags === ASK_WANTS_GRANT) this.grant(lane, ask, reply, nowMs);
  }

  onTell(_lane: number, tell: TellView, nowMs: number): void {
    this.status.count(TELLS, 1);
    const { targetIndex } = tell;
    const before = this.targets.stateOf(targetIndex);
    this.targets.settle(tell, nowMs);
    this.reportTransition(targetIndex, before, nowMs);
  }

  onReturn(_lane: number, _rest: ReturnView, _nowMs: number): void {
    this.status.count(TELLS, 1);
  }

  onWorkerLost(lane: number, generation: number, nowMs: number): void {
    this.grants.forgetLane(lane);
    this.status.count(RELEASED_PROBES, this.targets.releaseAllOf(lane, generation, nowMs));
  }

  onMail(): void {
    this.host.onMail();
  }

  onStop(): void {
    this.host.onStop();
  }

  private peekLimit(ask: AskView, reply: ReplyFields, nowMs: number): boolean {
    const limiterIndex = ask.limiterIndexAt(0);
    const [high, low] = [ask.keyHashHighAt(0), ask.keyHashLowAt(0)];
    const hasRoom = this.limits.peek(limiterIndex, high, low, nowMs);
    reply.limiterIndex = limiterIndex;
    reply.remaining = this.limits.decision.remaining;
    reply.resetMs = this.limits.decision.resetMs;
    return hasRoom;
  }

  private selectPosition(
    lane: number,
    ask: AskView,
    selector: TargetSelector,
    nowMs: number,
  ): number {
    const cursor = this.cursors.cursorOf(ask.upstreamIndex);
    const position = selector.select(cursor, ask.triedMask, nowMs);
    if (position !== NO_POSITION) return position;
    // An ask seen again after a restart may find its own probe in the way, in a reply that was
    // never published: nobody else would ever give that one back.
    if (!selector.releaseOfAsk(this.hold(lane, ask), nowMs)) return NO_POSITION;
    return selector.select(cursor, ask.triedMask, nowMs);
  }

  private refuse(selector: TargetSelector, reply: ReplyFields, nowMs: number): void {
    reply.retryAfterMs = selector.retryAfterMs(nowMs);
    const isOpen = reply.retryAfterMs > 0;
    reply.verdict = isOpen ? VERDICT_CIRCUIT_OPEN : VERDICT_NO_HEALTHY_TARGET;
    this.status.count(isOpen ? CIRCUIT_OPEN : NO_HEALTHY_TARGET, 1);
  }

  private pass(targetIndex: number, lane: number, ask: AskView, nowMs: number): number {
    const before = this.targets.stateOf(targetIndex);
    if (before === BREAKER_CLOSED) return 0;
    const ticket = this.targets.pass(targetIndex, nowMs);
    this.reportTransition(targetIndex, before, nowMs);
    this.targets.recordProbe(targetIndex, ticket, this.hold(lane, ask));
    return ticket;
  }

  private grant(lane: number, ask: AskView, reply: ReplyFields, nowMs: number): void {
    const { upstreamIndex } = ask;
    const selector = defined(this.selectors[upstreamIndex], 'the upstream of the ask');
    const count = this.grants.onAsk(lane, upstreamIndex, selector.targetCount, nowMs);
    if (count === 0 || !selector.areAllClosed()) return;
    const cursor = this.cursors.cursorOf(upstreamIndex);
    reply.grantCount = count;
    reply.grantCursor = cursor;
    this.cursors.setCursor(upstreamIndex, stepForward(cursor, count, selector.targetCount));
    this.status.count(GRANTED, count);
  }

  private hold(lane: number, ask: AskView): typeof this.holder {
    this.holder.lane = lane;
    this.holder.generation = ask.generation;
    this.holder.askId = ask.askId;
    return this.holder;
  }

  private reportTransition(targetIndex: number, from: BreakerState, atMs: number): void {
    const to = this.targets.stateOf(targetIndex);
    if (from === to) return;
    this.host.onBreakerTransition({ targetIndex, from, to, reason: reasonOf(from, to), atMs });
  }
}

function reasonOf(from: BreakerState, to: BreakerState): BreakerReason {
  if (to === BREAKER_HALF_OPEN) return 'openPeriodOver';
  if (to === BREAKER_CLOSED) return 'probeSucceeded';
  assert(to === BREAKER_OPEN, 'there are three states');
  return from === BREAKER_CLOSED ? 'consecutiveFailures' : 'probeFailed';
}
