/**
 * How many connections may stand, in all and from one address.
 *
 * Thread: acceptor. Owns the counts. The library says when a connection opens and from where, but
 * of one that closes it does not say which it was. So an address is counted upwards only, and the
 * kernel is asked for the truth when that comes near the cap, never more often than costs a tenth
 * of the time. IPv6 addresses count by /64, like everywhere else.
 */
import { networkOf } from '../base/ip-address.js';

/** Connections by address (as text), as they stand now. */
export type ConnectionCensus = () => Promise<ReadonlyMap<string, number>>;

export interface ConnectionRule {
  /** In all. */
  readonly connectionsMax: number;
  /** Of one address. */
  readonly perAddressMax: number;
  /** Addresses that many clients come through. */
  isExempt(address: string): boolean;
}

export interface ConnectionCapsParts {
  readonly rule: ConnectionRule;
  /** null: not to be had here, and addresses are not capped. */
  readonly census: ConnectionCensus | null;
  nowMs(): number;
  /** Once for each time that an address runs into its cap. */
  onAddressFull(network: string): void;
  onError(error: unknown): void;
}

/** For /stats. */
export interface ConnectionFigures {
  readonly open: number;
  /** Refused since the start: there were too many in all, or of the address. */
  readonly refusedInAll: number;
  readonly refusedOfAddress: number;
}

/** Part of the cap from which on the truth is looked for. */
const CENSUS_FROM = 0.75;
/** The census may take a tenth of the time. */
const PAUSE_FACTOR = 9;
const PAUSE_MS_MIN = 100;

export class ConnectionCaps implements ConnectionFigures {
  open = 0;
  /** Refused since the start. */
  refusedInAll = 0;
  refusedOfAddress = 0;

  private counts = new Map<string, number>();
  /** Opened since the census under way began. */
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

  /** A connection was opened; false: it is to be closed at once. Either way onClosed follows. */
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
    // What is counted too much, after many have come and gone, must not gather for ever.
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
