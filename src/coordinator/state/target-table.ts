/**
 * The breakers of all targets, and the probes in flight.
 *
 * Thread: coordinator. Owns the breaker's part of the target rows and the probe table in shared
 * memory; workers and admin read the rows through channel/coordinator/target-states.ts. When a
 * target may be tried again, the turns that were given without it become void.
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

/** The successes of a target so far, of all workers, wrapping. */
export interface SuccessCounts {
  successesOf(targetIndex: number): number;
}

export class TargetTable implements ReleaseHandler {
  private readonly row: TargetStateRow;
  private readonly rules: readonly (BreakerRule | undefined)[];
  private readonly probes: ProbeTable;
  private readonly standings: UpstreamStandings;
  private readonly upstreamOf: ReadonlyMap<number, number>;
  /** When the next open period ends that was not reported yet. */
  private nextEndMs = 0;

  constructor(
    config: Pick<CompiledConfig, 'upstreams' | 'targets'>,
    memory: Pick<CoordinatorMemory, 'targets' | 'probes' | 'standings'>,
    private readonly successes: SuccessCounts,
    private readonly listener: Pick<TargetListener, 'onBreakerTransition'>,
  ) {
    // The policy and the shared rows use the same three numbers.
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

  /** Another target has the row: no probe is its own. */
  beginTarget(targetIndex: number): void {
    this.probes.clear(targetIndex);
    this.nextEndMs = 0;
  }

  stateOf(targetIndex: number): BreakerState {
    return this.row.bind(targetIndex).state;
  }

  canPass(targetIndex: number, nowMs: number): boolean {
    return canPassBreaker(this.row.bind(targetIndex), this.ruleOf(targetIndex), nowMs);
  }

  /** The share of its normal load that the target gets: less than 1 while it ramps up. */
  shareOf(targetIndex: number, nowMs: number): number {
    return breakerShare(this.row.bind(targetIndex), this.ruleOf(targetIndex), nowMs);
  }

  /** The time until the breaker may admit a try; 0: it would admit one now. */
  retryAfterMs(targetIndex: number, nowMs: number): number {
    if (this.canPass(targetIndex, nowMs)) return 0;
    return breakerRetryAfterMs(this.row.bind(targetIndex), nowMs);
  }

  /**
   * Admits one try. Returns the ticket of a probe, which its holder must give back; 0: no probe.
   */
  pass(targetIndex: number, holder: ProbeHolder, nowMs: number): number {
    const row = this.row.bind(targetIndex);
    const { state, generation } = row;
    const ticket = passBreaker(row, this.ruleOf(targetIndex), nowMs);
    if (ticket === TICKET_NONE) return ticket;
    // Probes of an earlier generation do not count any more.
    if (row.generation !== generation) this.probes.clear(targetIndex);
    this.probes.record(targetIndex, ticket, holder);
    this.report(targetIndex, state, nowMs);
    return ticket;
  }

  /**
   * Takes the outcome of a try. A ticket that was settled before, or is out of date, changes
   * nothing.
   */
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

  /** Health checks found the target down before, and find it up now. */
  onTargetBack(targetIndex: number, nowMs: number): void {
    endOpenPeriod(this.row.bind(targetIndex), nowMs);
    this.nextEndMs = 0;
  }

  /** Lets time pass: a target whose open period is over may be probed. */
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

  /** Gives back all probes of a worker that has ended, and returns their number. */
  releaseAllOf(lane: number, generation: number, nowMs: number): number {
    return this.probes.releaseAllOf(lane, generation, nowMs, this);
  }

  /** Gives back the probe that was given for this ask. False: there was none. */
  releaseOfAsk(targetIndex: number, holder: ProbeHolder, nowMs: number): boolean {
    if (!this.probes.takeOfAsk(targetIndex, holder)) return false;
    this.onProbeReleased(targetIndex, nowMs);
    return true;
  }

  onProbeReleased(targetIndex: number, nowMs: number): void {
    const row = this.row.bind(targetIndex);
    settleProbe(row, this.ruleOf(targetIndex), OUTCOME_CANCELLED, nowMs);
  }

  /** Adds the successes since the last call, which workers count without telling each one. */
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

  /** The previous coordinator may have ended between two writes: the probe table is right. */
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
