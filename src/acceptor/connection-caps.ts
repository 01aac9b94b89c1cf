/**
 * Bounds how many connections are open, in all and from one address.
 *
 * Thread: acceptor. Owns the counts. An engine says when a connection opens and from which address;
 * when a connection closes, uWebSockets.js does not say which one. So the count of an address only
 * grows, and once it is near the cap the kernel is asked for the true number. Asking takes a tenth
 * of the time at most. IPv6 addresses are counted by /64, as everywhere in the gateway.
 */
import { networkOf } from '../base/ip-address.js';
import type { ConnectionFigures } from '../channel/acceptor/acceptor-figures.js';

/** How many connections are open now from each address (as text). */
export type ConnectionCensus = () => Promise<ReadonlyMap<string, number>>;

export interface ConnectionRule {
  /** Of all addresses together. */
  readonly connectionsMax: number;
  /** Of one address. */
  readonly perAddressMax: number;
  /** Whether the address is not capped: many clients share it. */
  isExempt(address: string): boolean;
}

export interface ConnectionCapsParts {
  readonly rule: ConnectionRule;
  /** null: this system does not say who is connected, and addresses are not capped. */
  readonly census: ConnectionCensus | null;
  nowMs(): number;
  /** Once for each time that an address runs into its cap. */
  onAddressFull(network: string): void;
  onError(error: unknown): void;
}

/** The part of the cap from which on the kernel is asked. */
const CENSUS_FROM = 0.75;
/** After a census the next one waits nine times as long as it took. */
const PAUSE_FACTOR = 9;
const PAUSE_MS_MIN = 100;

export class ConnectionCaps implements ConnectionFigures {
  open = 0;
  /** Refused since the start. */
  refusedInAll = 0;
  refusedOfAddress = 0;

  private counts = new Map<string, number>();
  /** Connections that have opened since the running census began; null: none runs. */
  private opened: Map<string, number> | null = null;
  private nextCensusMs = 0;
  private readonly full = new Set<string>();

  private rule: ConnectionRule;

  constructor(private readonly parts: ConnectionCapsParts) {
    this.rule = parts.rule;
  }

  adopt(rule: ConnectionRule): void {
    this.rule = rule;
  }

  /** A connection was opened. False: it must be closed at once; onClosed() follows even then. */
  onOpened(address: string): boolean {
    this.open++;
    const { rule } = this;
    const { census } = this.parts;
    if (this.open > rule.connectionsMax) {
      this.refusedInAll++;
      return false;
    }
    if (census === null || rule.isExempt(address)) return true;
    return this.countAddress(networkOf(address), census);
  }

  onClosed(): void {
    this.open--;
  }

  private countAddress(network: string, census: ConnectionCensus): boolean {
    const { perAddressMax } = this.rule;
    const count = (this.counts.get(network) ?? 0) + 1;
    // Addresses whose connections have closed stay in the map until a census removes them.
    const isCrowded = this.counts.size > this.rule.connectionsMax;
    if (count > perAddressMax * CENSUS_FROM || isCrowded) this.tryCensus(census);
    if (count > perAddressMax) {
      this.refusedOfAddress++;
      if (!this.full.has(network)) this.parts.onAddressFull(network);
      this.full.add(network);
      return false;
    }
    this.counts.set(network, count);
    if (this.opened !== null) this.opened.set(network, (this.opened.get(network) ?? 0) + 1);
    return true;
  }

  private tryCensus(census: ConnectionCensus): void {
    const beganMs = this.parts.nowMs();
    if (this.opened !== null || beganMs < this.nextCensusMs) return;
    this.opened = new Map();
    census()
      .then((found) => this.takeOver(found), this.parts.onError)
      .finally(() => {
        this.opened = null;
        const endedMs = this.parts.nowMs();
        const pauseMs = Math.max(PAUSE_MS_MIN, (endedMs - beganMs) * PAUSE_FACTOR);
        this.nextCensusMs = endedMs + pauseMs;
      });
  }

  private takeOver(found: ReadonlyMap<string, number>): void {
    const counts = new Map<string, number>();
    for (const part of [found, this.opened ?? []]) {
      for (const [address, count] of part) {
        const network = networkOf(address);
        counts.set(network, (counts.get(network) ?? 0) + count);
      }
    }
    this.counts = counts;
    for (const network of this.full) {
      if ((counts.get(network) ?? 0) < this.rule.perAddressMax) this.full.delete(network);
    }
  }
}
