/**
 * Chooses the target of one upstream for one ask.
 *
 * Thread: coordinator. Owns nothing that must last: turns lie in shared memory, and the fields of
 * an ask are kept only while it is answered.
 *
 * Targets are considered in this order, and the policy chooses among the first group that is not
 * empty:
 *
 *     primaries not tried yet, backups not tried yet, primaries, backups
 *
 * A group holds only targets that are healthy and whose breaker admits a try. When fewer primaries
 * than the panic threshold are healthy, health is ignored: the few would break down as well. The
 * exception: when no primary is healthy and some backup is, the backups serve.
 */
import { assert, defined } from '../base/assert.js';
import { TRIED_POSITIONS_MAX } from '../channel/coordinator/coordinator-records.js';
import type { CompiledTarget, CompiledUpstream } from '../config/compiled-config.js';
import { BREAKER_CLOSED } from '../policy/circuit-breaker/circuit-breaker.js';
import { type Candidates, NO_POSITION, type Random } from '../policy/load-balancing/candidates.js';
import { selectConsistentHash } from '../policy/load-balancing/consistent-hash.js';
import { selectLeastRequest } from '../policy/load-balancing/least-request.js';
import { buildMaglevTable } from '../policy/load-balancing/maglev-table.js';
import { selectRoundRobin, stepForward } from '../policy/load-balancing/round-robin.js';
import { selectRandom } from '../policy/load-balancing/weighted-random.js';
import {
  selectWeightedRoundRobin,
  type TurnAccounts,
} from '../policy/load-balancing/weighted-round-robin.js';
import type { AnsweredTries } from './answered-tries.js';
import type { HealthTable } from './state/health-table.js';
import type { ProbeHolder } from './state/probe-table.js';
import type { TargetTable } from './state/target-table.js';
import type { TurnTable } from './state/turn-table.js';

/** The tables of targets that the selector reads. */
export interface SelectorTables {
  readonly breakers: TargetTable;
  readonly health: HealthTable;
  readonly loads: AnsweredTries;
  readonly turns: TurnTable;
  readonly random: Random;
}

/** What an ask says about the target that it wants. */
export interface TargetWish {
  /** Bit p: position p was tried. */
  readonly triedMask: number;
  readonly balanceHash: number;
  /** A position; -1: no target is preferred. */
  readonly preferredTarget: number;
}

const ANY_TARGET: TargetWish = { triedMask: 0, balanceHash: 0, preferredTarget: NO_POSITION };

const BACKUP_BIT = 1;
const TRIED_BIT = 2;
const TIERS = 4;

export class TargetSelector implements Candidates, TurnAccounts {
  readonly count: number;
  private readonly targetIndexes: readonly number[];
  private readonly weights: readonly number[];
  private readonly isBackup: readonly boolean[];
  private readonly hasBackups: boolean;
  private readonly table: Uint16Array;
  private triedMask = 0;
  private tier = 0;
  private nowMs = 0;
  private mustBeClosed = false;
  private healthVersion = -1;
  private readonly isPanic = [false, false];

  constructor(
    targetsByRow: readonly (CompiledTarget | undefined)[],
    private readonly upstream: CompiledUpstream,
    private readonly tables: SelectorTables,
  ) {
    const targets = upstream.targetIndexes.map((index) =>
      defined(targetsByRow[index], 'the target of an upstream'),
    );
    this.targetIndexes = upstream.targetIndexes;
    this.count = targets.length;
    this.isBackup = targets.map((target) => target.isBackup);
    this.hasBackups = this.isBackup.includes(true);
    const { policy } = upstream.loadBalancing;
    this.weights = targets.map((target) => (policy === 'roundRobin' ? 1 : target.weight));
    const entries = targets.map(({ hostPort: name, weight }) => ({ name, weight }));
    this.table = policy === 'consistentHash' ? buildMaglevTable(entries) : new Uint16Array(0);
  }

  targetAt(position: number): number {
    return defined(this.targetIndexes[position], 'the target at a position');
  }

  /** Takes a turn, and returns the position of the target or {@link NO_POSITION}. */
  select(wish: TargetWish, nowMs: number): number {
    this.look(wish, nowMs);
    for (let tier = 0; tier < TIERS; tier += 1) {
      if (!this.isTierInUse(tier)) continue;
      this.tier = tier;
      const position = this.selectInTier(wish);
      if (position !== NO_POSITION) return position;
    }
    return NO_POSITION;
  }

  /**
   * Takes turns in advance, writes their positions, and returns their number. A worker uses such a
   * turn without a ticket and without any check. So there are none while a target waits for a
   * probe, which only an ask can make, none while health is ignored, and none of backups, which
   * must not be used once a primary is back.
   */
  selectAhead(positions: Uint8Array, count: number, nowMs: number): number {
    this.look(ANY_TARGET, nowMs);
    if (this.isPanic[0] || !this.hasAny(0) || !this.areAllClosed()) return 0;
    if (this.count > 1 && !canTakeAhead(this.upstream)) return 0;
    this.mustBeClosed = true;
    let taken = 0;
    for (; taken < count; taken += 1) {
      const position = this.selectInTier(ANY_TARGET);
      if (position === NO_POSITION) break;
      positions[taken] = position;
    }
    this.mustBeClosed = false;
    return taken;
  }

