/**
 * Limits that count over all gateways: what this gateway holds of them, and what it asks for.
 *
 * Thread: coordinator. Owns the leases, in ordinary memory: a coordinator that ends loses the units
 * that it held, which the store goes on counting as used.
 *
 *     key in the store ──take──► lease of this gateway ──► one admission after the other
 *
 * An ask for a key without a lease waits (deferred-asks.ts) while the store's thread brings one.
 * A refusal of the store is kept like a lease, so that refused requests ask nobody.
 *
 * Invariants:
 *   I1  The units that are outstanding or used within any window are never more than the limit, in
 *       every order of events, as long as the state in the store is not lost.
 *   I2  A message that is lost or seen twice loses units, and never makes any: an answer is taken
 *       once, by the serial of its ask, and only while its ask is still the key's last one. What a
 *       later one gives goes back.
 *   I3  Nothing is sent twice: what was not answered counts as used.
 *   I4  What comes back names its lease (stamp) and the state of the store that it is of (epoch).
 *       In another epoch it is nothing, and it lifts no limit above what it was.
 *   I5  A gateway that stops for any time holds one lease a key at most, which is counted already.
 *   I6  Nothing is admitted by a gateway's own part of a limit, where that part is exact, while the
 *       store may give the same to others: see cluster-lease.ts.
 *   I7  No request waits for the store longer than `store.timeout`, and none at all while the store
 *       is known to be lost (but for `onStoreLost: wait`, up to the same time).
 */
import { assert } from '../base/assert.js';
import type { StoreAsker } from '../channel/store/store-channel.js';
import {
  TAKE_BUCKET,
  TAKE_COSTS,
  TAKE_FIXED,
  TAKE_RECALL,
  TAKE_SLIDING,
  TAKEN_DECIDED,
  TAKEN_FAILED,
  TAKEN_LATE,
  TAKEN_RECOVERING,
  type TakenFields,
} from '../channel/store/store-records.js';
import { VIEW_MS_MAX } from '../channel/store/store-status.js';
import type { LimiterLookup } from '../config/shared/shared-config.js';
import { type LeaseRule, reservedOf } from '../policy/rate-limit/lease.js';
import { ClusterCosts } from './cluster-costs.js';
import { type ClusterLimit, hashOf, isSame, Lease, makeLimit } from './cluster-lease.js';
import { ClusterPlaces } from './cluster-places.js';
import { ClusterTellings } from './cluster-tellings.js';
import { NO_WAIT, type OutsideLimits } from './deferred-asks.js';
import type { UnitsBack } from './key-memory.js';
import { NO_SERIAL, StoreTakes, type TakeWish } from './store-takes.js';

/** Keys of which something is known. A further one displaces the one asked for longest ago. */
const LEASES_MAX = 65_536;
/** Keys about which the store is told at once, when it has lost its state. */
const DECLARED_MAX = 2048;
/** A key is not asked about for this time while the store recovers. */
const RECOVERY_PAUSE_MS = 250;
/** Wall and monotonic clock are further apart than before after a machine has slept. */
const CLOCK_DRIFT_MS = 50;
/** Leases are valid for as long as three answers take; for that, no longer than the timeout. */
const VALID_PER_ANSWER = 3;
const ANSWERS_COUNTED = 8;
const NOTHING = { needed: 0, wanted: 0 } as const;
const NOTHING_TOLD = { declared: 0, toldStamp: 0 } as const;
const ALGORITHMS = {
  slidingWindow: TAKE_SLIDING,
  tokenBucket: TAKE_BUCKET,
  fixedWindow: TAKE_FIXED,
} as const;

interface HeldLease {
  readonly lease: Lease;
  readonly dueMs: number;
}

/** The part of a take that says what it is about. */
type AboutLimit = Omit<
  TakeWish,
  keyof UnitsBack | keyof typeof NOTHING | keyof typeof NOTHING_TOLD
>;

export interface ClusterParts {
  readonly store: StoreAsker;
  readonly timeoutMs: number;
  /** Gateways that share the store at least. */
  readonly nodesMin: number;
  unixMs(): number;
}

