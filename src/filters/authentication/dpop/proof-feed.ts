/**
 * The memory of proofs that were used, which all workers of a gateway share.
 *
 * Thread: worker. worker/identity/proof-client.ts implements it.
 */
import type { ProofUse } from '../../../base/proof-use.js';

export interface ProofFeed {
  /**
   * Uses a proof up. `key` names it, and nothing about it can be read from the key; `until`, in
   * seconds since 1970, is when it would be refused for its age. Never rejects.
   */
  use(key: string, until: number): Promise<ProofUse>;
}

/** Where no memory is shared, no proof can be believed. */
export const NO_PROOFS: ProofFeed = { use: async () => 'unknown' };
