import { BlockList, isIPv6, SocketAddress } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatAddress } from '../../../src/base/ip-address.js';

function ofGroups(...groups: number[]): Uint8Array {
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
}

describe('address text', () => {
  it.each<[string, Uint8Array]>([
    ['127.0.0.1', Uint8Array.of(127, 0, 0, 1)],
    ['0.0.0.0', Uint8Array.of(0, 0, 0, 0)],
    ['255.255.255.255', Uint8Array.of(255, 255, 255, 255)],
    ['127.0.0.1', ofGroups(0, 0, 0, 0, 0, 0xffff, 0x7f00, 1)],
    ['::fffe:7f00:1', ofGroups(0, 0, 0, 0, 0, 0xfffe, 0x7f00, 1)],
    ['::1:0:ffff:7f00:1', ofGroups(0, 0, 0, 1, 0, 0xffff, 0x7f00, 1)],
    ['::', ofGroups(0, 0, 0, 0, 0, 0, 0, 0)],
    ['::1', ofGroups(0, 0, 0, 0, 0, 0, 0, 1)],
    ['1::', ofGroups(1, 0, 0, 0, 0, 0, 0, 0)],
    ['2001:db8::1', ofGroups(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)],
    // One group of zeros alone is not shortened; of two runs the longer one is, else the first.
    ['2001:db8:0:1:1:1:1:1', ofGroups(0x2001, 0xdb8, 0, 1, 1, 1, 1, 1)],
    ['2001:0:0:1::1', ofGroups(0x2001, 0, 0, 1, 0, 0, 0, 1)],
    ['2001:db8::1:0:0:1', ofGroups(0x2001, 0xdb8, 0, 0, 1, 0, 0, 1)],
  ])('is %s', (text, bytes) => {
    expect(formatAddress(bytes)).toBe(text);
  });

  it.each([0, 3, 5, 15, 17])('is empty for %i bytes', (length) => {
    expect(formatAddress(new Uint8Array(length))).toBe('');
  });

  it('names, for all 16 bytes, the same address as the system', () => {
    const groups = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), {
      minLength: 8,
      maxLength: 8,
    });
    fc.assert(
      fc.property(groups, (all) => {
        const text = formatAddress(ofGroups(...all));
        const list = new BlockList();
        const full = all.map((group) => group.toString(16)).join(':');
        list.addAddress(full, 'ipv6');
        const family = isIPv6(text) ? 'ipv6' : 'ipv4';
        expect(list.check(new SocketAddress({ address: text, family }))).toBe(true);
      }),
    );
  });
});
