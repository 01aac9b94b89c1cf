/** Names that are not written in full, as the resolver of the system reads them. */
import { describe, expect, it } from 'vitest';
import { namesFor, parseResolvConf } from '../../../../src/supervisor/discovery/search-domains.js';

const POD = [
  '# of a pod',
  'nameserver 10.96.0.10',
  'search shop.svc.cluster.local svc.cluster.local. cluster.local ; rest',
  'options timeout:2 ndots:5',
].join('\n');

describe('resolv.conf', () => {
  it('names domains and dots', () => {
    expect(parseResolvConf(POD)).toEqual({
      domains: ['shop.svc.cluster.local', 'svc.cluster.local', 'cluster.local'],
      ndots: 5,
    });
  });

  it.each([
    ['', { domains: [], ndots: 1 }],
    ['domain a.test\nsearch b.test c.test', { domains: ['b.test', 'c.test'], ndots: 1 }],
    ['search b.test\ndomain a.test', { domains: ['a.test'], ndots: 1 }],
    ['search .\noptions ndots:99', { domains: [], ndots: 15 }],
    ['options ndots:x', { domains: [], ndots: 1 }],
  ])('%j', (text, list) => {
    expect(parseResolvConf(text)).toEqual(list);
  });
});

describe('names', () => {
  const list = { domains: ['a.test', 'b.test'], ndots: 2 };

  it.each([
    ['web', ['web.a.test', 'web.b.test', 'web']],
    ['web.shop', ['web.shop.a.test', 'web.shop.b.test', 'web.shop']],
    ['web.shop.svc', ['web.shop.svc', 'web.shop.svc.a.test', 'web.shop.svc.b.test']],
    ['web.', ['web.']],
  ])('%s is looked for as %j', (name, names) => {
    expect(namesFor(name, list)).toEqual(names);
  });

  it('that would be too long are left out', () => {
    const name = 'a'.repeat(250);
    expect(namesFor(name, list)).toEqual([name]);
  });
});
