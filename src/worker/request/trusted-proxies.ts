/**
 * Knows the trusted proxies, and which client is behind several of them.
 *
 * Thread: worker. What they tell is read from the right, and only what a trusted proxy has added is
 * believed: anything further left is the client's own claim.
 */
import { isIP } from 'node:net';
import { addressOf } from '../../base/ip-address.js';
import { AddressList } from '../../filters/address-list.js';

/** Knows which peers are trusted proxies. */
export class TrustedProxies {
  private readonly ranges: AddressList;
  private readonly isEmpty: boolean;

  /** `cidrs`: addresses or CIDR ranges, checked when the configuration was loaded. */
  constructor(cidrs: readonly string[]) {
    this.isEmpty = cidrs.length === 0;
    this.ranges = new AddressList(cidrs);
  }

  includes(address: string): boolean {
    if (this.isEmpty || address === '') return false;
    return this.ranges.includes(address);
  }

  /**
   * The client behind a peer, by the nodes that a field tells from the client on: the first one
   * from the right that is not a trusted proxy.
   */
  clientOf(peer: string, nodes: readonly string[]): string {
    const place = this.clientPlace(peer, nodes);
    return place === -1 ? peer : addressOf(nodes[place] ?? '');
  }

  /** Which of the nodes that is; -1: the peer itself. */
  clientPlace(peer: string, nodes: readonly string[]): number {
    let place = -1;
    if (!this.includes(peer)) return place;
    for (let at = nodes.length - 1; at >= 0; at--) {
      const node = addressOf(nodes[at] ?? '');
      if (isIP(node) === 0) return place;
      place = at;
      if (!this.includes(node)) return place;
    }
    return place;
  }
}
