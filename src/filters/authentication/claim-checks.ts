/**
 * Judges claims: whether a token is valid now and here (RFC 7519 4.1), and whether its bearer may
 * use a route.
 *
 * Thread: any (pure). Time is an argument.
 */
import type { Claims, Identity } from './authenticator.js';
import { claimAt } from './identity.js';
import type { ClaimChecks, CompiledAuthorization } from './options.js';

const UNFIT = 'a claim of the token does not fit';

/** Characters of a value that a cause repeats. */
const VALUE_CHARS_MAX = 80;

/** What is wrong with a token. */
export interface TokenProblem {
  /** For the caller: names no claim. */
  readonly reason: string;
  /** For the operator: the claim, its value, and what was expected. */
  readonly cause: string;
}

/** Why the claims are refused, or null when they are accepted. */
export function claimsProblem(
  claims: Claims,
  checks: ClaimChecks,
  unixSeconds: number,
): TokenProblem | null {
  for (const name of checks.requiredClaims) {
    const value = claims[name];
    if (!Object.hasOwn(claims, name) || value === null || value === '') {
      return { reason: 'a claim of the token is missing', cause: `${name} is missing` };
    }
  }
  for (const name of ['exp', 'nbf', 'iat']) {
    if (claims[name] !== undefined && !Number.isFinite(claims[name])) {
      return unfit(claims, name, 'a number');
    }
  }
  for (const name of ['sub', 'iss', 'jti']) {
    if (claims[name] !== undefined && typeof claims[name] !== 'string') {
      return unfit(claims, name, 'a text');
    }
  }
  const problem = timeProblem(claims, checks.clockSkewMs / 1000, unixSeconds);
  if (problem !== null) return problem;
  if (checks.issuer !== '' && claims['iss'] !== checks.issuer) {
    return unfit(claims, 'iss', quoted(checks.issuer));
  }
  const { audiences } = checks;
  if (audiences.length > 0 && !isForOneOf(claims['aud'], audiences)) {
    const [first = '', another] = audiences;
    const expected = another === undefined ? quoted(first) : `one of ${quoted(audiences)}`;
    return unfit(claims, 'aud', expected);
  }
  return null;
}

function timeProblem(
  { exp, nbf }: Claims,
  skewSeconds: number,
  unixSeconds: number,
): TokenProblem | null {
  if (typeof exp === 'number' && unixSeconds >= exp + skewSeconds) {
    const cause = `exp is ${timeText(exp)}, now is ${timeText(unixSeconds)}`;
    return { reason: 'the token has expired', cause };
  }
  if (typeof nbf === 'number' && unixSeconds < nbf - skewSeconds) {
    const cause = `nbf is ${timeText(nbf)}, now is ${timeText(unixSeconds)}`;
    return { reason: 'the token is not valid yet', cause };
  }
  return null;
}

function unfit(claims: Claims, name: string, expected: string): TokenProblem {
  return { reason: UNFIT, cause: `${name} is ${quoted(claims[name])}, expected ${expected}` };
}

/** A value from a token as JSON, which no control character leaves, and not longer than useful. */
export function quoted(value: unknown): string {
  const text = value === undefined ? 'missing' : JSON.stringify(value);
  return text.length > VALUE_CHARS_MAX ? `${text.slice(0, VALUE_CHARS_MAX)}…` : text;
}

function timeText(unixSeconds: number): string {
  const time = new Date(unixSeconds * 1000);
  // A token may name a moment that no calendar has.
  return Number.isNaN(time.getTime()) ? String(unixSeconds) : time.toISOString();
}

function isForOneOf(audience: unknown, wanted: readonly string[]): boolean {
  if (!Array.isArray(audience)) return wanted.some((one) => one === audience);
  return wanted.some((one) => audience.includes(one));
}

/** Why the caller may not use the route, or null when the caller may. */
export function authorizationProblem(
  { scopes, claims }: Identity,
  rule: CompiledAuthorization,
): TokenProblem | null {
  for (const scope of rule.scopes) {
    if (scopes.has(scope)) continue;
    const cause = `the scopes are ${quoted([...scopes].join(' '))}, expected ${quoted(scope)}`;
    return { reason: `The scope ${scope} is needed.`, cause };
  }
  for (const { claim, values } of rule.claims) {
    const value = claimAt(claims, claim);
    const isFit = Array.isArray(value)
      ? value.some((item) => values.includes(item))
      : values.includes(value as string);
    if (isFit) continue;
    const cause = `${claim} is ${quoted(value)}, expected one of ${quoted(values)}`;
    return { reason: `The claim ${claim} does not allow it.`, cause };
  }
  return null;
}
