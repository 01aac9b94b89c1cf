/**
 * Whether an address lies in one of some ranges.
 *
 * Thread: any (pure).
 */
import { BlockList } from 'node:net';
import { familyOf } from '../base/ip-address.js';

export class AddressList {
  private readonly list = new BlockList();

  /** `ranges`: addresses or CIDR ranges, checked when the configuration was loaded. */
  constructor(ranges: readonly string[]) {
    for (const range of ranges) {
      const [address = '', length] = range.split('/');
      const family = familyOf(address);
      this.list.addSubnet(address, Number(length ?? (family === 'ipv6' ? 128 : 32)), family);
    }
  }

  /** `address` must be a valid address. */
  includes(address: string): boolean {
    return this.list.check(address, familyOf(address));
  }
}
