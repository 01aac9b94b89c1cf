/**
 * The health of all targets: results of health checks, ejections, warm-ups.
 *
 * Thread: coordinator. Owns the health part of the target rows in shared memory: a coordinator that
 * is started again goes on with the known state.
 */
import { defined } from '../../base/assert.js';
import { byRow } from '../../base/rows.js';
import type { CoordinatorMemory } from '../../channel/coordinator/coordinator-memory.js';
import {
  CHECK_PASSED,
  type CheckResult,
  checkResultName,
  TargetStateRow,
} from '../../channel/coordinator/target-states.js';
import { UpstreamStandings } from '../../channel/coordinator/upstream-standings.js';
import type { CompiledConfig, CompiledUpstream } from '../../config/compiled-config.js';
import { takeProbe } from '../../policy/health/active-check.js';
import {
  eject,
  endEjection,
  mayEject,
  passOutlierTime,
  takeAnswer,
} from '../../policy/health/outlier.js';
import { rampShare } from '../../policy/load-balancing/ramp.js';
import type { HealthTransition, TargetListener } from './target-events.js';

/** An ejection ends late by at most this time. */
const SWEEP_MS = 50;

export class HealthTable {
  /** Grows with every change of the health of any target. */
  version = 0;
  private readonly row: TargetStateRow;
  private readonly upstreamOf: readonly (CompiledUpstream | undefined)[];
  private readonly watched: readonly number[];
  private readonly standings: UpstreamStandings;
  private nextSweepMs = 0;

  constructor(
    config: Pick<CompiledConfig, 'upstreams' | 'targets'>,
    memory: Pick<CoordinatorMemory, 'targets' | 'standings'>,
    private readonly listener: Pick<TargetListener, 'onHealthTransition'>,
  ) {
    this.row = new TargetStateRow(memory.targets);
    this.standings = new UpstreamStandings(memory.standings);
    const upstreams = byRow(config.upstreams);
    this.upstreamOf = byRow(config.targets).map((target) =>
      target === undefined
        ? undefined
        : defined(upstreams[target.upstreamIndex], 'the upstream of a target'),
    );
    this.watched = config.targets
      .filter((target) => this.upstreamOf[target.index]?.outlierDetection)
      .map((target) => target.index);
    for (const target of config.targets) this.forgetUnwatched(target.index);
  }

  /**
   * Clears what the configuration no longer watches: otherwise it would keep its last state for
   * ever.
   */
  private forgetUnwatched(targetIndex: number): void {
    const { index, healthCheck, outlierDetection } = this.upstream(targetIndex);
    const row = this.row.bind(targetIndex);
    const wasHealthy = this.isHealthy(targetIndex);
    if (healthCheck === null && row.isUnhealthy) row.isUnhealthy = false;
    if (healthCheck === null && row.isProbed) row.isProbed = false;
    if (outlierDetection === null && row.isEjected) row.isEjected = false;
    if (!wasHealthy && this.isHealthy(targetIndex)) this.standings.bump(index);
  }

  /** Targets have come, or gone: whoever goes by the health of all looks again. */
  onTargetsChanged(upstreamIndex: number): void {
    this.version += 1;
    this.standings.bump(upstreamIndex);
  }

  isAbsent(targetIndex: number): boolean {
    return this.row.bind(targetIndex).isAbsent;
  }

  setAbsent(targetIndex: number, isAbsent: boolean): void {
    this.row.bind(targetIndex).isAbsent = isAbsent;
  }

  /** Whether the target is there, and neither unhealthy by its health check nor ejected. */
  isHealthy(targetIndex: number): boolean {
    return this.row.healthOf(targetIndex) === 0;
  }

  /** The share of its normal load that the target gets: less than 1 after it became healthy. */
  shareOf(targetIndex: number, nowMs: number): number {
    const sinceMs = this.row.bind(targetIndex).warmSinceMs;
    if (sinceMs === 0) return 1;
    return rampShare(nowMs - sinceMs, this.upstream(targetIndex).loadBalancing.slowStartMs);
  }

  /**
   * Takes the result of a health check: CHECK_PASSED, or why it failed. True: the target is back. A
   * check passed after failed ones, whether or not these were enough to make the target unhealthy.
   */
  onProbe(targetIndex: number, result: CheckResult, nowMs: number): boolean {
    const { healthCheck } = this.upstream(targetIndex);
    if (healthCheck === null) return false;
    const row = this.row.bind(targetIndex);
    const isPassed = result === CHECK_PASSED;
    const hadFailed = row.isUnhealthy || row.contradictions > 0;
    const hasChanged = takeProbe(row, healthCheck, isPassed);
    const isBack = isPassed && hadFailed && !row.isUnhealthy;
    if (!isPassed) row.checkFailure = result;
    if (hasChanged) row.checkSinceMs = nowMs;
    const endsEjection = isPassed && !row.isUnhealthy && row.isEjected;
    if (endsEjection) endEjection(row, nowMs);
    if (hasChanged || endsEjection) {
      this.report({ targetIndex, reason: checkResultName(result), atMs: nowMs, untilMs: 0 });
    }
    return isBack;
  }

  /** Takes the outcome of a client's request: an answer, or the lack of one. */
  onAnswer(targetIndex: number, isBad: boolean, nowMs: number): void {
    const upstream = this.upstream(targetIndex);
    const { outlierDetection: rule } = upstream;
    if (rule === null || !takeAnswer(this.row.bind(targetIndex), rule, isBad)) return;
    const { targetIndexes } = upstream;
    const { ejected, present } = this.countPresent(targetIndexes);
    if (!mayEject(rule, ejected, present)) return;
    const row = this.row.bind(targetIndex);
    eject(row, rule, nowMs);
    const untilMs = row.ejectedUntilMs;
    this.report({ targetIndex, reason: 'consecutive5xx', atMs: nowMs, untilMs });
  }

  /** Lets time pass: ejections end, and the number of ejections falls. */
  onTick(nowMs: number): void {
    if (nowMs < this.nextSweepMs) return;
    this.nextSweepMs = nowMs + SWEEP_MS;
    for (const targetIndex of this.watched) {
      const { outlierDetection: rule } = this.upstream(targetIndex);
      if (rule === null || !passOutlierTime(this.row.bind(targetIndex), rule, nowMs)) continue;
      this.report({ targetIndex, reason: 'ejectionOver', atMs: nowMs, untilMs: 0 });
    }
  }

  private report(change: Omit<HealthTransition, 'isHealthy'>): void {
    this.version += 1;
    const row = this.row.bind(change.targetIndex);
    const isIn = change.reason === 'passed' || change.reason === 'ejectionOver';
    if (isIn && this.isHealthy(change.targetIndex)) {
      row.warmSinceMs = change.atMs;
      this.standings.bump(this.upstream(change.targetIndex).index);
    }
    this.listener.onHealthTransition({ ...change, isHealthy: isIn });
  }

  private countPresent(
    targetIndexes: readonly number[],
  ): Readonly<Record<'ejected' | 'present', number>> {
    let ejected = 0;
    let present = 0;
    for (const index of targetIndexes) {
      const { isAbsent, isEjected } = this.row.bind(index);
      if (isAbsent) continue;
      present += 1;
      if (isEjected) ejected += 1;
    }
    return { ejected, present };
  }

  private upstream(targetIndex: number): CompiledUpstream {
    return defined(this.upstreamOf[targetIndex], 'the upstream of a target');
  }
}