export class ClusterLimits implements OutsideLimits {
  private configs: LimiterLookup | null = null;
  /** By limiter index; null: it counts over this gateway. */
  private limits: (ClusterLimit | null | undefined)[] = [];
  /** Requests in flight. */
  readonly places: ClusterPlaces;
  /** What requests cost that are in flight, where their replies tell it. */
  readonly costs: ClusterCosts;
  /** By a hash of limit and key, the one that was asked for longest ago first. */
  private readonly leases = new Map<number, Lease>();
  private readonly tellings: ClusterTellings;
  /** Leases with units, the oldest first: what is not used goes back. */
  private readonly held: HeldLease[] = [];
  private readonly takes: StoreTakes;
  private nextId = 1;
  /** How long answers take, smoothed. */
  private answerMs = 0;
  private clockDifferenceMs = Number.NaN;
  /** The first tick. A gateway that starts may be one of many. */
  private startedMs = Number.NaN;
  /** What was told before is not believed any more. */
  private doubtedMs = Number.NEGATIVE_INFINITY;
  private epochs: number;
  private onHeard: (awaited: number) => void = () => {};
  private readonly onTaken = (taken: TakenFields): void => this.receive(taken);
  private nowMs = 0;
  /** Asks of limits with `onStoreLost: wait` wait for this number while the store is lost. */
  private readonly foundId = 2 ** 40;
  private wasUp = false;

  constructor(private readonly parts: ClusterParts) {
    this.epochs = parts.store.status.epochs;
    this.tellings = new ClusterTellings({
      ...{ status: parts.store.status, timeoutMs: parts.timeoutMs },
      tell: (lease, nowMs) => this.send(lease, NOTHING, nowMs),
      recall: (lease, nowMs) => this.recall(lease, nowMs),
    });
    this.costs = new ClusterCosts({
      leaseOf: ({ limit, high, low }) => this.find(limit, high, low) ?? this.add(limit, high, low),
      tell: (lease) => this.tellings.add(lease),
      giveBack: (lease, back) => this.takes.giveBack(lease, back),
    });
    this.takes = new StoreTakes(parts.store, (lease, back) => this.trySendBack(lease, back));
    this.places = new ClusterPlaces({
      ...{ store: parts.store, timeoutMs: parts.timeoutMs, foundId: this.foundId },
      nodes: () => this.nodes,
      silent: (nowMs) => this.silentNodes(nowMs),
      mayShare: (quietMs, nowMs) => this.mayShare(quietMs, nowMs),
    });
  }

  get timeoutMs(): number {
    return this.parts.timeoutMs;
  }

  /** The gateways among which a limit is divided while the store is lost. */
  get nodes(): number {
    return Math.max(1, this.parts.nodesMin, this.parts.store.status.nodes);
  }

  adopt(configs: LimiterLookup): void {
    this.configs = configs;
    this.limits = [];
  }

  listen(onHeard: (awaited: number) => void): void {
    this.onHeard = onHeard;
  }

  /** When {@link onTick} has something to do; infinite: nothing waits. */
  get nextDueMs(): number {
    const { nextDueMs } = this.places;
    const first = this.held[0];
    return first === undefined ? nextDueMs : Math.min(nextDueMs, first.dueMs);
  }

  /** Takes in what the store has answered, and gives back what is not used. */
  onTick(nowMs: number): void {
    const { store, unixMs } = this.parts;
    this.nowMs = nowMs;
    if (Number.isNaN(this.startedMs)) this.startedMs = nowMs;
    this.checkClocks(unixMs() - nowMs);
    store.drain(this.onTaken);
    this.checkEpoch();
    const { isUp } = store;
    if (isUp && !this.wasUp) this.onHeard(this.foundId);
    this.wasUp = isUp;
    this.giveBackUnused(nowMs);
    if (isUp) this.takes.onTick();
    this.places.onTick(nowMs);
    this.tellings.onTick(nowMs, isUp);
  }

  /** Whether this gateway's own part may be used now, where the store has not decided. */
  mayShare(quietMs: number, nowMs: number): boolean {
    const { status } = this.parts.store;
    if (quietMs === 0 || (this.nodes === 1 && status.contactMs > 0)) return true;
    const isQuietOver = () => nowMs - Math.max(status.contactMs, this.startedMs) >= quietMs;
    if (!isQuietOver()) return false;
    if (status.hasUntold) return true;
    // Said before it is looked at once more: no beat says from here on that all is told.
    status.setUntold(true);
    return isQuietOver();
  }

