import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TrustedProxies } from '../../../../src/worker/request/trusted-proxies.js';

const OURS = new TrustedProxies(['10.0.0.0/8', '192.0.2.7', '2001:db8::/32', '::1']);

describe('trusted proxies', () => {
  it.each([
    '10.0.0.0',
    '10.255.255.255',
    '192.0.2.7',
    '2001:db8::1',
    '2001:db8:ffff::',
    '::1',
    '::ffff:10.1.2.3',
  ])('include %s', (address) => {
    expect(OURS.includes(address)).toBe(true);
  });

  it.each(['9.255.255.255', '11.0.0.0', '192.0.2.6', '192.0.2.8', '2001:db9::', '::2', '', 'x'])(
    'do not include %j',
    (address) => {
      expect(OURS.includes(address)).toBe(false);
    },
  );

  it('are nobody when none is named', () => {
    const nobody = new TrustedProxies([]);
    expect(nobody.includes('127.0.0.1')).toBe(false);
    expect(nobody.clientOf('127.0.0.1', '6.6.6.6')).toBe('127.0.0.1');
  });

  it('may be everybody', () => {
    const everybody = new TrustedProxies(['0.0.0.0/0', '::/0']);
    expect(everybody.clientOf('127.0.0.1', '6.6.6.6, 7.7.7.7')).toBe('6.6.6.6');
    expect(everybody.clientOf('::5', 'fe80::1')).toBe('fe80::1');
  });
});

describe('the client', () => {
  it.each<[why: string, peer: string, forwardedFor: string, client: string]>([
    ['the peer without the field', '10.0.0.1', '', '10.0.0.1'],
    ['the peer that we do not trust', '8.8.8.8', '6.6.6.6', '8.8.8.8'],
    ['whom our proxy names', '10.0.0.1', '6.6.6.6', '6.6.6.6'],
    ['the last one that is not ours', '10.0.0.1', '1.1.1.1, 6.6.6.6, 10.0.0.2', '6.6.6.6'],
    ['not what the client claims', '10.0.0.1', '10.9.9.9, 6.6.6.6', '6.6.6.6'],
    ['the first when all are ours', '10.0.0.1', '10.0.0.3,10.0.0.2', '10.0.0.3'],
    ['our proxy when it says nonsense', '10.0.0.1', 'unknown', '10.0.0.1'],
    ['the proxy in front of nonsense', '10.0.0.1', '6.6.6.6, unknown, 10.0.0.2', '10.0.0.2'],
    ['not behind an empty element', '10.0.0.1', '6.6.6.6,', '10.0.0.1'],
    ['without spaces around', '10.0.0.1', '  6.6.6.6  ', '6.6.6.6'],
    ['without its port', '10.0.0.1', '6.6.6.6:1234', '6.6.6.6'],
    ['an IPv6 address', '10.0.0.1', '2001:db9::5', '2001:db9::5'],
    ['an IPv6 address in brackets', '10.0.0.1', '[2001:db9::5]', '2001:db9::5'],
    ['an IPv6 address with a port', '10.0.0.1', '[2001:db9::5]:443', '2001:db9::5'],
    ['an IPv4 address in IPv6', '10.0.0.1', '::ffff:6.6.6.6', '6.6.6.6'],
    ['an IPv4 address in IPv6, in upper case', '10.0.0.1', '::FFFF:6.6.6.6', '6.6.6.6'],
    ['behind our proxy in IPv6', '::1', '6.6.6.6, ::ffff:10.0.0.9', '6.6.6.6'],
    ['not an open bracket', '10.0.0.1', '[2001:db9::5', '10.0.0.1'],
    ['not a bracket with more behind it', '10.0.0.1', '[2001:db9::5]x', '10.0.0.1'],
    ['not an obfuscated name', '10.0.0.1', '_hidden', '10.0.0.1'],
    ['not a name with a port', '10.0.0.1', 'host:80', '10.0.0.1'],
  ])('is %s', (_why, peer, forwardedFor, client) => {
    expect(OURS.clientOf(peer, forwardedFor)).toBe(client);
  });

  it('is the peer or something the field named, whatever the field says', () => {
    const chars = fc.constantFrom(...'10.2,:[] afF%"x\t');
    const lists = fc.array(
      fc.oneof(fc.ipV4(), fc.ipV6(), fc.string({ unit: chars, maxLength: 12 })),
      { maxLength: 5 },
    );
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.constant('10.0.0.1')), lists, (peer, hops) => {
        const client = OURS.clientOf(peer, hops.join(','));
        const isNamed = hops.some((hop) => hop.includes(client));
        expect(client === peer || isNamed).toBe(true);
        if (!OURS.includes(peer)) expect(client).toBe(peer);
      }),
      { numRuns: 1000 },
    );
  });
});
