/** What targets write into Location and Set-Cookie, as clients have to read it. */
import { describe, expect, it } from 'vitest';
import { defined } from '../../../src/base/assert.js';
import { field, joinFields, NO_FIELDS } from '../../../src/base/field-block.js';
import { ConfigError } from '../../../src/config/check/config-error.js';
import type { RouteConfig } from '../../../src/config/gateway-config.js';
import { ReplyHead } from '../../../src/filters/reply-head.js';
import { compileRouteFilters, loadFilters } from '../../../src/worker/route/route-filters.js';
import { compileConfig } from '../../support/compile-config.js';
import { aRequest, type RequestWish } from '../../support/filter-request.js';
import { servedOf } from '../../support/served-config.js';

type Reply = NonNullable<RouteConfig['rewriteReply']>;

function configOf(rewriteReply: Reply) {
  return compileConfig({
    upstreams: { api: { targets: [{ url: 'http://127.0.0.1:8001' }] } },
    routes: [{ name: 'r', match: { path: '/*' }, upstream: 'api', rewriteReply }],
  });
}

async function edited(
  rewriteReply: Reply,
  fields: readonly (readonly [string, string])[],
  { isLocal = false, ...wish }: RequestWish & { isLocal?: boolean } = {},
): Promise<ReplyHead> {
  const config = configOf(rewriteReply);
  const loaded = await loadFilters(servedOf(config), () => 0);
  const { replySteps } = compileRouteFilters(defined(config.routes[0], 'the route'), loaded);
  let block = NO_FIELDS;
  for (const [name, value] of fields) block = joinFields(block, field(name, value));
  const head = new ReplyHead(302, block, isLocal);
  for (const step of replySteps) step(head, aRequest(wish));
  return head;
}

const location = async (map: Reply['location'], value: string, wish: RequestWish = {}) =>
  (await edited({ location: map ?? {} }, [['Location', value]], wish)).value('location');

const cookie = async (cookies: Reply['cookies'], value: string) =>
  (await edited({ cookies: cookies ?? {} }, [['Set-Cookie', value]])).values('set-cookie').join();

describe('Location and Content-Location', () => {
  it.each([
    // A path, with what stands behind it.
    [{ '/': '/shop/' }, '/', '/shop/'],
    [{ '/': '/shop/' }, '/cart?a=/#x', '/shop/cart?a=/#x'],
    [{ '/app': '/shop' }, '/app', '/shop'],
    [{ '/app': '/shop' }, '/app?x', '/shop?x'],
    [{ '/app': '/shop' }, '/app#x', '/shop#x'],
    // Whole segments, and the case of a path has a meaning.
    [{ '/app': '/shop' }, '/apple', '/apple'],
    [{ '/app': '/shop' }, '/App', '/App'],
    // The longest one that fits, whatever comes first.
    [{ '/': '/x/', '/app/': '/y/' }, '/app/1', '/y/1'],
    [{ '/app/': '/y/', '/': '/x/' }, '/other', '/x/other'],
    // The host that the client has asked.
    [{ '/': '/shop/' }, 'http://gateway.example/cart', 'http://gateway.example/shop/cart'],
    [{ '/': '/shop/' }, 'https://GATEWAY.example/cart', 'https://GATEWAY.example/shop/cart'],
    [{ '/': '/shop/' }, '//gateway.example/cart', '//gateway.example/shop/cart'],
    [{ '/': '/shop/' }, 'http://gateway.example', 'http://gateway.example/shop/'],
    [{ '/': '/shop/' }, 'http://gateway.example?a', 'http://gateway.example/shop/?a'],
    // Another server, another port, a name that only begins like it, credentials before it.
    [{ '/': '/shop/' }, 'http://other.example/cart', 'http://other.example/cart'],
    [{ '/': '/shop/' }, 'http://gateway.example:8080/', 'http://gateway.example:8080/'],
    [{ '/': '/shop/' }, 'http://gateway.example.evil/', 'http://gateway.example.evil/'],
    [{ '/': '/shop/' }, 'http://u@gateway.example/', 'http://u@gateway.example/'],
    [{ '/': '/shop/' }, '//other.example/cart', '//other.example/cart'],
    [{ '/': '/shop/' }, '/\\other.example', '/\\other.example'],
    // A path alone never becomes the name of a server.
    [{ '/a/': '/' }, '/a//evil.example', '/a//evil.example'],
    // A server that the configuration names.
    [{ 'http://app.internal:8080/': '/shop/' }, 'http://app.internal:8080/a', '/shop/a'],
    [
      { 'http://app.internal/': 'https://w.example/s/' },
      'HTTP://App.Internal/A',
      'https://w.example/s/A',
    ],
    [
      { 'http://app.internal/': '/shop/' },
      'http://app.internal.evil/',
      'http://app.internal.evil/',
    ],
    [{ '/old/': 'https://new.example/' }, 'http://gateway.example/old/a', 'https://new.example/a'],
    // Relative to what was asked.
    [{ '/': '/shop/' }, 'cart', 'cart'],
    [{ '/': '/shop/' }, '?page=2', '?page=2'],
    [{ '/': '/shop/' }, '', ''],
  ])('%o: %s → %s', async (map, value, wanted) => {
    expect(await location(map, value)).toBe(wanted);
  });

  it('takes the name that a proxy before it has told', async () => {
    const wish = { headers: [['x-forwarded-host', 'www.example, in.example']] as const };
    expect(await location({ '/': '/s/' }, 'https://www.example/a', wish)).toBe(
      'https://www.example/s/a',
    );
  });

  it('leaves two of them alone: which one a client follows is not known', async () => {
    const head = await edited({ location: { '/': '/s/' } }, [
      ['Location', '/a'],
      ['Location', '/b'],
      ['Content-Location', '/c'],
    ]);
    expect(head.values('location')).toEqual(['/a', '/b']);
    expect(head.value('content-location')).toBe('/s/c');
  });

  it("leaves the gateway's own replies alone", async () => {
    const head = await edited(
      { location: { '/': '/s/' }, cookies: { secure: true } },
      [
        ['Location', '/a'],
        ['Set-Cookie', 'a=1'],
      ],
      { isLocal: true },
    );
    expect([head.value('location'), head.value('set-cookie')]).toEqual(['/a', 'a=1']);
  });

  it('comes before the fields that are set', async () => {
    const head = await edited(
      { location: { '/': '/s/' }, headers: { set: { location: '/own' } } },
      [['Location', '/a']],
    );
    expect(head.values('location')).toEqual(['/own']);
  });
});

