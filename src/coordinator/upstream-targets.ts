/**
 * The decisions about targets: which one is chosen, admitted, granted, settled.
 *
 * Thread: coordinator. Owns the tables of targets; the coordinator calls this class in the order of
 * an ask, and nobody else writes to the tables.
 */
import { defined } from '../base/assert.js';
import { byRow } from '../base/rows.js';
import type { CoordinatorMemory } from '../channel/coordinator/coordinator-memory.js';
import {
  type AskView,
  OUTCOME_5XX,
  OUTCOME_CANCELLED,
  type ReplyFields,
  type TellView,
  VERDICT_ADMITTED,
  VERDICT_CIRCUIT_OPEN,
  VERDICT_NO_HEALTHY_TARGET,
} from '../channel/coordinator/coordinator-records.js';
import { CoordinatorStatus, counterIndex } from '../channel/coordinator/coordinator-status.js';
import {
  ownerOf,
  phaseOf,
  SLOT_USED,
  TargetSlotTaker,
} from '../channel/coordinator/target-slots.js';
import { type CheckResult, clearTargetState } from '../channel/coordinator/target-states.js';
import { UpstreamStandings } from '../channel/coordinator/upstream-standings.js';
import type { CompiledUpstream } from '../config/compiled-config.js';
import type { UnitedConfig } from '../config/shared/unite-configs.js';
import type { Random } from '../policy/load-balancing/candidates.js';
import { seededRandom } from '../policy/load-balancing/seeded-random.js';
import { AnsweredTries } from './answered-tries.js';
import { GrantSizes } from './grant-sizes.js';
import { HealthTable } from './state/health-table.js';
import type { TargetListener } from './state/target-events.js';
import { TargetTable } from './state/target-table.js';
import { TurnTable } from './state/turn-table.js';
import { TargetSelector } from './target-selector.js';

const ADMITTED = counterIndex('admitted');
const CIRCUIT_OPEN = counterIndex('circuitOpen');
const NO_HEALTHY_TARGET = counterIndex('noHealthyTarget');
const GRANTED = counterIndex('granted');
const RELEASED_PROBES = counterIndex('releasedProbes');

/** The parts that are made anew for each configuration, on the same memory. */
interface TargetTables {
  readonly breakers: TargetTable;
  readonly health: HealthTable;
  readonly selectors: readonly (TargetSelector | undefined)[];
}

/** An upstream whose targets come from discovery. */
interface SlotUpstream {
  readonly upstream: CompiledUpstream;
  readonly selector: TargetSelector;
}

export class UpstreamTargets {
  private readonly status: CoordinatorStatus;
  private breakers: TargetTable;
  private health: HealthTable;
  private readonly random: Random;
  private readonly loads: AnsweredTries;
  private selectors: readonly (TargetSelector | undefined)[];
  private readonly grants: GrantSizes;
  private readonly standings: UpstreamStandings;
  private readonly slots: TargetSlotTaker;
  private slotUpstreams: readonly SlotUpstream[] = [];
  /** Reused for every probe. */
  private readonly holder = { lane: 0, generation: 0, askId: 0 };

  /** On used memory the state goes on. Random choices are determined by the seed. */
  constructor(
    config: UnitedConfig,
    private readonly memory: CoordinatorMemory,
    private readonly listener: TargetListener,
    seed: number,
  ) {
    this.status = new CoordinatorStatus(memory.status);
    this.standings = new UpstreamStandings(memory.standings);
    this.slots = new TargetSlotTaker(memory.slots);
    this.random = seededRandom(seed);
    this.loads = new AnsweredTries(memory, config.capacity.targets, this.status);
    this.grants = new GrantSizes(memory.lanes.length, config.capacity.upstreams);
    const { breakers, health, selectors } = this.tablesFor(config);
    this.breakers = breakers;
    this.health = health;
    this.selectors = selectors;
    this.adoptSlots(config);
  }

  /** Takes other targets, or other rules for them. Rows keep their content. */
  adopt(config: UnitedConfig): void {
    for (const { index } of config.targets) {
      if (!this.breakers.has(index)) this.loads.beginTarget(index);
    }
    const { breakers, health, selectors } = this.tablesFor(config);
    this.breakers = breakers;
    this.health = health;
    this.selectors = selectors;
    this.adoptSlots(config);
  }

  private adoptSlots({ upstreams }: UnitedConfig): void {
    this.slotUpstreams = upstreams.flatMap((upstream) => {
      const selector = this.selectors[upstream.index];
      return selector?.hasSlots === true ? [{ upstream, selector }] : [];
    });
    for (const { upstream } of this.slotUpstreams) {
      for (const row of upstream.targetIndexes) this.markSlot(row, this.slots.takenOf(row));
    }
    this.onTargetsChanged();
  }

  /** Takes what discovery has found since. */
  onTargetsChanged(): void {
    for (const { upstream, selector } of this.slotUpstreams) {
      let hasChanged = false;
      for (const row of upstream.targetIndexes) {
        if (this.slots.stampOf(row) === this.slots.takenOf(row)) continue;
        this.takeSlot(row);
        hasChanged = true;
      }
      selector.refresh();
      if (hasChanged) this.health.onTargetsChanged(upstream.index);
    }
  }