  /** An admission without the store, which is told when it is back. */
  noteUntold(lease: Lease, nowMs: number): void {
    lease.used.addUntold(lease.limit.rule.usedPerTake, nowMs);
    this.tellings.add(lease);
  }

  awaits(limiterIndex: number, high: number, low: number, nowMs: number): number {
    const limit = this.limitOf(limiterIndex);
    if (limit === null) {
      const config = this.configs?.find(limiterIndex);
      if (config?.cluster === undefined) return NO_WAIT;
      return this.places.awaits(config, [high, low], nowMs);
    }
    const known = this.find(limit, high, low);
    if (known !== null) {
      if (known.canAdmit(nowMs) || known.isRefused(nowMs)) return NO_WAIT;
      if (nowMs < known.pausedUntilMs) return NO_WAIT;
    }
    if (!this.parts.store.isUp) {
      return limit.scope.onStoreLost === 'wait' ? this.foundId : NO_WAIT;
    }
    const lease = known ?? this.add(limit, high, low);
    const isAsked = lease.serial !== 0 && nowMs - lease.sentMs < this.parts.timeoutMs;
    lease.waiting += 1;
    return isAsked || this.askFor(lease, nowMs) ? lease.id : NO_WAIT;
  }

  /** Whether the store has refused this key, and the limit refuses requests by that. */
  refuses(limiterIndex: number, high: number, low: number, nowMs: number): boolean {
    const limit = this.limitOf(limiterIndex);
    if (limit === null || limit.isShadow) return false;
    const lease = this.find(limit, high, low);
    return lease !== null && !lease.canAdmit(nowMs) && lease.isRefused(nowMs);
  }

  /** The lease of a key of a limit that counts over all gateways; null: there is none. */
  leaseOf(limiterIndex: number, high: number, low: number): Lease | null {
    const limit = this.limitOf(limiterIndex);
    return limit === null ? null : this.find(limit, high, low);
  }

  /** Like {@link leaseOf}; makes one where there is none. */
  leaseFor(limiterIndex: number, high: number, low: number): Lease {
    const limit = this.limitOf(limiterIndex);
    assert(limit !== null, 'the limit counts over all gateways');
    return this.find(limit, high, low) ?? this.add(limit, high, low);
  }

  private askFor(lease: Lease, nowMs: number): boolean {
    const needed = lease.join(nowMs);
    const wanted = lease.ask(lease.limit.rule, needed, nowMs);
    if (!this.send(lease, { needed, wanted }, nowMs)) return false;
    this.leases.delete(lease.hash);
    this.leases.set(lease.hash, lease);
    return true;
  }

  /** Sends an ask, with what comes back of the lease before it. */
  private send(
    lease: Lease,
    { needed, wanted }: { readonly needed: number; readonly wanted: number },
    nowMs: number,
  ): boolean {
    const { units: returned, stamp, epoch } = lease;
    const declared = lease.tell(nowMs, this.parts.timeoutMs);
    const told = { declared, toldStamp: lease.toldStamp };
    const back = { returned, stamp, epoch, cost: 0 };
    // What comes back cannot be used any more, whether it arrives or not.
    lease.units = 0;
    const about = this.describe(lease, nowMs);
    const serial = this.takes.send(lease, { ...about, needed, wanted, ...back, ...told });
    if (serial === NO_SERIAL) return false;
    if (declared > 0) this.awaitTold(lease, serial, nowMs);
    if (wanted === 0) return true;
    lease.serial = serial;
    lease.sentMs = nowMs;
    lease.wanted = wanted;
    return true;
  }

  private trySendBack(lease: Lease, back: UnitsBack): boolean {
    if (!this.parts.store.isUp) return false;
    const about = this.describe(lease, this.nowMs);
    const wish = { ...about, ...NOTHING, ...NOTHING_TOLD, ...back };
    return this.takes.send(lease, wish) !== NO_SERIAL;
  }

