/**
 * Chooses the target of one upstream for one ask.
 *
 * Thread: coordinator. Owns nothing; the breakers are in the target table, and the tried
 * positions of the ask at hand are kept only while it is answered.
 */
import { defined } from '../base/assert.js';
import { TRIED_POSITIONS_MAX } from '../channel/coordinator-records.js';
import type { CompiledUpstream } from '../config/compiled-config.js';
import { BREAKER_CLOSED } from '../policy/circuit-breaker/circuit-breaker.js';
import { selectRoundRobin, type TargetAvailability } from '../policy/load-balancing/round-robin.js';
import type { ProbeHolder } from './state/probe-ledger.js';
import type { TargetTable } from './state/target-table.js';

export class TargetSelector implements TargetAvailability {
  readonly targetCount: number;
  private readonly targetIndexes: readonly number[];
  private triedMask = 0;
  private nowMs = 0;

  constructor(
    upstream: CompiledUpstream,
    private readonly targets: TargetTable,
  ) {
    this.targetIndexes = upstream.targetIndexes;
    this.targetCount = upstream.targetIndexes.length;
  }

  targetAt(position: number): number {
    return defined(this.targetIndexes[position], 'the target at a position');
  }

  /** The position whose turn it is among those not tried yet that the breaker lets pass. */
  select(cursor: number, triedMask: number, nowMs: number): number {
    this.triedMask = triedMask;
    this.nowMs = nowMs;
    return selectRoundRobin(this.targetCount, cursor, this);
  }

  isAvailable(position: number): boolean {
    return !this.isTried(position) && this.targets.canPass(this.targetAt(position), this.nowMs);
  }

  /** After a select in vain: until a breaker may let a target pass; 0: all were tried. */
  retryAfterMs(nowMs: number): number {
    let leastMs = Number.POSITIVE_INFINITY;
    for (let position = 0; position < this.targetCount; position += 1) {
      if (this.isTried(position)) continue;
      leastMs = Math.min(leastMs, this.targets.retryAfterMs(this.targetAt(position), nowMs));
    }
    return Number.isFinite(leastMs) ? leastMs : 0;
  }

  areAllClosed(): boolean {
    for (const targetIndex of this.targetIndexes) {
      if (this.targets.stateOf(targetIndex) !== BREAKER_CLOSED) return false;
    }
    return true;
  }

  /** Gives back the probes that were given for this very ask before; whether there was one. */
  releaseOfAsk(holder: ProbeHolder, nowMs: number): boolean {
    let isReleased = false;
    for (const targetIndex of this.targetIndexes) {
      if (this.targets.releaseOfAsk(targetIndex, holder, nowMs)) isReleased = true;
    }
    return isReleased;
  }

  private isTried(position: number): boolean {
    return position < TRIED_POSITIONS_MAX && (this.triedMask & (1 << position)) !== 0;
  }
}
