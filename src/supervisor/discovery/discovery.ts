/**
 * Finds the targets of all upstreams that ask for it, and tells whoever uses them.
 *
 * Thread: supervisor (on the main thread). Owns a source for each such upstream. A change of
 * addresses makes no version of the configuration: it goes into rows that the upstream has already
 * (channel/coordinator/target-slots.ts).
 */
import type { Logger } from 'pino';
import type { Clock, Timer } from '../../base/clock.js';
import { TargetSlotWriter } from '../../channel/coordinator/target-slots.js';
import type { GatewaySettings } from '../../config/compiled-config.js';
import type { CompiledDiscovery } from '../../config/compiled-discovery.js';
import type { DiscoveryStatus } from '../../observability/gateway-status.js';
import type { AddressSource, SourceListener } from './address-source.js';
import { UpstreamRows } from './upstream-rows.js';
import { WatchedUpstream } from './watched-upstream.js';

/** How often rows are looked at whose targets leave. */
const SWEEP_MS = 500;

export interface DiscoveryParts {
  readonly slots: SharedArrayBuffer;
  readonly logger: Logger;
  readonly clock: Clock;
  makeSource(discovery: CompiledDiscovery, listener: SourceListener): AddressSource;
  /** Tries at the target of a row. */
  inFlightOf(row: number): number;
  /** Rows have changed, once for all changes of one turn; `hasLeft`: some target is gone. */
  onChange(hasLeft: boolean): void;
  /** Nobody knows the targets of these rows any more. */
  onFreed(rows: readonly number[]): void;
}

export class Discovery {
  private readonly watched = new Map<string, WatchedUpstream>();
  private readonly slots: TargetSlotWriter;
  private readonly unsettled = new Set<string>();
  private onAllSettled: () => void = () => {};
  private sweeper: Timer | null = null;
  private isStopped = false;
  private isTelling = false;
  private hasLeft = false;

  constructor(private readonly parts: DiscoveryParts) {
    this.slots = new TargetSlotWriter(parts.slots);
  }

  /** Looks for the targets of this configuration from now on. */
  adopt({ upstreams }: Pick<GatewaySettings, 'upstreams'>): void {
    if (this.isStopped) return;
    const found = upstreams.filter(({ discovery }) => discovery !== null);
    const names = new Set(found.map(({ name }) => name));
    for (const [name, watched] of this.watched) {
      if (names.has(name)) continue;
      watched.stop();
      this.watched.delete(name);
      this.onSettled(name);
    }
    this.look(found);
  }

  /** Looks for the targets of upstreams that are new in this configuration, and leaves others. */
  addNew({ upstreams }: Pick<GatewaySettings, 'upstreams'>): void {
    if (!this.isStopped) this.look(upstreams.filter(({ name }) => !this.watched.has(name)));
  }

  private look(upstreams: GatewaySettings['upstreams']): void {
    for (const { name, discovery, targetIndexes } of upstreams) {
      if (discovery === null) continue;
      const watched = this.watched.get(name) ?? this.watch(name);
      watched.adopt(targetIndexes, discovery);
    }
    if (this.watched.size > 0) this.startSweeping();
  }

  /** Resolves when each source has answered or failed once, or this time is over. */
  settled(waitMs: number): Promise<void> {
    if (this.unsettled.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.parts.clock.after(waitMs, resolve);
      this.onAllSettled = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  /** Upstreams whose sources have never answered. */
  get unanswered(): string[] {
    return [...this.watched.values()].filter((one) => !one.hasAnswered).map(({ name }) => name);
  }

  status(): DiscoveryStatus[] {
    return [...this.watched.values()].map((one) => one.status());
  }

  /** Asks nobody any more. */
  stop(): void {
    this.isStopped = true;
    this.sweeper?.cancel();
    for (const watched of this.watched.values()) watched.stop();
  }

  private watch(name: string): WatchedUpstream {
    const { logger, clock, makeSource, inFlightOf } = this.parts;
    this.unsettled.add(name);
    const watched = new WatchedUpstream(name, {
      rows: new UpstreamRows(this.slots, inFlightOf),
      logger,
      clock,
      makeSource,
      onChange: (hasLeft) => this.tell(hasLeft),
      onSettled: () => this.onSettled(name),
    });
    this.watched.set(name, watched);
    return watched;
  }

  private onSettled(name: string): void {
    this.unsettled.delete(name);
    if (this.unsettled.size === 0) this.onAllSettled();
  }

  /** Changes of one turn are told together. */
  private tell(hasLeft: boolean): void {
    this.hasLeft ||= hasLeft;
    if (this.isTelling) return;
    this.isTelling = true;
    this.parts.clock.afterTurn(() => {
      this.isTelling = false;
      const { hasLeft: mustDrop } = this;
      this.hasLeft = false;
      if (!this.isStopped) this.parts.onChange(mustDrop);
    });
  }

  private startSweeping(): void {
    this.sweeper ??= this.parts.clock.every(SWEEP_MS, () => {
      const freed = [...this.watched.values()].flatMap((one) => one.sweep());
      if (freed.length === 0) return;
      this.parts.onFreed(freed);
      for (const one of this.watched.values()) one.refill();
    });
  }
}
