/**
 * One key of a limit that counts over all gateways, as this gateway knows it.
 *
 * Thread: coordinator. Owns what the store has given, and what this gateway has used of it.
 */
import { SILENCE_MS, TOKEN_MS_MAX, VIEW_MS_MAX } from '../channel/store/store-status.js';
import type { CompiledLimiter } from '../config/compiled-config.js';
import type { CompiledClusterScope } from '../config/store-settings.js';
import { type LeaseRule, LeaseState, leaseRule } from '../policy/rate-limit/lease.js';
import type { RateDecision } from '../policy/rate-limit/rate-decision.js';
import { KeyMemory } from './key-memory.js';
import { UsedUnits } from './used-units.js';

/**
 * Limits that are free again after this time wait so long when the store is lost, and are exact.
 * Others would refuse everybody for too long.
 */
export const EXACT_MS_MAX = 5000;
/** By how much clocks may differ in speed. */
const DRIFT = 1.002;

/** One ask for all who wait is for this part of what is left at most. */
const JOINED_PARTS = 4;

/** What one telling carries. Costs are told in tokens, of which two buckets count at most. */
const TOLD_MAX = 0x7fffffff;

/** What the store has said of a key, as far as it holds. */
export const CLUSTER_ADMITS = 1;
export const CLUSTER_REFUSES = 2;
/** Nothing is known: the store is lost, or late. */
export const CLUSTER_UNKNOWN = 3;
export type ClusterVerdict =
  | typeof CLUSTER_ADMITS
  | typeof CLUSTER_REFUSES
  | typeof CLUSTER_UNKNOWN;

/** A limit that counts over all gateways. */
export interface ClusterLimit {
  readonly scope: CompiledClusterScope;
  readonly rule: LeaseRule;
  /** It only counts what it would have refused. */
  readonly isShadow: boolean;
  /**
   * For this time after the store was last heard, a gateway of several admits nothing by its own
   * part; 0: it may at once.
   */
  readonly quietMs: number;
}

/** One key of such a limit. */
export class Lease extends LeaseState {
  readonly used: UsedUnits;
  /** Of limit and key. */
  readonly hash: number;
  /** Of the ask that is on its way; 0: none is. */
  serial = 0;
  sentMs = 0;
  wanted = 0;
  /** Requests that wait for the ask on its way, beyond those that it is for. */
  waiting = 0;
  /** The lease that came last. */
  stamp = 0;
  epoch = 0;
  usedMs = 0;
  /** When it is looked at, whether it is in use. */
  lookMs = 0;
  /** Nothing is asked before. */
  pausedUntilMs = Number.NEGATIVE_INFINITY;
  /** What may be admitted without the store until the first window without it is over. */
  allowance = 0;
  /** When the store last decided upon the key. */
  answeredMs = Number.NEGATIVE_INFINITY;
  /** What the store was told of, and did not confirm yet. Costs: told once more it is the same. */
  told = 0;
  /** Of that: which telling it is. */
  toldStamp = 0;
  /** Of the ask that told of them; 0: none is on its way. */
  toldSerial = 0;
  toldMs = Number.NEGATIVE_INFINITY;
  /** Where costs are told. */
  readonly memory = new KeyMemory();
  private aloneUntilMs = Number.NaN;
  /** For how many requests the last ask is. */
  private needed = 0;
  /** Requests that the last answer has given nothing, which come once more at that time. */
  private leftOver = 0;
  private heardMs = Number.NEGATIVE_INFINITY;

  constructor(
    readonly id: number,
    readonly limit: ClusterLimit,
    readonly high: number,
    readonly low: number,
  ) {
    super();
    this.used = new UsedUnits(limit.rule.owedMs);
    this.hash = hashOf(limit.scope.digest, high, low);
  }

  /**
   * For how many requests an ask is that goes out now: for all who wait, of whom the first has come
   * again. What an answer gives that comes too late is lost, so it is a part of what is left.
   */
  join(nowMs: number): number {
    const came = Math.max(1, this.waiting);
    const areBack = !this.limit.rule.isLeased && nowMs === this.heardMs;
    const others = areBack ? Math.min(this.leftOver, Math.floor(this.left / JOINED_PARTS)) : 0;
    this.needed = Math.max(came, others);
    this.waiting = came - this.needed;
    return this.needed;
  }

  /** The answer to the ask on its way has come. */
  hear(units: number, nowMs: number): void {
    this.serial = 0;
    this.leftOver = units === 0 ? 0 : Math.max(0, this.waiting) + this.needed - units;
    this.waiting = 0;
    this.heardMs = nowMs;
  }

  /** The store does not decide upon this key. Returns when the first window without it is over. */
  beginAlone(nowMs: number, nodes: number): number {
    if (!Number.isNaN(this.aloneUntilMs)) return this.aloneUntilMs;
    const { rule } = this.limit;
    const isKnown = nowMs < this.answeredMs + rule.settleMs;
    const left = isKnown ? Math.floor(this.left / nodes) : Number.POSITIVE_INFINITY;
    // What this gateway has used already is of its own part. Of costs more is remembered.
    const share = rule.settleMs / rule.owedMs;
    const used = Math.ceil((this.used.count(nowMs) * share) / rule.usedPerTake);
    this.allowance = Math.min(left, Math.ceil(rule.admissions / nodes) - used);
    this.aloneUntilMs = nowMs + rule.settleMs;
    return this.aloneUntilMs;
  }

