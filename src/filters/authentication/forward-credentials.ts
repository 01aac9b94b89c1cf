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
  {
    requestHeaders,
    credentialCookies,
  }: Pick<CompiledForwardAuthenticator, 'requestHeaders' | 'credentialCookies'>,
  { fields }: Pick<AuthenticationRequest, 'fields'>,
): boolean {
  return requestHeaders.some((name) => {
    if (DESCRIBING_FIELDS.has(name)) return false;
    const values = fields.values(name);
    if (name === 'cookie' && credentialCookies.length > 0) {
      return values.some((value) => hasCookie(value, credentialCookies));
    }
    return values.some((value) => value !== '');
  });
}

/** A cookie without a value says nothing; one without a name is none of those. */
function hasCookie(field: string, names: readonly string[]): boolean {
  return field.split(';').some((pair) => {
    const equals = pair.indexOf('=');
    if (equals === -1 || pair.slice(equals + 1).trim() === '') return false;
    const given = pair.slice(0, equals).trim();
    return names.some((name) =>
      name.endsWith('*') ? given.startsWith(name.slice(0, -1)) : given === name,
    );
  });
}
