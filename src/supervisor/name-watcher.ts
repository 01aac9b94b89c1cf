/**
 * Looks the host names of targets up, again and again, and tells when they point elsewhere.
 *
 * Thread: supervisor (on the main thread). Owns a timer and what it found last. A name that cannot
 * be looked up keeps the addresses that it had: an ill name server is no reason to lose targets.
 */
import type { LookupAddress } from 'node:dns';
import { lookup } from 'node:dns/promises';
import type { Logger } from 'pino';
import type { CompiledConfig } from '../config/compiled-config.js';
import type { TargetAddresses } from '../config/target-addresses.js';

/** All addresses of a name, in any order. Rejects when there are none. */
export type NameLookup = (name: string) => Promise<readonly string[]>;

export interface NameWatcherOptions {
  readonly lookup: NameLookup;
  readonly logger: Logger;
  /** The names in use point to these addresses now. False: that could not come into force. */
  onChanged(addresses: TargetAddresses): Promise<boolean>;
}

/** As the system does it: the hosts file, then its name servers. */
export async function systemLookup(name: string): Promise<readonly string[]> {
  const found: readonly LookupAddress[] = await lookup(name, { all: true });
  return found.map(({ address }) => address);
}

export class NameWatcher {
  private names: readonly string[] = [];
  private intervalMs = 0;
  private timer: NodeJS.Timeout | null = null;
  private isLooking = false;
  private isStopped = false;
  private known = new Map<string, readonly string[]>();
  /** What is in force, as text. */
  private applied = '';

  constructor(private readonly options: NameWatcherOptions) {}

  /** Watches the names of this configuration from now on, and looks at once if some are new. */
  use(config: CompiledConfig): void {
    const watched = config.upstreams.filter(({ resolveMs }) => resolveMs > 0);
    const names = new Set(watched.flatMap((upstream) => upstream.names));
    const isNew = [...names].some((name) => !this.known.has(name));
    this.names = [...names].sort();
    this.intervalMs = Math.min(...watched.map(({ resolveMs }) => resolveMs));
    for (const name of this.known.keys()) if (!names.has(name)) this.known.delete(name);
    if (this.names.length > 0 && (isNew || this.timer === null)) this.schedule(0);
  }

  stop(): void {
    this.isStopped = true;
    if (this.timer !== null) clearTimeout(this.timer);
  }

  private schedule(delayMs: number): void {
    if (this.isStopped) return;
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.look(), delayMs).unref();
  }

  private async look(): Promise<void> {
    if (this.isLooking) return;
    this.isLooking = true;
    try {
      await Promise.all(this.names.map((name) => this.lookUp(name)));
      await this.tellIfChanged();
    } finally {
      this.isLooking = false;
      if (this.names.length > 0) this.schedule(this.intervalMs);
    }
  }

  private async lookUp(name: string): Promise<void> {
    try {
      const found = await this.options.lookup(name);
      // In one order, whatever order the name server likes today.
      if (found.length > 0) this.known.set(name, [...new Set(found)].sort());
    } catch (error) {
      this.options.logger.warn({ err: error, name }, 'target name cannot be looked up');
    }
  }

  private async tellIfChanged(): Promise<void> {
    const found = JSON.stringify([...this.known].sort());
    if (this.isStopped || this.known.size === 0 || found === this.applied) return;
    if (await this.options.onChanged(new Map(this.known))) this.applied = found;
  }
}
