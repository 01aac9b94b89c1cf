/**
 * Asks whose verdict waits for something outside of the coordinator.
 *
 * Thread: coordinator. Owns a bounded number of asks, copied out of their slots. They lie in
 * ordinary memory: a coordinator that ends forgets them, and their workers go on without a verdict
 * when their own wait is over. Then they say so, which lets the next coordinator give back what
 * this one may have taken for a verdict that never went out.
 *
 *     tryAdd ──► waits for a number ──onHeard(number)──► ready ──takeDue──► decided, or
 *                  │                                                       waits once more
 *                  ├── its deadline ──takeDue──► decided for good          up to its deadline
 *                  └── abandon, dropWorker ──► forgotten
 *
 * Invariant: an ask leaves in one of these ways, once, and no later than its deadline.
 */
import { defined } from '../base/assert.js';
import type { AskView } from '../channel/coordinator/coordinator-records.js';

/** Asks that may wait at the same time. Another one is decided upon at once. */
export const DEFERRED_ASKS_MAX = 4096;

/** Longest wait: half of what a worker waits for its verdict. */
export const DEFERRED_MS_MAX = 50;

/** The ask waits for nothing. */
export const NO_WAIT = 0;

/** Limits of which something is kept outside of the coordinator. */
export interface OutsideLimits {
  /**
   * What must be heard before this key is decided upon: a number that `Coordinator.onHeard`
   * gets when it is there, or {@link NO_WAIT}. Called within an ask: it must not block.
   */
  awaits(limiterIndex: number, keyHashHigh: number, keyHashLow: number, nowMs: number): number;
}

/** An ask that waits, or that has waited. */
export interface DeferredAsk {
  readonly lane: number;
  readonly generation: number;
  readonly askId: number;
  /** The slot of the ask, from its first word on. */
  readonly words: Int32Array;
  readonly deadlineMs: number;
}

/** Decides upon an ask: what it waits for now, or {@link NO_WAIT}, which the last time must be. */
export type DeferredDecision = (ask: DeferredAsk, isLast: boolean) => number;

/** An id has 31 bits: lane and id together are one exact number. */
const IDS_OF_LANE = 2 ** 31;

export class DeferredAsks {
  /** What each ask waits for. Each waits equally long, so the first deadline is the first ask's. */
  private readonly awaited = new Map<DeferredAsk, number>();
  private readonly byId = new Map<number, DeferredAsk>();
  private readonly byAwaited = new Map<number, Set<DeferredAsk>>();
  private ready: DeferredAsk[] = [];
  private readonly counts: number[];

  /** `counts`: asks by lane that the coordinator before this one has forgotten. */
  constructor(
    counts: readonly number[],
    private readonly waitMs = DEFERRED_MS_MAX,
  ) {
    this.counts = [...counts];
  }

  get size(): number {
    return this.awaited.size;
  }

  /** Asks of this lane that have no verdict, be they known or forgotten. */
  countOf(lane: number): number {
    return defined(this.counts[lane], 'the lane of an ask');
  }

  /** When {@link takeDue} has something to do; infinite: nothing waits. */
  get nextDueMs(): number {
    if (this.ready.length > 0) return Number.NEGATIVE_INFINITY;
    for (const { deadlineMs } of this.awaited.keys()) return deadlineMs;
    return Number.POSITIVE_INFINITY;
  }

  /** Takes a copy of the ask. False: there is no room for another one. */
  tryAdd(lane: number, ask: AskView, awaited: number, nowMs: number): boolean {
    const id = lane * IDS_OF_LANE + ask.askId;
    // The id may be known from a worker that is gone, and of whose end nothing was heard yet.
    const earlier = this.byId.get(id);
    if (earlier !== undefined) this.remove(earlier);
    if (this.size >= DEFERRED_ASKS_MAX) return false;
    const { askId, generation } = ask;
    const deadlineMs = nowMs + this.waitMs;
    const deferred = { lane, generation, askId, words: ask.copyWords(), deadlineMs };
    this.byId.set(id, deferred);
    this.wait(deferred, awaited);
    this.count(lane, 1);
    return true;
  }

  /** What this number stands for is known now. */
  onHeard(awaited: number): void {
    const asks = this.byAwaited.get(awaited);
    if (asks === undefined) return;
    this.byAwaited.delete(awaited);
    for (const ask of asks) {
      this.awaited.set(ask, NO_WAIT);
      this.ready.push(ask);
    }
  }

  /** The worker has given up waiting. False: nothing is known of this ask. */
  abandon(lane: number, { askId, generation }: AskView): boolean {
    const ask = this.byId.get(lane * IDS_OF_LANE + askId);
    if (ask?.generation === generation) this.remove(ask);
    else this.count(lane, -1);
    return ask?.generation === generation;
  }

  /** Nobody waits any more for what this worker has asked. */
  dropWorker(lane: number, generation: number): void {
    for (const ask of this.awaited.keys()) {
      if (ask.lane === lane && ask.generation === generation) this.remove(ask);
    }
    const known = [...this.awaited.keys()].filter((ask) => ask.lane === lane);
    this.counts[lane] = known.length;
  }

  /** Has every ask decided upon that is ready, or whose time is over. */
  takeDue(nowMs: number, decide: DeferredDecision): void {
    const { ready } = this;
    this.ready = [];
    for (const ask of ready) {
      // It may have been abandoned since.
      if (this.awaited.get(ask) !== NO_WAIT) continue;
      const awaited = decide(ask, ask.deadlineMs <= nowMs);
      if (awaited === NO_WAIT) this.remove(ask);
      else this.wait(ask, awaited);
    }
    for (const ask of this.awaited.keys()) {
      if (ask.deadlineMs > nowMs) return;
      decide(ask, true);
      this.remove(ask);
    }
  }

  private wait(ask: DeferredAsk, awaited: number): void {
    this.awaited.set(ask, awaited);
    const others = this.byAwaited.get(awaited) ?? new Set();
    this.byAwaited.set(awaited, others.add(ask));
  }

  private remove(ask: DeferredAsk): void {
    const awaited = defined(this.awaited.get(ask), 'what an ask waits for');
    this.awaited.delete(ask);
    this.byId.delete(ask.lane * IDS_OF_LANE + ask.askId);
    const others = this.byAwaited.get(awaited);
    others?.delete(ask);
    if (others?.size === 0) this.byAwaited.delete(awaited);
    this.count(ask.lane, -1);
  }

  private count(lane: number, change: number): void {
    this.counts[lane] = Math.max(0, this.countOf(lane) + change);
  }
}
