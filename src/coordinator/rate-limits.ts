/**
 * Answers whether all limits of an ask have room, and takes from all of them when told to.
 *
 * Thread: coordinator. Owns the limiter tables and the tickets of requests in flight.
 *
 * `peek`, then `commit` at the same time or not at all: a request that another limit refuses, or
 * that finds no target, uses up nothing, and a new key takes a row only when the request is
 * admitted. A limit in shadow mode takes like any other and refuses nobody.
 */
import { assert, defined } from '../base/assert.js';
import type { CoordinatorMemory } from '../channel/coordinator/coordinator-memory.js';
import type { AskView, ReplyFields } from '../channel/coordinator/coordinator-records.js';
import { type CoordinatorStatus, counterIndex } from '../channel/coordinator/coordinator-status.js';
import type { ReturnView } from '../channel/coordinator/key-grant-returns.js';
import { LimitCounts, limitCounter } from '../channel/coordinator/limit-counts.js';
import type { ToldCosts } from '../channel/coordinator/tell-costs.js';
import type { CompiledLimiter } from '../config/compiled-config.js';
import type { LimiterLookup } from '../config/shared/shared-config.js';
import type { UnitedConfig } from '../config/shared/unite-configs.js';
import { RateDecision } from '../policy/rate-limit/rate-decision.js';
import type { Lease } from './cluster-lease.js';
import type { ClusterLimits } from './cluster-limits.js';
import { keyGrantCount } from './key-grant-rule.js';
import { BY_LEASE, BY_PLACES, BY_ROW, isTighter, LimitCase, refuseFor } from './limit-case.js';
import type { Limiter } from './limiter.js';
import { LimiterRules } from './limiter-rules.js';
import { ALL_FREE, ALL_UNKNOWN, Reserves, reservedRule } from './reserves.js';
import { COMPACT_ROW_WORDS, LARGE_ROW_WORDS, WIDE_ROW_WORDS } from './state/bucket-layout.js';
import { BucketTable, NO_ROW, type RowGauge } from './state/bucket-table.js';
import { InFlightTickets, type PlaceHolder } from './state/in-flight-tickets.js';
import { ReturnSerials } from './state/return-serials.js';

const TRACKED_KEYS = counterIndex('trackedKeys');
const RECLAIMED_KEYS = counterIndex('reclaimedKeys');
const EVICTED_KEYS = counterIndex('evictedKeys');
const REFUSED_KEYS = counterIndex('refusedKeys');
const LEASED_ADMISSIONS = counterIndex('leasedAdmissions');
const ADMITTED_WITHOUT_STORE = counterIndex('admittedWithoutStore');
const KEYS_OF_LIMIT = limitCounter('trackedKeys');
const EVICTIONS = limitCounter('evictions');
const ADMITTED = limitCounter('admitted');
const REFUSED = limitCounter('refused');
const SHADOW_REFUSED = limitCounter('shadowRefused');
const REFUSED_NEW_KEYS = limitCounter('refusedNewKeys');
const GRANTED = limitCounter('granted');

/** The memory of a configuration without limits on requests in flight. */
const NO_PLACES = new ArrayBuffer(0);

/**
 * Nobody can predict when another request ends and frees a place, so a refused client may ask again
 * after this time.
 */
const IN_FLIGHT_RETRY_MS = 1000;

/** What limits follow from. */
export type LimitsConfig = Pick<UnitedConfig, 'limiters' | 'facts' | 'capacity'>;

export class RateLimits implements RowGauge {
  private configs: LimiterLookup;
  private readonly rules: LimiterRules;
  private readonly tables: readonly BucketTable[];
  private tickets = new InFlightTickets(NO_PLACES, 1);
  /** The most limits on requests in flight that one request has: `tickets` is made for them. */
  private placesMax = 0;
  private readonly serials: ReturnSerials;
  private readonly counts: LimitCounts;
  private readonly workers: number;
  private readonly cases = [
    new LimitCase(),
    new LimitCase(),
    new LimitCase(),
    new LimitCase(),
  ] as const;
  private readonly gauge = new RateDecision();
  private caseCount = 0;
  private shadowRefused = 0;
  /** The ask needs a ticket. */
  private hasPlaces = false;
  /** Some limit has had reserves: tickets may be theirs. */
  private hasReserves = false;
  private readonly reserves: Reserves;