  /** What the store needs to know of the limit. */
  private describe({ limit }: Lease, nowMs: number): AboutLimit {
    const { rule } = limit;
    return {
      algorithm: rule.isTold ? TAKE_COSTS : ALGORITHMS[rule.algorithm],
      validUs: Math.floor(this.validMsOf(rule) * 1000),
      limit: rule.limit,
      windowUs: Math.ceil((rule.isTold ? rule.holdMs : rule.windowMs) * 1000),
      unitsPerTake: rule.unitsPerTake,
      unitsPerMs: rule.unitsPerMs,
      unitsPerToken: rule.unitsPerToken,
      sentMs: nowMs,
      ...(limit.quietMs > 0 && this.reserved(limit, nowMs)),
    };
  }

  /** A lease is worth nothing that is over when its answer comes. */
  private validMsOf({ validMs }: LeaseRule): number {
    return Math.max(validMs, Math.min(this.parts.timeoutMs, VALID_PER_ANSWER * this.answerMs));
  }

  /** The parts of gateways that may admit without the store are kept free for them. */
  private reserved({ rule }: ClusterLimit, nowMs: number) {
    const silent = this.silentNodes(nowMs);
    return silent === 0 ? {} : reservedOf(rule, this.nodes, silent);
  }

  /** Where nothing is known of the others, each may admit without the store. */
  private silentNodes(nowMs: number): number {
    const { silent, viewMs } = this.parts.store.status;
    const isCurrent = nowMs - viewMs <= VIEW_MS_MAX && viewMs > this.doubtedMs;
    const forgotten = this.tellings.isSomeForgotten ? 1 : 0;
    return isCurrent ? Math.min(silent + forgotten, this.nodes - 1) : this.nodes - 1;
  }

  private awaitTold(lease: Lease, serial: number, nowMs: number): void {
    this.tellings.add(lease);
    lease.toldSerial = serial;
    lease.toldMs = nowMs;
  }

  private receive(taken: TakenFields): void {
    if (taken.serial < 0) {
      this.onHeard(this.places.onTaken(taken, this.nowMs));
      return;
    }
    this.checkEpoch();
    const { serial, outcome } = taken;
    const lease = this.takes.leaseOf(serial);
    if (lease === null) return;
    const { memory } = lease;
    if (outcome !== TAKEN_LATE) {
      this.takes.forget(serial);
      lease.hearTold(serial, outcome !== TAKEN_FAILED);
      memory.see(taken, this.nowMs);
      if (memory.isAwaiting(serial)) {
        this.onRecalled(lease, taken);
        return;
      }
    }
    if (lease.serial !== serial) {
      this.giveBackLate(lease, taken);
      return;
    }
    this.answerMs += (this.nowMs - lease.sentMs - this.answerMs) / ANSWERS_COUNTED;
    lease.hear(taken.units, this.nowMs);
    this.apply(lease, taken);
    this.onHeard(lease.id);
  }

  private onRecalled(lease: Lease, taken: TakenFields): void {
    const { memory } = lease;
    if (taken.outcome === TAKEN_FAILED) memory.onFailed();
    else for (const back of memory.onRecalled(taken)) this.takes.giveBack(lease, back);
  }

  private recall(lease: Lease, nowMs: number): boolean {
    const { memory, limit } = lease;
    const { used: epoch, atUs: stamp, held } = memory.recall(limit.rule, nowMs);
    const wish = { needed: held, wanted: held, returned: 0, cost: 0, stamp, epoch };
    const about: AboutLimit = { ...this.describe(lease, nowMs), algorithm: TAKE_RECALL };
    const serial = this.takes.send(lease, { ...about, ...wish, ...NOTHING_TOLD });
    if (serial !== NO_SERIAL) memory.onSent(serial, nowMs);
    return serial !== NO_SERIAL;
  }

  /** Nobody waits for it any more. */
  private giveBackLate(lease: Lease, { units, stamp, epoch }: TakenFields): void {
    if (units > 0) this.takes.giveBack(lease, { returned: units, stamp, epoch, cost: 0 });
  }

