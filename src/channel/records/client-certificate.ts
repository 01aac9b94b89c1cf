/**
 * The certificate of a client as the text in the connection part of REQUEST_HEAD.
 *
 * Thread: any (both ends). Written once per connection. JSON in ASCII: it holds no TAB, CR or LF.
 * base/client-certificate.ts reads it.
 */
import type { ClientCertificate } from '../../base/client-certificate.js';

/** A longer text is not taken: the certificate names too many. */
const CERTIFICATE_CHARS_MAX = 8 * 1024;

/** The text; empty: it would be too long. */
export function certificateText(certificate: ClientCertificate): string {
  const text = JSON.stringify(certificate).replaceAll(/[^ -~]/g, escapeUnit);
  return text.length > CERTIFICATE_CHARS_MAX ? '' : text;
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