  constructor(
    config: LimitsConfig & Pick<UnitedConfig, 'workers'>,
    private readonly memory: CoordinatorMemory,
    private readonly status: CoordinatorStatus,
    private readonly cluster: ClusterLimits | null = null,
  ) {
    this.tables = [
      new BucketTable(memory.compactBuckets, COMPACT_ROW_WORDS),
      new BucketTable(memory.wideBuckets, WIDE_ROW_WORDS),
      new BucketTable(memory.largeBuckets, LARGE_ROW_WORDS),
    ];
    this.workers = config.workers;
    this.counts = new LimitCounts(defined(memory.limitCounts[0], "counts of one's own"));
    const ruleOf = (index: number) => reservedRule(this.rules.find(index));
    this.reserves = new Reserves(this.counts, ruleOf, cluster?.costs ?? null);
    this.serials = new ReturnSerials(memory.returns);
    this.configs = config.limiters;
    this.rules = new LimiterRules(config.limiters, {
      tables: this.tables,
      cluster,
      held: { countOf: (...key) => this.tickets.counts.countOf(...key) },
    });
    this.adopt(config);
    this.repair();
    // If the previous coordinator ended in the middle of an admission, its counter may have missed
    // a row.
    const tracked = this.tables.reduce((sum, table) => sum + table.countUsedRows(), 0);
    status.count(TRACKED_KEYS, tracked - status.readCounts().trackedKeys);
  }

  /** Takes other limits, or other rules for them. Rows keep their content. */
  adopt(config: LimitsConfig): void {
    this.configs = config.limiters;
    this.cluster?.adopt(config.limiters);
    this.cluster?.places.listen((...key) => this.tickets.counts.countOf(...key));
    this.rules.adopt(config.limiters, config.capacity.limiters);
    for (const table of this.tables) table.measureAnew();
    this.usePlaces(config);
  }

  private usePlaces({ facts }: LimitsConfig): void {
    const { placeLimiters, hasReserves } = facts;
    this.hasReserves ||= hasReserves;
    const isUsed = placeLimiters.length > 0 || hasReserves;
    const placesMax = isUsed ? Math.max(1, facts.placesMax) : 0;
    if (placesMax <= this.placesMax) return;
    this.placesMax = placesMax;
    for (const index of placeLimiters) this.counts.put(index, KEYS_OF_LIMIT, 0);
    this.tickets = new InFlightTickets(this.memory.inFlight, placesMax, (index, keys) =>
      this.countPlaceKeys(index, keys),
    );
  }

  /** Keys with reserves are counted by their rows. */
  private countPlaceKeys(limiterIndex: number, keys: number): void {
    if (this.configs.find(limiterIndex)?.algorithm !== 'inFlight') return;
    this.counts.count(limiterIndex, KEYS_OF_LIMIT, keys);
  }

  /**
   * Whether all limits of the ask have room. Fills in the reply's fields about the tightest limit;
   * uses up nothing.
   */
  peek(ask: AskView, reply: ReplyFields, nowMs: number): boolean {
    this.begin(ask);
    let isAdmitted = true;
    let isFull = false;
    for (let position = 0; position < this.caseCount; position += 1) {
      const one = this.caseAt(position);
      const { mode } = this.configOf(one.limiterIndex);
      if (this.peekCase(one, nowMs)) continue;
      if (mode === 'shadow') this.shadowRefused |= 1 << position;
      else isAdmitted = false;
      isFull = true;
    }
    if (isFull) this.countRefusals(isAdmitted);
    reply.shadowRefused = this.shadowRefused;
    this.describe(reply, isAdmitted);
    const isAlone = this.caseCount === 1 && !this.hasPlaces;
    if (!isAdmitted && isAlone) reply.refusedUntil = this.caseAt(0).refusedUntil(nowMs);
    return isAdmitted;
  }

