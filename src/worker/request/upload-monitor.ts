/**
 * Watches bodies that are on their way, on routes that bound how slow they may be.
 *
 * Thread: worker. Owns nothing between two looks but the exchange's own watch.
 */
import { WINDOW_BYTES } from '../../channel/lane.js';
import type { CompiledGuards } from '../../filters/guards/options.js';
import { UploadRule } from '../../filters/guards/upload-rule.js';
import { DeadlineEntry, type DeadlineWheel } from '../deadline-wheel.js';
import type { Exchange } from '../exchange.js';

/** How often it is looked whether a client is held up. */
const LOOK_MS = 500;

export interface UploadMonitorDeps {
  readonly wheel: DeadlineWheel;
  nowMs(): number;
  /** The body is too slow. */
  onSlow(exchange: Exchange): void;
}

export class UploadMonitor {
  private readonly rule: UploadRule;
  private readonly entry: DeadlineEntry;

  constructor(
    private readonly deps: UploadMonitorDeps,
    private readonly exchange: Exchange,
    guards: CompiledGuards,
  ) {
    this.rule = new UploadRule(guards, deps.nowMs());
    this.entry = new DeadlineEntry((nowMs) => this.look(nowMs));
    this.look(deps.nowMs());
  }

  /** The body is complete, or nobody waits for it any more. */
  stop(): void {
    this.deps.wheel.clear(this.entry);
  }

  private look(nowMs: number): void {
    const { bodyReceived, bodyCredited } = this.exchange;
    const isHeldUp = bodyReceived - bodyCredited >= WINDOW_BYTES;
    const deadlineMs = this.rule.deadlineMs(nowMs, bodyReceived, isHeldUp);
    if (deadlineMs <= nowMs) this.deps.onSlow(this.exchange);
    else this.deps.wheel.set(this.entry, Math.min(deadlineMs, nowMs + LOOK_MS));
  }
}
