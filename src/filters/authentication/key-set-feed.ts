/**
 * Where authenticators get keys from that the main thread fetches for all workers.
 *
 * Thread: worker. worker/identity/received-key-sets.ts is the one that feeds.
 */
import type { Jwk } from '../../base/json-web-key.js';
import type { Claims } from './authenticator.js';

export interface KeySetFeed {
  /** Calls at once with what is known, and again with each new set, until the result is called. */
  subscribe(sourceId: string, listener: (keys: readonly Jwk[]) => void): () => void;
  /**
   * Asks for a newer set. Resolves when the attempt has ended, for better or worse; null when it
   * is too early for another one.
   */
  askNewer(sourceId: string): Promise<void> | null;
  /** Whether the token service has taken the token back. */
  isRevoked(claims: Claims): boolean;
}