  /** The store decides again. */
  endAlone(): void {
    this.aloneUntilMs = Number.NaN;
  }

  /** Whether an admission passes by what is known; fills in the decision where something is. */
  peek(nowMs: number, decision: RateDecision): ClusterVerdict {
    this.noteDemand();
    const { rule } = this.limit;
    if (this.canAdmit(nowMs)) {
      const left = Math.max(0, this.left) + this.units;
      decision.admitted = true;
      decision.admissionsLeft = left;
      decision.remaining = left * rule.cost + rule.rest;
      decision.resetMs = Math.max(0, Math.ceil(this.resetAtMs - nowMs));
      decision.retryAfterMs = 0;
      return CLUSTER_ADMITS;
    }
    if (!this.isRefused(nowMs)) return CLUSTER_UNKNOWN;
    decision.admitted = false;
    decision.admissionsLeft = 0;
    decision.remaining = rule.rest;
    decision.retryAfterMs = Math.max(1, Math.ceil(this.retryAtMs - nowMs));
    decision.resetMs = decision.retryAfterMs;
    return CLUSTER_REFUSES;
  }

  /** Uses the unit that the peek just before has found. */
  commit(nowMs: number, decision: RateDecision): void {
    const { rule } = this.limit;
    this.use(nowMs);
    this.usedMs = nowMs;
    this.used.add(rule.usedPerTake, nowMs);
    decision.admissionsLeft -= 1;
    decision.remaining = decision.admissionsLeft * rule.cost + rule.rest;
    if (decision.resetMs === 0) decision.resetMs = Math.ceil(rule.windowMs / rule.admissions);
  }

  /** What the store is told now, with what it was told before and did not confirm in time. */
  tell(nowMs: number, timeoutMs: number): number {
    if (!this.used.has(nowMs) || this.isPaid(nowMs)) this.told = 0;
    if (this.isTelling(nowMs, timeoutMs)) return 0;
    if (this.limit.rule.isTold && this.told > 0) return this.told;
    const untold = this.used.takeUndeclared(nowMs);
    if (untold > 0) this.toldStamp = Math.max(this.toldStamp + 1, Math.floor(nowMs * 1000));
    this.told = Math.min(this.told + untold, TOLD_MAX);
    return this.told;
  }

  /** What a telling has told is owed no more. The store knows its stamp for longer. */
  private isPaid(nowMs: number): boolean {
    const { isTold, owedMs } = this.limit.rule;
    return isTold && nowMs - this.toldStamp / 1000 > owedMs;
  }

  /** What it was told may still be confirmed. */
  isTelling(nowMs: number, timeoutMs: number): boolean {
    return this.toldSerial !== 0 && nowMs - this.toldMs < 2 * timeoutMs;
  }

  /** The answer to a take, which may have told something, has come. */
  hearTold(serial: number, isConfirmed: boolean): void {
    if (this.toldSerial !== serial) return;
    this.toldSerial = 0;
    if (isConfirmed) this.told = 0;
  }

  /** Whether the store knows all that was admitted without it. */
  isTold(nowMs: number): boolean {
    return this.memory.isKnown && !this.mustTell(nowMs);
  }

  /** Whether something of that is to be told, and still counts. */
  mustTell(nowMs: number): boolean {
    return this.used.has(nowMs) && (this.told > 0 || this.used.hasUntold);
  }
}

export function makeLimit(
  config: CompiledLimiter | undefined,
  timeoutMs: number,
): ClusterLimit | null {
  if (config?.cluster === undefined || config.algorithm === 'inFlight') return null;
  const { algorithm } = config;
  const rule = leaseRule({ ...config, algorithm }, timeoutMs);
  return {
    scope: config.cluster,
    rule,
    isShadow: config.mode === 'shadow',
    quietMs: config.cluster.onStoreLost === 'share' ? quietMsOf(rule, timeoutMs) : 0,
  };
}

/**
 * After this time without the store nothing counts any more that it may have given, to anybody, and
 * whoever hears it keeps this gateway's part free. In order: it takes this gateway for alive, then
 * for silent; the others hear of it, use what they were given, and all of it leaves the window.
 */
function quietMsOf({ isTold, settleMs, validMs }: LeaseRule, timeoutMs: number): number {
  // A reserve may be held for long: nobody waits for that.
  if (isTold || settleMs > EXACT_MS_MAX) return 0;
  const usableMs = Math.max(validMs, timeoutMs);
  return (TOKEN_MS_MAX + SILENCE_MS + VIEW_MS_MAX + usableMs + settleMs) * DRIFT;
}

/** 53 bits of limit and key. Two keys with the same bits take the place from one another. */
export function hashOf(digest: readonly number[], high: number, low: number): number {
  const first = (high ^ (digest[0] as number)) >>> 0;
  const second = (low ^ (digest[1] as number)) >>> 0;
  return first * 2 ** 21 + (second >>> 11);
}

/** Whether two digests are of the same limit. */
export function isSame(one: readonly number[], other: readonly number[]): boolean {
  return one.every((word, at) => word === other[at]);
}
