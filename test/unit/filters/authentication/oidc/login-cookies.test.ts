import { describe, expect, it } from 'vitest';
import { entriesOf } from '../../../../../src/base/field-block.js';
import type { AuthenticationRequest } from '../../../../../src/filters/authentication/authenticator.js';
import {
  isOfOwnPage,
  originOf,
  wantsPage,
} from '../../../../../src/filters/authentication/oidc/browser-request.js';
import { LoginCookies } from '../../../../../src/filters/authentication/oidc/login-cookies.js';
import {
  newLogin,
  openLogin,
  sealLogin,
} from '../../../../../src/filters/authentication/oidc/pending-login.js';
import { CookieSealer } from '../../../../../src/filters/authentication/oidc/sealed-cookie.js';

const OLD = 'an earlier secret of 32 characters';
const NEW = 'a later secret of 32 characters or so';

/** Names and values as a browser would keep them. */
function kept(block: string): (readonly [string, string])[] {
  return [...entriesOf(block as never)]
    .filter(([name]) => name.toLowerCase() === 'set-cookie')
    .map(([, field]) => {
      const [pair = ''] = field.split(';');
      const mark = pair.indexOf('=');
      return [pair.slice(0, mark), pair.slice(mark + 1)] as const;
    });
}

function request(
  fields: Readonly<Record<string, string>>,
  rest: Partial<AuthenticationRequest> = {},
): AuthenticationRequest {
  return {
    method: 'GET',
    target: '/',
    routedTarget: '/',
    scheme: 'https',
    clientIp: '127.0.0.1',
    requestId: '1',
    certificate: '',
    wholeBody: () => Buffer.alloc(0),
    ...rest,
    fields: {
      authorization: fields['authorization'] ?? '',
      host: fields['host'] ?? '',
      values: (name) => (fields[name] === undefined ? [] : [fields[name]]),
    },
  };
}

describe('a text that a browser keeps', () => {
  const sealer = new CookieSealer([NEW, OLD], 'web');

  it('opens for what it was sealed for, and shows nothing of itself', () => {
    const sealed = sealer.seal('the session of ada', 'session');
    expect(sealed).not.toContain('ada');
    expect(sealer.open(sealed, 'session')).toBe('the session of ada');
    expect(sealer.open(sealed, 'login')).toBeNull();
    expect(new CookieSealer([NEW], 'other').open(sealed, 'session')).toBeNull();
    expect(sealer.seal('the session of ada', 'session')).not.toBe(sealed);
  });

  it('opens with an earlier secret, and is sealed with the first', () => {
    const old = new CookieSealer([OLD], 'web');
    expect(sealer.open(old.seal('x', 'session'), 'session')).toBe('x');
    expect(old.open(sealer.seal('x', 'session'), 'session')).toBeNull();
  });

  it('does not open when any byte is another, or any is missing', () => {
    const sealed = sealer.seal('x', 'session');
    const bytes = Buffer.from(sealed, 'base64url');
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
      expect(sealer.open(changed.toString('base64url'), 'session')).toBeNull();
      expect(sealer.open(bytes.subarray(0, at).toString('base64url'), 'session')).toBeNull();
    }
    for (const other of [`${sealed}=`, ` ${sealed}`, `${sealed}A`, '', 'A'.repeat(50_000)]) {
      expect(sealer.open(other, 'session')).toBeNull();
    }
  });
});

describe('the cookies of a session', () => {
  const cookies = new LoginCookies('s');

  for (const chars of [1, 3600, 3601, 7200, 7201, 10_800]) {
    it(`hold ${chars} characters`, () => {
      const text = 'x'.repeat(chars);
      const block = cookies.set(text, 60, true) ?? '';
      const found = kept(block);
      expect(found).toHaveLength(Math.ceil(chars / 3600));
      expect(cookies.read(found, true)).toBe(text);
      // One that is set over plain HTTP is nothing over https.
      expect(cookies.read(found, false)).toBe('');
      for (const field of block.split('\r\n').filter((line) => line.includes('__Host-'))) {
        expect(field.length).toBeLessThan(4096);
        expect(field).toContain('Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure');
      }
    });
  }

  it('do not hold one character more', () => {
    expect(cookies.set('x'.repeat(10_801), 60, true)).toBeNull();
  });

  it('are nothing when one is missing, double, or says a number that cannot be', () => {
    const found = kept(cookies.set('x'.repeat(8000), 60, false) ?? '');
    expect(cookies.read(found.slice(0, 2), false)).toBeNull();
    expect(cookies.read([...found, ['s.1', 'y']], false)).toBeNull();
    expect(cookies.read([['s', '4x']], false)).toBeNull();
    expect(cookies.read([['s', '/x']], false)).toBeNull();
  });
});