  /**
   * Whether the request has limits over all gateways, and one of this gateway alone refuses it.
   * Uses up nothing, and counts nothing.
   */
  refusesAlone(ask: AskView, nowMs: number): boolean {
    const { limitCount } = ask;
    let isShared = false;
    for (let position = 0; limitCount > 1 && position < limitCount; position += 1) {
      isShared ||= this.configOf(ask.limiterIndexAt(position)).cluster !== undefined;
    }
    if (!isShared) return false;
    this.begin(ask);
    return this.cases.slice(0, this.caseCount).some((one) => {
      const { cluster, mode } = this.configOf(one.limiterIndex);
      return cluster === undefined && mode === 'enforce' && !this.peekCase(one, nowMs);
    });
  }

  /** Takes the admissions that the peek just before has found. The ask has its target by now. */
  commit(holder: PlaceHolder, ask: AskView, reply: ReplyFields, nowMs: number): void {
    for (let position = 0; position < this.caseCount; position += 1) {
      const one = this.caseAt(position);
      if ((this.shadowRefused & (1 << position)) !== 0) continue;
      this.counts.count(one.limiterIndex, ADMITTED, 1);
      this.commitCase(one, nowMs);
    }
    if (this.hasPlaces) reply.inFlightTicket = this.takePlaces(holder, nowMs);
    if (ask.keyGrantWish > 0) this.grant(ask.keyGrantWish, reply, nowMs);
    this.describe(reply, true);
  }

  /**
   * Gives back the place that the previous coordinator may have taken for an ask that it did not
   * answer.
   */
  releaseOfAsk(holder: PlaceHolder, nowMs: number): void {
    this.settle(this.tickets.takeOfAsk(holder), ALL_FREE, nowMs);
  }

  /** The request with this ticket has ended. Does nothing when the ticket was settled before. */
  settle(ticket: number, told: ToldCosts, nowMs: number): void {
    if (this.hasReserves) this.reserves.settle(this.tickets, ticket, told, nowMs);
    else this.tickets.settle(ticket);
  }

  /** Takes back the rest of a key grant. A return that is seen again is counted once. */
  giveBack(lane: number, rest: ReturnView, nowMs: number): void {
    if (!this.serials.note(lane, rest.generation, rest.serial)) return;
    const { limiterIndex, unused } = rest;
    const limiter = this.rules.find(limiterIndex)?.limiter ?? null;
    if (limiter === null || unused <= 0) return;
    const { table } = limiter;
    table.setKey(this.spaceOf(limiterIndex), rest.keyHashHigh, rest.keyHashLow);
    const row = table.find();
    if (row === NO_ROW) return;
    // The slot carries only low bits. The moment is near, so its difference to the present restores
    // the rest.
    const untilMs = Math.floor(nowMs) + ((rest.until - Math.floor(nowMs)) | 0);
    const given = limiter.giveBack(table.baseOf(row), unused, nowMs, untilMs);
    this.counts.count(limiterIndex, ADMITTED, -given);
    this.counts.count(limiterIndex, GRANTED, -given);
  }

  /** What its requests have cost is not known any more: they pay their reserves. */
  onWorkerLost(lane: number, generation: number, nowMs: number): number {
    return this.tickets.endAllOf(lane, generation, (ticket) => {
      this.settle(ticket, ALL_UNKNOWN, nowMs);
    });
  }

  /** For the table, which looks for a row that may be taken from its key. */
  measureUsedShare(rowBase: number, keySpace: number, nowMs: number): number {
    const limiter = this.rules.limiterOfSpace(keySpace);
    // A row of a limiter that no longer exists may be taken like a row at rest.
    return limiter === null ? 0 : limiter.usedShareOf(rowBase, nowMs, this.gauge);
  }

