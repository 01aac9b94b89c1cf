/**
 * How the gateway gets an identity of its own (SPIFFE), and whom it believes, with every default
 * filled in.
 *
 * Thread: any (pure). Types only; plain data, so that it can be cloned to threads.
 */

/** Where the gateway's identity comes from. */
export interface SpiffeSettings {
  /** Empty: as the environment says (`SPIFFE_ENDPOINT_SOCKET`). */
  readonly endpoint: string;
  /** Which of several identities is wanted; empty: the first. */
  readonly hint: string;
  /** Who needs it, for people: `upstream NAME`, `listener NAME`. */
  readonly users: readonly string[];
}

/** Which targets an upstream believes. */
export interface TargetSpiffe {
  /** Empty: the gateway's own. */
  readonly trustDomain: string;
  /** Exactly one of these; empty: every workload of the trust domain. */
  readonly ids: readonly string[];
}

/** Which clients a listener believes. */
export interface ListenerSpiffe {
  /** `none`: clients are not asked for certificates. */
  readonly clients: 'require' | 'request' | 'none';
  /** Empty: the gateway's own alone. */
  readonly trustDomains: readonly string[];
}
