/**
 * Moves the shares of splits: lets them grow, judges their sides, obeys operators.
 *
 * Thread: coordinator. Owns the rows of rollouts, which lie in shared memory, so that the next
 * coordinator goes on with the share and the time that there were. What both sides had lately lies
 * here only: the next coordinator looks at requests from its own beginning on.
 *
 * What is judged is a span of time that ends now, and begins where the span before the last one
 * did: so what was long ago does not hide what is bad now, and what is rare is not forgotten at
 * once. A span is long enough to judge by: both sides have had `minRequests` in it.
 *
 * The share of a split grows while the version in force has it. Where only others have it, one that
 * was tried or one whose last request goes on, it is judged, and rests.
 */
import {
  REASON_ERRORS,
  REASON_LATENCY,
  REASON_NONE,
  REASON_OPERATOR,
  ROLLOUT_BACK,
  ROLLOUT_HELD,
  ROLLOUT_NONE,
  type RolloutPhase,
  type RolloutReason,
} from '../base/rollout-words.js';
import type { CoordinatorMemory } from '../channel/coordinator/coordinator-memory.js';
import {
  CHANGED_FIELD,
  GROWN_FIELD,
  NEW_ERRORS_FIELD,
  NEW_P99_FIELD,
  NEW_REQUESTS_FIELD,
  OLD_ERRORS_FIELD,
  OLD_P99_FIELD,
  OLD_REQUESTS_FIELD,
  RolloutView,
  SIDE_NEW,
  SIDE_OLD,
  SideCounts,
} from '../channel/coordinator/rollout-memory.js';
import type { UnitedConfig, UnitedRollout } from '../config/shared/unite-configs.js';
import {
  judgeSides,
  p99MsOf,
  VERDICT_ERRORS,
  VERDICT_GOOD,
  VERDICT_LATENCY,
  VERDICT_TOO_FEW,
} from '../policy/traffic/guard.js';
import {
  afterOrder,
  afterTime,
  firstState,
  type RolloutState,
  takenBack,
} from '../policy/traffic/rollout.js';

/** How often shares move and sides are judged. */
const STEP_MS = 1000;
/** A coordinator that was held up for longer than this lets nobody's share grow for the time. */
const ELAPSED_MS_MAX = 10_000;
/** A span that both sides have had enough requests in is this long at least. */
const SPAN_MS_MIN = 30_000;

/** A rollout has another phase. */
export interface RolloutChange {
  readonly rolloutIndex: number;
  readonly phase: RolloutPhase;
  readonly reason: RolloutReason;
}

export interface RolloutListener {
  onRolloutChange(change: RolloutChange): void;
}

export type RolloutsConfig = Pick<UnitedConfig, 'rollouts' | 'capacity'>;

export class Rollouts {
  private readonly view: RolloutView;
  private list: readonly Rollout[] = [];
  private nextMs = 0;

  constructor(
    config: RolloutsConfig,
    memory: Pick<CoordinatorMemory, 'rollouts'>,
    private readonly listener: RolloutListener,
  ) {
    this.view = new RolloutView(memory.rollouts, config.capacity.rollouts);
    this.adopt(config);
  }

  /** Takes another configuration: a rollout that keeps its row goes on. */
  adopt({ rollouts }: RolloutsConfig): void {
    const known = new Map(this.list.map((one) => [one.row, one]));
    this.list = rollouts.map((rule) => {
      const kept = known.get(rule.index);
      kept?.adopt(rule);
      return kept ?? new Rollout(rule, this.view, this.listener);
    });
    this.nextMs = 0;
  }

  /** An operator has ordered something. */
  lookNow(): void {
    this.nextMs = 0;
  }

  get nextDueMs(): number {
    return this.list.length === 0 ? Number.POSITIVE_INFINITY : this.nextMs;
  }

  /** Does what is due by the clock; called in every duty cycle. */
  onTick(nowMs: number): void {
    if (this.list.length === 0 || nowMs < this.nextMs) return;
    this.nextMs = nowMs + STEP_MS;
    for (const rollout of this.list) rollout.step(nowMs);
  }
}

/** What both sides had up to some moment. */
class Sums {
  readonly old = new SideCounts();
  readonly next = new SideCounts();
  atMs = 0;

  set({ old, next, atMs }: Sums): void {
    this.old.set(old);
    this.next.set(next);
    this.atMs = atMs;
  }
}

class Rollout {
  private readonly now = new Sums();
  /** Where the span that is judged begins, and where the one after it will. */
  private readonly begin = new Sums();
  private readonly middle = new Sums();
  private readonly old = new SideCounts();
  private readonly next = new SideCounts();
  private lastMs = -1;

  constructor(
    private rule: UnitedRollout,
    private readonly view: RolloutView,
    private readonly listener: RolloutListener,
  ) {
    if (view.phaseOf(this.row) === ROLLOUT_NONE) this.write(firstState(rule), REASON_NONE);
  }

  get row(): number {
    return this.rule.index;
  }

