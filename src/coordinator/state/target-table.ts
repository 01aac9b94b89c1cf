/**
 * The breakers of all targets and the probes that they wait for.
 *
 * Thread: coordinator. Owns the breaker's part of the target rows and the probe table in shared
 * memory; the rows are read by workers and admin through channel/coordinator/target-states.ts.
 * A target that may be tried again makes turns void that were given without it.
 * Invariant: a half-open target counts as many probes as the probe table holds for it, any other
 * target none.
 */
import { assert, defined } from '../../base/assert.js';
import { byRow } from '../../base/rows.js';
import type { CoordinatorMemory } from '../../channel/coordinator/coordinator-memory.js';
import { OUTCOME_MASK, type TellView } from '../../channel/coordinator/coordinator-records.js';
import {
  breakerCauseName,
  TARGET_CLOSED,
  TARGET_HALF_OPEN,
  TARGET_OPEN,
  TargetStateRow,
} from '../../channel/coordinator/target-states.js';
import { UpstreamStandings } from '../../channel/coordinator/upstream-standings.js';
import type { CompiledConfig } from '../../config/compiled-config.js';
import {
  BREAKER_CLOSED,
  BREAKER_HALF_OPEN,
  BREAKER_OPEN,
  type BreakerRule,
  type BreakerState,
  breakerRetryAfterMs,
  breakerShare,
  canPassBreaker,
  countSuccesses,
  endOpenPeriod,
  isTicketCurrent,
  OUTCOME_CANCELLED,
  OUTCOME_FAILURE,
  OUTCOME_SUCCESS,
  type Outcome,
  passBreaker,
  settleCall,
  settleProbe,
  TICKET_NONE,
} from '../../policy/circuit-breaker/circuit-breaker.js';
import { PROBES_MAX, type ProbeHolder, ProbeTable, type ReleaseHandler } from './probe-table.js';
import { openUntilMs, type TargetListener } from './target-events.js';

/** Successes of a target so far, wrapping, whoever had them. */
export interface SuccessCounts {
  successesOf(targetIndex: number): number;
}

export class TargetTable implements ReleaseHandler {
  private readonly row: TargetStateRow;
  private readonly rules: readonly (BreakerRule | undefined)[];
  private readonly probes: ProbeTable;
  private readonly standings: UpstreamStandings;
  private readonly upstreamOf: ReadonlyMap<number, number>;
  /** When the next open period is over that nobody was told of yet. */
  private nextEndMs = 0;

  constructor(
    config: Pick<CompiledConfig, 'upstreams' | 'targets'>,
    memory: Pick<CoordinatorMemory, 'targets' | 'probes' | 'standings'>,
    private readonly successes: SuccessCounts,
    private readonly listener: Pick<TargetListener, 'onBreakerTransition'>,
  ) {
    // The same three numbers are spoken by the policy and by the shared rows.
    assert(TARGET_CLOSED === BREAKER_CLOSED, 'closed is closed');
    assert(TARGET_OPEN === BREAKER_OPEN, 'open is open');
    assert(TARGET_HALF_OPEN === BREAKER_HALF_OPEN, 'half-open is half-open');
    this.row = new TargetStateRow(memory.targets);
    this.standings = new UpstreamStandings(memory.standings);
    this.upstreamOf = new Map(config.targets.map((one) => [one.index, one.upstreamIndex]));
    this.rules = breakerRules(config);
    const targetIndexes = config.targets.map((target) => target.index);
    this.probes = new ProbeTable(memory.probes, targetIndexes);
    for (const targetIndex of targetIndexes) this.matchProbes(targetIndex);
  }

  /** Whether the configuration has a target in this row. */
  has(targetIndex: number): boolean {
    return this.rules[targetIndex] !== undefined;
  }

  stateOf(targetIndex: number): BreakerState {
    return this.row.bind(targetIndex).state;
  }

  canPass(targetIndex: number, nowMs: number): boolean {
    return canPassBreaker(this.row.bind(targetIndex), this.ruleOf(targetIndex), nowMs);
  }

  /** How much of its part the target takes: less than 1 while it ramps up. */
  shareOf(targetIndex: number, nowMs: number): number {
    return breakerShare(this.row.bind(targetIndex), this.ruleOf(targetIndex), nowMs);
  }

  /** Until the breaker may let a try pass; 0: it would. */
  retryAfterMs(targetIndex: number, nowMs: number): number {
    if (this.canPass(targetIndex, nowMs)) return 0;
    return breakerRetryAfterMs(this.row.bind(targetIndex), nowMs);
  }

  /** Admits one try; the ticket of a probe, which its holder must give back. */
  pass(targetIndex: number, holder: ProbeHolder, nowMs: number): number {
    const row = this.row.bind(targetIndex);
    const { state, generation } = row;
    const ticket = passBreaker(row, this.ruleOf(targetIndex), nowMs);
    if (ticket === TICKET_NONE) return ticket;
    // Probes of an earlier generation are not waited for any more.
    if (row.generation !== generation) this.probes.clear(targetIndex);
    this.probes.record(targetIndex, ticket, holder);
    this.report(targetIndex, state, nowMs);
    return ticket;
  }

