import { expect, it } from 'vitest';
import { entriesOf, field, joinFields, NO_FIELDS } from '../../../../src/base/field-block.js';
import type { RequestHead } from '../../../../src/worker/exchange/request-head.js';
import { mayNameTarget, withClientNames } from '../../../../src/worker/upstream/client-names.js';
import type { UpstreamRequest } from '../../../../src/worker/upstream/upstream-transport.js';
import { makeExchange } from '../../../support/make-exchange.js';

interface Asked {
  readonly host?: string;
  readonly authority?: string;
  readonly tls?: boolean;
  readonly hidesHost?: boolean;
  readonly clientScheme?: string;
  readonly isPeerTrusted?: boolean;
  readonly claims?: readonly string[];
}

function edited(name: string, value: string, asked: Asked = {}): string {
  const { host = 'shop.example', authority = 'backend.internal', claims = [] } = asked;
  const { tls = true, hidesHost = true, isPeerTrusted = false } = asked;
  const fields = host === '' ? claims : ['host', host, ...claims];
  const exchange = makeExchange({ fields });
  (exchange.head as RequestHead).onClientScheme(asked.clientScheme ?? 'http');
  const request = {
    ...{ exchange, path: '/', body: null, addsVia: false },
    ...{ authority: hidesHost ? authority : host, target: { authority, tls } },
    ...{ isPeerTrusted, hidesHost, tunnelKey: '' },
  };
  const block = joinFields(field('x-a', 'backend.internal'), field(name, value));
  const [other, found] = [...entriesOf(withClientNames(block, request))];
  expect(other).toEqual(['x-a', 'backend.internal']);
  expect(found?.[0]).toBe(name);
  return found?.[1] ?? '';
}

it.each([
  ['https://backend.internal/docs/', 'http://shop.example/docs/'],
  ['http://backend.internal/docs/?a=b#c', 'http://shop.example/docs/?a=b#c'],
  ['https://BACKEND.internal:443/', 'http://shop.example/'],
  ['//backend.internal/x', '//shop.example/x'],
  ['https://backend.internal', 'http://shop.example'],
  ['https://backend.internal?x', 'http://shop.example?x'],
])('Location %s of the target becomes %s', (url, expected) => {
  expect(edited('Location', url)).toBe(expected);
  expect(edited('content-location', url)).toBe(expected);
});

it.each([
  '/docs/',
  'docs',
  'https://login.example/',
  'https://backend.internal.evil.example/',
  'https://backend.internal:8443/',
  'https://user@backend.internal/',
  'ftp://backend.internal/',
  'https:backend.internal/',
  '',
])('Location %j names another server, or none, and stays', (url) => {
  expect(edited('location', url)).toBe(url);
});

it('a target with a port of its own is known by that port only', () => {
  const asked = { authority: '10.0.0.1:8080' };
  expect(edited('location', 'http://10.0.0.1:8080/a', asked)).toBe('http://shop.example/a');
  expect(edited('location', 'http://10.0.0.1/a', asked)).toBe('http://10.0.0.1/a');
  const six = { authority: '[::1]:8080', host: '[2001:db8::1]:81' };
  expect(edited('location', 'http://[::1]:8080/a', six)).toBe('http://[2001:db8::1]:81/a');
});

it('a client behind a trusted proxy gets the name and scheme that the proxy tells', () => {
  const claims = ['x-forwarded-host', 'www.example, inner'];
  const url = 'https://backend.internal/a';
  const asked = { claims, clientScheme: 'https' };
  expect(edited('location', url, { ...asked, isPeerTrusted: true })).toBe('https://www.example/a');
  expect(edited('location', url, { claims })).toBe('http://shop.example/a');
});

it('a client without Host gets a path', () => {
  expect(edited('location', 'https://backend.internal/a', { host: '' })).toBe('/a');
  expect(edited('location', 'https://backend.internal', { host: '' })).toBe('/');
});

it.each([
  ['a=b; Domain=backend.internal; Path=/', 'a=b; Domain=shop.example; Path=/'],
  ['a=b; path=/;domain = .Backend.Internal', 'a=b; path=/;domain = shop.example'],
  ['a=b; Domain=internal', 'a=b; Domain=internal'],
  ['a=domain=backend.internal; Secure', 'a=domain=backend.internal; Secure'],
  ['a=b', 'a=b'],
])('the cookie %j becomes %j', (cookie, expected) => {
  expect(edited('Set-Cookie', cookie, { host: 'shop.example:8443' })).toBe(expected);
});

it('other replies are not touched', () => {
  const exchange = makeExchange({ fields: ['host', 'a'] });
  const target = { authority: 'b', tls: false };
  const names = { target, authority: 'b', tunnelKey: '' };
  const to = { ...names, isPeerTrusted: false, hidesHost: true, addsVia: false };
  const request = { exchange, path: '/', ...to, body: null };
  const block = field('x-location', 'https://b/');
  expect(withClientNames(block, request)).toBe(block);
  expect(withClientNames(NO_FIELDS, request)).toBe(NO_FIELDS);
});

it.each([
  ['http://shop.example:8080/docs/', 'http://shop.example:81/docs/'],
  ['http://10.0.0.1:8080/docs/', 'http://shop.example:81/docs/'],
  ['http://shop.example:81/docs/', 'http://shop.example:81/docs/'],
  ['https://shop.example/docs/', 'https://shop.example/docs/'],
  ['http://shop.example/docs/', 'http://shop.example/docs/'],
  ['http://other.example:8080/docs/', 'http://other.example:8080/docs/'],
])('Location %s of a target that gets the Host of its client is %s', (url, expected) => {
  const asked = { host: 'shop.example:81', authority: '10.0.0.1:8080', tls: false };
  expect(edited('location', url, { ...asked, hidesHost: false })).toBe(expected);
});

it('is looked for in redirects, and everywhere where the target knows its own name only', () => {
  const request = { hidesHost: false } as UpstreamRequest;
  expect([200, 201, 301, 399, 400].filter((status) => mayNameTarget(status, request))).toEqual([
    201, 301, 399,
  ]);
  expect(mayNameTarget(200, { hidesHost: true } as UpstreamRequest)).toBe(true);
});
