/**
 * Who the gateway is for other workloads (SPIFFE), and whom it believes, as the supervisor hands it
 * over.
 *
 * Thread: any (both ends). Plain data that survives a structured clone. Each one is the whole
 * truth: what is not in it is withdrawn. Keys are in memory only.
 */

export interface WorkloadMaterial {
  /** Grows with each one. */
  readonly serial: number;
  /** null: there is none that may be used now. */
  readonly svid: WorkloadSvid | null;
  /** Why there is none; empty: there is one. A part of a sentence. */
  readonly lack: string;
  /** By trust domain, its own as well. */
  readonly bundles: readonly TrustBundle[];
}

/** The gateway's own certificate. */
export interface WorkloadSvid {
  readonly id: string;
  readonly trustDomain: string;
  /** PEM: the certificate, then those that lead to its root. */
  readonly chain: string;
  /** PEM. */
  readonly key: string;
  readonly startsAtUnixMs: number;
  readonly expiresAtUnixMs: number;
}

/** The authorities of one trust domain, which vouch for its IDs and for no others. */
export interface TrustBundle {
  readonly trustDomain: string;
  /** Each in PEM. */
  readonly authorities: readonly string[];
}

/** What threads begin with: nobody has asked an agent so far. */
export const NO_WORKLOAD: WorkloadMaterial = {
  serial: 0,
  svid: null,
  lack: 'no SPIFFE agent was asked yet',
  bundles: [],
};
