/**
 * How splits that are rolled out stand, as pages show it.
 *
 * Thread: supervisor (on the main thread).
 */
import { ROLLOUT_PHASES, ROLLOUT_REASONS, SHARE_ALL } from '../base/rollout-words.js';
import type { SideShown } from '../channel/coordinator/rollout-memory.js';
import type { CompiledRollout } from '../config/compiled-split.js';
import { type FamilyType, familyText, type Labels } from '../observability/prometheus-text.js';
import type { GatewayViews } from './gateway-views.js';
import { FAMILIES } from './metric-families.js';

export function splitRow(
  { rollouts, clock }: Pick<GatewayViews, 'rollouts' | 'clock'>,
  rollout: CompiledRollout,
): object {
  const { index, route, oldSide, newSide, fromShare, toShare, overMs, guard } = rollout;
  const figures = rollouts.figuresOf(index);
  const { phase, reason, share, grownMs, changedMs, timesBack } = figures;
  return {
    route,
    old: oldSide,
    new: newSide,
    phase: ROLLOUT_PHASES[phase],
    reason: ROLLOUT_REASONS[reason],
    share_percent: percentOf(share),
    from_percent: percentOf(fromShare),
    to_percent: percentOf(toShare),
    over_seconds: overMs / 1000,
    grown_seconds: Math.round(grownMs) / 1000,
    in_phase_seconds: changedMs === 0 ? null : Math.round(clock.nowMs() - changedMs) / 1000,
    times_taken_back: timesBack,
    guard:
      guard === null
        ? null
        : {
            errors: guard.errorsFactor === 0 ? null : guard.errorsFactor,
            p99: guard.p99Factor === 0 ? null : guard.p99Factor,
            min_requests: guard.minRequests,
          },
    judged: { old: sideRow(figures.old), new: sideRow(figures.next) },
  };
}

function sideRow({ requests, errors, p99Ms }: SideShown): object {
  return { requests, errors, p99_ms: p99Ms };
}

export function* splitPieces({ rollouts, config }: GatewayViews): Generator<string> {
  const list = config.rollouts;
  const family = (
    head: (typeof FAMILIES)[keyof typeof FAMILIES],
    type: FamilyType,
    read: (one: CompiledRollout) => number,
  ): string =>
    familyText(
      head,
      type,
      list.map((one) => [labelsOf(one), read(one)] as const),
    );
  yield family(FAMILIES.splitShare, 'gauge', ({ index }) => rollouts.shareOf(index) / SHARE_ALL);
  yield family(FAMILIES.splitPhase, 'gauge', ({ index }) => rollouts.phaseOf(index));
  yield family(FAMILIES.splitBacks, 'counter', ({ index }) => rollouts.backsOf(index));
}

function labelsOf({ route, newSide }: CompiledRollout): Labels {
  return [
    ['route', route],
    ['upstream', newSide],
  ];
}

function percentOf(share: number): number {
  return (100 * share) / SHARE_ALL;
}
