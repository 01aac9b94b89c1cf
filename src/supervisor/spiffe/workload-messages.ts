/**
 * Messages of the SPIFFE Workload API, read and judged.
 *
 * Thread: supervisor (on the main thread). Invariant: what comes out may be used. A message with a
 * part that may not is refused as a whole (Workload API 4.5): the last one stays.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { trustDomainFromKey, trustDomainOf } from '../../base/spiffe-id.js';
import type { TrustBundle, WorkloadSvid } from '../../channel/workload-material.js';
import { ProtoMessage } from '../../wire/protobuf/proto-reader.js';
import { readSvidLeaf, splitCertificates } from '../../wire/x509/svid-leaf.js';

/** Domains, and authorities of one of them, that are taken. */
const DOMAINS_MAX = 256;
const AUTHORITIES_MAX = 64;
const SVIDS_MAX = 64;
const CHAIN_MAX = 10;

/** The fields of X509SVIDResponse, X509SVID and X509BundlesResponse by their numbers. */
const OF_SVIDS = { svids: 1, crl: 2, federatedBundles: 3 } as const;
const OF_SVID = { id: 1, chain: 2, key: 3, bundle: 4, hint: 5 } as const;
const OF_BUNDLES = { crl: 1, bundles: 2 } as const;
const OF_ENTRY = { key: 1, value: 2 } as const;

/** A message of the agent that is not used; the text says why. */
class WorkloadMessageError extends Error {
  override readonly name = 'WorkloadMessageError';
}

export interface SvidsMessage {
  /** null: none of those that the gateway has is the one that is wanted. */
  readonly svid: WorkloadSvid | null;
  readonly bundles: readonly TrustBundle[];
  /** Lists of revoked certificates came along, which are not looked at. */
  readonly hasCrl: boolean;
}

export type BundlesMessage = Pick<SvidsMessage, 'bundles' | 'hasCrl'>;

/**
 * Reads X509SVIDResponse. `hint`: which identity is wanted; empty: the first.
 *
 * @throws WorkloadMessageError, or ProtoError where the bytes are no message.
 */
export function readSvids(bytes: Buffer, hint: string, nowUnixMs: number): SvidsMessage {
  const message = new ProtoMessage(bytes);
  const all = message.messages(OF_SVIDS.svids);
  if (all.length === 0) refuse('a message without an SVID');
  if (all.length > SVIDS_MAX) refuse(`a message with more than ${SVIDS_MAX} SVIDs`);
  const chosen = all.find((one) => hint === '' || one.text(OF_SVID.hint) === hint);
  const bundles = new Map<string, TrustBundle>();
  for (const [domain, der] of entriesOf(message, OF_SVIDS.federatedBundles)) {
    bundles.set(domain, readBundle(domain, der));
  }
  // The bundle of an identity that is not chosen belongs to its trust domain all the same.
  for (const one of all) {
    const domain = trustDomainOf(one.text(OF_SVID.id));
    bundles.set(domain, readBundle(domain, one.blobs(OF_SVID.bundle).at(-1)));
  }
  const svid = chosen === undefined ? null : readSvid(chosen, nowUnixMs);
  const hasCrl = message.has(OF_SVIDS.crl);
  return { svid, bundles: [...bundles.values()], hasCrl };
}

/** Reads X509BundlesResponse; throws as {@link readSvids}. */
export function readBundles(bytes: Buffer): BundlesMessage {
  const message = new ProtoMessage(bytes);
  const bundles = entriesOf(message, OF_BUNDLES.bundles).map(([domain, der]) =>
    readBundle(domain, der),
  );
  if (bundles.length === 0) refuse('a message without a bundle');
  return { bundles, hasCrl: message.has(OF_BUNDLES.crl) };
}

function entriesOf(message: ProtoMessage, field: number): [string, Buffer][] {
  const entries = message.messages(field);
  if (entries.length > DOMAINS_MAX) refuse(`bundles of more than ${DOMAINS_MAX} trust domains`);
  return entries.map((entry) => {
    const key = entry.text(OF_ENTRY.key);
    const domain = trustDomainFromKey(key);
    if (domain === null) refuse(`a bundle of "${shown(key)}", which is no trust domain`);
    return [domain, entry.blobs(OF_ENTRY.value).at(-1) ?? Buffer.alloc(0)];
  });
}

function readBundle(trustDomain: string, der: Buffer | undefined): TrustBundle {
  const name = `the bundle of ${shown(trustDomain)}`;
  const certificates = certificatesIn(der ?? Buffer.alloc(0), name, AUTHORITIES_MAX);
  for (const one of certificates) if (!one.ca) refuse(`${name} has one that is no authority (CA)`);
  return { trustDomain, authorities: certificates.map((one) => one.toString()) };
}

function readSvid(message: ProtoMessage, nowUnixMs: number): WorkloadSvid {
  const id = message.text(OF_SVID.id);
  const name = `the SVID "${shown(id)}"`;
  const der = message.blobs(OF_SVID.chain).at(-1) ?? Buffer.alloc(0);
  const certificates = certificatesIn(der, name, CHAIN_MAX);
  const [leaf] = certificates;
  if (leaf === undefined) refuse(`${name} has no certificate`);
  const reading = readSvidLeaf(leaf.raw);
  if ('problem' in reading) refuse(`the certificate of ${name} ${reading.problem}`);
  if (reading.id !== id) refuse(`the certificate of ${name} is for ${reading.id}`);
  const key = readKey(message.blobs(OF_SVID.key).at(-1) ?? Buffer.alloc(0), name);
  if (!leaf.checkPrivateKey(key)) refuse(`the key of ${name} does not belong to its certificate`);
  const [startsAtUnixMs, expiresAtUnixMs] = [Date.parse(leaf.validFrom), Date.parse(leaf.validTo)];
  // Written so that a date which cannot be read is refused as well.
  if (!(expiresAtUnixMs > nowUnixMs)) refuse(`${name} has expired (${leaf.validTo})`);
  return {
    ...{ id, trustDomain: trustDomainOf(id), startsAtUnixMs, expiresAtUnixMs },
    chain: certificates.map((one) => one.toString()).join(''),
    key: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

function certificatesIn(der: Buffer, name: string, countMax: number): X509Certificate[] {
  try {
    const parts = splitCertificates(der);
    if (parts.length > 0 && parts.length <= countMax) {
      return parts.map((part) => new X509Certificate(part));
    }
  } catch (error) {
    throw new WorkloadMessageError(`${name} cannot be read: ${reasonOf(error)}`);
  }
  return refuse(`${name} has no certificate, or more than ${countMax}`);
}

/** Says nothing of the key itself. */
function readKey(der: Buffer, name: string): KeyObject {
  try {
    return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  } catch {
    return refuse(`the key of ${name} is no private key (PKCS#8, not encrypted)`);
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Strangers must not fill the log. */
function shown(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 200);
}

function refuse(problem: string): never {
  throw new WorkloadMessageError(problem);
}
