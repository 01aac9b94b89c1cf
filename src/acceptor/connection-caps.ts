/**
 * Bounds how many connections are open, in all and from one address.
 *
 * Thread: acceptor. Owns the counts. An engine says when a connection opens and from which address,
 * and most say when which one closes: those counts are exact. When a connection of uWebSockets.js
 * closes, nobody says which one. So such a count of an address only grows, and once it is near the
 * cap the kernel is asked for the true number. Asking takes a tenth of the time at most. IPv6
 * addresses are counted by /64, as everywhere in the gateway.
 *
 * Caps are those of the process. Where there are several acceptors each adds what the others have:
 * of all connections exactly, of an address by channel/acceptor/address-counts.ts. A connection
 * that is refused counts until it is closed, which is in the same turn of the event loop.
 */
import { networkOf } from '../base/ip-address.js';
import type { ConnectionFigures } from '../channel/acceptor/acceptor-figures.js';
import type { AcceptorLoads } from '../channel/acceptor/acceptor-loads.js';
import type { AddressCounts } from '../channel/acceptor/address-counts.js';

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
  /** Where several acceptors count theirs; absent: there is one. */
  readonly loads?: AcceptorLoads | undefined;
  /** Connections of each address at other acceptors; absent or null: there are no others. */
  readonly addresses?: AddressCounts | null | undefined;
  nowMs(): number;
  /** Once for each time that an address runs into its cap. */
  onAddressFull(network: string): void;
  onError(error: unknown): void;
}

/** The part of the cap from which on the kernel is asked, and below which an address is calm. */
const CENSUS_FROM = 0.75;
/** After a census the next one waits nine times as long as it took. */
const PAUSE_FACTOR = 9;
const PAUSE_MS_MIN = 100;
/** Addresses at their caps that are remembered, so that each is told of once. */
const FULL_MAX = 1024;

export class ConnectionCaps implements Omit<ConnectionFigures, 'taken'> {
  open = 0;
  /** What holds besides the rule, of all addresses together. */
  shortageMax = Number.POSITIVE_INFINITY;
  /** Refused since the start. */
  refusedInAll = 0;
  refusedOfAddress = 0;

  /** Of engines that say which connection closes. */
  private readonly exact = new Map<string, number>();
  /** Of an engine that does not. */
  private counts = new Map<string, number>();
  /** null: this system does not say who is connected, and those addresses are not capped. */
  private census: ConnectionCensus | null = null;
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

  /** Says who is connected by an engine that does not say which connection closes. */
  useCensus(census: ConnectionCensus | null): void {
    this.census = census;
  }

  /**
   * A connection was opened. False: it must be closed at once; onClosed() follows even then.
   * `isExact`: with the address. `isProxy`: by the listener it is that of many clients.
   */
  onOpened(address: string, isExact: boolean, isProxy = false): boolean {
    this.open++;
    const { rule, census } = this;
    const network = isExact || census !== null ? networkOf(address) : '';
    const others = isExact ? this.raiseExact(network) : 0;
    const all = this.openOfAll;
    if (all > Math.min(rule.connectionsMax, this.shortageMax)) {
      this.refusedInAll++;
      return false;
    }
    if (isProxy || rule.isExempt(address)) return true;
    if (isExact) return this.admitsExact(network, others);
    return census === null || this.countAddress(network, census);
  }

  /** Connections of all acceptors. */
  get openOfAll(): number {
    const { open, parts } = this;
    return parts.loads?.setOpen(open) ?? open;
  }

  /** '': nobody knows which connection it was. */
  onClosed(address: string): void {
    this.open--;
    this.parts.loads?.setOpen(this.open);
    if (address === '') return;
    const network = networkOf(address);
    this.lowerExact(network);
    // A client that opens and closes at its cap is told of once.
    if (this.full.has(network) && this.isCalm(network)) this.full.delete(network);
  }

  /** Returns how many connections the address has at other acceptors. */
  private raiseExact(network: string): number {
    this.exact.set(network, (this.exact.get(network) ?? 0) + 1);
    return this.parts.addresses?.raise(network) ?? 0;
  }

  private lowerExact(network: string): void {
    const count = this.exact.get(network);
    if (count === undefined) return;
    if (count > 1) this.exact.set(network, count - 1);
    else this.exact.delete(network);
    this.parts.addresses?.lower(network);
  }

  private isCalm(network: string): boolean {
    const others = this.parts.addresses?.ofOthers(network) ?? 0;
    const count = (this.exact.get(network) ?? 0) + others;
    return count < this.rule.perAddressMax * CENSUS_FROM;
  }

  private admitsExact(network: string, others: number): boolean {
    const own = (this.exact.get(network) ?? 0) + (this.counts.get(network) ?? 0);
    return own + others <= this.rule.perAddressMax || this.refuseAddress(network);
  }

  private refuseAddress(network: string): false {
    this.refusedOfAddress++;
    if (!this.full.has(network)) this.parts.onAddressFull(network);
    if (this.full.size >= FULL_MAX) this.full.clear();
    this.full.add(network);
    return false;
  }

  private countAddress(network: string, census: ConnectionCensus): boolean {
    const { perAddressMax } = this.rule;
    const count = (this.counts.get(network) ?? 0) + 1;
    // Addresses whose connections have closed stay in the map until a census removes them.
    const isCrowded = this.counts.size > this.rule.connectionsMax;
    if (count > perAddressMax * CENSUS_FROM || isCrowded) this.tryCensus(census);
    const inAll = count + (this.exact.get(network) ?? 0);
    if (inAll > perAddressMax) return this.refuseAddress(network);
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
