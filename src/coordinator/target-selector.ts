/**
 * Chooses the target of one upstream for one ask.
 *
 * Thread: coordinator. Owns nothing that must last: turns lie in shared memory, and the fields of
 * an ask are kept only while it is answered.
 *
 * Where targets come from discovery an upstream has more rows than targets, and who is in a row
 * changes. Policies see the targets that are there, close together; everybody else goes by the
 * position among all rows, which a target keeps as long as it is there.
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
import { hostPort } from '../base/listener-address.js';
import { TRIED_POSITIONS_MAX } from '../channel/coordinator/coordinator-records.js';
import { phaseOf, SLOT_USED, type TargetSlotView } from '../channel/coordinator/target-slots.js';
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
  readonly slots: TargetSlotView;
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
  /** Whether who is in its rows changes. */
  readonly hasSlots: boolean;
  private members: Members;
  private table: Uint16Array;
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
    this.hasSlots = targets.some(({ isSlot }) => isSlot);
    const members = targets.map(({ index, hostPort, weight, isBackup }, place) => {
      return { place, row: index, name: hostPort, weight, isBackup };
    });
    this.members = this.hasSlots ? this.presentMembers() : membersOf(members, upstream);
    this.table = hashTable(this.members, upstream);
  }

  /** Targets that there are. */
  get count(): number {
    return this.members.rows.length;
  }

  /** The row of a position among all rows. */
  targetAt(place: number): number {
    return defined(this.upstream.targetIndexes[place], 'the target at a position');
  }

  /** Who is in the rows, or with what weight, may have changed. */
  refresh(): void {
    const before = this.members;
    this.members = this.presentMembers();
    if (before.digest !== this.members.digest) this.table = hashTable(this.members, this.upstream);
  }

  private presentMembers(): Members {
    const { slots } = this.tables;
    const present: Member[] = [];
    this.upstream.targetIndexes.forEach((row, place) => {
      if (phaseOf(slots.takenOf(row)) !== SLOT_USED) return;
      const name = this.isHashed ? nameIn(slots, row) : '';
      const [weight, isBackup] = [slots.weightOf(row), slots.isBackup(row)];
      present.push({ place, row, name, weight, isBackup });
    });
    return membersOf(present, this.upstream);
  }

  private get isHashed(): boolean {
    return this.upstream.loadBalancing.policy === 'consistentHash';
  }

  /** Takes a turn, and returns the position of the target or {@link NO_POSITION}. */
  select(wish: TargetWish, nowMs: number): number {
    this.look(wish, nowMs);
    for (let tier = 0; tier < TIERS; tier += 1) {
      if (!this.isTierInUse(tier)) continue;
      this.tier = tier;
      const position = this.selectInTier(wish);
      if (position !== NO_POSITION) return this.placeAt(position);
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
      positions[taken] = this.placeAt(position);
    }
    this.mustBeClosed = false;
    return taken;
  }

  isAvailable(position: number): boolean {
    if (this.members.backups[position] !== ((this.tier & BACKUP_BIT) !== 0)) return false;
    if ((this.tier & TRIED_BIT) === 0 && this.isTried(position)) return false;
    const targetIndex = this.rowAt(position);
    if (!this.isPanic[this.tier & BACKUP_BIT] && !this.tables.health.isHealthy(targetIndex)) {
      return false;
    }
    const { breakers } = this.tables;
    if (this.mustBeClosed) return breakers.stateOf(targetIndex) === BREAKER_CLOSED;
    return breakers.canPass(targetIndex, this.nowMs);
  }

  weightOf(position: number): number {
    return this.members.weights[position] as number;
  }

  shareOf(position: number): number {
    const targetIndex = this.rowAt(position);
    const ramp = this.tables.breakers.shareOf(targetIndex, this.nowMs);
    return Math.min(ramp, this.tables.health.shareOf(targetIndex, this.nowMs));
  }

  loadOf(position: number): number {
    return this.tables.loads.inFlightOf(this.rowAt(position));
  }

  balanceOf(position: number): number {
    return this.tables.turns.balanceOf(this.rowAt(position));
  }

  setBalance(position: number, balance: number): void {
    this.tables.turns.setBalance(this.rowAt(position), balance);
  }

  /**
   * After a select that found nothing: the time until a breaker may admit a try; 0: no breaker is
   * the reason.
   */
  retryAfterMs(nowMs: number): number {
    let leastMs = Number.POSITIVE_INFINITY;
    for (const targetIndex of this.members.rows) {
      const waitMs = this.tables.breakers.retryAfterMs(targetIndex, nowMs);
      if (waitMs > 0) leastMs = Math.min(leastMs, waitMs);
    }
    return Number.isFinite(leastMs) ? leastMs : 0;
  }

  /** Gives back the probes that were given for this ask before. Returns whether there was one. */
  releaseOfAsk(holder: ProbeHolder, nowMs: number): boolean {
    let isReleased = false;
    for (const targetIndex of this.upstream.targetIndexes) {
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
    if (preferredTarget >= 0 && this.tier < TRIED_BIT) {
      const preferred = this.members.places.indexOf(preferredTarget);
      if (preferred !== NO_POSITION && this.isAvailable(preferred)) return preferred;
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
    if (this.count === 0) return NO_POSITION;
    // There may be fewer targets than when the cursor was set.
    const position = selectRoundRobin(this, turns.cursorOf(index) % this.count, random);
    // A retry takes no turn: otherwise every next request would begin at the target that failed.
    if (position !== NO_POSITION && this.triedMask === 0) {
      turns.setCursor(index, stepForward(position, 1, this.count));
    }
    return position;
  }

  private isTierInUse(tier: number): boolean {
    if ((tier & BACKUP_BIT) !== 0 && !this.members.hasBackups) return false;
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
      if (this.tables.breakers.stateOf(this.rowAt(position)) !== BREAKER_CLOSED) return false;
    }
    return true;
  }

  private judgePanic(): void {
    this.healthVersion = this.tables.health.version;
    const healthy = [0, 0];
    const all = [0, 0];
    for (let position = 0; position < this.count; position += 1) {
      const group = this.members.backups[position] ? 1 : 0;
      all[group] = (all[group] as number) + 1;
      if (!this.tables.health.isHealthy(this.rowAt(position))) continue;
      healthy[group] = (healthy[group] as number) + 1;
    }
    const { panicThreshold } = this.upstream.loadBalancing;
    const isBelow = (group: 0 | 1): boolean =>
      (healthy[group] as number) * 100 < panicThreshold * (all[group] as number);
    this.isPanic[0] = isBelow(0) && !(healthy[0] === 0 && (healthy[1] as number) > 0);
    this.isPanic[1] = isBelow(1) && healthy[0] === 0;
  }

  private isTried(position: number): boolean {
    const place = this.placeAt(position);
    return place < TRIED_POSITIONS_MAX && (this.triedMask & (1 << place)) !== 0;
  }

  private rowAt(position: number): number {
    return this.members.rows[position] as number;
  }

  private placeAt(position: number): number {
    return this.members.places[position] as number;
  }
}

