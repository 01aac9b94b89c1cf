/**
 * Finds a thread that does not beat any more.
 *
 * Thread: supervisor. Looks at a number that the thread raises while its loop turns. Only looks
 * count that came on time: when this thread was held up, the other one may have been as well. And
 * a thread that waits for a CPU does not hang: the kernel is asked before the verdict, and such
 * time is taken off. A machine on which that goes on and on gets the verdict all the same.
 */

/** How a heartbeat is watched. */
export interface HeartbeatRule {
  /** Between two looks. */
  readonly intervalMs: number;
  /** Looks in a row without a beat that make the verdict. */
  readonly silentLooksMax: number;
}

export interface HeartbeatSources {
  beats(): number;
  /** How long the thread has waited for a CPU so far; NaN: not known. */
  waitedMs(): number;
}

/** A look that comes so much later than it should says nothing. */
const LATE_FACTOR = 2;

/** Part of the silent time in which the thread ran or slept, from which on it hangs. */
const OWN_TIME_MIN = 0.4;

/** So many times the looks that are needed, and nothing is taken off any more. */
const PATIENCE = 2;

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

  /** One look, to be made at every interval. True: the thread hangs. */
  look(nowMs: number): boolean {
    const { intervalMs, silentLooksMax } = this.rule;
    const beats = this.sources.beats();
    // The first look finds NaN, and so a beat.
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

  /** False where the kernel does not tell. */
  private isStarved(nowMs: number): boolean {
    const silentMs = nowMs - this.silentSinceMs;
    const ownMs = silentMs - (this.sources.waitedMs() - this.waitedBeforeMs);
    return ownMs < silentMs * OWN_TIME_MIN;
  }
}
