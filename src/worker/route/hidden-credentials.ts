/**
 * Names of the credentials that the targets of a route do not get.
 *
 * Thread: worker. Fields are dropped with all others; see WorkerRoute.
 */
import type { CredentialPlace } from '../../filters/authentication/options.js';

/** Names of cookies and of parameters of the query, and prefixes of subprotocols. */
export interface HiddenCredentials {
  readonly cookies: ReadonlySet<string>;
  readonly parameters: ReadonlySet<string>;
  readonly subprotocols: readonly string[];
}

/** null: nothing is hidden. */
export function hiddenCredentials(places: readonly CredentialPlace[]): HiddenCredentials | null {
  if (places.length === 0) return null;
  const namesOf = (wanted: CredentialPlace['kind']): ReadonlySet<string> =>
    new Set(places.filter(({ kind }) => kind === wanted).map(({ name }) => name));
  const subprotocols = [...namesOf('subprotocol')];
  return { cookies: namesOf('cookie'), parameters: namesOf('query'), subprotocols };
}