  /** In this order a coordinator that ends in the middle leaves a row that is taken once more. */
  private takeSlot(row: number): void {
    const stamp = this.slots.stampOf(row);
    if (ownerOf(stamp) !== ownerOf(this.slots.takenOf(row))) {
      clearTargetState(this.memory.targets, row);
      this.health.setAbsent(row, true);
      this.loads.beginTarget(row);
      this.breakers.beginTarget(row);
    }
    this.markSlot(row, stamp);
    this.slots.setTaken(row, stamp);
  }

  private markSlot(row: number, stamp: number): void {
    this.health.setAbsent(row, phaseOf(stamp) !== SLOT_USED);
  }

  private tablesFor(config: UnitedConfig): TargetTables {
    const { memory, listener, loads, slots, random } = this;
    const breakers = new TargetTable(config, memory, loads, listener);
    const health = new HealthTable(config, memory, listener);
    const tables = { breakers, health, loads, turns: new TurnTable(memory), slots, random };
    const targets = byRow(config.targets);
    const selectors = byRow(config.upstreams).map(
      (one) => one && new TargetSelector(targets, one, tables),
    );
    return { breakers, health, selectors };
  }

  /** The position of the target for the ask, or NO_POSITION. Takes only its turn. */
  choose(ask: AskView, nowMs: number): number {
    return this.selectorOf(ask).select(ask, nowMs);
  }

  /**
   * Gives back the probe that the previous coordinator may have given for an ask that it did not
   * answer.
   */
  releaseOfAsk(lane: number, ask: AskView, nowMs: number): void {
    this.selectorOf(ask).releaseOfAsk(this.hold(lane, ask), nowMs);
  }

  /** Admits the try at the chosen position. */
  admit(lane: number, ask: AskView, position: number, reply: ReplyFields, nowMs: number): void {
    const targetIndex = this.selectorOf(ask).targetAt(position);
    reply.verdict = VERDICT_ADMITTED;
    reply.targetIndex = targetIndex;
    reply.ticket = this.breakers.pass(targetIndex, this.hold(lane, ask), nowMs);
    this.loads.onAdmitted(lane, targetIndex);
    this.status.count(ADMITTED, 1);
  }

  /** Fills in a refusal: no target could be chosen. */
  refuse(ask: AskView, reply: ReplyFields, nowMs: number): void {
    reply.retryAfterMs = this.selectorOf(ask).retryAfterMs(nowMs);
    const isOpen = reply.retryAfterMs > 0;
    reply.verdict = isOpen ? VERDICT_CIRCUIT_OPEN : VERDICT_NO_HEALTHY_TARGET;
    this.status.count(isOpen ? CIRCUIT_OPEN : NO_HEALTHY_TARGET, 1);
  }

  /**
   * Gives turns in advance, when the asks come fast enough and the policy allows it; one at least
   * to a request that will want a target.
   */
  grant(lane: number, ask: AskView, reply: ReplyFields, nowMs: number): void {
    const { upstreamIndex } = ask;
    const selector = this.selectorOf(ask);
    const size = ask.wantsGrant ? this.grants.onAsk(lane, upstreamIndex, selector.count, nowMs) : 0;
    const wanted = ask.wantsTurnForLater ? Math.max(1, size) : size;
    if (wanted === 0) return;
    reply.standing = this.standings.serialOf(upstreamIndex);
    reply.grantCount = selector.selectAhead(reply.grantPositions, wanted, nowMs);
    this.status.count(GRANTED, reply.grantCount);
  }

  /** Takes the outcome of a try. */
  settle(tell: TellView, nowMs: number): void {
    // The configuration does not have this target any more.
    if (!this.breakers.has(tell.targetIndex)) return;
    this.breakers.settle(tell, nowMs);
    // A plain cancelled try says nothing about the target, good or bad.
    if (tell.outcome === OUTCOME_CANCELLED) return;
    if (this.health.isAbsent(tell.targetIndex)) return;
    this.health.onAnswer(tell.targetIndex, (tell.outcome & OUTCOME_5XX) !== 0, nowMs);
  }

  /**
   * Takes the result of a health check. A target that is back need not wait until its breaker's
   * time is over.
   */
  onProbe(targetIndex: number, result: CheckResult, nowMs: number): void {
    if (!this.breakers.has(targetIndex) || this.health.isAbsent(targetIndex)) return;
    if (!this.health.onProbe(targetIndex, result, nowMs)) return;
    this.breakers.onTargetBack(targetIndex, nowMs);
  }

  onWorkerLost(lane: number, generation: number, nowMs: number): void {
    this.grants.forgetLane(lane);
    this.status.count(RELEASED_PROBES, this.breakers.releaseAllOf(lane, generation, nowMs));
  }

  onTick(nowMs: number): void {
    this.breakers.onTick(nowMs);
    this.health.onTick(nowMs);
  }

  private selectorOf(ask: AskView): TargetSelector {
    return defined(this.selectors[ask.upstreamIndex], 'the upstream of the ask');
  }

  private hold(lane: number, ask: AskView): typeof this.holder {
    this.holder.lane = lane;
    this.holder.generation = ask.generation;
    this.holder.askId = ask.askId;
    return this.holder;
  }
}
