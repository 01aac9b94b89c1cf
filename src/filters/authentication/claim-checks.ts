/**
 * Judges claims: whether a token is valid now and here (RFC 7519 4.1), and whether its bearer may
 * use a route.
 *
 * Thread: any (pure). Time is an argument.
 */
import type { Claims, Identity } from './authenticator.js';
import { claimAt } from './identity.js';
import type { ClaimChecks, CompiledAuthorization } from './options.js';

const EXPIRED = 'the token has expired';
const UNFIT = 'a claim of the token does not fit';

/** Why the claims are refused, or '' when they are accepted. */
export function claimsProblem(claims: Claims, checks: ClaimChecks, unixSeconds: number): string {
  const skewSeconds = checks.clockSkewMs / 1000;
  for (const name of checks.requiredClaims) {
    const value = claims[name];
    if (!Object.hasOwn(claims, name) || value === null || value === '') {
      return 'a claim of the token is missing';
    }
  }
  for (const name of ['exp', 'nbf', 'iat']) {
    if (claims[name] !== undefined && !Number.isFinite(claims[name])) return UNFIT;
  }
  for (const name of ['sub', 'iss', 'jti']) {
    if (claims[name] !== undefined && typeof claims[name] !== 'string') return UNFIT;
  }
  const { exp, nbf } = claims;
  if (typeof exp === 'number' && unixSeconds >= exp + skewSeconds) return EXPIRED;
  if (typeof nbf === 'number' && unixSeconds < nbf - skewSeconds) {
    return 'the token is not valid yet';
  }
  if (checks.issuer !== '' && claims['iss'] !== checks.issuer) return UNFIT;
  if (checks.audience !== '' && !isAudience(claims['aud'], checks.audience)) return UNFIT;
  return '';
}

function isAudience(audience: unknown, wanted: string): boolean {
  return Array.isArray(audience) ? audience.includes(wanted) : audience === wanted;
}

/** Why the caller may not use the route, or '' when the caller may. */
export function authorizationProblem(
  { scopes, claims }: Identity,
  rule: CompiledAuthorization,
): string {
  for (const scope of rule.scopes) {
    if (!scopes.has(scope)) return `The scope ${scope} is needed.`;
  }
  for (const { claim, values } of rule.claims) {
    const value = claimAt(claims, claim);
    const isFit = Array.isArray(value)
      ? value.some((item) => values.includes(item))
      : values.includes(value as string);
    if (!isFit) return `The claim ${claim} does not allow it.`;
  }
  return '';
}