/** A target that is there. */
interface Member {
  /** Position among all rows of the upstream. */
  readonly place: number;
  readonly row: number;
  /** What it is hashed by. */
  readonly name: string;
  readonly weight: number;
  readonly isBackup: boolean;
}

/** The same, by position among those that are there. */
interface Members {
  readonly places: readonly number[];
  readonly rows: readonly number[];
  readonly names: readonly string[];
  /** As the policy counts them. */
  readonly weights: readonly number[];
  readonly backups: readonly boolean[];
  readonly hasBackups: boolean;
  /** Of all that the table of a hash is made of. */
  readonly digest: string;
}

function membersOf(members: readonly Member[], { loadBalancing }: CompiledUpstream): Members {
  const isByWeight = loadBalancing.policy !== 'roundRobin';
  const backups = members.map(({ isBackup }) => isBackup);
  return {
    places: members.map(({ place }) => place),
    rows: members.map(({ row }) => row),
    names: members.map(({ name }) => name),
    weights: members.map(({ weight }) => (isByWeight ? weight : 1)),
    backups,
    hasBackups: backups.includes(true),
    digest: members.map(({ name, weight }) => `${name} ${weight}`).join(),
  };
}

function hashTable({ names, weights }: Members, { loadBalancing }: CompiledUpstream): Uint16Array {
  if (loadBalancing.policy !== 'consistentHash' || names.length === 0) return new Uint16Array(0);
  const weightAt = (position: number): number => weights[position] as number;
  return buildMaglevTable(names.map((name, at) => ({ name, weight: weightAt(at) })));
}

function nameIn(slots: TargetSlotView, row: number): string {
  const { host, port } = defined(slots.read(row), 'the target of a row in use');
  return hostPort(host, port);
}

/** Whether the policy depends on neither the request nor the requests in flight. */
function canTakeAhead({ loadBalancing: { policy } }: CompiledUpstream): boolean {
  return policy !== 'leastRequest' && policy !== 'consistentHash';
}
