/**
 * How long the queue of one lane is: how many requests its worker has not read, and for how long
 * the oldest of them has waited.
 *
 * Thread: acceptor. Owns a mark: one request that the worker has not read yet. The oldest unread
 * request has waited at least as long as the marked one. The acceptor looks once in a turn at how
 * far the worker has read: the worker writes that memory, and a look for each request would slow
 * both threads down.
 */
import { type LaneStatus, PRESSURE_FULL } from '../channel/lane-status.js';

export interface QueueRule {
  /** How many requests may be unread. */
  readonly depthMax: number;
  /** How long a request may be unread, in milliseconds. */
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

  /** Called once in a turn: looks at how far the worker has read. */
  look(nowMs: number): void {
    this.read = this.status.headsRead;
    if (((this.read - this.marked) | 0) >= 0) this.markAnew(nowMs);
    this.waitMs = nowMs - this.markedMs;
  }

  /** What has been sent up to now waits from now on. */
  markAnew(nowMs: number): void {
    this.marked = this.sent;
    this.markedMs = nowMs;
    this.waitMs = 0;
  }

  /** Tells the worker how full the gateway is. `otherwise`: by anything else, from 0 to 1. */
  tellPressure(otherwise: number): void {
    this.status.setPressure(Math.round(Math.max(otherwise, this.fill) * PRESSURE_FULL));
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