  get retryAfterMs(): number {
    return this.gauge.retryAfterMs;
  }

  private begin(ask: AskView): void {
    this.caseCount = ask.limitCount;
    assert(this.caseCount <= this.cases.length, 'an ask has four limits at most');
    this.shadowRefused = 0;
    this.hasPlaces = false;
    for (const table of this.tables) table.clearReserved();
    for (let position = 0; position < this.caseCount; position += 1) {
      const one = this.caseAt(position);
      one.limiterIndex = ask.limiterIndexAt(position);
      one.high = ask.keyHashHighAt(position);
      one.low = ask.keyHashLowAt(position);
      const rule = this.rules.find(one.limiterIndex);
      one.limiter = rule?.limiter ?? null;
      one.kind = one.limiter === null ? BY_PLACES : BY_ROW;
    }
  }

  private commitCase(one: LimitCase, nowMs: number): void {
    const { decision, limiter, lease } = one;
    switch (one.kind) {
      case BY_ROW:
        this.commitRow(one, defined(limiter ?? undefined, 'the limiter of a row'), nowMs);
        if (lease !== null) this.noteShared(one, lease, nowMs);
        return;
      case BY_PLACES:
        decision.admissionsLeft -= 1;
        decision.remaining = decision.admissionsLeft;
        return;
      case BY_LEASE:
        this.status.count(LEASED_ADMISSIONS, 1);
        defined(lease ?? undefined, 'the lease').commit(nowMs, decision);
        return;
      default:
        if (lease !== null) this.noteShared(one, lease, nowMs);
    }
  }

  /** Admitted without the store, which is told when it is back. */
  private noteShared({ limiterIndex }: LimitCase, lease: Lease, nowMs: number): void {
    this.status.count(ADMITTED_WITHOUT_STORE, 1);
    defined(this.rules.find(limiterIndex)?.share ?? undefined, 'a share').note(lease, nowMs);
  }

  private peekCase(one: LimitCase, nowMs: number): boolean {
    const isAdmitted = this.peekLimit(one, nowMs);
    const isTold = this.configOf(one.limiterIndex).told !== undefined;
    return isTold ? this.peekReserve(one, isAdmitted) : isAdmitted;
  }

  private peekLimit(one: LimitCase, nowMs: number): boolean {
    const share = this.rules.find(one.limiterIndex)?.share ?? null;
    one.lease = null;
    if (share?.decides(one, nowMs) === true) return one.decision.admitted;
    const { limiter } = one;
    if (limiter === null) return this.peekPlaces(one, nowMs);
    const isAdmitted = this.peekRow(one, limiter, nowMs);
    return isAdmitted && (share === null || share.allows(one, nowMs));
  }

  private peekRow(one: LimitCase, limiter: Limiter, nowMs: number): boolean {
    const { table } = limiter;
    table.setKey(this.spaceOf(one.limiterIndex), one.high, one.low);
    one.row = table.locate(this, nowMs);
    if (one.row === NO_ROW) return refuseFor(one.decision, table.retryAfterMs);
    one.isNew = table.isNew;
    one.victimShare = table.victimShare;
    if (this.caseCount > 1) table.reserve(one.row);
    if (!one.isNew) return limiter.peek(table.baseOf(one.row), nowMs, one.decision);
    limiter.describeUnused(one.decision, one.high, one.low);
    return one.decision.admitted;
  }

  /** A reserve is held by a ticket. */
  private peekReserve({ decision }: LimitCase, isAdmitted: boolean): boolean {
    this.hasPlaces = true;
    if (!isAdmitted || !this.tickets.isFull) return isAdmitted;
    return refuseFor(decision, IN_FLIGHT_RETRY_MS);
  }

