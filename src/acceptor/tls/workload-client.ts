/**
 * Judges clients that are workloads (SPIFFE), whose certificates OpenSSL has verified.
 *
 * Thread: acceptor. A listener believes the authorities of several trust domains at once, and
 * OpenSSL does not ask which of them vouches for whom. So that is asked here, for each connection.
 *
 * Invariant: a client gets in only by the bundle of the trust domain that its own ID names.
 */
import { X509Certificate } from 'node:crypto';
import { trustDomainOf } from '../../base/spiffe-id.js';
import type { TrustBundle } from '../../channel/workload-material.js';
import { readSvidLeaf } from '../../wire/x509/svid-leaf.js';

/** Certificates between that of the client and that of an authority. */
const BETWEEN_MAX = 8;

const parsed = new WeakMap<TrustBundle, readonly X509Certificate[]>();

export function isWorkload(
  leaf: X509Certificate,
  bundles: readonly TrustBundle[],
  nowUnixMs: number,
): boolean {
  const reading = readSvidLeaf(leaf.raw);
  if ('problem' in reading) return false;
  const domain = trustDomainOf(reading.id);
  const bundle = bundles.find(({ trustDomain }) => trustDomain === domain);
  return bundle !== undefined && leadsTo(leaf, authoritiesOf(bundle), nowUnixMs);
}

/** Parsed once for each bundle that the supervisor hands over. */
function authoritiesOf(bundle: TrustBundle): readonly X509Certificate[] {
  const known = parsed.get(bundle);
  if (known !== undefined) return known;
  const made = bundle.authorities.map((pem) => new X509Certificate(pem));
  parsed.set(bundle, made);
  return made;
}

/** Whether one of these has signed it, directly or by those that the client sent along. */
function leadsTo(
  leaf: X509Certificate,
  authorities: readonly X509Certificate[],
  nowUnixMs: number,
): boolean {
  const sent = sentAlong(leaf);
  let current = leaf;
  for (let depth = 0; depth <= BETWEEN_MAX; depth++) {
    const below = current;
    if (authorities.some((one) => isValid(one, nowUnixMs) && hasSigned(one, below))) return true;
    const at = sent.findIndex((one) => one.ca && hasSigned(one, below));
    const [next] = at === -1 ? [] : sent.splice(at, 1);
    if (next === undefined) return false;
    current = next;
  }
  return false;
}

function sentAlong(leaf: X509Certificate): X509Certificate[] {
  const found: X509Certificate[] = [];
  let next = leaf.issuerCertificate;
  while (next !== undefined && found.length < BETWEEN_MAX) {
    found.push(next);
    next = next.issuerCertificate;
  }
  return found;
}

function hasSigned(authority: X509Certificate, certificate: X509Certificate): boolean {
  return certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
}

function isValid({ validFrom, validTo }: X509Certificate, nowUnixMs: number): boolean {
  return Date.parse(validFrom) <= nowUnixMs && nowUnixMs < Date.parse(validTo);
}
