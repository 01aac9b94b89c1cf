/**
 * A client that has closed its own side: it may still read, or be gone.
 *
 * Thread: acceptor. Which of both shows only when something is sent to it: who is gone answers with
 * a reset.
 */

/** After this long without anything to send such a client counts as gone. */
export const HALF_CLOSED_MS = 2000;

/** What is sent to it. */
interface Sending {
  readonly isBlocked: boolean;
  /** Whether something was written since the last call. */
  takeHasWritten(): boolean;
}

export class HalfClose {
  hasBegun = false;
  private sentMs = 0;

  begin(nowMs: number): void {
    this.hasBegun = true;
    this.sentMs = nowMs;
  }

  /** Called now and then. True: nothing has told for long that the client is there. */
  isGone(nowMs: number, sending: Sending): boolean {
    if (!this.hasBegun) return false;
    if (sending.takeHasWritten() || sending.isBlocked) this.sentMs = nowMs;
    return nowMs - this.sentMs >= HALF_CLOSED_MS;
  }
}
