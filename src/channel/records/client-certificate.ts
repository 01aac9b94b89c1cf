/**
 * What the certificate of a client says, as the text in the connection part of REQUEST_HEAD.
 *
 * Thread: any (both ends). Written once per connection, and only of a certificate that was
 * verified. JSON in ASCII: it holds no TAB, CR or LF.
 */

/** A longer text is not taken: the certificate names too many. */
export const CERTIFICATE_CHARS_MAX = 8 * 1024;

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

/** The text; empty: it would be too long. */
export function certificateText(certificate: ClientCertificate): string {
  const text = JSON.stringify(certificate).replaceAll(/[^ -~]/g, escapeUnit);
  return text.length > CERTIFICATE_CHARS_MAX ? '' : text;
}

/** null: the text is empty, the client had no certificate. */
export function readCertificate(text: string): ClientCertificate | null {
  return text === '' ? null : (JSON.parse(text) as ClientCertificate);
}

/** The name of the workload (SPIFFE): it is the only URI, or there is none. Empty: none. */
export function spiffeId({ uris }: ClientCertificate): string {
  const [first = ''] = uris;
  return uris.length === 1 && first.startsWith('spiffe://') ? first : '';
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
