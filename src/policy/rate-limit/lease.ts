/**
 * Decides how many units of a limit that gateways share a gateway asks for, and until when it goes
 * by what the store has said.
 *
 * Thread: any (pure). Time arrives as nowMs; the state of a lease lies in coordinator/.
 *
 * A lease is a number of admissions that the store has counted already, and that may be used until
 * a moment that both sides agree on without comparing clocks: the validity begins for the store
 * when it decides, and for the gateway when it asked, which was before. A refusal is kept as well,
 * until there may be room again.
 */
import { assert } from '../../base/assert.js';
import { admissionsOf } from './sliding-window.js';
import { tokenBucketRule } from './token-bucket.js';

/** Limits of fewer admissions give none in advance: they are exact to the last one. */
const LEASE_LIMIT_MIN = 200;
/** Longest validity. */
const VALID_MS_MAX = 100;
const VALID_MS_MIN = 2;
/** The window, and the time in which a bucket fills, are at least this many validities long. */
const VALID_PARTS = 20;
/** By how much the clocks of two machines may differ in speed. */
const DRIFT = 0.001;
/** A refusal is believed for this time where requests that end may give something back. */
const TOLD_REFUSAL_MS_MAX = 100;
/** How long a reserve is kept for a request that does not end: as the bucket takes to fill. */
const HOLD_MS_MIN = 10_000;
const HOLD_MS_MAX = 600_000;
/** Weight of the newest time between two asks in the rate of a key. */
const NEWEST_WEIGHT = 0.5;

export type LeaseAlgorithm = 'slidingWindow' | 'tokenBucket' | 'fixedWindow';

/** What follows from a limit once for all. */
export interface LeaseRule {
  readonly algorithm: LeaseAlgorithm;
  /** In admissions: how many there may be at once. */
  readonly admissions: number;
  readonly windowMs: number;
  /** After this time without admissions the whole limit is free. */
  readonly settleMs: number;
  readonly validMs: number;
  /** Whether more is asked for than somebody waits for. */
  readonly isLeased: boolean;
  /** Whether replies tell what requests cost: `cost` is the reserve then. */
  readonly isTold: boolean;
  /** How long a request may take whose reserve comes back; only where costs are told. */
  readonly holdMs: number;
  /** After this time nothing is owed for what was used. */
  readonly owedMs: number;
  /** In what {@link UsedUnits} counts an admission: 1, or tokens where costs are told. */
  readonly usedPerTake: number;
  readonly cost: number;
  /** What is left of the limit where its last admission is used. */
  readonly rest: number;
  /** What the store counts by: admissions of a window, or units of a bucket. */
  readonly limit: number;
  readonly unitsPerTake: number;
  readonly unitsPerMs: number;
  readonly unitsPerToken: number;
}

export interface LeaseConfig {
  readonly algorithm: LeaseAlgorithm;
  readonly limit: number;
  readonly windowMs: number;
  readonly burst: number;
  readonly cost: number;
  /** There where replies tell what requests cost. */
  readonly told?: object;
}

/** `timeoutMs`: how long an answer of the store is waited for. */
export function leaseRule(config: LeaseConfig, timeoutMs: number): LeaseRule {
  const { algorithm, cost, windowMs } = config;
  const most = algorithm === 'tokenBucket' ? config.burst : config.limit;
  const admissions = admissionsOf(most, cost);
  const isTold = config.told !== undefined;
  const isLeased = admissions >= LEASE_LIMIT_MIN && !isTold;
  const bucket = algorithm === 'tokenBucket' ? tokenBucketRule(config) : null;
  const fillMs = bucket === null ? windowMs : bucket.unitsMax / bucket.unitsPerMs;
  const longestMs = Math.min(isLeased ? VALID_MS_MAX : timeoutMs, VALID_MS_MAX);
  const validMs = Math.min(longestMs, windowMs / VALID_PARTS, fillMs / VALID_PARTS);
  return {
    ...{ algorithm, admissions, windowMs, isLeased, cost, settleMs: fillMs },
    isTold,
    holdMs: Math.min(HOLD_MS_MAX, Math.max(HOLD_MS_MIN, fillMs)),
    // A cost beyond the reserve may leave a debt of one more bucket.
    owedMs: isTold ? 2 * fillMs : fillMs,
    usedPerTake: isTold ? cost : 1,
    validMs: Math.max(VALID_MS_MIN, validMs),
    // What is left is only known in whole reserves.
    rest: isTold ? 0 : Math.floor(most) - admissions * cost,
    limit: bucket?.unitsMax ?? admissions,
    unitsPerTake: bucket?.unitsPerTake ?? 1,
    unitsPerMs: bucket?.unitsPerMs ?? 1,
    unitsPerToken: bucket?.unitsPerToken ?? 1,
  };
}

/** What a gateway knows of one key of a limit. */
export class LeaseState {
  /** Admissions that may be used until `untilMs`. */
  units = 0;
  untilMs = Number.NEGATIVE_INFINITY;
  /** Admissions that were left when the store last answered, beyond those that it gave. */
  left = -1;
  /** When more will be left. */
  resetAtMs = 0;
  /** Nothing is asked before: the store has refused, or has given all that there was. */
  refusedUntilMs = Number.NEGATIVE_INFINITY;
  /** When a refused request may succeed. */
  retryAtMs = 0;
  /** Requests since the last ask. */
  private demand = 0;
  private askedMs = Number.NEGATIVE_INFINITY;
  /** Requests a millisecond. */
  private rate = 0;
  private pauseUntilMs = 0;
  private lastRefusalMs = Number.NEGATIVE_INFINITY;

