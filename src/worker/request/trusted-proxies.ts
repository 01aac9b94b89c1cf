/**
 * Finds the client's address when the client comes through trusted proxies.
 *
 * Thread: worker. X-Forwarded-For is read from the right, and only what a trusted proxy has added
 * is believed: anything further left is the client's own claim.
 */
import { isIP } from 'node:net';
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

  /** The client: the first address from the right that is not a trusted proxy. */
  clientOf(peer: string, forwardedFor: string): string {
    if (forwardedFor === '' || !this.includes(peer)) return peer;
    const hops = forwardedFor.split(',').map((hop) => hop.trim());
    let client = peer;
    for (let at = hops.length - 1; at >= 0; at--) {
      const hop = addressOf(hops[at] ?? '');
      if (isIP(hop) === 0) return client;
      client = hop;
      if (!this.includes(hop)) return client;
    }
    return client;
  }
}

/**
 * The address without a port. An IPv4 address in IPv6 form (::ffff:a.b.c.d) becomes IPv4, as for a
 * peer.
 */
function addressOf(hop: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(hop)?.[1];
  if (bracketed === undefined && hop.indexOf(':') === hop.lastIndexOf(':')) {
    return hop.split(':')[0] ?? '';
  }
  const address = bracketed ?? hop;
  return /^::ffff:([\d.]+)$/i.exec(address)?.[1] ?? address;
}