  private peekPlaces(one: LimitCase, nowMs: number): boolean {
    const { decision, limiterIndex } = one;
    const config = this.configOf(limiterIndex);
    const places = config.cluster === undefined ? null : (this.cluster?.places ?? null);
    const limit = places?.limitOf(config, one.high, one.low, nowMs) ?? config.limit;
    const taken = this.tickets.counts.countOf(limiterIndex, one.high, one.low);
    const left = this.tickets.isFull ? 0 : Math.max(0, limit - taken);
    decision.admitted = left > 0;
    const others = left === 0 ? 0 : (places?.freeOf(config, one.high, one.low) ?? 0);
    decision.admissionsLeft = Math.min(config.limit, left + others);
    decision.remaining = decision.admissionsLeft;
    decision.resetMs = left > 0 ? 0 : IN_FLIGHT_RETRY_MS;
    decision.retryAfterMs = decision.resetMs;
    this.hasPlaces = true;
    return left > 0;
  }

  /**
   * Counts a refusal: of a limit in shadow mode as `shadowRefused`; of any other only when it was
   * the reason of the refusal.
   */
  private countRefusals(isAdmitted: boolean): void {
    for (let position = 0; position < this.caseCount; position += 1) {
      const { limiterIndex, decision, kind, row } = this.caseAt(position);
      if (decision.admitted) continue;
      if (kind === BY_ROW && row === NO_ROW) {
        this.status.count(REFUSED_KEYS, 1);
        this.counts.count(limiterIndex, REFUSED_NEW_KEYS, 1);
      }
      const isShadow = (this.shadowRefused & (1 << position)) !== 0;
      if (isShadow) this.counts.count(limiterIndex, SHADOW_REFUSED, 1);
      else if (!isAdmitted) this.counts.count(limiterIndex, REFUSED, 1);
    }
  }

  private commitRow(one: LimitCase, limiter: Limiter, nowMs: number): void {
    assert(one.row !== NO_ROW && one.decision.admitted, 'only what has room is committed');
    const { table } = limiter;
    const base = table.baseOf(one.row);
    if (one.isNew) {
      this.countInstall(one, table);
      table.setKey(this.spaceOf(one.limiterIndex), one.high, one.low);
      table.install(one.row, () => limiter.reset(base, nowMs));
    }
    limiter.commit(base, nowMs, one.decision);
  }

  private takePlaces(holder: PlaceHolder, nowMs: number): number {
    const entry = this.tickets.open(holder);
    for (let position = 0; position < this.caseCount; position += 1) {
      const one = this.caseAt(position);
      const isReserve = this.configOf(one.limiterIndex).told !== undefined;
      if (one.kind !== BY_PLACES && !isReserve) continue;
      if ((this.shadowRefused & (1 << position)) !== 0) continue;
      if (isReserve) this.reserves.onTaken(this.configOf(one.limiterIndex));
      this.tickets.addKey(entry, one.limiterIndex, one.high, one.low);
    }
    const ticket = this.tickets.seal(entry);
    for (let position = 0; position < this.caseCount; position += 1) {
      const { kind, lease, limiterIndex } = this.caseAt(position);
      if ((this.shadowRefused & (1 << position)) !== 0 || lease === null) continue;
      const moment = { isLeased: kind === BY_LEASE, nowMs };
      if (lease.limit.rule.isTold) this.cluster?.costs.hold(ticket, limiterIndex, lease, moment);
    }
    return ticket;
  }

  /** An admission of a grant is taken from every limit, so the limit that grants least decides. */
  private grant(wish: number, reply: ReplyFields, nowMs: number): void {
    // A refusal in shadow mode must be counted one by one, so nothing is granted in advance.
    if (this.shadowRefused !== 0) return;
    const untilMs = this.grantUntilMs(nowMs);
    if (untilMs <= nowMs) return;
    const count = this.grantable(wish, nowMs, untilMs);
    if (count === 0) return;
    for (let position = 0; position < this.caseCount; position += 1) {
      const { limiter, limiterIndex, row, decision } = this.caseAt(position);
      if (limiter === null) continue;
      const base = limiter.table.baseOf(row);
      limiter.grant(base, count, nowMs, untilMs);
      limiter.peek(base, nowMs, decision);
      this.counts.count(limiterIndex, ADMITTED, count);
      this.counts.count(limiterIndex, GRANTED, count);
    }
    reply.keyGrantCount = count;
    reply.keyGrantUntil = untilMs | 0;
  }

