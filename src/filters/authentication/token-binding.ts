/**
 * Tokens that are bound to a certificate of their holder (RFC 8705 3): who has stolen one cannot
 * use it.
 *
 * Thread: worker.
 */
import { readCertificate, thumbprintOf } from '../../base/client-certificate.js';
import {
  type AuthenticationRequest,
  type AuthenticationResult,
  type Claims,
  refused,
} from './authenticator.js';
import type { TokenBinding } from './options.js';

const THUMBPRINT = 'x5t#S256';

/** The result of a token, which is refused when it comes from somebody else's connection. */
export function bound(
  result: AuthenticationResult,
  { certificate }: AuthenticationRequest,
  rule: TokenBinding,
): AuthenticationResult {
  if (result.verdict !== 'accepted' || rule === 'ignore') return result;
  const wanted = thumbprintIn(result.identity.claims);
  if (wanted === undefined) return rule === 'require' ? UNBOUND : result;
  const own = readCertificate(certificate);
  if (own === null) return WITHOUT;
  return thumbprintOf(own) === wanted ? result : OF_ANOTHER;
}

const REASON = 'the token is bound to another certificate than that of the connection';
const UNBOUND = refused('the token is not bound to a certificate', `cnf.${THUMBPRINT} is missing`);
const WITHOUT = refused(REASON, 'the connection has no client certificate');
const OF_ANOTHER = refused(REASON);

/** undefined: the token is not bound. What is no text binds to no certificate. */
function thumbprintIn(claims: Claims): unknown {
  const { cnf } = claims;
  if (typeof cnf !== 'object' || cnf === null || !Object.hasOwn(cnf, THUMBPRINT)) return undefined;
  return Reflect.get(cnf, THUMBPRINT) ?? '';
}
