import { expect, it } from 'vitest';
import { makeIdentity } from '../../../../src/filters/authentication/identity.js';

it('has claims in which no request can change what others with them see', () => {
  const claims = { sub: 'ada', roles: ['reader'], realm: { access: { level: 1 } } };
  const identity = makeIdentity('ada', structuredClone(claims), { claimHeaders: [] });
  const { roles, realm } = (identity?.claims ?? {}) as typeof claims;
  expect(() => roles.push('admin')).toThrow(TypeError);
  expect(() => Object.assign(realm.access, { level: 9 })).toThrow(TypeError);
  expect(identity?.claims).toEqual(claims);
});
