import { describe, expect, it } from 'vitest';
import {
  SPIFFE_ID_CHARS_MAX,
  spiffeIdProblem,
  trustDomainFromKey,
  trustDomainOf,
  trustDomainProblem,
} from '../../../src/base/spiffe-id.js';

describe('a SPIFFE ID', () => {
  it.each([
    'spiffe://td/a',
    'spiffe://example.org/ns/shop/sa/orders',
    'spiffe://a_b.c-d.1/A.b-c_9',
    'spiffe://10.0.0.1/a',
    'spiffe://td/...',
    `spiffe://td/${'a'.repeat(SPIFFE_ID_CHARS_MAX - 12)}`,
  ])('is %s', (id) => {
    expect(spiffeIdProblem(id)).toBe('');
  });

  it.each([
    ['', 'does not begin'],
    ['spiffe:', 'does not begin'],
    ['spiffe://', 'no trust domain'],
    ['spiffe:///a', 'no trust domain'],
    ['spiffe://td', 'no path'],
    ['spiffe://td/', 'empty part'],
    ['spiffe://td/a/', 'ends with "/"'],
    ['spiffe://td//a', 'empty part'],
    ['spiffe://td/./a', 'the part "."'],
    ['spiffe://td/a/..', 'the part ".."'],
    ['spiffe://TD/a', 'lower case'],
    ['SPIFFE://td/a', 'does not begin'],
    ['Spiffe://td/a', 'does not begin'],
    ['https://td/a', 'does not begin'],
    [' spiffe://td/a', 'does not begin'],
    ['spiffe://td/a ', 'other characters'],
    ['spiffe://td/a\n', 'other characters'],
    ['spiffe://td\n/a', 'trust domain with other'],
    ['spiffe://td/a\0', 'other characters'],
    ['spiffe://td/a?b', 'other characters'],
    ['spiffe://td/a#b', 'other characters'],
    ['spiffe://td?b', 'trust domain with other'],
    ['spiffe://td:443/a', 'trust domain with other'],
    ['spiffe://user@td/a', 'trust domain with other'],
    ['spiffe://[::1]/a', 'trust domain with other'],
    ['spiffe://t%64/a', 'trust domain with other'],
    ['spiffe://td/%61', 'other characters'],
    ['spiffe://td/a%2f', 'other characters'],
    ['spiffe://tå/a', 'trust domain with other'],
    ['spiffe://td/å', 'other characters'],
    ['spiffe://td/a\\b', 'other characters'],
    [`spiffe://${'a'.repeat(256)}/a`, 'more than 255'],
    [`spiffe://td/${'a'.repeat(SPIFFE_ID_CHARS_MAX - 11)}`, 'more than 2048'],
  ])('is not %j', (id, problem) => {
    expect(spiffeIdProblem(id)).toContain(problem);
  });

  it('names its trust domain', () => {
    expect(trustDomainOf('spiffe://td/a')).toBe('td');
    expect(trustDomainOf('spiffe://td')).toBe('td');
    expect(trustDomainOf('https://td/a')).toBe('');
  });
});

it('takes a trust domain by its name or its ID, and nothing that looks like it', () => {
  expect(trustDomainFromKey('spiffe://td')).toBe('td');
  expect(trustDomainFromKey('td')).toBe('td');
  for (const key of ['', 'spiffe://', 'spiffe://td/', 'spiffe://td/a', 'TD', 'td:1']) {
    expect(trustDomainFromKey(key)).toBeNull();
  }
  expect(trustDomainProblem('example.org')).toBe('');
});
