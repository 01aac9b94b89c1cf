/**
 * What the certificate of a client says, and how that is read from the text in which threads hand
 * it on (channel/records/client-certificate.ts).
 *
 * Thread: any (pure). Only certificates that were verified are handed on.
 */
import { spiffeIdProblem } from './spiffe-id.js';

export interface ClientCertificate {
  /** SHA-256 of the certificate in DER, lower-case hexadecimal. */
  readonly sha256: string;
  /** As RFC 4514 writes names: `CN=billing,O=Example`. */
  readonly subject: string;
  readonly issuer: string;
  /** Upper-case hexadecimal. */
  readonly serial: string;
  /** Seconds since 1970. */
  readonly expiresAt: number;
  /** Of the alternative names, by kind. */
  readonly dns: readonly string[];
  readonly uris: readonly string[];
  readonly emails: readonly string[];
}

/** null: the text is empty, the client had no certificate. */
export function readCertificate(text: string): ClientCertificate | null {
  return text === '' ? null : (JSON.parse(text) as ClientCertificate);
}

/** The name of the workload (SPIFFE): a valid one, which is the only URI. Empty: none. */
export function spiffeId({ uris }: ClientCertificate): string {
  const [first = ''] = uris;
  return uris.length === 1 && spiffeIdProblem(first) === '' ? first : '';
}

/** The form in which tokens are bound to a certificate: `x5t#S256` (RFC 8705 3.1). */
export function thumbprintOf({ sha256 }: ClientCertificate): string {
  return Buffer.from(sha256, 'hex').toString('base64url');
}
