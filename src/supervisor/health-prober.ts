/**
 * Sends the health checks that upstreams ask for, and tells the coordinator their results.
 *
 * Thread: supervisor (on the main thread). Owns a timer and at most one probe in flight for each
 * checked target. The first probes are sent at once, spread over a short time. Each next probe is
 * sent an interval, changed at random, after the last has ended: probes of one target never
 * overlap, and those of many targets do not come at the same moment. The coordinator decides when a
 * target is healthy, and its tables outlive this thread's state.
 */

import { defined } from '../base/assert.js';
import { byRow } from '../base/rows.js';
import type { CheckResult } from '../channel/coordinator/target-states.js';
import type {
  CompiledHealthCheck,
  CompiledTarget,
  CompiledUpstream,
  GatewaySettings,
} from '../config/compiled-config.js';
import type { CompiledTargetTls } from '../config/compiled-target-tls.js';
import type { WorkloadIdentity } from '../worker/upstream/workload-identity.js';
import { type Probe, type ProbedTarget, startProbe } from './health-probe.js';

/** The first probes of one upstream are spread over at most this time. */
const FIRST_SPREAD_MS = 500;
/** How soon a probe is tried that needs an identity which the gateway does not have. */
const IDENTITY_WAIT_MS = 250;

export interface HealthProberOptions {
  /** Who the gateway is for targets that are workloads. */
  readonly workload: WorkloadIdentity;
  /** CHECK_PASSED, or why it failed. */
  onResult(targetIndex: number, result: CheckResult): void;
  /** From 0 (included) to 1 (excluded). */
  random(): number;
}

/** What a target is checked by, in one text. */
interface NamedCheck {
  readonly rule: CompiledHealthCheck;
  readonly tls: CompiledTargetTls | null;
  readonly protocol: string;
  readonly name: string;
}

export class HealthProber {
  /** By what is checked, and how. */
  private checks = new Map<string, TargetCheck>();
  private readonly names = new WeakMap<CompiledTarget, NamedCheck>();

  constructor(private readonly options: HealthProberOptions) {}

  /**
   * Sends the probes that this configuration asks for. Checks that stay the same go on undisturbed.
   */
  adopt(config: GatewaySettings): void {
    const before = this.checks;
    this.checks = new Map();
    const upstreams = byRow(config.upstreams);
    for (const target of config.targets) {
      const upstream = defined(upstreams[target.upstreamIndex], 'the upstream');
      const rule = upstream.healthCheck;
      if (rule === null) continue;
      const tls = upstream.tls[target.tlsPlace] ?? null;
      const { protocol } = upstream;
      const name = this.nameOf(target, tls, upstream, rule);
      const kept = before.get(name);
      const check = kept ?? this.checkOf({ target, tls, protocol }, rule);
      this.checks.set(name, check);
      before.delete(name);
      if (kept === undefined) check.start();
    }
    for (const check of before.values()) check.stop();
  }

  private checkOf(probed: Omit<ProbedTarget, 'workload'>, rule: CompiledHealthCheck): TargetCheck {
    const { options } = this;
    return new TargetCheck({ ...probed, workload: options.workload }, rule, options);
  }

  /** Made anew only for what has changed: targets that are found change often, one by one. */
  private nameOf(
    target: CompiledTarget,
    tls: CompiledTargetTls | null,
    { protocol }: CompiledUpstream,
    rule: CompiledHealthCheck,
  ): string {
    const before = this.names.get(target);
    if (before?.rule === rule && before.tls === tls && before.protocol === protocol) {
      return before.name;
    }
    const { index, origin, authority, serverName } = target;
    const parts = [index, origin, authority, serverName, tls?.digest ?? '', protocol, rule];
    const name = JSON.stringify(parts);
    this.names.set(target, { rule, tls, protocol, name });
    return name;
  }

  /** Sends no further probe, and reports no further result. */
  stop(): void {
    for (const check of this.checks.values()) check.stop();
  }
}

class TargetCheck {
  private timer: NodeJS.Timeout | null = null;
  private probe: Probe | null = null;
  private isStopped = false;
  private readonly send = (): void => this.sendProbe();

  constructor(
    private readonly probed: ProbedTarget,
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

  /** Without an identity nothing can be said of the target. */
  private sendProbe(): void {
    const spiffe = this.probed.tls?.spiffe ?? null;
    if (spiffe !== null && this.probed.workload.lackFor(spiffe) !== '') {
      this.wait(IDENTITY_WAIT_MS);
      return;
    }
    this.probe = startProbe(this.probed, this.rule, (result) => this.onEnded(result));
  }

  private onEnded(result: CheckResult): void {
    this.probe = null;
    if (this.isStopped) return;
    this.options.onResult(this.probed.target.index, result);
    const { intervalMs, jitterPercent } = this.rule;
    const jitter = ((this.options.random() * 2 - 1) * jitterPercent) / 100;
    this.wait(intervalMs * (1 + jitter));
  }
}
