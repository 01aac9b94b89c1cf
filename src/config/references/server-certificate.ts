/**
 * Certificates of listeners with their private keys, as users have them: PEM files.
 *
 * Thread: supervisor or loader. Says what is wrong with a file without repeating its content.
 */
import { createHash, createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { asciiHost } from './route-match.js';

const PEM_CERTIFICATE =
  /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^-]+-----END [A-Z0-9 ]+-----/g;
const CHAIN_MAX = 10;
/** OpenSSL refuses less at the level that Node has. */
const RSA_BITS_MIN = 2048;

/** Of one name there is one certificate of each kind. */
export type KeyKind = 'ec' | 'rsa' | 'ed25519' | 'ed448' | 'rsa-pss';

/** A certificate and the key that fits. */
export interface ServerPair {
  /** SHA-256 over both, hexadecimal. */
  readonly id: string;
  /** PEM. */
  readonly chain: string;
  readonly key: string;
  readonly kind: KeyKind;
  /** ASCII, lower case. */
  readonly names: readonly string[];
  readonly startsAtUnixMs: number;
  readonly expiresAtUnixMs: number;
  /** What is odd about it and yet works: a sentence each. */
  readonly notes: readonly string[];
}

export interface PairTexts {
  readonly cert: string;
  readonly key: string;
  /** As compiled; empty: those in the certificate. */
  readonly names: readonly string[];
}

/** `part`: where the mistake is. */
export type PairReading =
  | { readonly pair: ServerPair }
  | { readonly problem: string; readonly part: 'cert' | 'key' | 'names' };

/** Reads a pair, or says why it is none. */
export function readServerPair({ cert, key, names }: PairTexts): PairReading {
  const chain = readChain(cert);
  if ('problem' in chain) return { problem: chain.problem, part: 'cert' };
  const privateKey = readPrivateKey(key);
  if ('problem' in privateKey) return { problem: privateKey.problem, part: 'key' };
  const [leaf] = chain.certificates;
  if (!leaf.checkPrivateKey(privateKey.key)) {
    const isElsewhere = chain.certificates.some((one) => one.checkPrivateKey(privateKey.key));
    const problem = isElsewhere
      ? 'the certificate of the key must stand first in the file'
      : 'the key does not belong to the certificate';
    return { problem, part: isElsewhere ? 'cert' : 'key' };
  }
  const own = namesIn(leaf);
  const missing = names.find((name) => !isCovered(name, own));
  if (missing !== undefined) {
    return { problem: `the certificate is not for ${missing}`, part: 'names' };
  }
  const text = chain.certificates.map((one) => one.toString()).join('');
  return {
    pair: {
      id: createHash('sha256').update(text).update(key).digest('hex'),
      chain: text,
      key,
      kind: privateKey.kind,
      names: names.length > 0 ? names : own,
      startsAtUnixMs: Date.parse(leaf.validFrom),
      expiresAtUnixMs: Date.parse(leaf.validTo),
      notes: notesOn(chain.certificates, own),
    },
  };
}

/** The authorities in a PEM file; or why there are none. */
export function authoritiesProblem(text: string): string | undefined {
  const chain = readCertificates(text);
  return 'problem' in chain ? chain.problem : undefined;
}

/** What is wrong with lists of revoked certificates; undefined: nothing that can be seen here. */
export function revocationsProblem(text: string): string | undefined {
  const isPem = /-----BEGIN X509 CRL-----[^-]+-----END X509 CRL-----/.test(text);
  return isPem ? undefined : 'has no list in PEM (-----BEGIN X509 CRL-----)';
}

type Certificates = readonly [X509Certificate, ...X509Certificate[]];
type Problem = { readonly problem: string };

function readChain(text: string): { readonly certificates: Certificates } | Problem {
  const read = readCertificates(text);
  if ('problem' in read || read.certificates.length <= CHAIN_MAX) return read;
  return { problem: `has more than ${CHAIN_MAX} certificates` };
}

function readCertificates(text: string): { readonly certificates: Certificates } | Problem {
  const [first, ...others] = text.match(PEM_CERTIFICATE) ?? [];
  if (first === undefined) {
    return { problem: 'has no certificate in PEM (-----BEGIN CERTIFICATE-----)' };
  }
  try {
    const rest = others.map((one) => new X509Certificate(one));
    return { certificates: [new X509Certificate(first), ...rest] };
  } catch {
    return { problem: 'has a certificate that cannot be read' };
  }
}

function readPrivateKey(
  text: string,
): { readonly key: KeyObject; readonly kind: KeyKind } | Problem {
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) {
    return { problem: 'has no private key in PEM (-----BEGIN PRIVATE KEY-----)' };
  }
  if (/ENCRYPTED/.test(text)) return { problem: 'needs a passphrase: store the key without one' };
  let key: KeyObject;
  try {
    key = createPrivateKey(text);
  } catch {
    return { problem: 'has a private key that cannot be read' };
  }
  const { asymmetricKeyType: kind, asymmetricKeyDetails: details } = key;
  const isKnown = kind === 'ec' || kind === 'rsa' || kind === 'rsa-pss';
  if (!isKnown && kind !== 'ed25519' && kind !== 'ed448') {
    return { problem: `has a key of the kind ${kind}, which TLS does not know` };
  }
  if ((details?.modulusLength ?? RSA_BITS_MIN) < RSA_BITS_MIN) {
    return { problem: `has an RSA key of less than ${RSA_BITS_MIN} bits` };
  }
  return { key, kind };
}

/** The DNS names among the alternative ones: clients look at no others. */
function namesIn(certificate: X509Certificate): string[] {
  const entries = certificate.subjectAltName?.split(', ') ?? [];
  const names = entries.filter((one) => one.startsWith('DNS:')).map((one) => one.slice(4));
  return [...new Set(names.map((name) => asciiHost(name) ?? '').filter((name) => name !== ''))];
}

function isCovered(name: string, own: readonly string[]): boolean {
  if (own.includes(name)) return true;
  const dot = name.indexOf('.');
  return !name.startsWith('*.') && dot !== -1 && own.includes(`*${name.slice(dot)}`);
}

function notesOn(chain: Certificates, names: readonly string[]): string[] {
  const notes: string[] = [];
  if (names.length === 0) notes.push('the certificate has no name of a host (subjectAltName)');
  chain.forEach((one, at) => {
    const next = chain[at + 1];
    if (next === undefined || one.checkIssued(next)) return;
    notes.push(`certificate ${at + 2} in the file has not issued certificate ${at + 1}`);
  });
  return notes;
}
