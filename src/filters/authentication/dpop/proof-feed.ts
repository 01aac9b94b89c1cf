/**
 * The memory of proofs that were used, which all workers of a gateway share, and with them whatever
 * gateways share a store.
 *
 * Thread: worker. worker/identity/proof-client.ts implements it.
 */
import type { ProofMemoryPlace, ProofUse } from '../../../base/proof-use.js';

export interface ProofFeed {
  /**
   * Uses a proof up. `key` names it, and nothing about it can be read from the key; `until`, in
   * seconds since 1970, is when it would be refused for its age. Never rejects.
   */
  use(key: string, until: number, place: ProofMemoryPlace): Promise<ProofUse>;
  /** What nonces are made with, the same in all workers; null: it is not known yet. */
  readonly nonceKey: Uint8Array | null;
}

/** Where no memory is shared, no proof can be believed. */
export const NO_PROOFS: ProofFeed = { use: async () => 'unknown', nonceKey: null };
