/**
 * Whether a request has anything that an authentication service could know its caller by.
 *
 * Thread: any (pure).
 */
import type { AuthenticationRequest } from './authenticator.js';
import type { CompiledForwardAuthenticator } from './options.js';

/** Fields that the service may want to see, and that never say who calls. */
const DESCRIBING_FIELDS: ReadonlySet<string> = new Set([
  ...['accept', 'accept-charset', 'accept-encoding', 'accept-language', 'content-type', 'host'],
  ...['origin', 'referer', 'sec-fetch-dest', 'sec-fetch-mode', 'sec-fetch-site', 'sec-fetch-user'],
  ...['user-agent', 'x-requested-with'],
]);

/** Judges by the fields that the service gets. */
export function mayBeKnown(
  { requestHeaders }: CompiledForwardAuthenticator,
  { fields }: AuthenticationRequest,
): boolean {
  return requestHeaders.some(
    (name) => !DESCRIBING_FIELDS.has(name) && fields.values(name).some((value) => value !== ''),
  );
}