  adopt(rule: UnitedRollout): void {
    const comesIntoForce = rule.isResting !== true && this.rule.isResting === true;
    this.rule = rule;
    if (comesIntoForce) this.beginAnew();
  }

  /** What was in force earlier does not come back with the share that it had grown to. */
  private beginAnew(): void {
    const before = this.read();
    const first = firstState(this.rule);
    const isFirst = before.phase === first.phase && before.grownMs === first.grownMs;
    if (isFirst || before.phase === ROLLOUT_BACK) return;
    this.write(first, REASON_NONE);
    this.view.setField(this.row, CHANGED_FIELD, 0);
    this.lastMs = -1;
  }

  step(nowMs: number): void {
    const { view, row } = this;
    this.readSums(nowMs);
    if (this.lastMs === -1) {
      if (view.fieldOf(row, CHANGED_FIELD) === 0) view.setField(row, CHANGED_FIELD, nowMs);
      this.beginSpan();
    }
    const rests = this.lastMs === -1 || this.rule.isResting === true;
    const elapsedMs = rests ? 0 : Math.min(nowMs - this.lastMs, ELAPSED_MS_MAX);
    this.lastMs = nowMs;
    this.obey(nowMs);
    const reason = this.judge();
    const before = this.read();
    if (reason !== REASON_NONE) {
      view.countBack(row);
      this.change(before, takenBack(before), reason, nowMs);
    } else this.change(before, afterTime(this.rule, before, elapsedMs), view.reasonOf(row), nowMs);
  }

  private readSums(nowMs: number): void {
    this.view.readSide(this.row, SIDE_OLD, this.now.old);
    this.view.readSide(this.row, SIDE_NEW, this.now.next);
    this.now.atMs = nowMs;
  }

  private obey(nowMs: number): void {
    const written = this.view.orderOf(this.row);
    if (written === null) return;
    const before = this.read();
    const after = afterOrder(this.rule, before, written.order, written.share);
    // Whoever comes back after a while is judged by what comes from now on.
    if (before.phase === ROLLOUT_BACK && after.phase !== ROLLOUT_BACK) this.beginSpan();
    this.change(before, after, REASON_OPERATOR, nowMs);
    this.view.onObeyed(this.row, written.serial);
  }

  /** Why the new side is to be taken back; REASON_NONE: it is not. */
  private judge(): RolloutReason {
    const { guard } = this.rule;
    this.old.between(this.begin.old, this.now.old);
    this.next.between(this.begin.next, this.now.next);
    if (this.view.phaseOf(this.row) === ROLLOUT_BACK) return REASON_NONE;
    this.showFigures();
    if (guard === null) {
      this.moveSpan(1);
      return REASON_NONE;
    }
    const verdict = judgeSides(guard, this.old, this.next);
    switch (verdict) {
      case VERDICT_ERRORS:
        return REASON_ERRORS;
      case VERDICT_LATENCY:
        return REASON_LATENCY;
      case VERDICT_GOOD:
        this.moveSpan(guard.minRequests);
        return REASON_NONE;
      case VERDICT_TOO_FEW:
        return REASON_NONE;
    }
  }

  /** For people: of the span that is judged. */
  private showFigures(): void {
    const { view, row, old, next } = this;
    view.setField(row, OLD_REQUESTS_FIELD, old.requests);
    view.setField(row, OLD_ERRORS_FIELD, old.errors);
    view.setField(row, OLD_P99_FIELD, p99MsOf(old));
    view.setField(row, NEW_REQUESTS_FIELD, next.requests);
    view.setField(row, NEW_ERRORS_FIELD, next.errors);
    view.setField(row, NEW_P99_FIELD, p99MsOf(next));
  }

  private moveSpan(requestsMin: number): void {
    const { now, middle } = this;
    const isEnough =
      now.atMs - middle.atMs >= SPAN_MS_MIN &&
      ((now.old.requests - middle.old.requests) | 0) >= requestsMin &&
      ((now.next.requests - middle.next.requests) | 0) >= requestsMin;
    if (!isEnough) return;
    this.begin.set(middle);
    middle.set(now);
  }

  private beginSpan(): void {
    this.begin.set(this.now);
    this.middle.set(this.now);
  }

  private change(
    before: RolloutState,
    after: RolloutState,
    reason: RolloutReason,
    nowMs: number,
  ): void {
    if (after === before) return;
    this.write(after, reason);
    // That a share grows is no news.
    if (after.phase === before.phase && after.phase !== ROLLOUT_HELD) return;
    this.view.setField(this.row, CHANGED_FIELD, nowMs);
    this.listener.onRolloutChange({ rolloutIndex: this.row, phase: after.phase, reason });
  }

  private read(): RolloutState {
    const { view, row } = this;
    return {
      phase: view.phaseOf(row),
      share: view.shareOf(row),
      grownMs: view.fieldOf(row, GROWN_FIELD),
    };
  }

  private write({ phase, share, grownMs }: RolloutState, reason: RolloutReason): void {
    this.view.setField(this.row, GROWN_FIELD, grownMs);
    this.view.write(this.row, phase, reason, share);
  }
}