describe('the cookies of logins under way', () => {
  const cookies = new LoginCookies('s');

  it('are kept beside each other, and the oldest make room', () => {
    let jar: (readonly [string, string])[] = [];
    for (let number = 0; number < 40; number++) {
      const state = `${String(number).padStart(12, '0')}rest`;
      const block = cookies.begin({ state, sealed: 'v'.repeat(100) }, jar, false);
      const changed = kept(block);
      const names = new Set(changed.map(([name]) => name));
      jar = [...jar.filter(([name]) => !names.has(name)), ...changed].filter(
        ([, value]) => value !== '',
      );
    }
    expect(jar).toHaveLength(16);
    expect(cookies.pendingOf('000000000039rest', jar, false)).not.toBe('');
    expect(cookies.pendingOf('000000000023rest', jar, false)).toBe('');
  });

  it('take a bounded part of the head of a request', () => {
    let jar: (readonly [string, string])[] = [];
    for (let number = 0; number < 10; number++) {
      const state = `${String(number).padStart(12, '0')}rest`;
      const changed = kept(cookies.begin({ state, sealed: 'v'.repeat(2000) }, jar, false));
      const names = new Set(changed.map(([name]) => name));
      jar = [...jar.filter(([name]) => !names.has(name)), ...changed].filter(
        ([, value]) => value !== '',
      );
      expect(jar.reduce((sum, [, value]) => sum + value.length, 0)).toBeLessThanOrEqual(8192);
    }
  });

  it('are bound to their state, and last a quarter of an hour', () => {
    const sealer = new CookieSealer([NEW], 'web');
    const login = newLogin('https://a/cb', '/page?x=1');
    const sealed = sealLogin(login, sealer, 1000);
    expect(openLogin(sealed, login.state, sealer, 1000 + 900)).toEqual(login);
    expect(openLogin(sealed, login.state, sealer, 1000 + 901)).toBeNull();
    expect(openLogin(sealed, newLogin('', '/').state, sealer, 1000)).toBeNull();
    expect(openLogin('', login.state, sealer, 1000)).toBeNull();
  });

  it('do not remember where somebody wanted to go beyond a length', () => {
    expect(newLogin('', `/page?${'x'.repeat(2000)}`).returnTo).toBe('/page');
    expect(newLogin('', `/${'x'.repeat(2000)}`).returnTo).toBe('/');
  });
});

describe('a request', () => {
  const page = { accept: 'text/html,*/*;q=0.8' };

  it('is for a page when a browser shows what comes', () => {
    expect(wantsPage(request(page))).toBe(true);
    const shown = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };
    expect(wantsPage(request({ ...page, ...shown }))).toBe(true);
  });

  it.each([
    [{ accept: '*/*' }],
    [{ ...page, 'sec-fetch-mode': 'cors' }],
    [{ ...page, 'sec-fetch-dest': 'iframe' }],
    [{ ...page, 'x-requested-with': 'XMLHttpRequest' }],
    [{ ...page, 'sec-purpose': 'prefetch;prerender' }],
    [{ ...page, upgrade: 'websocket' }],
    [{ ...page, authorization: 'Bearer x' }],
  ])('is for no page with %j', (fields) => {
    expect(wantsPage(request(fields))).toBe(false);
  });

  it('is of an own page when the browser says so', () => {
    const own = (fields: Record<string, string>): boolean =>
      isOfOwnPage(request(fields), 'https://app.example');
    expect(own({ 'sec-fetch-site': 'same-origin' })).toBe(true);
    expect(own({ 'sec-fetch-site': 'none' })).toBe(true);
    expect(own({ 'sec-fetch-site': 'same-site', origin: 'https://app.example' })).toBe(false);
    expect(own({ 'sec-fetch-site': 'cross-site' })).toBe(false);
    expect(own({ origin: 'https://app.example' })).toBe(true);
    expect(own({ origin: 'https://app.example.evil' })).toBe(false);
    expect(own({ origin: 'null' })).toBe(false);
    expect(own({ referer: 'https://app.example/x' })).toBe(true);
    expect(own({ referer: 'https://app.example.evil/x' })).toBe(false);
    expect(own({})).toBe(false);
  });

  it('names an origin, or none that could be another place', () => {
    const of = (host: string): string => originOf(request({ host }), '');
    expect(of('app.example')).toBe('https://app.example');
    expect(of('app.example:8443')).toBe('https://app.example:8443');
    for (const host of ['', 'a/b', 'user@host', 'a b', 'a?x', 'a#x']) expect(of(host)).toBe('');
    expect(originOf(request({ host: 'evil' }), 'https://app.example')).toBe('https://app.example');
  });
});
