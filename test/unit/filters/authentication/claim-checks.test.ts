import { describe, expect, it } from 'vitest';
import {
  authorizationProblem,
  claimsProblem,
} from '../../../../src/filters/authentication/claim-checks.js';

const CHECKS = { issuer: 'idp', audiences: ['api'], clockSkewMs: 30_000, requiredClaims: ['exp'] };
const GOOD = { iss: 'idp', aud: 'api', sub: 'ada', exp: 2000 };
const NOW = 1000;

describe('claims that do not fit', () => {
  it('are told by name, with their value and what was expected, to the operator only', () => {
    const causes = [
      [{ aud: 'other' }, 'aud is "other", expected "api"'],
      [{ aud: ['a', 'b'] }, 'aud is ["a","b"], expected "api"'],
      [{ aud: undefined }, 'aud is missing, expected "api"'],
      [{ iss: 'idp/' }, 'iss is "idp/", expected "idp"'],
      [{ sub: 42 }, 'sub is 42, expected a text'],
      [{ jti: {} }, 'jti is {}, expected a text'],
      [{ nbf: 'soon' }, 'nbf is "soon", expected a number'],
      [{ exp: 970 }, 'exp is 1970-01-01T00:16:10.000Z, now is 1970-01-01T00:16:40.000Z'],
      [{ nbf: 1e300 }, 'nbf is 1e+300, now is 1970-01-01T00:16:40.000Z'],
    ] as const;
    for (const [claims, cause] of causes) {
      const problem = claimsProblem({ ...GOOD, ...claims }, CHECKS, NOW);
      expect(problem?.cause).toBe(cause);
      expect(problem?.reason).not.toMatch(/aud|iss|sub|jti|api|idp|expected/);
    }
    const { exp: _, ...endless } = GOOD;
    expect(claimsProblem(endless, CHECKS, NOW)?.cause).toBe('exp is missing');
    expect(claimsProblem(GOOD, CHECKS, NOW)).toBeNull();
  });

  it('are told with all audiences, of which one is enough', () => {
    const checks = { ...CHECKS, audiences: ['api', 'web'] };
    for (const aud of ['api', 'web', ['other', 'web']]) {
      expect(claimsProblem({ ...GOOD, aud }, checks, NOW)).toBeNull();
    }
    for (const aud of ['', 'ap', ['other'], [], [['api']], { api: 1 }]) {
      expect(claimsProblem({ ...GOOD, aud }, checks, NOW)?.cause).toMatch(
        /^aud is .*, expected one of \["api","web"\]$/,
      );
    }
    expect(claimsProblem({ ...GOOD, aud: 'x' }, { ...CHECKS, audiences: [] }, NOW)).toBeNull();
  });

  it('repeat little of a long value, and no control character', () => {
    const problem = claimsProblem({ ...GOOD, aud: `\n${'x'.repeat(500)}` }, CHECKS, NOW);
    expect(problem?.cause).toMatch(/^aud is "\\nx{77}…, expected "api"$/);
  });

  it('that a route demands are told in the same way', () => {
    const identity = {
      consumer: '',
      claims: { role: 'reader' },
      scopes: new Set(['a']),
      fields: [],
    };
    const rule = { scopes: [], claims: [{ claim: 'role', values: ['clerk', 7] }] };
    expect(authorizationProblem(identity, rule)).toEqual({
      reason: 'The claim role does not allow it.',
      cause: 'role is "reader", expected one of ["clerk",7]',
    });
    expect(authorizationProblem(identity, { scopes: ['b'], claims: [] })?.cause).toBe(
      'the scopes are "a", expected "b"',
    );
    expect(authorizationProblem(identity, { scopes: ['a'], claims: [] })).toBeNull();
  });
});
