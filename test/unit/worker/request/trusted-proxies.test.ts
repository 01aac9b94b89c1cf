import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RequestFields } from '../../../../src/worker/exchange/request-fields.js';
import { ClientAddress, forwardedNodes } from '../../../../src/worker/request/client-address.js';
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
    expect(nobody.clientOf('127.0.0.1', ['6.6.6.6'])).toBe('127.0.0.1');
  });

  it('may be everybody', () => {
    const everybody = new TrustedProxies(['0.0.0.0/0', '::/0']);
    expect(everybody.clientOf('127.0.0.1', ['6.6.6.6', '7.7.7.7'])).toBe('6.6.6.6');
    expect(everybody.clientOf('::5', ['fe80::1'])).toBe('fe80::1');
  });
});

/** The client as the field of this name tells it. */
function clientBy(field: string, peer: string, given: Readonly<Record<string, string>>): string {
  const parts = ['GET', '/', peer, 'http', ...Object.entries(given).flat()];
  return new ClientAddress(OURS, field).of(peer, new RequestFields(parts));
}

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
    expect(clientBy('', peer, { 'x-forwarded-for': forwardedFor })).toBe(client);
  });

  it('is the peer or something the field named, whatever the field says', () => {
    const chars = fc.constantFrom(...'10.2,:[] afF%"x\t');
    const lists = fc.array(
      fc.oneof(fc.ipV4(), fc.ipV6(), fc.string({ unit: chars, maxLength: 12 })),
      { maxLength: 5 },
    );
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.constant('10.0.0.1')), lists, (peer, hops) => {
        const client = clientBy('', peer, { 'x-forwarded-for': hops.join(',') });
        const isNamed = hops.some((hop) => hop.includes(client));
        expect(client === peer || isNamed).toBe(true);
        if (!OURS.includes(peer)) expect(client).toBe(peer);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('the field that tells the client', () => {
  const PROXY = '10.0.0.1';

  it('is Forwarded by default where a request has no X-Forwarded-For', () => {
    const both = { 'x-forwarded-for': '6.6.6.6', forwarded: 'for=7.7.7.7' };
    expect(clientBy('', PROXY, both)).toBe('6.6.6.6');
    expect(clientBy('', PROXY, { forwarded: 'for=7.7.7.7;proto=https' })).toBe('7.7.7.7');
    expect(clientBy('', '8.8.8.8', { forwarded: 'for=7.7.7.7' })).toBe('8.8.8.8');
    expect(clientBy('forwarded', PROXY, both)).toBe('7.7.7.7');
    expect(clientBy('x-forwarded-for', PROXY, { forwarded: 'for=7.7.7.7' })).toBe(PROXY);
  });

  it.each<[forwarded: string, client: string]>([
    ['for=1.1.1.1, for=6.6.6.6, for=10.0.0.2', '6.6.6.6'],
    ['FOR="6.6.6.6:4711"', '6.6.6.6'],
    ['for="[2001:db9::5]:80";by=10.0.0.2', '2001:db9::5'],
    ['by=10.0.0.2;for=6.6.6.6', '6.6.6.6'],
    ['for="6.6.6\\.6"', '6.6.6.6'],
    ['for=6.6.6.6;host="a,b;for=9.9.9.9"', '6.6.6.6'],
    ['for=unknown', PROXY],
    ['for=6.6.6.6, for=_hidden', PROXY],
    ['for=6.6.6.6, proto=https', PROXY],
    ['for=6.6.6.6, for="10.0.0.2', PROXY],
    ['for=6.6.6.6 for=10.0.0.2', PROXY],
    ['6.6.6.6', PROXY],
  ])('says by %s: %s', (forwarded, client) => {
    expect(clientBy('forwarded', PROXY, { forwarded })).toBe(client);
  });

  it('is read to its end, whatever stands in it', () => {
    const unit = fc.constantFrom(...'for=,;" \\1.:[]');
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 60 }), (forwarded) => {
        for (const node of forwardedNodes(forwarded)) expect(typeof node).toBe('string');
      }),
      { numRuns: 2000 },
    );
  });

  it.each(['x-real-ip', 'cf-connecting-ip'])('may be %s, and no other one then counts', (name) => {
    const other = { 'x-forwarded-for': '9.9.9.9', forwarded: 'for=9.9.9.9' };
    expect(clientBy(name, PROXY, { ...other, [name]: '6.6.6.6' })).toBe('6.6.6.6');
    expect(clientBy(name, PROXY, { ...other, [name]: '2001:db9::5' })).toBe('2001:db9::5');
    expect(clientBy(name, PROXY, other)).toBe(PROXY);
    expect(clientBy(name, PROXY, { [name]: '6.6.6.6, 7.7.7.7' })).toBe(PROXY);
    expect(clientBy(name, '8.8.8.8', { [name]: '6.6.6.6' })).toBe('8.8.8.8');
  });

  it('is believed by nobody when it comes twice and has room for one address', () => {
    const parts = ['GET', '/', PROXY, 'http', 'x-real-ip', '6.6.6.6', 'x-real-ip', '7.7.7.7'];
    expect(new ClientAddress(OURS, 'x-real-ip').of(PROXY, new RequestFields(parts))).toBe(PROXY);
  });
});
