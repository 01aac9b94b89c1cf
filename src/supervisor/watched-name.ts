/**
 * One host name of targets: its look-ups and their results.
 *
 * Thread: supervisor (on the main thread). Owns a timer and at most one look-up in flight.
 */
import { ADDRCONFIG } from 'node:dns';
import { lookup } from 'node:dns/promises';
import type { Logger } from 'pino';
import type { Clock, Timer } from '../base/clock.js';
import { chooseAddresses, usableAddresses } from '../config/references/target-addresses.js';
import type { NameStatus } from '../observability/gateway-status.js';

/**
 * After a failed look-up the next one comes after this time, or after the interval if that is
 * shorter.
 */
const RETRY_MS_MAX = 5_000;

/** Finds all addresses of a name, in any order. Rejects when there is none. Always settles. */
export type NameLookup = (name: string) => Promise<readonly string[]>;

export interface NameRule {
  readonly intervalMs: number;
  readonly addressesMax: number;
}

export interface WatchedNameOptions {
  readonly lookup: NameLookup;
  readonly logger: Logger;
  readonly clock: Clock;
  onLookedUp(isChanged: boolean): void;
}

/**
 * Looks names up as the system does: the hosts file, then its name servers; no IPv6 addresses on a
 * machine without IPv6.
 */
export async function systemLookup(name: string): Promise<readonly string[]> {
  const found = await lookup(name, { all: true, hints: ADDRCONFIG });
  return found.map(({ address }) => address);
}

export class WatchedName {
  addresses: readonly string[] = [];
  private rule: NameRule = { intervalMs: 0, addressesMax: 0 };
  private timer: Timer | null = null;
  private isLooking = false;
  private isStopped = false;
  private endedMs = Number.NEGATIVE_INFINITY;
  private succeededMs = Number.NEGATIVE_INFINITY;
  private failure: string | null = null;
  private leftOut = 0;

  constructor(
    private readonly name: string,
    private readonly options: WatchedNameOptions,
  ) {}

  /**
   * Takes another rule: the next look-up comes an interval of this rule after the last. The first
   * one comes at once.
   */
  adopt(rule: NameRule): void {
    const { intervalMs, addressesMax } = this.rule;
    if (intervalMs === rule.intervalMs && addressesMax === rule.addressesMax) return;
    this.rule = rule;
    if (!this.isLooking) this.schedule();
  }

  stop(): void {
    this.isStopped = true;
    this.timer?.cancel();
  }

  status(): NameStatus {
    const ageMs = this.options.clock.nowMs() - this.succeededMs;
    return {
      name: this.name,
      addresses: this.addresses,
      leftOutCount: this.leftOut,
      failure: this.failure,
      ageMs: Number.isFinite(ageMs) ? ageMs : null,
    };
  }

  private schedule(): void {
    this.timer?.cancel();
    const { intervalMs } = this.rule;
    const waitMs = this.failure === null ? intervalMs : Math.min(intervalMs, RETRY_MS_MAX);
    const delayMs = Math.max(0, this.endedMs + waitMs - this.options.clock.nowMs());
    this.timer = this.options.clock.after(delayMs, () => void this.look());
  }

  private async look(): Promise<void> {
    this.isLooking = true;
    let isChanged = false;
    try {
      const found = usableAddresses(await this.options.lookup(this.name));
      if (this.isStopped) return;
      if (found.length === 0) throw new Error('no address that can be used');
      isChanged = this.take(found);
    } catch (error) {
      if (this.isStopped) return;
      this.fail(error);
    }
    this.isLooking = false;
    this.endedMs = this.options.clock.nowMs();
    this.schedule();
    this.options.onLookedUp(isChanged);
  }

  private take(found: readonly string[]): boolean {
    const { name, addresses: before } = this;
    const { logger } = this.options;
    if (this.failure !== null) logger.info({ name }, 'target name can be looked up again');
    this.failure = null;
    this.succeededMs = this.options.clock.nowMs();
    this.addresses = chooseAddresses(found, before, this.rule.addressesMax);
    const leftOut = found.length - this.addresses.length;
    if (leftOut > 0 && this.leftOut === 0) {
      const counted = { name, found: found.length, used: this.addresses.length };
      logger.warn(counted, 'target name has more addresses than can be used');
    }
    this.leftOut = leftOut;
    const appeared = this.addresses.filter((address) => !before.includes(address));
    const gone = before.filter((address) => !this.addresses.includes(address));
    const isChanged = appeared.length > 0 || gone.length > 0;
    if (isChanged) logger.info({ name, appeared, gone }, 'target name has new addresses');
    return isChanged;
  }

  /** Logs a failure once, not each time. */
  private fail(error: unknown): void {
    const before = this.failure;
    this.failure = reasonOf(error);
    if (before !== null) return;
    const { name, addresses } = this;
    const told = { err: error, name, addressesKept: addresses.length };
    this.options.logger.warn(told, 'target name cannot be looked up');
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error ? String(error.code) : error.message;
}
