/**
 * Names of workloads (SPIFFE IDs) and of trust domains, and the rules that both obey.
 *
 * Thread: any (pure). By https://spiffe.io/docs/latest/spiffe-specs/spiffe-id/ sections 2.1 to 2.3.
 *
 * Invariant: what is accepted has one way to be written, so that two IDs are the same exactly when
 * their texts are. Nothing is made to fit: an ID in upper case is no ID.
 */

/** Longest ID. */
export const SPIFFE_ID_CHARS_MAX = 2048;
export const TRUST_DOMAIN_CHARS_MAX = 255;

const SCHEME = 'spiffe://';
const DOMAIN = /^[a-z0-9._-]+$/;
const SEGMENT = /^[A-Za-z0-9._-]+$/;

/** What is wrong with the name of a trust domain, such as `example.org`; empty: nothing. */
export function trustDomainProblem(text: string): string {
  if (text === '') return 'has no trust domain';
  if (text.length > TRUST_DOMAIN_CHARS_MAX) {
    return `has a trust domain of more than ${TRUST_DOMAIN_CHARS_MAX} characters`;
  }
  if (DOMAIN.test(text)) return '';
  if (DOMAIN.test(text.toLowerCase())) return 'has a trust domain that is not in lower case';
  return 'has a trust domain with other characters than a-z, 0-9, ".", "-" and "_"';
}

/** What is wrong with the ID of a workload, a part of a sentence; empty: nothing. */
export function spiffeIdProblem(text: string): string {
  if (text.length > SPIFFE_ID_CHARS_MAX) return `has more than ${SPIFFE_ID_CHARS_MAX} characters`;
  if (!text.startsWith(SCHEME)) return 'does not begin with "spiffe://"';
  const domain = trustDomainOf(text);
  const problem = trustDomainProblem(domain);
  if (problem !== '') return problem;
  const path = text.slice(SCHEME.length + domain.length);
  if (path === '') return 'has no path: it names a trust domain and not a workload';
  for (const segment of path.slice(1).split('/')) {
    if (segment === '') return 'has an empty part in its path, or ends with "/"';
    if (segment === '.' || segment === '..') return `has the part "${segment}" in its path`;
    if (!SEGMENT.test(segment)) {
      return 'has other characters in its path than letters, digits, ".", "-" and "_"';
    }
  }
  return '';
}

/** The trust domain in an ID, not checked; empty: there is none. */
export function trustDomainOf(id: string): string {
  if (!id.startsWith(SCHEME)) return '';
  const slash = id.indexOf('/', SCHEME.length);
  return id.slice(SCHEME.length, slash === -1 ? undefined : slash);
}

/** The name of a trust domain that is written as its ID (`spiffe://example.org`); null: neither. */
export function trustDomainFromKey(key: string): string | null {
  const name = key.startsWith(SCHEME) ? key.slice(SCHEME.length) : key;
  return trustDomainProblem(name) === '' ? name : null;
}
