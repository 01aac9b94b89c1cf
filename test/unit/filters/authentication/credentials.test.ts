import { describe, expect, it } from 'vitest';
import {
  type CredentialRule,
  Credentials,
} from '../../../../src/filters/authentication/credentials.js';
import type { CredentialPlace } from '../../../../src/filters/authentication/options.js';
import { aRequest } from '../../../support/authentication-request.js';

const place = (text: string): CredentialPlace => {
  const [kind, name = ''] = text.split(':');
  return { kind: kind as CredentialPlace['kind'], name };
};

function aRule(from: readonly string[], wish: Partial<CredentialRule> = {}): CredentialRule {
  return { from: from.map(place), forwardCredentials: true, forwardPlaces: false, ...wish };
}

const ALL = ['header:authorization', 'header:x-token', 'cookie:Session', 'query:Token'];

describe('credentials', () => {
  const credentials = new Credentials(aRule(ALL), true);

  it.each([
    [{}, ''],
    [{ authorization: 'bearer abc' }, 'abc'],
    [{ authorization: 'DPoP abc' }, 'abc'],
    [{ authorization: 'Basic abc' }, ''],
    [{ fields: [['x-token', 'abc']] as const }, 'abc'],
    [{ fields: [['x-token', 'Bearer abc']] as const }, 'abc'],
    [{ fields: [['x-token', '']] as const }, ''],
    [{ fields: [['cookie', 'a=b; Session=abc; c=d']] as const }, 'abc'],
    [{ fields: [['cookie', 'Session="abc"']] as const }, 'abc'],
    [{ fields: [['cookie', 'session=abc']] as const }, ''],
    [{ fields: [['cookie', 'XSession=abc; Session2=abc; abc']] as const }, ''],
    [
      {
        fields: [
          ['cookie', 'a=1'],
          ['cookie', 'Session=a=b='],
        ] as const,
      },
      'a=b=',
    ],
    [{ target: '/?Token=abc' }, 'abc'],
    [{ target: '/?a=1&%54oken=a%2Bb+c&b=2' }, 'a+b c'],
    [{ target: '/?Token=%zz' }, '%zz'],
    [{ target: '/?token=abc' }, ''],
    [{ target: '/Token=abc' }, ''],
    [{ target: '/?a=1;Token=abc' }, ''],
    [{ target: '/?Token' }, ''],
  ])('are found: %o', (request, found) => {
    expect(credentials.read(aRequest(request))).toBe(found);
  });

  it.each([
    [
      {
        fields: [
          ['x-token', 'a'],
          ['x-token', 'a'],
        ] as const,
      },
    ],
    [{ fields: [['cookie', 'Session=a; Session=b']] as const }],
    [
      {
        fields: [
          ['cookie', 'Session=a'],
          ['cookie', 'Session=a'],
        ] as const,
      },
    ],
    [{ fields: [['cookie', 'Session=; Session=b']] as const }],
    [{ target: '/?Token=a&Token=b' }],
    [{ target: '/?Token=a&%54oken=a' }],
  ])('are not taken where one place has two: %o', (request) => {
    expect(credentials.read(aRequest(request))).toBeNull();
  });

  it('count where the first place has some, in the order of the list', () => {
    const request = aRequest({
      authorization: 'Bearer field',
      fields: [['cookie', 'Session=cookie']],
      target: '/?Token=query',
    });
    expect(credentials.read(request)).toBe('field');
    expect(credentials.usesAuthorization(request)).toBe(true);
    const turned = new Credentials(aRule([...ALL].reverse()), true);
    expect(turned.read(request)).toBe('query');
    expect(turned.usesAuthorization(request)).toBe(false);
    expect(turned.usesAuthorization(aRequest())).toBe(false);
  });

  it('of no bearer keep the word in front', () => {
    const keys = new Credentials(aRule(['header:x-token']), false);
    expect(keys.read(aRequest({ fields: [['x-token', 'Bearer abc']] }))).toBe('Bearer abc');
    expect(keys.readsAuthorization).toBe(false);
  });

  it('go no further, but for Authorization, unless that is wanted', () => {
    expect([credentials.hiddenFields, credentials.hides]).toEqual([
      ['x-token'],
      [place('cookie:Session'), place('query:Token')],
    ]);
    const kept = new Credentials(aRule(ALL, { forwardPlaces: true }), true);
    expect([kept.hiddenFields, kept.hides]).toEqual([[], []]);
  });
});