  private apply(lease: Lease, taken: TakenFields): void {
    const { rule } = lease.limit;
    const { nowMs } = this;
    const { sentMs, wanted } = lease;
    if (taken.outcome === TAKEN_RECOVERING) lease.pausedUntilMs = nowMs + RECOVERY_PAUSE_MS;
    if (taken.outcome !== TAKEN_DECIDED) return;
    lease.endAlone();
    lease.answeredMs = nowMs;
    const { units, left } = taken;
    const [validMs, resetMs, waitMs] = [taken.validUs, taken.resetUs, taken.waitUs].map(
      (us) => us / 1000,
    ) as [number, number, number];
    if (units === 0) {
      if (waitMs > 0) lease.onRefused(rule, { waitMs, resetMs, sentMs }, nowMs);
      return;
    }
    lease.stamp = taken.stamp;
    lease.epoch = taken.epoch;
    lease.usedMs = nowMs;
    lease.onGiven(rule, { units, wanted, sentMs, validMs, left, resetMs }, nowMs);
    this.hold(lease, sentMs + validMs / 2);
  }

  private hold(lease: Lease, dueMs: number): void {
    lease.lookMs = dueMs;
    this.held.push({ lease, dueMs });
  }

  /** At half of its validity a lease that is not in use goes back: others may need it. */
  private giveBackUnused(nowMs: number): void {
    for (let first = this.held[0]; first !== undefined; first = this.held[0]) {
      if (first.dueMs > nowMs) return;
      this.held.shift();
      const { lease, dueMs } = first;
      const isLast = lease.lookMs === dueMs;
      if (!isLast || lease.units === 0 || lease.serial !== 0) continue;
      const { validMs } = lease.limit.rule;
      const isInUse = nowMs - lease.usedMs < validMs / 4 && nowMs < lease.untilMs;
      if (isInUse) this.hold(lease, lease.untilMs + validMs / 2);
      else if (this.parts.store.isUp) this.send(lease, NOTHING, nowMs);
    }
  }

  /** Said before the first answer of another state in the store. */
  private checkEpoch(): void {
    const { epochs } = this.parts.store.status;
    if (epochs === this.epochs) return;
    this.epochs = epochs;
    this.declareAll();
  }

  /** The store is told what was used of the keys used last. */
  private declareAll(): void {
    const inFlight = this.costs.byLease();
    for (const lease of [...this.leases.values()].slice(-DECLARED_MAX)) {
      lease.drop();
      this.tellings.add(lease);
      if (lease.limit.rule.isTold) {
        if (!inFlight.has(lease)) lease.memory.lose([]);
        continue;
      }
      lease.used.mustDeclare();
      lease.told = 0;
      lease.toldMs = Number.NEGATIVE_INFINITY;
    }
    for (const [lease, reserves] of inFlight) {
      lease.memory.lose(reserves);
      this.tellings.add(lease);
    }
  }

  private checkClocks(differenceMs: number): void {
    const driftMs = Math.abs(differenceMs - this.clockDifferenceMs);
    this.clockDifferenceMs = differenceMs;
    if (!(driftMs > CLOCK_DRIFT_MS)) return;
    // Nobody knows for how long: what is known, and what is on its way, may be over already.
    this.doubtedMs = this.nowMs;
    for (const lease of this.leases.values()) lease.drop();
    for (const lease of this.takes.leases) lease.serial = 0;
    this.places.drop();
  }

  private limitOf(limiterIndex: number): ClusterLimit | null {
    const known = this.limits[limiterIndex];
    if (known !== undefined) return known;
    const made = makeLimit(this.configs?.find(limiterIndex), this.parts.timeoutMs);
    this.limits[limiterIndex] = made;
    return made;
  }

  private find(limit: ClusterLimit, high: number, low: number): Lease | null {
    const lease = this.leases.get(hashOf(limit.scope.digest, high, low));
    if (lease === undefined || lease.high !== high || lease.low !== low) return null;
    return isSame(lease.limit.scope.digest, limit.scope.digest) ? lease : null;
  }

  private add(limit: ClusterLimit, high: number, low: number): Lease {
    if (this.leases.size >= LEASES_MAX) {
      for (const [hash, oldest] of this.leases) {
        this.leases.delete(hash);
        this.tellings.delete(oldest);
        break;
      }
    }
    const lease = new Lease(this.nextId++, limit, high, low);
    this.leases.set(lease.hash, lease);
    return lease;
  }
}
