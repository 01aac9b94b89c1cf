/**
 * Reads the certificate of a client, once for each connection.
 *
 * Thread: acceptor.
 */
import type { X509Certificate } from 'node:crypto';
import type { ClientCertificate } from '../../base/client-certificate.js';

const KINDS = { DNS: 'dns', URI: 'uris', email: 'emails' } as const;

export function certificateFacts(certificate: X509Certificate): ClientCertificate {
  return {
    sha256: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    subject: nameText(certificate.subject),
    issuer: nameText(certificate.issuer),
    serial: certificate.serialNumber,
    expiresAt: Math.floor(Date.parse(certificate.validTo) / 1000),
    ...alternativeNames(certificate.subjectAltName ?? ''),
  };
}

/** Node has one part a line, in the order of the certificate; RFC 4514 begins with the last. */
function nameText(lines: string | undefined): string {
  return (lines ?? '').split('\n').reverse().join(',');
}

interface AlternativeNames {
  readonly dns: string[];
  readonly uris: string[];
  readonly emails: string[];
}

/**
 * Node writes `DNS:a.test, URI:"spiffe:\/\/…"`: a value that could be read in two ways stands in
 * quotes, as a JSON text.
 */
export function alternativeNames(text: string): AlternativeNames {
  const names: AlternativeNames = { dns: [], uris: [], emails: [] };
  for (const [, kind = '', value = ''] of text.matchAll(ENTRY)) {
    if (!Object.hasOwn(KINDS, kind)) continue;
    const plain = value.startsWith('"') ? unquoted(value) : value;
    if (plain !== '') names[KINDS[kind as keyof typeof KINDS]].push(plain);
  }
  return names;
}

const ENTRY = /(?:^|, )([^:,"]+):("(?:[^"\\]|\\.)*"|[^",]*)(?=, |$)/g;

function unquoted(text: string): string {
  try {
    return String(JSON.parse(text));
  } catch {
    return '';
  }
}
