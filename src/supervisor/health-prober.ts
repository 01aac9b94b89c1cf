/**
 * Sends the health checks that upstreams ask for and tells the coordinator what they found.
 *
 * Thread: supervisor (on the main thread). Owns a timer and at most one probe in flight for each
 * checked target. The first probes go out at once, spread over a short while; each next one an
 * interval, changed at random, after the last has ended, so that probes of one target never
 * overlap and those of many do not march in step. Nothing here says when a target is healthy:
 * the coordinator counts, and its tables outlive it.
 */

import { defined } from '../base/assert.js';
import type { CompiledConfig, CompiledHealthCheck } from '../config/compiled-config.js';
import { type Probe, startProbe } from './health-probe.js';

/** The first probes of one upstream are spread over this time at most. */
const FIRST_SPREAD_MS = 500;

export interface HealthProberOptions {
  readonly config: CompiledConfig;
  /** CHECK_PASSED, or why it failed. */
  onResult(targetIndex: number, result: number): void;
  /** From 0 up to and without 1. */
  random(): number;
}

export class HealthProber {
  private readonly checks: readonly TargetCheck[];

  constructor(options: HealthProberOptions) {
    const { config } = options;
    this.checks = config.targets.flatMap((target) => {
      const upstream = defined(config.upstreams[target.upstreamIndex], 'the upstream');
      const rule = upstream.healthCheck;
      return rule === null ? [] : [new TargetCheck(target.index, rule, options)];
    });
  }

  start(): void {
    for (const check of this.checks) check.start();
  }

  /** No probe is sent or told of from here on. */
  stop(): void {
    for (const check of this.checks) check.stop();
  }
}

class TargetCheck {
  private timer: NodeJS.Timeout | null = null;
  private probe: Probe | null = null;
  private isStopped = false;
  private readonly send = (): void => this.sendProbe();

  constructor(
    private readonly targetIndex: number,
    private readonly rule: CompiledHealthCheck,
    private readonly options: HealthProberOptions,
  ) {}

  start(): void {
    const spreadMs = Math.min(FIRST_SPREAD_MS, this.rule.intervalMs / 2);
    this.wait(this.options.random() * spreadMs);
  }

  stop(): void {
    this.isStopped = true;
    if (this.timer !== null) clearTimeout(this.timer);
    this.probe?.cancel();
  }

  private wait(delayMs: number): void {
    this.timer = setTimeout(this.send, delayMs);
    this.timer.unref();
  }

  private sendProbe(): void {
    const { config } = this.options;
    const target = defined(config.targets[this.targetIndex], 'the target of a check');
    this.probe = startProbe(target, this.rule, (result) => this.onEnded(result));
  }

  private onEnded(result: number): void {
    this.probe = null;
    if (this.isStopped) return;
    this.options.onResult(this.targetIndex, result);
    const { intervalMs, jitterPercent } = this.rule;
    const jitter = ((this.options.random() * 2 - 1) * jitterPercent) / 100;
    this.wait(intervalMs * (1 + jitter));
  }
}