describe('cookies', () => {
  it.each([
    [{ path: { '/': '/shop/' } }, 'a=1; Path=/', 'a=1; Path=/shop/'],
    [{ path: { '/': '/shop/' } }, 'a=1;PATH = /x ;HttpOnly', 'a=1; Path=/shop/x;HttpOnly'],
    [{ path: { '/app': '/shop' } }, 'a=1; Path=/apple', 'a=1; Path=/apple'],
    [{ path: { '/': '/shop/' } }, 'a=1', 'a=1'],
    [
      { domain: { 'app.internal': 'shop.example' } },
      'a=1; Domain=.App.internal',
      'a=1; Domain=shop.example',
    ],
    [{ domain: { 'app.internal': '' } }, 'a=1; Domain=app.internal; Path=/', 'a=1; Path=/'],
    [
      { domain: { 'app.internal': '' } },
      'a=1; Domain=x.app.internal',
      'a=1; Domain=x.app.internal',
    ],
    [{ domain: { '*': '' } }, 'a=1; Domain=any.example', 'a=1'],
    [
      { domain: { '.app.internal': 'a.example', '*': '' } },
      'a=1; Domain=app.internal',
      'a=1; Domain=a.example',
    ],
    [{ secure: true }, 'a=1; secure; Path=/', 'a=1; Path=/; Secure'],
    [{ secure: true, httpOnly: true }, 'a=1', 'a=1; Secure; HttpOnly'],
    [{ secure: false }, 'a=1; Secure; Path=/', 'a=1; Path=/'],
    [{ sameSite: 'lax' as const }, 'a=1; SameSite=None; samesite=Strict', 'a=1; SameSite=Lax'],
    [{ secure: true, sameSite: 'none' as const }, 'a=1', 'a=1; Secure; SameSite=None'],
    // All other bytes stay, those of a value with a comma, a quote and an equals sign too.
    [
      { secure: true },
      'a="x,=y"; Expires=Thu, 01 Jan 2027 00:00:00 GMT',
      'a="x,=y"; Expires=Thu, 01 Jan 2027 00:00:00 GMT; Secure',
    ],
    [{ names: ['b'], secure: true }, 'a=1', 'a=1'],
    [{ names: ['b'], secure: true }, 'b=1', 'b=1; Secure'],
    [{ names: ['b'], secure: true }, 'ab=1', 'ab=1'],
    // A browser would refuse it with another path.
    [
      { path: { '/': '/shop/' }, domain: { '*': 'a.example' } },
      '__Host-a=1; Path=/; Secure',
      '__Host-a=1; Path=/; Secure',
    ],
    // A cookie without a name, and a field without anything.
    [{ secure: true }, '=1', '=1; Secure'],
    [{ secure: true }, '', ''],
  ])('%o: %s', async (edits, value, wanted) => {
    expect(await cookie(edits, value)).toBe(wanted);
  });

  it('keeps several apart, in their order', async () => {
    const head = await edited({ cookies: { names: ['b'], httpOnly: true } }, [
      ['Set-Cookie', 'a=1'],
      ['X-Other', 'x'],
      ['Set-Cookie', 'b=2; Path=/'],
    ]);
    expect(head.values('set-cookie')).toEqual(['a=1', 'b=2; Path=/; HttpOnly']);
  });
});

describe('the configuration', () => {
  it.each([
    [{ location: { '/a': '/b/' } }, 'both prefixes have to end with "/"'],
    [{ cookies: { path: { '/a/': '/b' } } }, 'both prefixes have to end with "/"'],
    [{ location: { a: '/b' } }, 'a path, or an http or https URL'],
    [{ location: { '/': '//evil.example/' } }, 'a path, or an http or https URL'],
    [{ location: { '/': '/a b/' } }, 'a path, or an http or https URL'],
    [{ cookies: { sameSite: 'none' as const } }, 'set secure to true as well'],
    [{ cookies: { domain: { 'a.example': 'b; Path=/' } } }, 'a domain'],
    [{ cookies: { domain: { 'a.example': 'b', '.A.example': 'c' } } }, 'named twice'],
  ])('%o is refused', (rewriteReply, said) => {
    expect(() => configOf(rewriteReply)).toThrow(ConfigError);
    expect(() => configOf(rewriteReply)).toThrow(said);
  });
});
