import { describe, expect, it } from 'vitest';
import { parseTargetUrl } from '../../../../src/config/references/target-url.js';
import { normalizeAddressRange } from '../../../../src/filters/address-list.js';

describe('parseTargetUrl', () => {
  it.each([
    ['http://127.0.0.1:8003', 'http://127.0.0.1:8003', '127.0.0.1:8003', '127.0.0.1:8003', false],
    ['http://a.example', 'http://a.example:80', 'a.example:80', 'a.example', false],
    ['http://a.example:80/', 'http://a.example:80', 'a.example:80', 'a.example', false],
    ['https://a.example', 'https://a.example:443', 'a.example:443', 'a.example', true],
    ['https://a.example:80', 'https://a.example:80', 'a.example:80', 'a.example:80', true],
    ['HTTP://A.Example:8080', 'http://a.example:8080', 'a.example:8080', 'a.example:8080', false],
    ['http://[::1]', 'http://[::1]:80', '[::1]:80', '[::1]', false],
    ['http://[::1]:8080', 'http://[::1]:8080', '[::1]:8080', '[::1]:8080', false],
  ])('takes %s apart', (url, origin, hostPort, authority, tls) => {
    expect(parseTargetUrl(url)).toEqual({
      isValid: true,
      target: { origin, hostPort, authority, tls },
    });
  });

  it.each([
    '',
    'a.example',
    'a.example:80',
    'ws://a.example',
    'http:/a.example',
    'http:\\\\a.example',
    'http://',
    'http:///a',
    'http://a.example/x',
    'http://a.example//',
    'http://a.example?x',
    'http://a.example#x',
    'http://u:p@a.example',
    'http://a.example:0',
    'http://a.example:65536',
    'http://a b',
    'http://[::1',
    ' http://a.example',
    'http://a.example\n',
  ])('refuses %j', (url) => {
    expect(parseTargetUrl(url).isValid).toBe(false);
  });

  it.each([
    ['http://::1:8001', 'in brackets'],
    ['http://fd00::1', 'in brackets'],
    ['http://[fe80::1%25eth0]:8001', 'no zone'],
    ['http://h:99999', 'a port from 1 to 65535'],
  ])('says what is wrong with %s', (url, problem) => {
    expect(parseTargetUrl(url)).toMatchObject({ problem: expect.stringContaining(problem) });
  });

  it('does not quote credentials', () => {
    const parsed = parseTargetUrl('http://user:hunter2@a.example');
    expect(JSON.stringify(parsed)).not.toContain('hunter2');
  });
});

describe('normalizeAddressRange', () => {
  it.each([
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['10.0.0.1', '10.0.0.1/32'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['::1', '::1/128'],
    ['fd00::/8', 'fd00::/8'],
    ['::/128', '::/128'],
  ])('takes %s as %s', (text, range) => {
    expect(normalizeAddressRange(text)).toBe(range);
  });

  it.each([
    '',
    '10',
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/',
    '10.0.0.0/-1',
    '1.2.3.4/8/8',
    'a.b',
    'fe80::1%1',
  ])('refuses %j', (text) => {
    expect(normalizeAddressRange(text)).toBeUndefined();
  });
});
