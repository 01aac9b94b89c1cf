/**
 * Finds a thread that does not beat any more.
 *
 * Thread: supervisor. Reads a number that the thread raises while its loop turns. A look counts
 * only if it came on time: when this thread was held up, the other one may have been held up too.
 * And a thread that waits for a CPU does not hang: before the verdict the kernel is asked for such
 * waits, and their time is subtracted. A machine on which the waits never end gets the verdict all
 * the same.
 */
import type { Clock, Timer } from '../base/clock.js';
import { cpuWaitMs } from '../observability/kernel-facts.js';

/** How a heartbeat is watched. */
export interface HeartbeatRule {
  /** Time between two looks. */
  readonly intervalMs: number;
  /** Looks in a row without a beat that lead to the verdict. */
  readonly silentLooksMax: number;
  /** Looks in a row without a beat that lead to doubt; absent: nobody asks. */
  readonly doubtLooks?: number;
}

export interface HeartbeatSources {
  beats(): number;
  /** How long the thread has waited for a CPU so far; NaN: unknown. */
  waitedMs(): number;
}

/** A look is ignored when it comes this many times later than the interval. */
const LATE_FACTOR = 2;

/** A thread hangs when it ran or slept for at least this part of the silent time. */
const OWN_TIME_MIN = 0.4;

/**
 * After PATIENCE × silentLooksMax looks, time spent waiting for a CPU no longer excuses the thread.
 * A crowded machine holds a thread up for more than a second, and a new one would wait as long.
 */
const PATIENCE = 4;

/**
 * Looks until the thread hangs, which is told once, or until the timer is cancelled. `onDoubt`:
 * nothing has been heard of it for a while, or is heard of it again.
 */
export function watchHeartbeat(
  thread: { beats(): number; osThreadId(): number },
  rule: HeartbeatRule,
  clock: Clock,
  onHang: () => void,
  onDoubt: (isDoubtful: boolean) => void = () => {},
): Timer {
  const monitor = new HeartbeatMonitor(rule, {
    beats: () => thread.beats(),
    waitedMs: () => cpuWaitMs(thread.osThreadId()),
  });
  let wasDoubtful = false;
  const timer = clock.every(rule.intervalMs, () => {
    const hangs = monitor.look(clock.nowMs());
    const { isDoubtful } = monitor;
    if (isDoubtful !== wasDoubtful) onDoubt(isDoubtful);
    wasDoubtful = isDoubtful;
    if (!hangs) return;
    timer.cancel();
    onHang();
  });
  return timer;
}

export class HeartbeatMonitor {
  private lastBeats = Number.NaN;
  private lastLookMs = Number.NaN;
  private silentLooks = 0;
  private silentSinceMs = 0;
  private waitedBeforeMs = Number.NaN;

  constructor(
    private readonly rule: HeartbeatRule,
    private readonly sources: HeartbeatSources,
  ) {}

  /** One look, to be made once in every interval. True: the thread hangs. */
  look(nowMs: number): boolean {
    const { intervalMs, silentLooksMax } = this.rule;
    const beats = this.sources.beats();
    // The first look compares with NaN, and so finds a beat.
    const isSilent = beats === this.lastBeats;
    const isLate = nowMs - this.lastLookMs > intervalMs * LATE_FACTOR;
    this.lastBeats = beats;
    this.lastLookMs = nowMs;
    if (!isSilent) this.silentLooks = 0;
    else if (!isLate) this.silentLooks++;
    if (this.silentLooks === 1) {
      this.silentSinceMs = nowMs;
      this.waitedBeforeMs = this.sources.waitedMs();
    }
    if (this.silentLooks < silentLooksMax) return false;
    return this.silentLooks >= silentLooksMax * PATIENCE || !this.isStarved(nowMs);
  }

  get isDoubtful(): boolean {
    return this.silentLooks >= (this.rule.doubtLooks ?? Number.POSITIVE_INFINITY);
  }

  /** Whether the thread mostly waited for a CPU. False where the kernel does not say. */
  private isStarved(nowMs: number): boolean {
    const silentMs = nowMs - this.silentSinceMs;
    const ownMs = silentMs - (this.sources.waitedMs() - this.waitedBeforeMs);
    return ownMs < silentMs * OWN_TIME_MIN;
  }
}
