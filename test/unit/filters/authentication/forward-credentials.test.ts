/** What a service that is asked about callers could know them by. */
import { describe, expect, it } from 'vitest';
import { mayBeKnown } from '../../../../src/filters/authentication/forward-credentials.js';

const requestHeaders = ['accept', 'authorization', 'cookie', 'user-agent'];

function known(
  credentialCookies: readonly string[],
  given: Readonly<Record<string, readonly string[]>>,
): boolean {
  const values = (name: string): readonly string[] => given[name] ?? [];
  const fields = { authorization: '', host: '', values };
  return mayBeKnown({ requestHeaders, credentialCookies }, { fields });
}

describe('a request for a service that is asked about callers', () => {
  it('may be known by any cookie and by Authorization, not by what describes it', () => {
    expect(known([], { cookie: ['theme=dark'] })).toBe(true);
    expect(known([], { authorization: ['Bearer a'] })).toBe(true);
    expect(known([], { accept: ['*/*'], 'user-agent': ['a'], cookie: [''] })).toBe(false);
  });

  it.each([
    ['session=1', true],
    ['theme=dark; session=1', true],
    ['theme=dark;session=1', true],
    [' session = 1 ', true],
    ['session="a=b"', true],
    ['_oauth2_proxy_1=x', true],
    ['_oauth2_proxy=x', true],
    ['theme=dark', false],
    ['sessions=1', false],
    ['mysession=1', false],
    ['Session=1', false],
    ['session=', false],
    ['session', false],
    ['=session', false],
    ['theme=session=1', false],
    ['', false],
    [';;', false],
  ])('may be known by named cookies: %j %j', (cookie, isKnown) => {
    expect(known(['session', '_oauth2_proxy*'], { cookie: [cookie] })).toBe(isKnown);
  });

  it('may be known by a named cookie in any of several fields, or by another field', () => {
    expect(known(['session'], { cookie: ['a=1', 'session=1'] })).toBe(true);
    expect(known(['session'], { cookie: ['a=1'], authorization: ['Basic a'] })).toBe(true);
  });
});
