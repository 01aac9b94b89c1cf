/**
 * Makes certificates as acceptors know them from pairs as they were configured.
 *
 * Thread: any (pure). For each name there is one pair of each kind of key, the first one that was
 * configured. Names with the same pairs share a certificate.
 */
import { createHash } from 'node:crypto';
import type { CertificatePair, TlsCertificate } from '../../channel/tls-material.js';
import type { KeyKind } from '../../config/references/server-certificate.js';

/** A pair in shared memory. */
export interface SharedServerPair extends CertificatePair {
  readonly id: string;
  readonly kind: KeyKind;
  readonly names: readonly string[];
  /** An OCSP response; null: none. */
  readonly staple: Uint8Array | null;
}

export interface UnitedCertificates {
  readonly certificates: readonly TlsCertificate[];
  /** Place of the certificate with the first pair; -1: there is none. */
  readonly first: number;
}

export function unitePairs(pairs: readonly SharedServerPair[]): UnitedCertificates {
  const byName = new Map<string, SharedServerPair[]>();
  for (const pair of pairs) {
    // A certificate without names is for those who ask for no name.
    for (const name of pair.names.length > 0 ? pair.names : ['']) addPair(byName, name, pair);
  }
  const groups = new Map<string, { names: string[]; pairs: readonly SharedServerPair[] }>();
  for (const [name, own] of byName) {
    const id = groupId(own);
    const group = groups.get(id) ?? { names: [], pairs: own };
    if (name !== '') group.names.push(name);
    groups.set(id, group);
  }
  const [firstPair] = pairs;
  const ids = [...groups.keys()];
  const firstName = firstPair?.names[0] ?? '';
  const first = firstPair === undefined ? -1 : ids.indexOf(groupId(byName.get(firstName) ?? []));
  const certificates = [...groups].map(([id, group]) => certificateOf(id, group));
  return { certificates, first };
}

function addPair(
  byName: Map<string, SharedServerPair[]>,
  name: string,
  pair: SharedServerPair,
): void {
  const known = byName.get(name) ?? [];
  byName.set(name, known);
  if (!known.some(({ kind }) => kind === pair.kind)) known.push(pair);
}

function groupId(pairs: readonly SharedServerPair[]): string {
  const [only] = pairs;
  if (pairs.length === 1 && only !== undefined) return idWithStaple(only);
  return pairs.map(({ id }) => id).join('+');
}

/** With another staple a server has to be made anew. */
function idWithStaple({ id, staple }: SharedServerPair): string {
  if (staple === null) return id;
  return `${id}.${createHash('sha256').update(staple).digest('hex')}`;
}

function certificateOf(
  id: string,
  { names, pairs }: { readonly names: string[]; readonly pairs: readonly SharedServerPair[] },
): TlsCertificate {
  const [only] = pairs;
  return {
    id,
    names,
    pairs: pairs.map(({ chain, key }) => ({ chain, key })),
    // Of two kinds OpenSSL chooses one behind the question for a staple.
    staple: pairs.length === 1 && only !== undefined ? only.staple : null,
  };
}
