/**
 * The source of keys that the main thread fetches for all workers.
 *
 * Thread: worker. worker/identity/received-key-sets.ts implements it.
 */
import type { Jwk } from '../../base/json-web-key.js';
import type { Claims } from './authenticator.js';

export interface KeySetFeed {
  /**
   * Calls the listener at once if keys are known, and with each new set, until the returned
   * function is called.
   */
  subscribe(sourceId: string, listener: (keys: readonly Jwk[]) => void): () => void;
  /**
   * Asks for a newer set. Resolves when the attempt has ended, with or without success; null: it is
   * too early for another attempt.
   */
  askNewer(sourceId: string): Promise<void> | null;
  /** Whether the token service has revoked the token. */
  isRevoked(claims: Claims): boolean;
}
