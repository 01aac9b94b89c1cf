/**
 * When a body is too slow.
 *
 * Thread: any (pure). Time arrives as nowMs. Time in which the client could send nothing, since the
 * target took nothing, is not the client's: it is added to every deadline.
 */
import type { CompiledGuards } from './options.js';

export class UploadRule {
  private excusedMs = 0;
  private checkedMs: number;

  constructor(
    private readonly guards: CompiledGuards,
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
    const { bodyTimeoutMs, minBytesPerSecond, graceMs } = this.guards;
    const total = bodyTimeoutMs === 0 ? Number.POSITIVE_INFINITY : bodyTimeoutMs;
    const byRate =
      minBytesPerSecond === 0
        ? Number.POSITIVE_INFINITY
        : graceMs + (receivedBytes * 1000) / minBytesPerSecond;
    return this.beganMs + this.excusedMs + Math.min(total, byRate);
  }
}

/** Whether bodies are watched while they come. */
export function hasUploadRule({ bodyTimeoutMs, minBytesPerSecond }: CompiledGuards): boolean {
  return bodyTimeoutMs > 0 || minBytesPerSecond > 0;
}