  /**
   * The last moment that all limits of the ask allow; in the past if one of them grants nothing.
   */
  private grantUntilMs(nowMs: number): number {
    let untilMs = Number.POSITIVE_INFINITY;
    for (let position = 0; position < this.caseCount; position += 1) {
      const { limiter, limiterIndex, row } = this.caseAt(position);
      const validMs = this.rules.find(limiterIndex)?.grants.validMs ?? 0;
      if (limiter === null || validMs === 0) return Number.NEGATIVE_INFINITY;
      untilMs = Math.min(untilMs, Math.floor(nowMs) + validMs);
      untilMs = limiter.grantUntilMs(limiter.table.baseOf(row), nowMs, untilMs);
    }
    return untilMs;
  }

  private grantable(wish: number, nowMs: number, untilMs: number): number {
    let count = wish;
    for (let position = 0; position < this.caseCount; position += 1) {
      const { limiter, limiterIndex, row, decision } = this.caseAt(position);
      const rule = this.rules.find(limiterIndex)?.grants;
      if (limiter === null || rule === undefined) return 0;
      const left = decision.admissionsLeft;
      count = keyGrantCount(rule, count, { left, workers: this.workers });
      if (count > 0) count = limiter.grantable(limiter.table.baseOf(row), count, nowMs, untilMs);
    }
    return count;
  }

  /**
   * Describes the tightest limit among those that may refuse: the fewest admissions left, then the
   * longest wait.
   */
  private describe(reply: ReplyFields, isAdmitted: boolean): void {
    let tightest: LimitCase | null = null;
    let retryAfterMs = 0;
    for (let position = 0; position < this.caseCount; position += 1) {
      const one = this.caseAt(position);
      if (this.configOf(one.limiterIndex).mode !== 'enforce') continue;
      if (!isAdmitted && one.decision.admitted) continue;
      retryAfterMs = Math.max(retryAfterMs, one.decision.retryAfterMs);
      if (tightest === null || isTighter(one.decision, tightest.decision)) tightest = one;
    }
    if (tightest === null) return;
    reply.limiterIndex = tightest.limiterIndex;
    reply.remaining = tightest.decision.remaining;
    reply.resetMs = tightest.decision.resetMs;
    reply.retryAfterMs = isAdmitted ? 0 : retryAfterMs;
  }

  private countInstall({ limiterIndex, row, victimShare }: LimitCase, table: BucketTable): void {
    this.counts.count(limiterIndex, KEYS_OF_LIMIT, 1);
    if (victimShare < 0) {
      this.status.count(TRACKED_KEYS, 1);
      return;
    }
    const victim = this.configs.rowOfSpace(table.keySpaceOf(row));
    if (victim !== -1) {
      this.counts.count(victim, KEYS_OF_LIMIT, -1);
      if (victimShare > 0) this.counts.count(victim, EVICTIONS, 1);
    }
    this.status.count(victimShare > 0 ? EVICTED_KEYS : RECLAIMED_KEYS, 1);
  }

  /** The previous coordinator may have ended while it wrote a row in several steps. */
  private repair(): void {
    for (const table of this.tables) {
      const base = table.touchedBase();
      if (base === 0) continue;
      const limiter = this.rules.limiterOfSpace(table.keySpaceAt(base));
      if (limiter?.table === table) limiter.repair(base);
    }
  }

  private spaceOf(limiterIndex: number): number {
    return this.configOf(limiterIndex).keySpace;
  }

  private caseAt(position: number): LimitCase {
    return defined(this.cases[position], 'a limit of the ask');
  }

  private configOf(limiterIndex: number): CompiledLimiter {
    return defined(this.rules.find(limiterIndex), 'the limiter of the ask').config;
  }
}
