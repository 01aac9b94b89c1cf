/**
 * When a body is too slow, or too large.
 *
 * Thread: any (pure). Time arrives as nowMs. Time in which the client could send nothing, since the
 * target took nothing, is not the client's: it is added to every deadline.
 */
import { PROBLEMS } from '../../base/problems.js';
import type { UploadBounds } from '../filter.js';
import { type LocalReply, refusal } from '../local-reply.js';

export class UploadRule {
  private excusedMs = 0;
  private checkedMs: number;

  constructor(
    private readonly bounds: UploadBounds,
    private readonly beganMs: number,
  ) {
    this.checkedMs = beganMs;
  }

  /**
   * Looks at the body. `isHeldUp`: the client has no room to send. Returns when it is too late
   * unless more comes; that may be in the past.
   */
  deadlineMs(nowMs: number, receivedBytes: number, isHeldUp: boolean): number {
    if (isHeldUp) this.excusedMs += nowMs - this.checkedMs;
    this.checkedMs = nowMs;
    const { bodyTimeoutMs, minBytesPerSecond, graceMs } = this.bounds;
    const total = bodyTimeoutMs === 0 ? Number.POSITIVE_INFINITY : bodyTimeoutMs;
    const byRate =
      minBytesPerSecond === 0
        ? Number.POSITIVE_INFINITY
        : graceMs + (receivedBytes * 1000) / minBytesPerSecond;
    return this.beganMs + this.excusedMs + Math.min(total, byRate);
  }
}

/** Whether bodies are watched while they come. */
export function hasUploadRule({ bodyTimeoutMs, minBytesPerSecond }: UploadBounds): boolean {
  return bodyTimeoutMs > 0 || minBytesPerSecond > 0;
}

/** What a body gets that turns out too large on the way. */
export function bodyTooLarge(bodyBytes: number): LocalReply {
  const detail = `This route takes bodies of up to ${bodyBytes} bytes.`;
  return refusal(PROBLEMS.bodyTooLarge, detail);
}
