/**
 * Watches request bodies on routes that bound how slow a body may be.
 *
 * Thread: worker. Owns one entry of the deadline wheel for each watched exchange.
 */
import { WINDOW_BYTES } from '../../channel/lane.js';
import type { UploadBounds } from '../../filters/filter.js';
import { UploadRule } from '../../filters/guards/upload-rule.js';
import { DeadlineEntry, type DeadlineWheel } from '../exchange/deadline-wheel.js';
import type { Exchange } from '../exchange/exchange.js';
import type { UploadBound } from '../exchange/upload.js';

/** Time between two checks of a body. */
const LOOK_MS = 500;

export interface UploadMonitorDeps {
  readonly wheel: DeadlineWheel;
  nowMs(): number;
  /** The body is too slow. */
  onSlow(exchange: Exchange): void;
}

export class UploadMonitor implements UploadBound {
  private readonly rule: UploadRule;
  private readonly entry: DeadlineEntry;

  constructor(
    private readonly deps: UploadMonitorDeps,
    private readonly exchange: Exchange,
    bounds: UploadBounds,
  ) {
    this.rule = new UploadRule(bounds, deps.nowMs());
    this.entry = new DeadlineEntry((nowMs) => this.look(nowMs));
    this.look(deps.nowMs());
  }

  stop(): void {
    this.deps.wheel.clear(this.entry);
  }

  private look(nowMs: number): void {
    const { received, uncredited } = this.exchange.upload;
    const isHeldUp = uncredited >= WINDOW_BYTES;
    const deadlineMs = this.rule.deadlineMs(nowMs, received, isHeldUp);
    if (deadlineMs <= nowMs) this.deps.onSlow(this.exchange);
    else this.deps.wheel.set(this.entry, Math.min(deadlineMs, nowMs + LOOK_MS));
  }
}
