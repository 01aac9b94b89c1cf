/**
 * How many frames that lead nowhere a connection may still send.
 *
 * Thread: any (pure). A token bucket. SETTINGS, PING, PRIORITY, small WINDOW_UPDATEs, empty frames,
 * resets, refused streams: each is cheap to send and costs more to answer, and no honest client
 * sends them in a row without end. Time arrives as nowMs.
 *
 * Invariant: 0 <= tokens <= FRAMES_BURST.
 */

/** Frames that may come at once. */
export const FRAMES_BURST = 1000;
/** Frames that may come every second from then on. */
export const FRAMES_PER_SECOND = 100;

export class FrameBudget {
  private tokens = FRAMES_BURST;
  private sinceMs: number;

  constructor(nowMs: number) {
    this.sinceMs = nowMs;
  }

  /** One more frame. False: too many, ENHANCE_YOUR_CALM. */
  trySpend(nowMs: number): boolean {
    const earned = ((nowMs - this.sinceMs) / 1000) * FRAMES_PER_SECOND;
    this.tokens = Math.min(FRAMES_BURST, this.tokens + earned);
    this.sinceMs = nowMs;
    if (this.tokens < 1) return false;
    this.tokens--;
    return true;
  }
}
