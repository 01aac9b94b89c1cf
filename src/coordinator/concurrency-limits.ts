/**
 * Adapts the limits on concurrency of upstreams that ask for it.
 *
 * Thread: coordinator. Owns the rows of limits, whose state lies in shared memory, so that the next
 * coordinator goes on. The counts of the current window lie here only: the next coordinator begins
 * a new window.
 */
import { defined } from '../base/assert.js';
import { LATENCY_BUCKETS, latencyQuantileMs } from '../base/latency-buckets.js';
import {
  AT_MIN_FIELD,
  ConcurrencyView,
  LIMIT_BEFORE_FIELD,
  MIN_RTT_FIELD,
  NEXT_MEASURE_FIELD,
  PHASE_FIELD,
} from '../channel/coordinator/concurrency-memory.js';
import type { CoordinatorMemory } from '../channel/coordinator/coordinator-memory.js';
import type { CoordinatorStatus } from '../channel/coordinator/coordinator-status.js';
import type { CompiledAdaptiveConcurrency } from '../config/compiled-config.js';
import type { UnitedConfig } from '../config/shared/unite-configs.js';
import type { Random } from '../policy/load-balancing/candidates.js';
import {
  type GradientPhase,
  type GradientState,
  initialGradient,
  stepGradient,
} from '../policy/overload/gradient.js';

export class ConcurrencyLimits {
  private readonly view: ConcurrencyView;
  private adapted: readonly AdaptedUpstream[] = [];
  private nextMs = 0;

  constructor(
    private readonly config: UnitedConfig,
    memory: CoordinatorMemory,
    status: CoordinatorStatus,
    private readonly random: Random,
  ) {
    this.view = new ConcurrencyView(memory.concurrency, config.capacity.upstreams, status);
    this.adopt(config);
  }

  /** Takes another configuration: an upstream that is still adapted keeps its limit. */
  adopt(config: UnitedConfig): void {
    const rules = new Map<number, CompiledAdaptiveConcurrency>();
    for (const { index, adaptiveConcurrency } of config.upstreams) {
      if (adaptiveConcurrency !== null) rules.set(index, adaptiveConcurrency);
    }
    for (let slot = 0; slot < this.config.capacity.upstreams; slot += 1) {
      if (!rules.has(slot) && this.view.limitOf(slot) !== 0) this.view.setLimit(slot, 0);
    }
    this.adapted = [...rules].map(
      ([slot, rule]) => new AdaptedUpstream(slot, rule, this.view, this.random),
    );
    this.nextMs = 0;
  }

  /** Does what is due by the clock; called in every duty cycle. */
  onTick(nowMs: number): void {
    if (this.adapted.length === 0 || nowMs < this.nextMs) return;
    this.nextMs = Math.min(...this.adapted.map((upstream) => upstream.onTick(nowMs)));
  }
}

class AdaptedUpstream {
  private readonly counts = new Int32Array(LATENCY_BUCKETS);
  private readonly windowStart = new Int32Array(LATENCY_BUCKETS);
  private readonly phaseStart = new Int32Array(LATENCY_BUCKETS);
  private readonly difference = new Int32Array(LATENCY_BUCKETS);
  private nextMs = 0;

  constructor(
    private readonly slot: number,
    private readonly rule: CompiledAdaptiveConcurrency,
    private readonly view: ConcurrencyView,
    private readonly random: Random,
  ) {
    if (view.limitOf(slot) === 0) this.write(initialGradient(rule));
    view.readCounts(slot, this.windowStart);
    this.phaseStart.set(this.windowStart);
  }

  /** Does what is due, and returns the time of the next call. */
  onTick(nowMs: number): number {
    if (nowMs < this.nextMs) return this.nextMs;
    const { view, slot, rule } = this;
    view.readCounts(slot, this.counts);
    const window = this.sampleSince(this.windowStart);
    const phase = this.sampleSince(this.phaseStart);
    const before = this.read();
    const after = stepGradient(
      rule,
      before,
      {
        inFlight: view.inFlightOf(slot),
        windowCount: window.count,
        windowRttMs: window.rttMs,
        phaseCount: phase.count,
        phaseRttMs: phase.rttMs,
      },
      { nowMs, random: this.random() },
    );
    this.write(after);
    this.windowStart.set(this.counts);
    if (after.phase !== before.phase) this.phaseStart.set(this.counts);
    this.nextMs = nowMs + rule.updateIntervalMs;
    return this.nextMs;
  }

  private sampleSince(start: Int32Array): { count: number; rttMs: number } {
    let count = 0;
    for (let bucket = 0; bucket < LATENCY_BUCKETS; bucket += 1) {
      const more = (defined(this.counts[bucket], 'a count') - (start[bucket] as number)) | 0;
      this.difference[bucket] = more;
      count += more;
    }
    return { count, rttMs: latencyQuantileMs(this.difference, this.rule.samplePercentile) };
  }

  private read(): GradientState {
    const { view, slot } = this;
    return {
      phase: view.fieldOf(slot, PHASE_FIELD) as GradientPhase,
      limit: view.limitOf(slot),
      limitBefore: view.fieldOf(slot, LIMIT_BEFORE_FIELD),
      minRttMs: view.fieldOf(slot, MIN_RTT_FIELD),
      nextMeasureMs: view.fieldOf(slot, NEXT_MEASURE_FIELD),
      windowsAtMin: view.fieldOf(slot, AT_MIN_FIELD),
    };
  }

  private write(state: GradientState): void {
    const { view, slot } = this;
    view.setField(slot, PHASE_FIELD, state.phase);
    view.setField(slot, LIMIT_BEFORE_FIELD, state.limitBefore);
    view.setField(slot, MIN_RTT_FIELD, state.minRttMs);
    view.setField(slot, NEXT_MEASURE_FIELD, state.nextMeasureMs);
    view.setField(slot, AT_MIN_FIELD, state.windowsAtMin);
    view.setLimit(slot, state.limit);
  }
}