  /** What came of a try. A ticket that was settled before, or is out of date, changes nothing. */
  settle(tell: TellView, nowMs: number): void {
    const { targetIndex, ticket } = tell;
    const row = this.row.bind(targetIndex);
    const rule = this.ruleOf(targetIndex);
    const { state } = row;
    const outcome = outcomeOf(tell.outcome & OUTCOME_MASK);
    if (rule.failureRate !== null) this.catchUp(targetIndex, nowMs);
    if (ticket === TICKET_NONE) {
      settleCall(row, rule, outcome, nowMs);
    } else {
      if (!this.probes.take(targetIndex, ticket) || !isTicketCurrent(row, ticket)) return;
      settleProbe(row, rule, outcome, nowMs);
      if (row.state !== BREAKER_HALF_OPEN) this.probes.clear(targetIndex);
    }
    this.report(targetIndex, state, nowMs);
  }

  /** Health checks saw the target down, and see it up again. */
  onTargetBack(targetIndex: number, nowMs: number): void {
    endOpenPeriod(this.row.bind(targetIndex), nowMs);
    this.nextEndMs = 0;
  }

  /** Lets time pass: a target whose open period is over waits for its probe. */
  onTick(nowMs: number): void {
    if (nowMs < this.nextEndMs) return;
    const lastMs = this.nextEndMs;
    this.nextEndMs = Number.POSITIVE_INFINITY;
    for (const targetIndex of this.upstreamOf.keys()) {
      const { state, sinceMs, openForMs } = this.row.bind(targetIndex);
      const untilMs = openUntilMs(state, sinceMs, openForMs);
      if (untilMs > nowMs) this.nextEndMs = Math.min(this.nextEndMs, untilMs);
      else if (untilMs >= lastMs && state === BREAKER_OPEN) this.announce(targetIndex);
    }
  }

  /** Gives back all probes of a worker that is gone; how many there were. */
  releaseAllOf(lane: number, generation: number, nowMs: number): number {
    return this.probes.releaseAllOf(lane, generation, nowMs, this);
  }

  /** Gives back the probe that was given for this very ask; false: there was none. */
  releaseOfAsk(targetIndex: number, holder: ProbeHolder, nowMs: number): boolean {
    if (!this.probes.takeOfAsk(targetIndex, holder)) return false;
    this.onProbeReleased(targetIndex, nowMs);
    return true;
  }

  onProbeReleased(targetIndex: number, nowMs: number): void {
    const row = this.row.bind(targetIndex);
    settleProbe(row, this.ruleOf(targetIndex), OUTCOME_CANCELLED, nowMs);
  }

  /** Takes in the successes since the last time, which workers count and do not tell each of. */
  private catchUp(targetIndex: number, nowMs: number): void {
    const row = this.row.bind(targetIndex);
    const total = this.successes.successesOf(targetIndex);
    const added = (total - row.successesSeen) | 0;
    row.successesSeen = total;
    if (added > 0) countSuccesses(row, this.ruleOf(targetIndex), added, nowMs);
  }

  private report(targetIndex: number, from: BreakerState, atMs: number): void {
    const row = this.row.bind(targetIndex);
    const { state: to, sinceMs, openForMs } = row;
    if (from === to) return;
    const reason = breakerCauseName(row.cause);
    const untilMs = openUntilMs(to, sinceMs, openForMs);
    if (to === BREAKER_OPEN) this.nextEndMs = Math.min(this.nextEndMs, untilMs);
    else if (to === BREAKER_CLOSED) this.announce(targetIndex);
    this.listener.onBreakerTransition({ targetIndex, from, to, reason, atMs, untilMs });
  }

  private announce(targetIndex: number): void {
    this.standings.bump(defined(this.upstreamOf.get(targetIndex), 'the upstream of a target'));
  }

  /** The last coordinator may have ended between two writes: the probe table is right. */
  private matchProbes(targetIndex: number): void {
    const row = this.row.bind(targetIndex);
    if (row.state !== BREAKER_HALF_OPEN) this.probes.clear(targetIndex);
    row.probes = this.probes.countOf(targetIndex);
  }

  private ruleOf(targetIndex: number): BreakerRule {
    return defined(this.rules[targetIndex], 'the breaker rule of a target');
  }
}

function breakerRules(
  config: Pick<CompiledConfig, 'upstreams' | 'targets'>,
): (BreakerRule | undefined)[] {
  const upstreams = byRow(config.upstreams);
  return byRow(config.targets).map((target) => {
    if (target === undefined) return undefined;
    const upstream = defined(upstreams[target.upstreamIndex], 'the upstream of a target');
    const { failureThreshold, failureRate, openForMs, openForMaxMs, halfOpenRequests, rampUpMs } =
      upstream.circuitBreaker;
    const probes = Math.min(PROBES_MAX, Math.max(1, halfOpenRequests));
    return {
      failureThreshold,
      failureRate,
      openForMs,
      openForMaxMs,
      halfOpenRequests: probes,
      rampUpMs,
    };
  });
}

function outcomeOf(value: number): Outcome {
  assert(value >= OUTCOME_SUCCESS && value <= OUTCOME_CANCELLED, 'the outcome is known');
  if (value === OUTCOME_SUCCESS) return OUTCOME_SUCCESS;
  return value === OUTCOME_FAILURE ? OUTCOME_FAILURE : OUTCOME_CANCELLED;
}
