/**
 * Reads where an authenticator looks for credentials.
 *
 * Thread: any (pure). Of texts that passed the schema.
 */
import type { CredentialPlace } from '../../filters/authentication/options.js';
import type { CredentialPlaceName } from '../gateway-config.js';

/** Names of fields have no case; those of cookies and parameters do, and prefixes. */
export function credentialPlace(text: CredentialPlaceName): CredentialPlace {
  const mark = text.indexOf(':');
  const kind = text.slice(0, mark);
  const name = text.slice(mark + 1);
  if (kind === 'header') return { kind, name: name.toLowerCase() };
  return { kind: kind === 'cookie' || kind === 'subprotocol' ? kind : 'query', name };
}
