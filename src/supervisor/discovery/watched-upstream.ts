/**
 * One upstream whose targets are found: what its source says, and what is made of it.
 *
 * Thread: supervisor (on the main thread). Owns the source, and the decision whether a sudden loss
 * is believed: a registry in trouble is no reason to lose targets. While the source fails, what is
 * known stays.
 */
import type { Logger } from 'pino';
import type { Clock, Timer } from '../../base/clock.js';
import type { CompiledDiscovery } from '../../config/compiled-discovery.js';
import { sourceInWords } from '../../config/compiled-discovery.js';
import type { DiscoveryStatus } from '../../observability/gateway-status.js';
import type { AddressSource, FoundTarget, SourceListener } from './address-source.js';
import { addressOf, type UpstreamRows } from './upstream-rows.js';

/** A loss of more than half of the targets is believed if the source says the same after this. */
const HOLD_MS = 10_000;

/** Addresses that one line of the log names; of more it has the number. */
const LOGGED_MAX = 20;

export interface WatchedUpstreamParts {
  readonly rows: UpstreamRows;
  readonly logger: Logger;
  readonly clock: Clock;
  makeSource(discovery: CompiledDiscovery, listener: SourceListener): AddressSource;
  /** Rows have changed; `hasLeft`: some target is gone. */
  onChange(hasLeft: boolean): void;
  /** The source has answered, or failed, for the first time. */
  onSettled(): void;
}

export class WatchedUpstream {
  private discovery: CompiledDiscovery | null = null;
  private source: AddressSource | null = null;
  private hold: Timer | null = null;
  /** The next list is believed, whatever it says. */
  private mustBelieve = false;
  /** Another source is asked than the one whose targets there are. */
  private awaitsOther = false;
  private last: readonly FoundTarget[] = [];
  private failure: string | null = null;
  private errors = 0;
  private changes = 0;
  private succeededMs = Number.NEGATIVE_INFINITY;
  private isSettled = false;

  constructor(
    readonly name: string,
    private readonly parts: WatchedUpstreamParts,
  ) {}

  /** If only that there are no targets. */
  get hasAnswered(): boolean {
    return Number.isFinite(this.succeededMs);
  }

  /** Asks as this configuration says. Targets stay until another source has answered. */
  adopt(rows: readonly number[], discovery: CompiledDiscovery): void {
    this.parts.rows.adopt(rows, discovery.targetsMax);
    const before = this.discovery;
    this.discovery = discovery;
    if (before !== null && JSON.stringify(before.source) === JSON.stringify(discovery.source)) {
      if (before.targetsMax !== discovery.targetsMax) this.apply(this.last);
      return;
    }
    this.awaitsOther = this.source !== null;
    this.source?.stop();
    this.endHold();
    const isOfThis = (): boolean => this.source === source;
    const source = this.parts.makeSource(discovery, {
      onTargets: (found) => isOfThis() && this.onTargets(found),
      onError: (reason) => isOfThis() && this.onError(reason),
    });
    this.source = source;
    source.start();
  }

  stop(): void {
    this.endHold();
    const { source } = this;
    this.source = null;
    source?.stop();
  }

  /** Returns the rows that have become free. */
  sweep(): number[] {
    const { rows, clock } = this.parts;
    if (rows.leavingCount === 0) return [];
    return rows.sweep(clock.nowMs());
  }

  /** Targets that wait get rows that have become free. */
  refill(): void {
    if (this.parts.rows.waiting > 0) this.apply(this.last);
  }

  status(): DiscoveryStatus {
    const { rows, clock } = this.parts;
    const ageMs = clock.nowMs() - this.succeededMs;
    return {
      upstream: this.name,
      source: this.discovery === null ? '' : sourceInWords(this.discovery.source),
      targets: rows.usedCount,
      waiting: rows.waiting,
      leaving: rows.leavingCount,
      isHolding: this.hold !== null || this.mustBelieve,
      failure: this.failure,
      errors: this.errors,
      changes: this.changes,
      ageMs: Number.isFinite(ageMs) ? ageMs : null,
    };
  }

  private onTargets(found: readonly FoundTarget[]): void {
    const { logger, clock, rows } = this.parts;
    if (this.failure !== null)
      logger.info({ upstream: this.name }, 'source of targets answers again');
    this.failure = null;
    this.succeededMs = clock.nowMs();
    const count = new Set(found.map(addressOf)).size;
    // What another source does not name is no loss; that it names nothing may be one.
    const isOther = this.awaitsOther && count > 0;
    if (isOther) this.awaitsOther = false;
    const isLoss = count * 2 < rows.usedCount && this.discovery?.trustsLoss === false;
    if (isLoss && !this.mustBelieve && !isOther) this.holdBack(found, count);
    else {
      this.endHold();
      this.apply(found);
    }
    this.settle();
  }

  /** Logs a failure once, not each time. */
  private onError(reason: string): void {
    const { logger, rows } = this.parts;
    this.errors += 1;
    const before = this.failure;
    this.failure = reason;
    if (before === null) {
      const told = { upstream: this.name, reason, targetsKept: rows.usedCount };
      logger.warn(told, 'source of targets cannot be asked');
    }
    this.settle();
  }

  /** What is new is used at once; what is missing stays until the source has been asked again. */
  private holdBack(found: readonly FoundTarget[], count: number): void {
    const { rows, logger, clock } = this.parts;
    if (this.hold === null) {
      const told = { upstream: this.name, targets: rows.usedCount, found: count };
      logger.warn(told, 'source of targets has lost more than half of them: waiting');
      this.hold = clock.after(HOLD_MS, () => {
        this.hold = null;
        this.mustBelieve = true;
        this.source?.lookAgain();
      });
    }
    this.apply([...found, ...rows.used]);
  }

  private endHold(): void {
    this.hold?.cancel();
    this.hold = null;
    this.mustBelieve = false;
  }

  private apply(found: readonly FoundTarget[]): void {
    const { rows, logger } = this.parts;
    const wasWaiting = rows.waiting > 0;
    this.last = found;
    const { entered, left, hasChanged } = rows.apply(found);
    if (rows.waiting > 0 && !wasWaiting) {
      const told = { upstream: this.name, used: rows.usedCount, waiting: rows.waiting };
      logger.warn(told, 'more targets are found than can be used');
    }
    if (!hasChanged) return;
    this.changes += 1;
    if (entered.length > 0 || left.length > 0) {
      const told = { upstream: this.name, appeared: few(entered), gone: few(left) };
      logger.info({ ...told, targets: rows.usedCount }, 'targets have changed');
    }
    this.parts.onChange(left.length > 0);
  }

  private settle(): void {
    if (this.isSettled) return;
    this.isSettled = true;
    this.parts.onSettled();
  }
}

function few(addresses: readonly string[]): readonly string[] {
  if (addresses.length <= LOGGED_MAX) return addresses;
  return [...addresses.slice(0, LOGGED_MAX), `and ${addresses.length - LOGGED_MAX} more`];
}
