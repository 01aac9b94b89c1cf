/**
 * Decides upon admissions: the limit, the target, the breaker.
 *
 * Thread: coordinator. The only writer of policy state: limiter rows, breakers, cursors, probes.
 * All of the state lies in shared memory, so that a coordinator that is started again goes on.
 *
 * An ask is answered in one go: check the limit, choose a target, then take both. So a request that
 * finds no target uses up no limit, and a request over its limit takes no probe.
 */
import type { CoordinatorHandler } from '../channel/coordinator/coordinator-end.js';
import type { CoordinatorMemory } from '../channel/coordinator/coordinator-memory.js';
import {
  ASK_GRANT_ONLY,
  ASK_WANTS_GRANT,
  type AskView,
  type ReplyFields,
  type TellView,
  VERDICT_RATE_LIMITED,
} from '../channel/coordinator/coordinator-records.js';
import { CoordinatorStatus, counterIndex } from '../channel/coordinator/coordinator-status.js';
import type { ReturnView } from '../channel/coordinator/key-grant-returns.js';
import type { CompiledConfig } from '../config/compiled-config.js';
import { NO_POSITION } from '../policy/load-balancing/candidates.js';
import { seededRandom } from '../policy/load-balancing/seeded-random.js';
import { ConcurrencyLimits } from './concurrency-limits.js';
import { RateLimits } from './rate-limits.js';
import type { PlaceHolder } from './state/in-flight-tickets.js';
import type { TargetListener } from './state/target-events.js';
import { UpstreamTargets } from './upstream-targets.js';

const ASKS = counterIndex('asks');
const RATE_LIMITED = counterIndex('rateLimited');
const TELLS = counterIndex('tells');

/** The thread that the coordinator runs on. */
export interface CoordinatorHost extends TargetListener {
  onMail(): void;
  onStop(): void;
}

export class Coordinator implements CoordinatorHandler {
  private readonly status: CoordinatorStatus;
  private readonly limits: RateLimits;
  private readonly targets: UpstreamTargets;
  private readonly concurrency: ConcurrencyLimits;
  /** Reused for every ask. */
  private readonly holder = { lane: 0, generation: 0, askId: 0 };

  /**
   * A coordinator on used memory goes on from its state, under another configuration as well: a
   * limiter or target that keeps its row keeps its state. Random choices are determined by the
   * seed.
   */
  constructor(
    config: CompiledConfig,
    memory: CoordinatorMemory,
    private readonly host: CoordinatorHost,
    seed = 1,
  ) {
    this.status = new CoordinatorStatus(memory.status);
    this.limits = new RateLimits(config, memory, this.status);
    this.targets = new UpstreamTargets(config, memory, host, seed);
    const random = seededRandom(seed);
    this.concurrency = new ConcurrencyLimits(config, memory, this.status, random);
  }

  /** Takes another configuration: a limiter or target that keeps its row keeps its state. */
  adopt(config: CompiledConfig): void {
    this.limits.adopt(config);
    this.targets.adopt(config);
    this.concurrency.adopt(config);
  }

  /**
   * Hot path, watched by bench/micro/coordinator/decisions: every admission that no grant covers.
   */
  onAsk(lane: number, ask: AskView, reply: ReplyFields, nowMs: number): void {
    this.status.count(ASKS, 1);
    if ((ask.flags & ASK_GRANT_ONLY) !== 0) {
      this.targets.grant(lane, ask, reply, nowMs);
      return;
    }
    const isLimited = ask.limitCount > 0;
    if (isLimited && !this.limits.peek(ask, reply, nowMs)) {
      reply.verdict = VERDICT_RATE_LIMITED;
      this.status.count(RATE_LIMITED, 1);
      return;
    }
    const position = this.targets.choose(ask, nowMs);
    if (position === NO_POSITION) {
      this.targets.refuse(ask, reply, nowMs);
      return;
    }
    if (isLimited) this.limits.commit(this.hold(lane, ask), ask, reply, nowMs);
    this.targets.admit(lane, ask, position, reply, nowMs);
    if ((ask.flags & ASK_WANTS_GRANT) !== 0) this.targets.grant(lane, ask, reply, nowMs);
  }

  onSeenAgain(lane: number, ask: AskView, nowMs: number): void {
    this.limits.releaseOfAsk(this.hold(lane, ask));
    this.targets.releaseOfAsk(lane, ask, nowMs);
  }

  onTell(_lane: number, tell: TellView, nowMs: number): void {
    this.status.count(TELLS, 1);
    this.targets.settle(tell, nowMs);
  }

  onReturn(lane: number, rest: ReturnView, nowMs: number): void {
    this.status.count(TELLS, 1);
    this.limits.giveBack(lane, rest, nowMs);
  }

  onInFlightEnd(ticket: number): void {
    this.limits.settle(ticket);
  }

  onWorkerLost(lane: number, generation: number, nowMs: number): void {
    this.limits.onWorkerLost(lane, generation);
    this.targets.onWorkerLost(lane, generation, nowMs);
  }

  onProbe(targetIndex: number, result: number, nowMs: number): void {
    this.targets.onProbe(targetIndex, result, nowMs);
  }

  /** Does what is due by the clock. */
  onTick(nowMs: number): void {
    this.targets.onTick(nowMs);
    this.concurrency.onTick(nowMs);
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
