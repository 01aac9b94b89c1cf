/**
 * Proxies that may say who their client is, by the settings of a listener.
 *
 * Thread: acceptor.
 */
import type { BlockList } from 'node:net';
import { familyOf } from '../base/ip-address.js';
import type { ListenerSettings } from '../config/listener-settings.js';
import { addressList } from './connection-rule.js';

export class TrustedPeers {
  private ranges: readonly string[] = [];
  private list: BlockList = addressList([]);

  has(address: string, { trustedProxies, address: bound }: ListenerSettings): boolean {
    // Who can open a Unix socket is on this machine, and may do so by the rights of its file.
    if (bound.kind === 'unix') return true;
    if (trustedProxies !== this.ranges) {
      this.ranges = trustedProxies;
      this.list = addressList(trustedProxies);
    }
    return this.list.check(address, familyOf(address));
  }
}