  canAdmit(nowMs: number): boolean {
    return this.units > 0 && nowMs < this.untilMs;
  }

  isRefused(nowMs: number): boolean {
    return nowMs < this.refusedUntilMs;
  }

  noteDemand(): void {
    this.demand += 1;
  }

  /** The store is asked: how many units would be of use, of which somebody waits for `needed`. */
  ask(rule: LeaseRule, needed: number, nowMs: number): number {
    const sinceMs = Math.max(nowMs - this.askedMs, rule.validMs / 2);
    const newest = this.demand / sinceMs;
    this.rate =
      sinceMs > rule.validMs * VALID_PARTS
        ? newest
        : newest * NEWEST_WEIGHT + this.rate * (1 - NEWEST_WEIGHT);
    this.demand = 0;
    this.askedMs = nowMs;
    if (!rule.isLeased) return needed;
    return Math.max(needed, Math.min(rule.admissions, Math.ceil(this.rate * rule.validMs)));
  }

  /** The store has given units for an ask that was sent at `sentMs`. */
  onGiven(rule: LeaseRule, given: Given, nowMs: number): void {
    const { units, wanted, sentMs, validMs } = given;
    assert(units >= 1, 'something was given');
    this.units = units;
    this.untilMs = sentMs + validMs * (1 - DRIFT);
    this.left = given.left;
    this.resetAtMs = nowMs + given.resetMs;
    this.refusedUntilMs = Number.NEGATIVE_INFINITY;
    // Where there is less than wanted all the time, gateways ask for what comes free: each asks
    // twice in a validity. A limit that was not used up lately is given out to the last unit.
    const isScarce = units < wanted && nowMs - this.lastRefusalMs < rule.windowMs;
    this.pauseUntilMs = rule.isLeased && isScarce ? sentMs + rule.validMs / 2 : 0;
  }

  /** The store has refused. */
  onRefused(rule: LeaseRule, { waitMs, resetMs, sentMs }: Refused, nowMs: number): void {
    this.units = 0;
    this.left = 0;
    this.lastRefusalMs = nowMs;
    this.resetAtMs = nowMs + resetMs;
    const believedMs = rule.isTold ? Math.min(waitMs, TOLD_REFUSAL_MS_MAX) : waitMs;
    this.refusedUntilMs = Math.max(sentMs + rule.validMs / 2, nowMs + believedMs);
    this.retryAtMs = Math.max(this.refusedUntilMs, nowMs + waitMs);
  }

  /** A unit is used. What is left of a lease that was smaller than wanted is made to last. */
  use(nowMs: number): void {
    assert(this.units > 0, 'only what there is is used');
    this.units -= 1;
    if (this.units > 0 || nowMs >= this.pauseUntilMs) return;
    this.refusedUntilMs = this.pauseUntilMs;
    this.retryAtMs = this.pauseUntilMs;
  }

  /** Something came back: what the store has refused it may give now. */
  forgetRefusal(): void {
    this.refusedUntilMs = Number.NEGATIVE_INFINITY;
  }

  /** Nothing of it may be used any more: clocks have become doubtful. */
  drop(): void {
    this.units = 0;
    this.untilMs = Number.NEGATIVE_INFINITY;
    this.refusedUntilMs = Number.NEGATIVE_INFINITY;
  }
}

export interface Given {
  readonly units: number;
  readonly wanted: number;
  readonly sentMs: number;
  readonly validMs: number;
  readonly left: number;
  readonly resetMs: number;
}

export interface Refused {
  readonly waitMs: number;
  readonly resetMs: number;
  readonly sentMs: number;
}

/** The part of a limit that one of `nodes` gateways may use by itself. */
export function shareOf<T extends LeaseConfig>(config: T, nodes: number): T {
  const { limit, burst, windowMs, cost } = config;
  const least = Math.max(1, cost);
  const [part, burstPart] = [Math.floor(limit / nodes), Math.floor(burst / nodes)];
  if (part >= least && burstPart >= least) return { ...config, limit: part, burst: burstPart };
  // Less than one admission a window: one admission in so much longer a time.
  const stretched = (windowMs * least * nodes) / limit;
  const wholeLimit = Math.max(least, part);
  return {
    ...config,
    limit: wholeLimit,
    burst: Math.max(least, burstPart),
    windowMs: part >= least ? windowMs : Math.ceil(Math.max(windowMs, stretched)),
  };
}

/**
 * What the store counts by while the parts of `silent` of `nodes` gateways are kept free. A bucket
 * keeps its size and its refill; its admissions take more.
 */
export function reservedOf(
  { algorithm, admissions, limit, cost, unitsPerTake, rest }: LeaseRule,
  nodes: number,
  silent: number,
): Pick<LeaseRule, 'limit' | 'unitsPerTake'> {
  if (algorithm === 'tokenBucket') {
    return { limit, unitsPerTake: Math.ceil((unitsPerTake * nodes) / (nodes - silent)) };
  }
  const part = Math.max(1, admissionsOf((admissions * cost + rest) / nodes, cost));
  return { limit: Math.max(0, limit - silent * part), unitsPerTake };
}
