/**
 * Names of the credentials that the targets of a route do not get.
 *
 * Thread: worker. Fields are dropped with all others; see WorkerRoute.
 */
import type { CredentialPlace } from '../../filters/authentication/options.js';

/** Names of cookies and of parameters of the query; prefixes of cookies' names and subprotocols. */
export interface HiddenCredentials {
  readonly cookies: ReadonlySet<string>;
  readonly cookiePrefixes: readonly string[];
  readonly parameters: ReadonlySet<string>;
  readonly subprotocols: readonly string[];
}

/** null: nothing is hidden. */
export function hiddenCredentials(places: readonly CredentialPlace[]): HiddenCredentials | null {
  if (places.length === 0) return null;
  const namesOf = (wanted: CredentialPlace['kind']): ReadonlySet<string> =>
    new Set(places.filter(({ kind }) => kind === wanted).map(({ name }) => name));
  const subprotocols = [...namesOf('subprotocol')];
  const cookies = [...namesOf('cookie')];
  const prefixes = cookies.filter((name) => name.endsWith('*'));
  return {
    cookies: new Set(cookies.filter((name) => !name.endsWith('*'))),
    cookiePrefixes: prefixes.map((name) => name.slice(0, -1)),
    parameters: namesOf('query'),
    subprotocols,
  };
}
