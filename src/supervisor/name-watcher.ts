/**
 * Looks up the host names of targets again and again, and tells when they point elsewhere.
 *
 * Thread: supervisor (on the main thread). Owns the last addresses of each name, and a timer for
 * each. A name whose look-up fails keeps its addresses: a name server in trouble is no reason to
 * lose targets. The look-up of one name does not wait for that of another.
 */
import type { Logger } from 'pino';
import type { Clock } from '../base/clock.js';
import type { GatewaySettings } from '../config/compiled-config.js';
import type { TargetAddresses } from '../config/references/target-addresses.js';
import type { NameStatus } from '../observability/gateway-status.js';
import { type NameLookup, type NameRule, WatchedName } from './watched-name.js';

export interface NameWatcherOptions {
  readonly lookup: NameLookup;
  readonly logger: Logger;
  readonly clock: Clock;
  /**
   * Brings the addresses into force. Resolves with '', or with the reason why it failed. Never
   * rejects.
   */
  apply(): Promise<string>;
}

export class NameWatcher {
  private readonly watched = new Map<string, WatchedName>();
  private isStopped = false;
  private isApplying = false;
  private mustApply = false;
  /** Why the newest addresses are not in force; '' when they are. */
  private refusedFor = '';

  constructor(private readonly options: NameWatcherOptions) {}

  /** Watches the names of this configuration from now on, and looks new names up at once. */
  adopt(config: GatewaySettings): void {
    if (this.isStopped) return;
    const rules = rulesOf(config);
    for (const [name, watched] of this.watched) {
      if (rules.has(name)) continue;
      watched.stop();
      this.watched.delete(name);
    }
    for (const [name, rule] of rules) {
      const watched = this.watched.get(name) ?? this.watch(name);
      watched.adopt(rule);
    }
  }

  /** The last known addresses of all names. */
  get addresses(): TargetAddresses {
    const known = [...this.watched].filter(([, { addresses }]) => addresses.length > 0);
    return new Map(known.map(([name, { addresses }]) => [name, addresses]));
  }

  status(): NameStatus[] {
    return [...this.watched.values()].map((name) => name.status());
  }

  /** Ends all look-ups and reports. */
  stop(): void {
    this.isStopped = true;
    for (const watched of this.watched.values()) watched.stop();
  }

  private watch(name: string): WatchedName {
    const { lookup, logger, clock } = this.options;
    const watched = new WatchedName(name, {
      lookup,
      logger,
      clock,
      onLookedUp: (isChanged) => {
        // Addresses that were refused may be accepted now, for example because older requests have
        // ended.
        if (isChanged || this.refusedFor !== '') void this.apply();
      },
    });
    this.watched.set(name, watched);
    return watched;
  }

  /** Changes that come during an attempt come into force together. */
  private async apply(): Promise<void> {
    this.mustApply = true;
    if (this.isApplying) return;
    this.isApplying = true;
    while (this.mustApply && !this.isStopped) {
      this.mustApply = false;
      const reason = await this.options.apply();
      if (reason !== '' && reason !== this.refusedFor && !this.isStopped) {
        const message = 'addresses of targets refused, the old ones stay in force';
        this.options.logger.error({ reason }, message);
      }
      this.refusedFor = reason;
    }
    this.isApplying = false;
  }
}

/** A name of several upstreams is looked up at the shortest of their intervals. */
function rulesOf(config: GatewaySettings): Map<string, NameRule> {
  const rules = new Map<string, NameRule>();
  for (const { resolve } of config.upstreams) {
    if (resolve === null) continue;
    const { intervalMs, addressesMax } = resolve;
    for (const name of resolve.names) {
      const other = rules.get(name);
      rules.set(name, {
        intervalMs: Math.min(intervalMs, other?.intervalMs ?? intervalMs),
        addressesMax: Math.min(addressesMax, other?.addressesMax ?? addressesMax),
      });
    }
  }
  return rules;
}
