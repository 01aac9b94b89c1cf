/**
 * How many frames that lead nowhere a connection may still send.
 *
 * Thread: any (pure). A token bucket. SETTINGS, PING, PRIORITY, small WINDOW_UPDATEs, empty frames,
 * resets, refused streams: each is cheap to send and costs more to answer, and no honest client
 * sends them in a row without end. What is sent to the client earns some back: clients answer the
 * frames of a reply with small WINDOW_UPDATEs, and measure their way by PINGs. Time arrives as
 * nowMs.
 *
 * Invariant: 0 <= tokens <= FRAMES_BURST.
 */

/** Frames that may come at once. */
export const FRAMES_BURST = 1000;
/** Frames that may come every second from then on. */
const FRAMES_PER_SECOND = 100;
/** What a frame of a reply earns: two windows, and a measurement now and then. */
const EARNED_BY_REPLY = 3;

/** Such frames between two takings of the output: a client that reads nothing. */
const UNANSWERED_MAX = 2000;

export class FrameBudget {
  /** How many came; for counters. */
  spent = 0;
  private tokens = FRAMES_BURST;
  private sinceMs: number;
  private unanswered = 0;

  constructor(nowMs: number) {
    this.sinceMs = nowMs;
  }

  // Hot path (bench/gateway/reply-64k): every frame of a reply.
  /** A frame of a reply was sent. */
  earn(): void {
    this.tokens = Math.min(FRAMES_BURST, this.tokens + EARNED_BY_REPLY);
  }

  /** What is to be sent was taken by the socket. */
  onTaken(): void {
    this.unanswered = 0;
  }

  /** One more such frame. False: too many, ENHANCE_YOUR_CALM. */
  trySpend(nowMs: number): boolean {
    const earned = ((nowMs - this.sinceMs) / 1000) * FRAMES_PER_SECOND;
    this.tokens = Math.min(FRAMES_BURST, this.tokens + earned);
    this.sinceMs = nowMs;
    this.spent += 1;
    this.unanswered += 1;
    if (this.tokens < 1 || this.unanswered > UNANSWERED_MAX) return false;
    this.tokens--;
    return true;
  }
}
