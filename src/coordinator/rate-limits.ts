/**
 * Answers for a limiter and a key whether there is room, and takes it when told to.
 *
 * Thread: coordinator. Owns the limiter tables.
 *
 * `peek`, then `commit` at the same time or not at all: a request that finds no target uses up
 * nothing, and a new key takes a row only when it is admitted.
 */
import { assert, defined } from '../base/assert.js';
import type { CoordinatorMemory } from '../channel/coordinator-memory.js';
import { type CoordinatorStatus, counterIndex } from '../channel/coordinator-status.js';
import type { CompiledLimiter } from '../config/compiled-config.js';
import { RateDecision } from '../policy/rate-limit/rate-decision.js';
import { createLimiter, type Limiter, needsWideRow } from './limiters.js';
import { COMPACT_ROW_WORDS, WIDE_ROW_WORDS } from './state/bucket-layout.js';
import { BucketTable, NO_ROW, type RowGauge } from './state/bucket-table.js';

const TRACKED_KEYS = counterIndex('trackedKeys');
const RECLAIMED_KEYS = counterIndex('reclaimedKeys');
const EVICTED_KEYS = counterIndex('evictedKeys');
const REFUSED_KEYS = counterIndex('refusedKeys');

export class RateLimits implements RowGauge {
  /** What the last peek, or the commit after it, found. */
  readonly decision = new RateDecision();
  private readonly limiters: readonly Limiter[];
  private readonly gauge = new RateDecision();
  private limiter: Limiter | null = null;
  private row = NO_ROW;

  constructor(
    limiters: readonly CompiledLimiter[],
    memory: Pick<CoordinatorMemory, 'compactBuckets' | 'wideBuckets'>,
    private readonly status: CoordinatorStatus,
  ) {
    const compact = new BucketTable(memory.compactBuckets, COMPACT_ROW_WORDS);
    const wide = new BucketTable(memory.wideBuckets, WIDE_ROW_WORDS);
    this.limiters = limiters.map((one) => createLimiter(one, needsWideRow(one) ? wide : compact));
    // The counter may have missed a row if the last coordinator ended in the middle of one.
    const tracked = compact.countUsedRows() + wide.countUsedRows();
    status.count(TRACKED_KEYS, tracked - status.readCounts().trackedKeys);
  }

  /** Whether the key has room. Fills in {@link decision}; uses up nothing. */
  peek(limiterIndex: number, keyHashHigh: number, keyHashLow: number, nowMs: number): boolean {
    const limiter = defined(this.limiters[limiterIndex], 'the limiter of the ask');
    const { table } = limiter;
    table.setKey(limiterIndex, keyHashHigh, keyHashLow);
    this.limiter = limiter;
    this.row = table.locate(this, nowMs);
    if (this.row === NO_ROW) return this.refuseNewKey(table.retryAfterMs);
    if (!table.isNew) return limiter.peek(table.baseOf(this.row), nowMs, this.decision);
    this.decision.admitted = true;
    this.decision.remaining = limiter.fullRemaining;
    this.decision.resetMs = 0;
    this.decision.retryAfterMs = 0;
    return true;
  }

  /** Takes what the peek just before found. */
  commit(nowMs: number): void {
    const limiter = defined(this.limiter, 'the limiter of the peek before');
    assert(this.row !== NO_ROW && this.decision.admitted, 'only what has room is committed');
    const { table } = limiter;
    const base = table.baseOf(this.row);
    if (table.isNew) {
      this.countInstall(table.victimShare);
      table.install(this.row);
      limiter.reset(base, nowMs);
    }
    limiter.commit(base, nowMs, this.decision);
    this.limiter = null;
  }

  /** For the table, which looks for a row that may be taken. */
  measureUsedShare(rowBase: number, limiterIndex: number, nowMs: number): number {
    const limiter = defined(this.limiters[limiterIndex], 'the limiter of a row');
    return limiter.usedShareOf(rowBase, nowMs, this.gauge);
  }

  get retryAfterMs(): number {
    return this.gauge.retryAfterMs;
  }

  private refuseNewKey(retryAfterMs: number): false {
    this.status.count(REFUSED_KEYS, 1);
    this.decision.admitted = false;
    this.decision.remaining = 0;
    this.decision.resetMs = retryAfterMs;
    this.decision.retryAfterMs = retryAfterMs;
    return false;
  }

  private countInstall(victimShare: number): void {
    if (victimShare < 0) this.status.count(TRACKED_KEYS, 1);
    else if (victimShare === 0) this.status.count(RECLAIMED_KEYS, 1);
    else this.status.count(EVICTED_KEYS, 1);
  }
}
