/**
 * How long the queue of one lane is: requests that its worker has not read, and for how long the
 * oldest of them has waited.
 *
 * Thread: acceptor. Owns a mark: a request whose reading is waited for. Its age is that of the
 * oldest or less. How far the worker is, is looked at once in a turn: that memory is the worker's,
 * and to look at it for each request would slow both down.
 */
import type { LaneStatus } from '../channel/lane-status.js';

export interface QueueRule {
  /** Requests that may be unread. */
  readonly depthMax: number;
  /** How long they may be unread. */
  readonly waitMsMax: number;
}

export class LaneQueue {
  private sent = 0;
  private read = 0;
  private marked = 0;
  private markedMs: number;
  private waitMs = 0;

  constructor(
    private readonly status: LaneStatus,
    private readonly rule: QueueRule,
    nowMs: number,
  ) {
    this.markedMs = nowMs;
  }

  onSent(): void {
    this.sent = (this.sent + 1) | 0;
  }

  /** Once in a turn: looks at how far the worker is. */
  look(nowMs: number): void {
    this.read = this.status.headsRead;
    if (((this.read - this.marked) | 0) >= 0) {
      this.marked = this.sent;
      this.markedMs = nowMs;
    }
    this.waitMs = nowMs - this.markedMs;
  }

  get depth(): number {
    return (this.sent - this.read) | 0;
  }

  /** No more requests should come here. */
  get isFull(): boolean {
    return this.waitMs > this.rule.waitMsMax || this.depth >= this.rule.depthMax;
  }

  /** 0: empty; 1: full. */
  get fill(): number {
    return Math.max(this.waitMs / this.rule.waitMsMax, this.depth / this.rule.depthMax);
  }
}