  isAvailable(position: number): boolean {
    if (this.isBackup[position] !== ((this.tier & BACKUP_BIT) !== 0)) return false;
    if ((this.tier & TRIED_BIT) === 0 && this.isTried(position)) return false;
    const targetIndex = this.targetAt(position);
    if (!this.isPanic[this.tier & BACKUP_BIT] && !this.tables.health.isHealthy(targetIndex)) {
      return false;
    }
    const { breakers } = this.tables;
    if (this.mustBeClosed) return breakers.stateOf(targetIndex) === BREAKER_CLOSED;
    return breakers.canPass(targetIndex, this.nowMs);
  }

  weightOf(position: number): number {
    return this.weights[position] as number;
  }

  shareOf(position: number): number {
    const targetIndex = this.targetAt(position);
    const ramp = this.tables.breakers.shareOf(targetIndex, this.nowMs);
    return Math.min(ramp, this.tables.health.shareOf(targetIndex, this.nowMs));
  }

  loadOf(position: number): number {
    return this.tables.loads.inFlightOf(this.targetAt(position));
  }

  balanceOf(position: number): number {
    return this.tables.turns.balanceOf(this.targetAt(position));
  }

  setBalance(position: number, balance: number): void {
    this.tables.turns.setBalance(this.targetAt(position), balance);
  }

  /**
   * After a select that found nothing: the time until a breaker may admit a try; 0: no breaker is
   * the reason.
   */
  retryAfterMs(nowMs: number): number {
    let leastMs = Number.POSITIVE_INFINITY;
    for (const targetIndex of this.targetIndexes) {
      const waitMs = this.tables.breakers.retryAfterMs(targetIndex, nowMs);
      if (waitMs > 0) leastMs = Math.min(leastMs, waitMs);
    }
    return Number.isFinite(leastMs) ? leastMs : 0;
  }

  /** Gives back the probes that were given for this ask before. Returns whether there was one. */
  releaseOfAsk(holder: ProbeHolder, nowMs: number): boolean {
    let isReleased = false;
    for (const targetIndex of this.targetIndexes) {
      if (this.tables.breakers.releaseOfAsk(targetIndex, holder, nowMs)) isReleased = true;
    }
    return isReleased;
  }

  private look(wish: TargetWish, nowMs: number): void {
    this.triedMask = wish.triedMask;
    this.nowMs = nowMs;
    if (this.healthVersion !== this.tables.health.version) this.judgePanic();
  }

  private selectInTier({ preferredTarget, balanceHash }: TargetWish): number {
    const isPreferred = preferredTarget >= 0 && preferredTarget < this.count;
    if (isPreferred && this.tier < TRIED_BIT && this.isAvailable(preferredTarget)) {
      return preferredTarget;
    }
    const { random } = this.tables;
    const { policy, choices } = this.upstream.loadBalancing;
    switch (policy) {
      case 'roundRobin':
        return this.takeTurn();
      case 'weightedRoundRobin':
        return selectWeightedRoundRobin(this, this);
      case 'leastRequest':
        return selectLeastRequest(this, choices, random);
      case 'consistentHash':
        return selectConsistentHash(this, this.table, balanceHash, random);
      default:
        assert(policy === 'random', 'the policy is known');
        return selectRandom(this, random);
    }
  }

  private takeTurn(): number {
    const { turns, random } = this.tables;
    const { index } = this.upstream;
    const position = selectRoundRobin(this, turns.cursorOf(index), random);
    // A retry takes no turn: otherwise every next request would begin at the target that failed.
    if (position !== NO_POSITION && this.triedMask === 0) {
      turns.setCursor(index, stepForward(position, 1, this.count));
    }
    return position;
  }

  private isTierInUse(tier: number): boolean {
    if ((tier & BACKUP_BIT) !== 0 && !this.hasBackups) return false;
    return (tier & TRIED_BIT) === 0 || this.triedMask !== 0;
  }

  private hasAny(tier: number): boolean {
    this.tier = tier;
    for (let position = 0; position < this.count; position += 1) {
      if (this.isAvailable(position)) return true;
    }
    return false;
  }

  /** Whether no target of the current tier waits for a probe. */
  private areAllClosed(): boolean {
    for (let position = 0; position < this.count; position += 1) {
      if (!this.isAvailable(position)) continue;
      if (this.tables.breakers.stateOf(this.targetAt(position)) !== BREAKER_CLOSED) return false;
    }
    return true;
  }

  private judgePanic(): void {
    this.healthVersion = this.tables.health.version;
    const healthy = [0, 0];
    const all = [0, 0];
    for (let position = 0; position < this.count; position += 1) {
      const group = this.isBackup[position] ? 1 : 0;
      all[group] = (all[group] as number) + 1;
      if (!this.tables.health.isHealthy(this.targetAt(position))) continue;
      healthy[group] = (healthy[group] as number) + 1;
    }
    const { panicThreshold } = this.upstream.loadBalancing;
    const isBelow = (group: 0 | 1): boolean =>
      (healthy[group] as number) * 100 < panicThreshold * (all[group] as number);
    this.isPanic[0] = isBelow(0) && !(healthy[0] === 0 && (healthy[1] as number) > 0);
    this.isPanic[1] = isBelow(1) && healthy[0] === 0;
  }

  private isTried(position: number): boolean {
    return position < TRIED_POSITIONS_MAX && (this.triedMask & (1 << position)) !== 0;
  }
}

/** Whether the policy depends on neither the request nor the requests in flight. */
function canTakeAhead({ loadBalancing: { policy } }: CompiledUpstream): boolean {
  return policy !== 'leastRequest' && policy !== 'consistentHash';
}
