/**
 * Ranges of IP addresses, and whether an address lies in one of them.
 *
 * Thread: any (pure).
 */
import { BlockList, isIP } from 'node:net';
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

/** The range in CIDR notation, a single address being a range of one; undefined: no range. */
export function normalizeAddressRange(text: string): string | undefined {
  const [address = '', length, ...rest] = text.split('/');
  const version = isIP(address);
  // A zone names an interface of one machine; ranges hold none.
  if (version === 0 || rest.length > 0 || address.includes('%')) return undefined;
  const lengthMax = version === 4 ? 32 : 128;
  if (length === undefined) return `${address}/${lengthMax}`;
  if (!/^(0|[1-9]\d{0,2})$/.test(length) || Number(length) > lengthMax) return undefined;
  return `${address}/${length}`;
}

/** What is wrong with a range, `quoted` being how it may be shown; undefined: it is one. */
export function addressRangeProblem(range: string, quoted: string): string | undefined {
  if (normalizeAddressRange(range) !== undefined) return undefined;
  return `must be an IP address or a CIDR range, not ${quoted}`;
}
